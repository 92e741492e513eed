"""The panels without a browser: buttons are pressed, and what they show is read."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from nucleus.cluster import Cluster
from nucleus.history.observations import Fault
from nucleus.notebook import FaultPanel, MetricsPanel, Playground, SubmitPanel, subshell
from nucleus.notebook.chart import chart, say
from nucleus.notebook.later import Later
from nucleus.notebook.subshell import hear_beside_cells, why_buttons_wait
from nucleus.notebook.words import describe, table
from nucleus.pictures import Sample
from tests.support import eventually, free_port, service_threads


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(workers=2, dashboard=False, executor="thread") as running:
        yield running


@pytest.fixture
def panel(cluster: Cluster) -> SubmitPanel:
    return SubmitPanel(cluster.client)


# ---- submitting -----------------------------------------------------------------------


def test_the_button_submits_and_the_table_shows_the_result(panel: SubmitPanel) -> None:
    panel.payload.value = "20"
    panel.button.click()
    eventually(lambda: "6765" in panel.table.value)
    assert "✓ completed" in panel.table.value
    assert (panel.progress.value, panel.progress.max) == (1, 1)
    assert "1 of 1 jobs" in panel.progress_text.value


def test_many_jobs_at_once_show_their_progress(panel: SubmitPanel) -> None:
    panel.job_type.value, panel.payload.value, panel.count.value = "Echo", '"hello"', 200
    panel.priority.value = 3
    assert len(panel.submit()) == 200
    eventually(lambda: "200 of 200 jobs" in panel.progress_text.value)
    assert panel.table.value.count("<tr>") == 9
    assert panel._client.job(panel.handles[0].id).priority == 3


def test_a_failure_is_told_apart_by_a_sign(panel: SubmitPanel) -> None:
    panel.job_type.value, panel.payload.value = "Flaky", '{"p": 1}'
    panel.submit()[0].cancel()
    eventually(lambda: "– cancelled" in panel.table.value or "✗ failed" in panel.table.value)


@pytest.mark.parametrize("payload", ["-1", "hello", "", "30.0"])
def test_what_is_not_allowed_is_said_and_not_submitted(panel: SubmitPanel, payload: str) -> None:
    panel.payload.value = payload
    assert panel.submit() == []
    assert "✗ payload" in panel.said.value
    assert panel.handles == []


def test_a_type_that_is_chosen_says_what_it_takes_and_offers_an_example(
    panel: SubmitPanel,
) -> None:
    panel.job_type.value = "Sleep"
    assert panel.payload.value == "0.5"
    assert "a number of seconds from 0 to 3600" in panel.allowed.value
    assert "Poison" not in panel.job_type.options


def test_what_a_type_takes_stays_to_be_read_after_a_submit(panel: SubmitPanel) -> None:
    panel.button.click()
    eventually(lambda: "Submitted: 1." in panel.said.value)
    assert "Fibonacci takes" in panel.allowed.value


def test_text_of_others_is_not_taken_for_html(panel: SubmitPanel) -> None:
    panel.job_type.value, panel.payload.value = "Echo", '"<b>bold</b>"'
    panel.submit()
    eventually(lambda: "completed" in panel.table.value)
    assert "<b>" not in panel.table.value


# ---- faults ---------------------------------------------------------------------------


def test_the_fault_panel_breaks_and_mends_the_chosen_worker() -> None:
    options: dict[str, Any] = {"monitoring": False, "dashboard": False, "executor": "thread"}
    with Cluster(workers=2, **options) as cluster:
        panel = FaultPanel(cluster)
        panel.worker.value = "worker-2"
        for action, said in (("pause", "frozen"), ("resume", "goes on"), ("crash", "crashed")):
            panel.buttons[action].click()
            eventually(lambda said=said: said in panel.said.value)  # type: ignore[misc]
        eventually(lambda: panel.worker.options == ("worker-1",))
        panel.buttons["add"].click()
        eventually(lambda: panel.worker.options == ("worker-1", "worker-3"))
        assert "alive" in panel.state.value
    eventually(lambda: "stopped" in panel.state.value)
    assert all(button.disabled for button in panel.buttons.values())


def test_a_playground_breaks_only_what_it_has_started(cluster: Cluster) -> None:
    with Playground(f"127.0.0.1:{free_port()}") as own:
        assert own.faults
        own.faults.buttons["pause"].click()
        eventually(lambda: own.faults and "worker-1 is frozen" in own.faults.said.value)
    with Playground(cluster.address, cluster.scrape_url) as guest:
        assert guest.faults is None
    assert cluster.client.submit("Echo", "still here").result(60) == "still here"


# ---- metrics --------------------------------------------------------------------------


def test_the_metrics_panel_draws_what_the_scrape_endpoint_says(cluster: Cluster) -> None:
    panel = MetricsPanel(cluster, interval=0.1)
    try:
        eventually(lambda: panel.samples and panel.samples[-1].heartbeat_age)
        cluster.kill("worker-1", "pause")
        cluster.resume("worker-1")
        eventually(lambda: "fault: freeze of worker-1" in panel.plot.value)
        eventually(lambda: "Jobs:" in panel.said.value)  # the last to be written
        assert [(fault.kind, fault.target) for fault in panel.faults] == [("freeze", "worker-1")]
        assert "heartbeat age (s)" in panel.plot.value
        assert "lost at 10 s" in panel.plot.value
        assert "worker-1" in panel.plot.value
    finally:
        panel.stop()


def test_the_metrics_panel_of_a_cluster_stops_with_it() -> None:
    with Cluster(workers=0, dashboard=False) as cluster:
        panel = MetricsPanel(cluster, interval=0.1)
        eventually(lambda: panel.samples)
    eventually(lambda: service_threads() == [] or "nucleus-sampler" not in service_threads())


def test_the_metrics_panel_takes_the_address_of_any_endpoint(cluster: Cluster) -> None:
    assert requests.get(cluster.scrape_url, timeout=60).ok
    panel = MetricsPanel(cluster.scrape_url, interval=0.1)
    eventually(lambda: panel.samples)
    panel.stop()


def samples() -> list[Sample]:
    return [
        Sample(100.0 + n, {"queued": 3.0 * n, "running": 2.0}, {"w1": n % 3, "w2": float(n)})
        for n in range(15)
    ]


def test_a_chart_has_units_a_legend_and_words() -> None:
    drawing = chart(samples(), 10.0)
    for text in ("jobs</text>", "heartbeat age (s)</text>", ">-14 s<", ">now<", ">queued<", ">w2<"):
        assert text in drawing
    assert f'aria-label="{say(samples(), 10.0)}"' in drawing
    assert say(samples(), 10.0).endswith("Silent: w2.")


def test_a_chart_shades_the_faults_and_tells_of_them() -> None:
    faults = [Fault(103.0, 108.0, "freeze", "<w2>"), Fault(110.0, None, "crash", "w1")]
    drawing = chart(samples(), 10.0, faults)
    assert drawing.count("<title>fault: freeze of &lt;w2&gt;</title>") == 2  # in each plot
    width = (640 - 52 - 150) * 5 / 14  # 5 of 14 seconds
    assert drawing.count(f'width="{width:.1f}"') == 2
    assert drawing.count(">fault</text>") == 2
    assert "Injected: 2 faults: freeze (1), crash (1)." in drawing
    assert "fault" not in chart(samples(), 10.0)


def test_a_chart_stays_inside_its_frame_from_the_first_sample_on() -> None:
    for count in (1, 2, 15):
        assert "nan" not in chart(samples()[:count], 10.0)
        assert "inf" not in chart(samples()[:count], 10.0)


# ---- in words -------------------------------------------------------------------------


def test_a_view_is_told_in_words_and_as_a_table(cluster: Cluster) -> None:
    from nucleus.notebook.feed import feed_of

    feed = feed_of(cluster.client)
    views: list[Any] = []
    feed.listen(views.append)
    eventually(lambda: views and views[-1]["link"] == "live")
    feed.leave(views.append)
    view = views[-1]
    assert "2 workers are alive" in describe(view)
    assert table(view).count("<tr>") == 3
    view["workers"][0].update(age=8.0, name="<w>")
    assert "<w> has been silent for 8 s" in describe(view)
    assert "<w>" not in table(view)
    assert "stopped" in describe({**view, "link": "closed"})


# ---- while the kernel is busy ---------------------------------------------------------


def test_a_thousand_requests_cost_a_few_calls() -> None:
    calls: list[float] = []
    later = Later(0.05, lambda: calls.append(time.monotonic()))
    for _ in range(1000):
        later.ask()
    eventually(lambda: calls)
    later.ask()
    eventually(lambda: len(calls) >= 2)
    assert len(calls) < 50


class Kernel:
    """What is asked of a kernel."""

    def __init__(self, subshells: bool) -> None:
        self._supports_kernel_subshells = subshells


def test_why_a_button_waits_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_buttons_wait() == subshell.NO_KERNEL
    monkeypatch.setattr(subshell, "_kernel", lambda: Kernel(False))
    assert why_buttons_wait() == subshell.NO_SUBSHELLS
    monkeypatch.setattr(subshell, "_kernel", lambda: Kernel(True))
    assert why_buttons_wait() == ""
    assert why_buttons_wait(in_callback=True) == subshell.NOT_USED
    beside: list[str] = []
    thread = threading.Thread(target=lambda: beside.append(why_buttons_wait(in_callback=True)))
    thread.start()
    thread.join()
    assert beside == [""]


class Comm:
    """The part of ipykernel's comm that chooses who handles a message."""

    def _reply_subshell_for(self, data: object, asked_for: str | None) -> str | None:
        return "the shell that wrote last"


class Box:
    def __init__(self, *children: "Box") -> None:
        self.comm = Comm()
        self.children = children


def test_messages_to_a_widget_and_to_its_parts_go_where_the_page_asks() -> None:
    part = Box()
    hear_beside_cells(Box(part))
    assert part.comm._reply_subshell_for({}, "subshell") == "subshell"
