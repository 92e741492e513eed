"""Who ran what: the attempts of a history, and the chart of them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from matplotlib.patches import FancyArrowPatch

from nucleus.history import History
from nucleus.history.observations import Started, Stopped
from nucleus.pictures import Drawing, gantt, overview
from nucleus.pictures.attempts import Attempt, attempts_of, retries
from tests.pictures_support import START, Story, a_crash, a_crowd, artist, labels, texts


def described(attempt: Attempt) -> tuple[str, str, float, float, str]:
    started = (attempt.started or 0.0) - START
    return attempt.name, attempt.worker, started, attempt.ended - START, attempt.outcome


def test_attempts_are_told_with_their_workers_times_and_outcomes() -> None:
    assert [described(attempt) for attempt in attempts_of(a_crash())] == [
        ("4", "worker-1", 2, 15, "lost"),
        ("5", "worker-2", 2, 7, "completed"),
        ("6", "worker-2", 7, 16, "failed"),
        ("4", "worker-2", 16, 22, "completed"),
        ("7", "worker-2", 22, 25, "cancelled"),
    ]


def test_a_run_begins_where_the_worker_was_seen_to_start_it() -> None:
    history = a_crash()
    seen = Started(START + 3, "worker-1", "worker-1-1", 8, "story-0000000004")
    history.observations.append(seen)
    history.sort()
    assert attempts_of(history)[0].started == START + 3


def test_a_run_ends_where_the_worker_was_seen_to_stop_it() -> None:
    history = a_crash()
    stop = Stopped(START + 6.5, "worker-2", "worker-2-1", 9, "story-0000000005", "completed")
    history.observations.append(stop)
    history.sort()
    second = attempts_of(history)[1]
    assert (second.started, second.ended) == (START + 2, START + 6.5)


def test_a_zombie_that_runs_on_is_drawn_until_it_stops() -> None:
    history = a_crash()
    stop = Stopped(START + 17.5, "worker-1", "worker-1-1", 8, "story-0000000004", "completed")
    history.observations.append(stop)
    history.sort()
    assert described(attempts_of(history)[0]) == ("4", "worker-1", 2, 15, "lost")
    (axes,) = gantt(history).axes
    (line,) = artist(axes, "runs on, in vain (1)").get_segments()
    assert (line[0][0], line[1][0]) == (15, 17.5)


def test_what_began_under_a_void_lease_is_no_attempt() -> None:
    history = a_crash()
    late = Started(START + 15.5, "worker-1", "worker-1-1", 8, "story-0000000004")
    history.observations.append(late)
    history.sort()
    assert [a.worker for a in attempts_of(history) if a.name == "4"] == ["worker-2"]


def test_without_a_report_a_run_begins_when_its_slot_is_free() -> None:
    story = Story()
    story.join(0, "worker-1", slots=1)
    first, second = story.submit(1), story.submit(1)
    story.lease(2, first, "worker-1")
    story.lease(2, second, "worker-1")
    story.complete(6, first, 4)
    story.requeue(20, second, "worker_lost", charged=True)
    assert [described(a)[2:4] for a in attempts_of(story.end())] == [(2, 6), (6, 20)]


def test_of_what_a_worker_took_with_it_only_what_was_charged_had_begun() -> None:
    story = Story()
    story.join(0, "worker-1", slots=3)
    jobs = [story.submit(1) for _ in range(3)]
    for job in jobs:
        story.lease(2, job, "worker-1")
    for job, charged in zip(jobs, (True, True, False), strict=True):
        story.requeue(20, job, "worker_lost", charged=charged)
    attempts = attempts_of(story.end())
    assert [attempt.job_id for attempt in attempts] == jobs[:2]
    assert [described(attempt)[2:4] for attempt in attempts] == [(2, 20), (2, 20)]


def test_each_slot_of_a_worker_has_a_lane_of_its_own() -> None:
    story = Story()
    story.join(0, "worker-1", slots=2)
    jobs = [story.submit(0) for _ in range(4)]
    for job, begin in zip(jobs, (1, 1, 3, 5), strict=True):
        story.lease(begin, job, "worker-1")
    for job, end, run in zip(jobs, (3, 5, 9, 7), (2, 4, 6, 2), strict=True):
        story.complete(end, job, run)
    assert [attempt.lane for attempt in attempts_of(story.end())] == [0, 1, 0, 1]


def test_what_still_runs_at_the_end_is_open() -> None:
    story = Story()
    story.join(0, "worker-1", slots=1)
    running, waiting = story.submit(0), story.submit(0)
    story.lease(1, running, "worker-1")
    story.lease(1, waiting, "worker-1")
    (only,) = attempts_of(story.end())
    assert (only.job_id, only.outcome) == (running, "running")


def test_the_next_attempt_of_a_lost_job_is_its_retry() -> None:
    pairs = retries(attempts_of(a_crash()))
    assert [(a.name, a.worker, b.worker) for a, b in pairs] == [("4", "worker-1", "worker-2")]


def corners(history: History, label: str) -> list[Any]:
    (axes,) = gantt(history).axes
    return [path.vertices for path in artist(axes, label).get_paths()]


def test_a_completed_attempt_is_a_bar_from_its_begin_to_its_end_on_its_workers_row() -> None:
    first, second = corners(a_crash(), "completed")
    assert (first[:, 0].min(), first[:, 0].max()) == pytest.approx((2, 7))
    assert (second[:, 0].min(), second[:, 0].max()) == pytest.approx((16, 22))
    assert 0.5 < first[:, 1].min() < first[:, 1].max() < 1.5  # the second row


def test_a_lost_attempt_breaks_off_in_teeth_and_has_a_hatch() -> None:
    (axes,) = gantt(a_crash()).axes
    bars = artist(axes, "lost")
    (path,) = bars.get_paths()
    right = path.vertices[path.vertices[:, 0] > 14, 0]
    assert len(right) == 5
    assert len({round(x, 6) for x in right}) == 2
    assert bars.get_hatch() == "////"


def test_an_arrow_leads_from_the_lost_attempt_to_the_retry() -> None:
    (axes,) = gantt(a_crash()).axes
    (arrow,) = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    (tail, head) = arrow._posA_posB  # type: ignore[attr-defined]
    assert (tail, head) == ((15, pytest.approx(0)), (16, pytest.approx(1)))


def test_a_late_result_that_was_refused_is_marked_where_it_came() -> None:
    (axes,) = gantt(a_crash()).axes
    (offset,) = artist(axes, "late result refused").get_offsets()
    assert tuple(offset) == (18, 0)


def test_the_legend_counts_what_is_drawn() -> None:
    assert set(labels(gantt(a_crash()))) == {
        "completed (2)",
        "failed (1)",
        "lost with its worker (1)",
        "cancelled (1)",
        "runs again (1)",
        "late result refused (1)",
        "fault: crash (1)",
        "fault: partition (1)",
    }


def test_bars_carry_the_number_of_their_job_where_it_fits() -> None:
    said = [text.get_text() for text in texts(gantt(a_crash()))]
    assert {"4", "5", "6", "7"} <= set(said)


@pytest.mark.parametrize("workers", [1, 30, 50])
@pytest.mark.parametrize("draw", [gantt, overview])
def test_the_names_of_workers_never_overlap(
    draw: Callable[[History], Drawing], workers: int
) -> None:
    drawing = draw(a_crowd(workers, jobs=200, seconds=40))
    drawing.draw_without_rendering()
    axes = drawing.axes[0]
    boxes = [t.get_window_extent() for t in axes.get_yticklabels() if t.get_text()]
    assert len(boxes) >= min(workers, 15)
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] for below, above in pairwise(heights))
    assert axes.get_ylim() == (workers - 0.5, -0.5)
