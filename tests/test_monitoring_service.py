"""Monitoring for real: stock clients push, a real Prometheus scrapes, promtool judges."""

import gzip
import subprocess
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)

from nucleus.core.errors import PortTaken
from nucleus.services.monitoring import Monitoring
from tests.support import eventually, living_threads, require, running_prometheus


class Bench:
    """A running Monitoring and the clock it reads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.monitoring = Monitoring(push_port=0, scrape_port=0, now=lambda: self.now)

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.monitoring.push_port}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.monitoring.scrape_port}"

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method, f"{self.gateway}/metrics/{path}", data=body, headers=named, timeout=60
        )

    def scrape(self) -> str:
        answer = requests.get(f"http://{self.target}/metrics", timeout=60)
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.text


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = living_threads()
    bench = Bench()
    bench.monitoring.start()
    yield bench
    bench.monitoring.stop()
    assert living_threads() == before


def registry(value: float = 1.0) -> CollectorRegistry:
    """One family of each kind."""
    registry = CollectorRegistry()
    Gauge("queue_length", "Jobs waiting.", registry=registry).set(value)
    Counter("jobs", "Jobs seen.", ["kind"], registry=registry).labels("a/b").inc()
    Histogram("run_seconds", "Time of a run.", registry=registry).observe(0.3)
    Summary("wait_seconds", "Time waiting.", registry=registry).observe(0.3)
    Info("build", "What runs.", registry=registry).info({"version": "1"})
    Enum("mode", "Its mode.", states=["on", "off"], registry=registry).state("off")
    return registry


def test_push_to_gateway_pushadd_and_delete_work(bench: Bench) -> None:
    key = {"instance": "a/b", "empty": ""}
    push_to_gateway(bench.gateway, job="batch", registry=registry(), grouping_key=key)
    assert 'queue_length{empty="",instance="a/b",job="batch"} 1.0' in bench.scrape()
    assert 'jobs_total{empty="",instance="a/b",job="batch",kind="a/b"} 1.0' in bench.scrape()
    for kind in ("jobs_total counter", "jobs_created gauge", "build_info gauge", "mode gauge"):
        assert f"# TYPE {kind}\n" in bench.scrape()

    more = CollectorRegistry()
    Gauge("queue_length", "Jobs waiting.", registry=more).set(2)
    pushadd_to_gateway(bench.gateway, job="batch", registry=more, grouping_key=key)
    assert 'queue_length{empty="",instance="a/b",job="batch"} 2.0' in bench.scrape()
    assert "run_seconds_bucket" in bench.scrape()

    push_to_gateway(bench.gateway, job="batch", registry=more, grouping_key=key)
    assert "run_seconds_bucket" not in bench.scrape()

    delete_from_gateway(bench.gateway, job="batch", grouping_key=key)
    assert bench.scrape() == ""


def test_curl_works_as_the_pushgateway_manual_says(bench: Bench) -> None:
    body = '# TYPE some_metric counter\nsome_metric{label="val1"} 42\n'
    address = f"{bench.gateway}/metrics/job/some_job/instance/some_instance"
    command = [require("curl", package="curl"), "-sS", "--noproxy", "*", "-w", "%{http_code}"]
    for arguments, code in [(["--data-binary", "@-"], "200"), (["-X", "DELETE"], "202")]:
        done = subprocess.run(
            [*command, *arguments, address], input=body, capture_output=True, text=True, timeout=60
        )
        assert (done.stdout, done.stderr) == (code, "")


def test_promtool_finds_nothing_in_what_several_groups_pushed(bench: Bench) -> None:
    for name in ("one", "two"):
        push_to_gateway(
            bench.gateway,
            job="nucleus_worker",
            registry=registry(),
            grouping_key={"instance": name},
        )
    promtool = require("promtool", package="prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=bench.scrape(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_real_prometheus_answers_for_what_was_pushed_and_for_a_silent_worker() -> None:
    bench = Bench()
    bench.monitoring.start()
    try:
        bench.send("PUT", "job/nucleus_worker/instance/w1", b"# TYPE depth gauge\ndepth 7\n")
        with running_prometheus([bench.target]) as prometheus:
            labels = {"__name__": "depth", "job": "nucleus_worker", "instance": "w1"}
            eventually(lambda: prometheus.query("depth") == [(labels, 7.0)])
            [(up, value)] = prometheus.query("nucleus_worker_up")
            assert (up["worker"], value) == ("w1", 1.0)
            bench.now += 11
            eventually(lambda: prometheus.query("nucleus_worker_up == 0"))
            assert prometheus.query("time() - nucleus_worker_last_heartbeat_timestamp_seconds")
    finally:
        bench.monitoring.stop()


def test_a_silent_group_is_gone_from_the_scrape_after_5_minutes(bench: Bench) -> None:
    bench.send("PUT", "job/a", b"x 1\n")
    bench.now += 300
    assert "x{" in bench.scrape()
    bench.now += 1
    assert bench.scrape() == ""


def test_success_is_200_for_a_push_and_202_for_a_delete(bench: Bench) -> None:
    assert bench.send("PUT", "job/a", b"x 1\n").status_code == 200
    assert bench.send("POST", "job/a", b"y 1\n").status_code == 200
    assert bench.send("PUT", "job/a").status_code == 200
    assert bench.send("DELETE", "job/a").status_code == 202
    assert bench.send("DELETE", "job/unknown").status_code == 202


def test_a_gzipped_push_is_unpacked(bench: Bench) -> None:
    packed = gzip.compress(b"x 1\n")
    assert bench.send("PUT", "job/a", packed, Content_Encoding="gzip").status_code == 200
    assert 'x{instance="",job="a"} 1.0' in bench.scrape()


def test_chunked_transfer_is_understood(bench: Bench) -> None:
    answer = requests.put(f"{bench.gateway}/metrics/job/a", data=iter([b"x ", b"1\n"]), timeout=60)
    assert answer.status_code == 200
    assert 'x{instance="",job="a"} 1.0' in bench.scrape()


BAD_PUSHES = {
    "not text format": ("job/a", b"x 1\n{}\n", {}, 400, "line 2: '{}': not the text format"),
    "json": ("job/a", b'{"x": 1}\n', {}, 400, "line 1: '{\"x\": 1}': Invalid labels"),
    "not utf-8": ("job/a", b"ok 1\nx 1\n# \xff\n", {}, 400, "line 3: not UTF-8"),
    "utf-16": ("job/a", "x 1\n".encode("utf-16"), {}, 400, "line 1: not UTF-8"),
    "a timestamp": ("job/a", b"x 1 1700000000000\n", {}, 400, "line 1: x has a timestamp"),
    "a type conflict": ("job/a", b"# TYPE held gauge\nheld 1\n", {}, 400, "line 2: held has TYPE"),
    "duplicates": ("job/a", b"x 1\nx 1\n", {}, 400, "line 2: duplicate sample x"),
    "a stamp": ("job/a", b"nucleus_worker_up 1\n", {}, 400, "line 1: nucleus_worker_up is made by"),
    "a bad label": ("job/a", b'x{a-b="1"} 1\n', {}, 400, "line 1: 'x{a-b="),
    "a bad label in the path": ("job/a/1b/c", b"x 1\n", {}, 400, "invalid label name '1b'"),
    "an odd path": ("job/a/instance", b"x 1\n", {}, 400, "expected /metrics/job/<job>"),
    "no job": ("instance/i", b"x 1\n", {}, 400, "expected /metrics/job/<job>"),
    "a path that is not utf-8": ("job/%FF", b"x 1\n", {}, 400, "the path is not UTF-8"),
    "no gzip": ("job/a", b"x 1\n", {"Content_Encoding": "gzip"}, 400, "the body is not gzip"),
    "half a gzip": (
        "job/a",
        gzip.compress(b"x 1\n")[:-9],
        {"Content_Encoding": "gzip"},
        400,
        "the body is not gzip",
    ),
    "unknown coding": ("job/a", b"x 1\n", {"Content_Encoding": "br"}, 415, "'br' is not known"),
    "protobuf": (
        "job/a",
        b"",
        {"Content_Type": "application/vnd.google.protobuf; encoding=delimited"},
        415,
        "push the text format",
    ),
    "too large": ("job/a", b"# comment\n" * 210_000, {}, 413, "more than 2097152 bytes"),
    "too large unpacked": (
        "job/a",
        gzip.compress(b"# comment\n" * 210_000),
        {"Content_Encoding": "gzip"},
        413,
        "more than 2097152 bytes",
    ),
}


@pytest.mark.parametrize("case", BAD_PUSHES)
def test_a_bad_push_is_refused_with_the_reason_and_changes_nothing(bench: Bench, case: str) -> None:
    path, body, headers, code, reason = BAD_PUSHES[case]
    bench.send("PUT", "job/first", b"# TYPE held summary\nheld_sum 1\n")
    before = bench.scrape()
    bench.now += 1
    for method in ("PUT", "POST"):
        answer = bench.send(method, path, body, **headers)
        assert (answer.status_code, answer.json()["success"]) == (code, False)
        assert reason in answer.json()["error"]
    assert bench.scrape() == before


def test_other_methods_are_refused_with_the_allowed_ones(bench: Bench) -> None:
    answer = bench.send("GET", "job/a")
    assert answer.status_code == 405
    assert {"PUT", "POST", "DELETE"} <= set(answer.headers["Allow"].split(", "))


def test_both_ports_answer_health_checks(bench: Bench) -> None:
    addresses = [f"{bench.gateway}{path}" for path in ("/-/healthy", "/-/ready", "/healthz")]
    for address in [*addresses, f"http://{bench.target}/healthz"]:
        assert requests.get(address, timeout=60).status_code == 200


def test_a_second_monitoring_on_either_port_is_refused_and_frees_what_it_took(
    bench: Bench,
) -> None:
    before = living_threads()
    taken = bench.monitoring
    with pytest.raises(PortTaken, match="--push-port"):
        Monitoring(push_port=taken.push_port, scrape_port=0).start()
    second = Monitoring(push_port=0, scrape_port=taken.scrape_port)
    with pytest.raises(PortTaken, match=f"port {taken.scrape_port} on .* --scrape-port"):
        second.start()
    assert living_threads() == before


def test_the_ready_line_names_both_addresses(bench: Bench) -> None:
    line = bench.monitoring.ready_line()
    assert bench.gateway in line and f"http://{bench.target}/metrics" in line
    assert "\n" not in line
