"""A Prometheus for a lesson: a real one where it is installed, else the numbers themselves.

    prometheus = open_prometheus(cluster.scrape_url)
    prometheus.query('sum(rate(nucleus_jobs_finished_total[15s]))')
    prometheus.firing()
    prometheus.stop()

``Prometheus`` runs the program ``prometheus`` on a free port, scrapes once a second, and has
the two :data:`ALERTS`. ``ByHand`` has the same face: it shows the samples that a query names,
and judges the alerts itself. So a lesson need not know which of the two it has.
"""

import re
import shutil
import subprocess
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
from prometheus_client.parser import text_string_to_metric_families

from nucleus.cluster.ports import free_port
from nucleus.core.errors import NucleusError
from nucleus.notebook.staging import wait_until

INTERVAL = 1  # seconds between two scrapes, and between two looks at the alerts
START_TIMEOUT = 30.0  # seconds until it has scraped for the first time
ASK_TIMEOUT = 5.0  # seconds for one question
ALERT_TIMEOUT = 60.0  # seconds until an alert that is waited for fires
LOOK = 0.2  # seconds between two looks for it
SHOWN = 20  # series of an answer

UP = "nucleus_worker_up"
ALERTS = {"WorkerSilent": f"{UP} == 0", "MonitoringDown": 'up{job="nucleus"} == 0'}
"""Names of alerts, and the PromQL that is not empty while something is wrong."""

CONFIG = """\
global: {{scrape_interval: {interval}s, evaluation_interval: {interval}s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: nucleus
    honor_labels: true
    metrics_path: {path}
    static_configs: [{{targets: ["{target}"]}}]
"""
RULE = "      - {{alert: {name}, expr: '{expression}', for: 2s}}\n"

# The shell ends Prometheus when its own standard input does: at the latest when this process
# ends, however it ends.
TETHER = '"$@" & read -r _; kill $!; wait $!'

SELECTOR = re.compile(r"(nucleus_\w+)(\{[^}]*\})?")  # of PromQL: a metric, and labels
LABEL = re.compile(r'\w+="[^"]*"')

