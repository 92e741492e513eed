"""Time travel: any moment of a recorded run, forwards and back."""

import re
import threading
from itertools import pairwise

import pytest

from nucleus.core.events import JobSubmitted
from nucleus.history import History
from nucleus.history.checkpoints import Checkpoints
from nucleus.history.observations import Committed
from nucleus.notebook.still import still
from nucleus.notebook.time_travel import Moments, TimeTravel, most_eventful
from tests.pictures_support import START, Story, a_crash, a_crowd

# ---- checkpoints ----------------------------------------------------------------------


def counting(every: int) -> tuple[Checkpoints[list[int], int], list[int]]:
    """States that are lists of the items so far, and every item that was folded."""
    folded: list[int] = []

    def fold(state: list[int], item: int) -> None:
        folded.append(item)
        state.append(item)

    return Checkpoints(range(100), list, fold, every), folded


@pytest.mark.parametrize("every", [1, 7, 10, 1000])
def test_any_state_is_the_fold_of_the_items_before_it(every: int) -> None:
    states, _ = counting(every)
    for count in (0, 100, 3, 50, 49, 51, 100, 0, 70):
        assert list(states.after(count)) == list(range(count))


def test_going_back_folds_no_more_than_from_the_last_copy() -> None:
    states, folded = counting(every=10)
    states.after(100)
    folded.clear()
    states.after(57)
    assert folded == list(range(50, 57))


def test_going_on_folds_only_what_is_new_and_jumping_ahead_uses_the_copies() -> None:
    states, folded = counting(every=10)
    states.after(100)
    states.after(5)
    folded.clear()
    states.after(8)
    assert folded == [5, 6, 7]
    folded.clear()
    states.after(92)
    assert folded == [90, 91]


@pytest.mark.parametrize("count", [-1, 101])
def test_there_is_no_state_outside_the_history(count: int) -> None:
    states, _ = counting(10)
    with pytest.raises(IndexError, match="0 to 100"):
        states.after(count)


def test_a_hundred_thousand_events_are_stepped_through_backwards_without_starting_over() -> None:
    moments = Moments(a_crowd(jobs=10_000))
    length = len(moments)
    folded = 0
    fold = moments._scenes._fold

    def count(*arguments: object) -> None:
        nonlocal folded
        folded += 1
        fold(*arguments)  # type: ignore[arg-type]

    moments.view(length)
    moments._scenes._fold = count
    for step in range(length, length - 20, -1):
        moments.view(step)
    assert folded < 20 * 2_001


# ---- moments --------------------------------------------------------------------------


def step_at(history: History, seconds: float) -> int:
    """The last step not after a time."""
    return sum(seen.at <= START + seconds for seen in history.observations)


def test_a_moment_shows_the_cluster_as_it_was() -> None:
    history = a_crash()
    moments = Moments(history)
    busy = moments.view(step_at(history, 8))
    assert busy["counts"]["running"] == 3
    assert {w["name"]: w["held"] for w in busy["workers"]} == {"worker-1": 2, "worker-2": 1}
    after = moments.view(step_at(history, 15))
    assert {w["name"]: w["state"] for w in after["workers"]} == {
        "worker-1": "lost",
        "worker-2": "alive",
    }
    assert [card["mark"] for card in after["queue"]] == ["suspect", "suspect"]
    assert moments.view(step_at(history, 8)) == busy


def test_every_moment_is_the_same_whichever_way_it_was_reached() -> None:
    history = a_crash()
    forwards, fresh = Moments(history, every=5), [Moments(history) for _ in range(37)]
    for step in (*range(len(history.observations) + 1), *range(len(history.observations), -1, -1)):
        assert forwards.view(step) == fresh[step].view(step)


def test_heartbeats_count_by_the_clock_of_the_history() -> None:
    history = a_crash()
    worker = Moments(history).view(step_at(history, 8))["workers"][0]
    assert (worker["name"], worker["age"], worker["beats"]) == ("worker-1", 3, 2)


def test_a_master_whose_clock_is_wrong_does_not_move_what_happened_to_another_time() -> None:
    history = a_crash()
    for seen in history.events():
        seen.event.at -= 1_000  # type: ignore[misc]
    view = Moments(history).view(step_at(history, 16))
    assert view["workers"] == Moments(a_crash()).view(step_at(history, 16))["workers"]
    assert view["workers"][0]["state"] == "lost"  # just now, not a quarter of an hour ago


def test_a_step_is_told_in_words() -> None:
    moments = Moments(a_crash())
    assert moments.words(0) == "Nothing has happened yet."
    assert moments.words(11) == "Step 11 of 36, at 2.000 s: worker-1 gets job 4 under lease 8."


def test_an_empty_history_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="nothing was observed"):
        Moments(History())


