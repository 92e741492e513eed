"""A Prometheus for a lesson, and what is shown where there is none."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from nucleus.notebook.prometheus import (
    SHOWN,
    Answer,
    ByHand,
    Prometheus,
    lines_about,
    push_metrics,
    read_metrics,
    samples_of,
    silent_workers,
    value_of,
)
from nucleus.services.monitoring import Monitoring
from tests.support import eventually, require

PAGE = """\
# HELP nucleus_jobs Jobs by status.
# TYPE nucleus_jobs gauge
nucleus_jobs{status="queued"} 4.0
nucleus_jobs{status="running"} 2.0
# HELP nucleus_jobs_submitted_total Jobs taken in.
# TYPE nucleus_jobs_submitted_total counter
nucleus_jobs_submitted_total 6.0
# HELP nucleus_worker_up Whether it was heard.
# TYPE nucleus_worker_up gauge
nucleus_worker_up{worker="worker-1"} 1.0
nucleus_worker_up{worker="worker-2"} 0.0
"""


@pytest.fixture
def monitoring() -> Iterator[Monitoring]:
    service = Monitoring(push_port=0, scrape_port=0)
    service.start()
    yield service
    service.stop()


def urls(monitoring: Monitoring) -> tuple[str, str]:
    push, scrape = monitoring.push_port, monitoring.scrape_port
    return f"http://127.0.0.1:{push}", f"http://127.0.0.1:{scrape}/metrics"


def test_lines_are_about_one_metric_and_not_about_those_that_begin_like_it() -> None:
    lines = lines_about(PAGE, "nucleus_jobs").splitlines()
    assert len(lines) == 4
    assert not any("submitted" in line for line in lines)
    assert lines_about(PAGE, "coffee") == "nothing about coffee"


def test_values_are_added_up_over_what_has_the_labels() -> None:
    assert value_of(PAGE, "nucleus_jobs") == 6
    assert value_of(PAGE, "nucleus_jobs", status="queued") == 4
    with pytest.raises(ValueError, match="nobody has told of it"):
        value_of(PAGE, "nucleus_jobs", status="lost")


def test_an_answer_shows_its_series_and_adds_them_up() -> None:
    answer = Answer("coffee", tuple((f'{{cup="{cup}"}}', 2.0) for cup in range(SHOWN + 1)))
    assert answer.total == 2 * (SHOWN + 1)
    shown = repr(answer).splitlines()
    assert shown[:2] == ["coffee", '  {cup="0"}   2']
    assert len(shown) == SHOWN + 2
    assert shown[-1].strip() == "and 1 more"
    assert repr(Answer("tea", ())).splitlines() == ["tea", "  (nothing)"]
    assert repr(Answer("time", (("now", 1_795_533_550.0),))).endswith("1,795,533,550")


def test_samples_are_named_as_they_are_written() -> None:
    assert samples_of(PAGE)[0] == ('nucleus_jobs{status="queued"}', 4.0)
    assert silent_workers(PAGE) == ["worker-2"]


def test_a_push_is_taken_or_the_answer_says_which_line_is_wrong(monitoring: Monitoring) -> None:
    push, scrape = urls(monitoring)
    assert push_metrics(push, "kitchen", "coffee_cups_total 3\n") == "taken"
    assert "line 1" in push_metrics(push, "kitchen", "coffee_cups_total many\n")
    assert value_of(read_metrics(scrape), "coffee_cups_total") == 3


def test_without_a_prometheus_a_question_shows_the_samples_it_is_about(
    monitoring: Monitoring,
) -> None:
    push, scrape = urls(monitoring)
    push_metrics(push, "nucleus_worker/instance/w1", 'nucleus_worker_slots{worker="w1"} 2\n')
    by_hand = ByHand(scrape)
    answer = by_hand.query("sum(nucleus_worker_slots)")
    assert answer.total == 2.0
    assert by_hand.query('nucleus_worker_slots{worker="w1"}').total == 2.0
    assert by_hand.query('nucleus_worker_slots{worker="w2"}').series == ()
    assert by_hand.query("sum(nucleus_jobs)").series == ()
    assert "not computed here" in repr(answer)
    assert by_hand.firing() == []
    monitoring.stop()
    by_hand.wait_for_alert("MonitoringDown")
    assert by_hand.firing() == ["MonitoringDown"]
    assert "does not answer" in by_hand.query("up").note


def test_a_real_prometheus_answers_fires_and_leaves_nothing_behind(
    monitoring: Monitoring,
) -> None:
    push, scrape = urls(monitoring)
    push_metrics(push, "kitchen", "coffee_cups_total 3\n")
    prometheus = Prometheus(require("prometheus", "prometheus"), scrape)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    try:
        answer = prometheus.query("sum(coffee_cups_total) * 2")
        assert [value for _, value in answer.series] == [6.0]
        assert "parse error" in prometheus.query("sum(").note
        assert prometheus.firing() == []
        monitoring.stop()
        prometheus.wait_for_alert("MonitoringDown")
        assert prometheus.firing() == ["MonitoringDown"]
    finally:
        prometheus.stop()
        prometheus.stop()
    assert not any(psutil.pid_exists(pid) and is_prometheus(pid) for pid in before)


def is_prometheus(pid: int) -> bool:
    return "prometheus" in psutil.Process(pid).name()


STARTS_ONE = """
import sys
from nucleus.notebook.prometheus import Prometheus
prometheus = Prometheus(*sys.argv[1:])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_prometheus_ends_with_the_process_that_started_it(monitoring: Monitoring) -> None:
    _, scrape = urls(monitoring)
    program = require("prometheus", "prometheus")
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, program, scrape],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
        children = psutil.Process(kernel.pid).children(recursive=True)
        assert any("prometheus" in child.name() for child in children)
        os.kill(kernel.pid, signal.SIGKILL)
        eventually(lambda: not any(child.is_running() for child in children))