Series = tuple[str, float]  # name and labels, as they are written; and the value


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came of a query."""

    promql: str
    series: tuple[Series, ...]
    note: str = ""

    @property
    def total(self) -> float:
        """The values of all series, added up."""
        return sum(value for _, value in self.series)

    def __repr__(self) -> str:
        shown = self.series[:SHOWN]
        width = max((len(name) for name, _ in shown), default=0)
        lines = [f"  {name:{width}}  {_figures(value)}" for name, value in shown]
        if len(self.series) > SHOWN:
            lines.append(f"  and {len(self.series) - SHOWN} more")
        if not lines and not self.note:
            lines = ["  (nothing)"]
        return "\n".join([self.promql, *([f"  {self.note}"] if self.note else []), *lines])


class Observer(Protocol):
    """Whoever looks at the scrape endpoint for us."""

    def query(self, promql: str) -> Answer:
        """The answer to a question in PromQL, as of now."""

    def firing(self) -> list[str]:
        """The alerts that fire now, with the worker they are about."""

    def wait_for_alert(self, alert: str) -> None:
        """Wait until this alert fires, named as in :meth:`firing`; raises ``TimeoutError``."""

    def stop(self) -> None:
        """Look no more. Idempotent."""


class Prometheus:
    """The real one; use :func:`open_prometheus`."""

    def __init__(self, program: str, scrape_url: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        folder = tempfile.TemporaryDirectory(prefix="nucleus-prometheus-")
        options = _configure(Path(folder.name), scrape_url, self.url)
        with open(Path(folder.name, "log"), "wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", TETHER, "sh", program, *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._end = weakref.finalize(self, _end, process, folder)
        try:
            wait_until(lambda: self.query("up").series, START_TIMEOUT)
        except TimeoutError:
            said = Path(folder.name, "log").read_text(errors="replace").strip()
            self.stop()
            raise NucleusError(f"Prometheus did not start: {said[-200:]}") from None

    def __repr__(self) -> str:
        return f"<Prometheus {self.url}, scrapes every {INTERVAL} s>"

    def query(self, promql: str) -> Answer:
        """The answer to a question in PromQL, as of now; its note is the error, if there is one."""
        try:
            answer = self._ask("query", query=promql)
        except requests.RequestException as error:
            return Answer(promql, (), str(error))
        if answer["status"] != "success":
            return Answer(promql, (), answer["error"])
        return Answer(promql, _series_of(answer["data"]))

    def firing(self) -> list[str]:
        """The alerts that fire now, with the worker they are about."""
        alerts = self._ask("alerts")["data"]["alerts"]
        return sorted(
            _alert(alert["labels"]["alertname"], alert["labels"].get("worker", ""))
            for alert in alerts
            if alert["state"] == "firing"
        )

    def wait_for_alert(self, alert: str) -> None:
        """Wait until this alert fires, named as in :meth:`firing`; raises ``TimeoutError``."""
        _await(self, alert)

    def stop(self) -> None:
        """End it, and forget what it stored. Idempotent."""
        self._end()

    def _ask(self, what: str, **parameters: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # a neighbour: no proxy stands between
            url = f"{self.url}/api/v1/{what}"
            return session.get(url, params=parameters, timeout=ASK_TIMEOUT).json()


class ByHand:
    """Reads the scrape endpoint itself; use :func:`open_prometheus`."""

    def __init__(self, scrape_url: str) -> None:
        self._url = scrape_url

    def __repr__(self) -> str:
        return "<no Prometheus here: the samples are shown instead (apt-get install prometheus)>"

    def query(self, promql: str) -> Answer:
        """The samples that a question names, as the endpoint shows them now."""
        try:
            samples = samples_of(self._scrape())
        except requests.RequestException:
            return Answer(promql, (), "the scrape endpoint does not answer")
        series = tuple(one for one in samples if _names(promql, one[0]))
        return Answer(promql, series, "(not computed here; the samples that it is made of:)")

    def firing(self) -> list[str]:
        """What the alerts would say, without any history."""
        try:
            text = self._scrape()
        except requests.RequestException:
            return ["MonitoringDown"]
        return sorted(_alert("WorkerSilent", worker) for worker in silent_workers(text))

    def wait_for_alert(self, alert: str) -> None:
        """Wait until this alert fires, named as in :meth:`firing`; raises ``TimeoutError``."""
        _await(self, alert)

    def stop(self) -> None:
        """There is nothing to stop."""

    def _scrape(self) -> str:
        return read_metrics(self._url)


def open_prometheus(scrape_url: str) -> Observer:
    """Start a Prometheus for ``scrape_url``, or where none is installed look ourselves."""
    program = shutil.which("prometheus")
    return Prometheus(program, scrape_url) if program else ByHand(scrape_url)


# ---- the text that is scraped ---------------------------------------------------------


def read_metrics(scrape_url: str) -> str:
    """The whole text of a scrape endpoint. Raises ``requests.RequestException``."""
    with requests.Session() as session:
        session.trust_env = False  # a neighbour: no proxy stands between
        return session.get(scrape_url, timeout=ASK_TIMEOUT).text


def push_metrics(push_url: str, job: str, text: str) -> str:
    """Push ``text`` to Monitoring under the name of a job; return its answer in words."""
    with requests.Session() as session:
        session.trust_env = False  # a neighbour: no proxy stands between
        answer = session.put(f"{push_url}/metrics/job/{job}", data=text, timeout=ASK_TIMEOUT)
    return "taken" if answer.ok else f"refused ({answer.status_code}): {answer.text.strip()}"


def lines_about(text: str, *names: str) -> str:
    """The lines of the scraped ``text`` that are about these metrics, with what explains them."""
    named = "|".join(map(re.escape, names))
    wanted = re.compile(rf"(# (HELP|TYPE) )?({named})(_bucket|_count|_sum)?[ {{]")
    about = [line for line in text.splitlines() if wanted.match(line)]
    return "\n".join(about) or f"nothing about {', '.join(names)}"


def value_of(text: str, name: str, **labels: str) -> float:
    """The value of a metric in the scraped ``text``, added up over all that have these labels.

    Raises ``ValueError`` when there is none.
    """
    values = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    if not values:
        raise ValueError(f"{name}: nobody has told of it, or not with these labels: {labels}")
    return sum(values)


def samples_of(text: str) -> list[Series]:
    """Every sample of the scraped ``text``."""
    return [
        (_written(sample.name, sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def silent_workers(text: str) -> list[str]:
    """The workers of the scraped ``text`` whose pushes have stopped."""
    return [
        sample.labels["worker"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == UP and sample.value == 0
    ]


def _written(name: str, labels: dict[str, str]) -> str:
    said = ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{said}}}" if said or not name else name


def _names(promql: str, sample: str) -> bool:
    """Whether a question is about the metric of ``sample``, with labels that it has."""
    return any(
        sample.split("{")[0] == name and all(label in sample for label in LABEL.findall(labels))
        for name, labels in SELECTOR.findall(promql)
    )


def _figures(value: float) -> str:
    """A number that is never written with a power of ten when it is large."""
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


# ---- the program ----------------------------------------------------------------------


def _configure(folder: Path, scrape_url: str, url: str) -> list[str]:
    """Write the configuration into ``folder``; return the options of the program."""
    target, _, path = scrape_url.removeprefix("http://").partition("/")
    config = CONFIG.format(interval=INTERVAL, path=f"/{path}", target=target)
    Path(folder, "prometheus.yml").write_text(config)
    rules = (RULE.format(name=name, expression=said) for name, said in ALERTS.items())
    Path(folder, "rules.yml").write_text(f"groups:\n  - name: lesson\n    rules:\n{''.join(rules)}")
    return [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]


def _end(process: "subprocess.Popen[bytes]", folder: "tempfile.TemporaryDirectory[str]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
    folder.cleanup()


def _series_of(data: dict[str, Any]) -> tuple[Series, ...]:
    """The series of an answer: it has one value each, or is a single number."""
    if data["resultType"] == "scalar":
        return (("", float(data["result"][1])),)
    return tuple(sorted(map(_one_series, data["result"])))


def _one_series(series: dict[str, Any]) -> Series:
    labels = dict(series["metric"])
    return _written(labels.pop("__name__", ""), labels), float(series["value"][1])


def _alert(name: str, worker: str) -> str:
    return f"{name}: {worker}" if worker else name


def _await(observer: Observer, alert: str) -> None:
    deadline = time.monotonic() + ALERT_TIMEOUT
    while alert not in observer.firing():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{alert} did not fire within {ALERT_TIMEOUT:g} s")
        time.sleep(LOOK)
