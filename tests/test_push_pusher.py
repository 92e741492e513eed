"""The pusher of the parts against a real Monitoring, a missing one and a hanging one."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge

from nucleus.services.common.push import MetricsPusher
from nucleus.services.monitoring import Monitoring
from tests.support import eventually, free_port, living_threads

LONG = 60.0  # an interval that no test outlives
SHORT = 0.02


@pytest.fixture
def monitoring() -> Iterator[Monitoring]:
    before = living_threads()
    monitoring = Monitoring(push_port=0, scrape_port=0)
    monitoring.start()
    yield monitoring
    monitoring.stop()
    assert living_threads() == before


def address(monitoring: Monitoring) -> str:
    return f"http://127.0.0.1:{monitoring.push_port}"


def scrape(monitoring: Monitoring) -> str:
    return requests.get(f"http://127.0.0.1:{monitoring.scrape_port}/metrics", timeout=60).text


class Source:
    """Counts how often it was rendered, and by which thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.thread = ""
        self.broken = False

    def __call__(self) -> bytes:
        self.calls += 1
        self.thread = threading.current_thread().name
        if self.broken:
            raise RuntimeError("no metrics today")
        return f"# TYPE calls gauge\ncalls {self.calls}\n".encode()


def test_it_pushes_at_once_and_deletes_on_a_clean_stop(monitoring: Monitoring) -> None:
    pusher = MetricsPusher(address(monitoring), "nucleus_worker", "w1", Source(), LONG)
    pusher.start()
    eventually(lambda: 'calls{instance="w1",job="nucleus_worker"} 1.0' in scrape(monitoring))
    assert 'nucleus_worker_up{worker="w1"} 1.0' in scrape(monitoring)
    started = time.monotonic()
    pusher.stop()
    pusher.stop()
    assert time.monotonic() - started < LONG / 10
    assert scrape(monitoring) == ""


def test_a_crash_leaves_the_group_behind(monitoring: Monitoring) -> None:
    pusher = MetricsPusher(address(monitoring), "nucleus_worker", "w1", Source(), LONG)
    pusher.start()
    eventually(lambda: "calls{" in scrape(monitoring))
    pusher.stop(delete=False)
    pusher.stop(delete=True)  # too late: the first call decides
    assert "calls{" in scrape(monitoring)


def test_it_pushes_every_interval_from_its_own_thread(monitoring: Monitoring) -> None:
    source = Source()
    pusher = MetricsPusher(address(monitoring), "j", "i", source, SHORT)
    pusher.start()
    eventually(lambda: source.calls > 3)
    pusher.stop()
    assert source.thread == "push-i"


def test_a_registry_can_be_the_source(monitoring: Monitoring) -> None:
    registry = CollectorRegistry()
    Gauge("depth", "Jobs waiting.", registry=registry).set(3)
    pusher = MetricsPusher(address(monitoring), "j", "i", registry, LONG)
    pusher.start()
    eventually(lambda: 'depth{instance="i",job="j"} 3.0' in scrape(monitoring))
    pusher.stop()


@pytest.mark.parametrize("name", ["a/b", "", "ü ?#%&", "..", "w-1.example_~", "=", "+"])
def test_any_instance_name_arrives_as_it_is(monitoring: Monitoring, name: str) -> None:
    pusher = MetricsPusher(address(monitoring) + "/", "job/1", name, Source(), LONG)
    pusher.start()
    eventually(lambda: f'calls{{instance="{name}",job="job/1"}} 1.0' in scrape(monitoring))
    pusher.stop()
    assert scrape(monitoring) == ""


def test_a_paused_part_pushes_nothing_until_it_resumes(monitoring: Monitoring) -> None:
    source = Source()
    pusher = MetricsPusher(address(monitoring), "j", "i", source, SHORT)
    pusher.pause()
    pusher.start()
    other = Source()
    witness = MetricsPusher(address(monitoring), "j", "witness", other, SHORT)
    witness.start()
    eventually(lambda: other.calls > 5)
    assert source.calls == 0
    pusher.resume()
    eventually(lambda: source.calls > 1)
    pusher.pause()
    pusher.stop()
    witness.stop()


def test_a_missing_monitoring_is_logged_once_and_its_return_once(
    monitoring: Monitoring, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nucleus.push")
    source = Source()
    monitoring.stop()
    pusher = MetricsPusher(address(monitoring), "j", "i", source, SHORT)
    pusher.start()
    eventually(lambda: source.calls > 5)
    monitoring.start()
    eventually(lambda: "calls{" in scrape(monitoring))
    eventually(lambda: len(caplog.records) == 2)
    seen = source.calls
    eventually(lambda: source.calls > seen + 3)
    pusher.stop()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "cannot push metrics" in caplog.messages[0] and "\n" not in caplog.messages[0]


def test_a_refusal_and_a_broken_source_do_not_end_the_thread(
    monitoring: Monitoring, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source()
    source.broken = True
    pusher = MetricsPusher(address(monitoring), "j", "i", source, SHORT)
    pusher.start()
    eventually(lambda: source.calls > 2)
    assert ["no metrics today" in message for message in caplog.messages] == [True]
    source.broken = False
    eventually(lambda: "calls{" in scrape(monitoring))
    pusher.stop()

    bad = MetricsPusher(address(monitoring), "j", "i", lambda: b"garbage\n", SHORT)
    bad.start()
    eventually(lambda: "line 1: 'garbage'" in caplog.text)
    bad.stop()


def test_stop_is_at_once_when_nobody_listens() -> None:
    pusher = MetricsPusher(f"http://127.0.0.1:{free_port()}", "j", "i", Source(), LONG)
    pusher.start()
    started = time.monotonic()
    pusher.stop()
    assert time.monotonic() - started < LONG / 10


def test_a_hanging_monitoring_delays_stop_by_the_timeouts_at_most() -> None:
    before = living_threads()
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # accepts and never answers
        pusher = MetricsPusher(
            f"http://127.0.0.1:{hanging.getsockname()[1]}", "j", "i", Source(), LONG
        )
        pusher.start()
        with hanging.accept()[0] as connection:
            connection.recv(1)
            started = time.monotonic()
            pusher.stop()
            assert time.monotonic() - started < LONG / 10
            assert living_threads() == before


def test_an_empty_name_is_written_as_the_pushgateway_asks() -> None:
    pusher = MetricsPusher("http://monitoring:8000", "j", "", Source())
    assert pusher.url == "http://monitoring:8000/metrics/job/j/instance@base64/="


def test_stop_before_start_is_fine() -> None:
    MetricsPusher("http://127.0.0.1:1", "j", "i", Source()).stop()