def test_the_most_eventful_job_is_the_one_that_was_re_queued() -> None:
    assert most_eventful(a_crash()) == "story-0000000004"
    story = Story()
    assert most_eventful(story.end()) == ""
    first, second = story.submit(0), story.submit(1)
    assert most_eventful(story.end()) == first
    story.lease(2, second, "worker-1")
    story.requeue(3, second, "undelivered", charged=False)
    assert most_eventful(story.end()) == second


# ---- the still ------------------------------------------------------------------------


def test_a_still_shows_queue_workers_and_what_became_of_jobs() -> None:
    history = a_crash()
    page = still(Moments(history).view(step_at(history, 18)), chosen="story-0000000004")
    assert "<b>Jobs:</b> 1 queued, 1 running, 1 completed, 1 failed, 0 cancelled" in page
    assert "given up on" in page
    assert "<b>Refused</b> late results" in page
    assert len(re.findall("border:4px", page)) == 2  # the chosen job, running and refused
    assert ">5 ✓</span>" in page
    assert ">6 ✗</span>" in page
    assert "<script" not in page


def test_a_still_repeats_nobodys_markup() -> None:
    story = Story()
    story.join(0, "<img src=x>")
    job = JobSubmitted(9, START, "<b>", "<i>", "<u>", 0, START, 3, None, "", "", 0, "")
    story.history.add(Committed(START, job))
    page = still(Moments(story.end()).view(2))
    assert not re.search("<(img|i|u)[ >]", page)


# ---- the widget -----------------------------------------------------------------------


def test_the_slider_leads_to_each_moment() -> None:
    travel = TimeTravel(a_crash())
    assert (travel.slider.min, travel.slider.max) == (0, 36)
    travel.slider.value = 24
    assert "Step 24 of 36, at 15.000 s: Job 4 goes to the front" in travel.where.value
    assert "given up on" in travel.scene.value


def test_buttons_step_and_stop_at_the_ends() -> None:
    travel = TimeTravel(a_crash())
    travel.back.click()
    assert travel.slider.value == 0
    travel.forward.click()
    travel.forward.click()
    assert travel.slider.value == 2
    travel.go(10_000)
    travel.forward.click()
    assert travel.slider.value == 36


def test_the_story_is_that_of_the_most_eventful_job_and_its_lines_lead_to_their_moments() -> None:
    travel = TimeTravel(a_crash())
    assert travel.job.value == "story-0000000004"
    line = next(n for n, (said, _) in enumerate(travel.story.options) if "refused" in said)
    travel.story.index = line
    assert "at 18.000 s: A report of worker-1" in travel.where.value


def test_another_story_is_told_by_the_number_of_its_job() -> None:
    travel = TimeTravel(a_crash())
    travel.choose("5")
    assert "Job 5 is completed by worker-2" in travel.story.options[-1][0]
    travel.choose("4711")
    assert travel.story.options[-1][0].endswith("no job '4711' in this history")


def cursor_of(travel: TimeTravel) -> float:
    (left,) = re.findall(r"left:([\d.]+)%", travel.cursor.value)
    return float(left) / 100


def test_the_cursor_stands_in_all_three_views_at_the_moment_and_the_image_stays() -> None:
    history = a_crash()
    travel = TimeTravel(history)
    image = travel.box.children[3].children[0]
    before = image.value
    places = []
    for seconds in (0, 8, 15, 27.5):
        travel.go(step_at(history, seconds))
        places.append(cursor_of(travel))
    assert image.value is before
    speeds = [(b - a) / s for (a, b), s in zip(pairwise(places), (8, 7, 12.5), strict=True)]
    assert speeds == pytest.approx([speeds[0]] * 3, rel=1e-3)
    overview = travel.overview
    for axes in overview.axes:
        x = axes.transData.transform((15, 0))[0] / overview.bbox.width
        assert x == pytest.approx(places[2], abs=1e-4)


def test_where_widgets_cannot_be_shown_the_moment_is_told_and_drawn() -> None:
    travel = TimeTravel(a_crash())
    travel.go(24)
    shown, _ = travel._repr_mimebundle_()
    assert shown["text/plain"].startswith("Step 24 of 36")
    assert "data:image/png" in shown["text/html"]
    assert "given up on" in shown["text/html"]


def test_callbacks_from_several_threads_do_not_mix_moments_up() -> None:
    travel = TimeTravel(a_crash())

    def walk(steps: range) -> None:
        for step in steps:
            travel.go(step)

    walkers = [threading.Thread(target=walk, args=(range(n, 36, 3),)) for n in range(3)]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()
    travel.go(24)
    assert travel.scene.value == still(Moments(a_crash()).view(24), "story-0000000004")
