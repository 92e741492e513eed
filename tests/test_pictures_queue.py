"""Queue depth, throughput and latency over time."""

from typing import Any

import pytest
from matplotlib.axes import Axes

from nucleus.pictures import latencies, queue_and_throughput
from nucleus.pictures.latency import times_of
from nucleus.pictures.queue import flow_of, window_for
from nucleus.pictures.time_axis import TimeAxis
from tests.pictures_support import Story, a_crash, artist


def steps(axes: Axes, label: str) -> list[tuple[float, float]]:
    """The corners of a line of steps, where it changes."""
    line: Any = artist(axes, label)
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


def test_the_depth_counts_who_waits_and_who_is_with_a_worker() -> None:
    above, _ = queue_and_throughput(a_crash()).axes
    assert steps(above, "queued") == [
        (0, 0),
        (1, 4),
        (2, 1),
        (7, 0),
        (15, 2),
        (16, 1),
        (22, 0),
        (25, 0),
        (27.5, 0),
    ]
    running = dict(steps(above, "with a worker"))
    assert (running[2], running[7], running[15], running[25]) == (3, 3, 1, 0)
    assert above.get_ylabel() == "jobs"


def test_jobs_that_the_recording_saw_only_half_of_are_not_counted() -> None:
    story = Story()
    story.submit(0)
    story.lease(1, "story-0000009999", "worker-1")
    history = story.end()
    flow = flow_of(history, TimeAxis.of(history))
    assert (flow.queued[-1], flow.running[-1]) == (1, 0)


def test_throughput_is_counted_in_windows_that_the_title_names() -> None:
    _, below = queue_and_throughput(a_crash()).axes
    assert below.get_title(loc="left") == "Throughput, counted every 0.5 s"
    rates, edges, _ = artist(below, "submitted").get_data()
    assert rates.max() * (edges[1] - edges[0]) == pytest.approx(4)
    assert edges[rates.argmax()] == 1.0
    assert below.get_ylabel() == "jobs per second"
    assert below.get_xlabel() == "time (s)"


@pytest.mark.parametrize(
    ("seconds", "window"), [(5, 0.1), (60, 1), (100, 1), (600, 10), (1e6, 3600)]
)
def test_a_longer_run_is_counted_in_longer_windows(seconds: float, window: float) -> None:
    assert window_for(seconds) == window


def test_the_words_say_how_deep_the_queue_was_and_how_fast_it_moved() -> None:
    words = queue_and_throughput(a_crash()).words
    assert "4 jobs came in; 2 completed, 1 failed, 1 cancelled." in words
    assert "deepest at 1.0 s, with 4 jobs waiting" in words


def test_latency_is_split_into_waiting_and_running() -> None:
    history = a_crash()
    took = times_of(history, TimeAxis.of(history))
    assert [(t.ended, t.total, t.wait, t.run) for t in took] == [(7, 6, 1, 5), (22, 21, 15, 6)]


def fast_jobs() -> Story:
    story = Story()
    for number in range(20):
        job = story.submit(number)
        story.lease(number + 0.01, job, "worker-1")
        story.complete(number + 0.05 + number / 1000, job, 0.03)
    return story


def test_durations_are_logarithmic_in_the_unit_that_suits_them() -> None:
    above, below = latencies(a_crash()).axes
    assert (above.get_xlabel(), below.get_ylabel()) == ("duration (s)", "submit to result (s)")
    above, below = latencies(fast_jobs().end()).axes
    assert (above.get_xlabel(), below.get_ylabel()) == ("duration (ms)", "submit to result (ms)")
    assert (above.get_xscale(), below.get_yscale()) == ("log", "log")


def test_the_share_of_jobs_rises_to_all_of_them_at_the_slowest() -> None:
    above, below = latencies(fast_jobs().end()).axes
    line = steps(above, "submit to result")
    assert line[-1] == pytest.approx((69, 100))
    assert line[9][1] == 50
    assert above.get_ylabel() == "jobs (%)"
    assert [point[1] for point in steps(above, "run")][-1] == 100
    dots: Any = below.collections[0]
    assert len(dots.get_offsets()) == 20


def test_what_took_no_time_is_still_on_the_logarithmic_axis() -> None:
    story = Story()
    job = story.submit(1)
    story.lease(1, job, "worker-1")
    story.complete(1, job, 0.0)
    above, _ = latencies(story.end()).axes
    assert steps(above, "run")[0][0] == pytest.approx(0.1)  # ms


def test_the_words_give_the_percentiles() -> None:
    words = latencies(fast_jobs().end()).words
    assert "20 jobs completed." in words
    assert "From submit to result: half took at most 59.5 ms" in words
    assert "Running: half took at most 30 ms" in words
