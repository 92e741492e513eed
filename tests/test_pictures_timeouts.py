"""What another interval or timeout would have done, and the picture of it."""

from statistics import median

import pytest

from nucleus.core.events import WorkerLost
from nucleus.history import History
from nucleus.history.observations import Beat
from nucleus.history.what_if import Verdict, lives_of, recorded_interval, sweep, what_if
from nucleus.pictures import delay_against_false_deaths
from tests.pictures_support import START, Story, a_crash, artist, labels


def a_late_heartbeat_and_a_death() -> History:
    """worker-1 is silent from 9 to 16 s and alive; worker-2 dies at 20 s, last heard at 18 s."""
    story = Story()
    story.serve(0)
    for name in ("worker-1", "worker-2"):
        story.join(0, name)
    story.beats("worker-1", 0, 9)
    story.beats("worker-1", 16, 60)
    story.beats("worker-2", 0, 18)
    story.fault(20, None, "crash", "worker-2")
    return story.end()


def told(verdicts: tuple[Verdict, ...]) -> list[tuple[str, float]]:
    return [(verdict.worker, verdict.at - START) for verdict in verdicts]


def test_the_recorded_settings_give_what_was_recorded() -> None:
    outcome = what_if(a_crash(), timeout=10, interval=3)
    assert told(outcome.detections) == [("worker-1", 15)]
    assert outcome.delays == [9]
    assert outcome.false_deaths == ()
    recorded = [e.at - START for e in a_crash().events() if isinstance(e.event, WorkerLost)]
    assert [at for _, at in told(outcome.detections)] == recorded


def test_a_shorter_timeout_finds_the_dead_sooner_and_buries_some_of_the_living() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=5, interval=3)
    assert (told(outcome.detections), outcome.delays) == ([("worker-2", 23)], [3])
    assert told(outcome.false_deaths) == [("worker-1", 14)]


def test_a_longer_timeout_does_neither() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=15, interval=3)
    assert (outcome.delays, outcome.false_deaths) == ([13], ())


def test_the_recorded_interval_is_the_setting_or_else_the_median() -> None:
    history = a_late_heartbeat_and_a_death()
    assert recorded_interval(history, lives_of(history)) == 3
    history.settings["heartbeat_interval"] = 2.0
    assert recorded_interval(history, lives_of(history)) == 2


def test_heartbeats_between_the_usual_ones_count_at_the_recorded_interval() -> None:
    history = a_late_heartbeat_and_a_death()
    history.add(Beat(START + 12, "worker-1", "worker-1-1"))
    history.sort()
    assert what_if(history, timeout=5, interval=3).false_deaths == ()


def test_rarer_heartbeats_are_the_recorded_ones_thinned() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=5.5, interval=6)
    assert len(outcome.false_deaths) > 5  # every gap of six seconds
    assert what_if(a_late_heartbeat_and_a_death(), timeout=11, interval=6).false_deaths == ()


def test_more_frequent_heartbeats_are_filled_in_but_not_where_one_was_late() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=2, interval=1)
    assert told(outcome.false_deaths) == [("worker-1", 11)]
    assert outcome.delays == [0]


def test_a_worker_given_up_on_before_it_died_was_found_at_once() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=1.5, interval=3)
    assert outcome.delays == [0]
    assert ("worker-2", 19.5) in told(outcome.false_deaths)


def test_a_death_that_nobody_noticed_is_said() -> None:
    outcome = what_if(a_late_heartbeat_and_a_death(), timeout=100, interval=3)
    assert (outcome.detections, outcome.unnoticed) == ((), ("worker-2",))
    assert "no real death would have been noticed; 1 not in time" in outcome.words


def test_a_goodbye_is_no_death() -> None:
    story = Story()
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 9)
    story.leave(10, "worker-1")
    story.join(60, "worker-2")
    outcome = what_if(story.end(), timeout=5, interval=3)
    assert (outcome.detections, outcome.false_deaths) == ((), ())


def test_nobody_is_judged_while_there_is_no_master() -> None:
    story = Story()
    story.serve(0)
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 3)
    story.serve(30, epoch=2)  # nothing is committed in between
    story.beats("worker-1", 34, 60)
    assert what_if(story.end(), timeout=5, interval=3).false_deaths == ()
    assert told(what_if(story.end(), timeout=3.5, interval=3).false_deaths) == [("worker-1", 33.5)]


def test_who_was_silent_before_the_master_was_gone_was_judged() -> None:
    story = Story()
    story.serve(0)
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 3)
    story.submit(20)  # there is a master
    story.serve(30, epoch=2)
    story.beats("worker-1", 34, 60)
    assert told(what_if(story.end(), timeout=5, interval=3).false_deaths) == [("worker-1", 8)]


def test_the_words_give_delay_and_false_deaths() -> None:
    words = what_if(a_late_heartbeat_and_a_death(), timeout=5, interval=3).words
    assert words == (
        "With a heartbeat every 3 s and a timeout of 5 s, 1 real death would have been noticed"
        " after 3.0 s (half of them), 3.0 s at most; and 1 time a living worker would have been"
        " given up on."
    )


@pytest.mark.parametrize(("timeout", "interval"), [(0, 1), (5, 0), (-1, 1), (float("nan"), 1)])
def test_settings_that_are_not_positive_are_refused_by_name(
    timeout: float, interval: float
) -> None:
    with pytest.raises(ValueError, match="is not allowed; a number of seconds above 0"):
        what_if(a_crash(), timeout, interval)


def test_the_picture_has_a_point_for_each_timeout_and_a_line_for_each_interval() -> None:
    history = a_late_heartbeat_and_a_death()
    drawing = delay_against_false_deaths(history, timeouts=(10, 2, 5), intervals=(3, 1))
    (axes,) = drawing.axes
    assert labels(drawing) == ["a heartbeat every 3 s", "a heartbeat every 1 s"]
    line = artist(axes, "a heartbeat every 3 s")
    outcomes = sweep(history, (2, 5, 10), 3)
    assert list(line.get_xdata()) == [median(outcome.delays) for outcome in outcomes]
    assert list(line.get_ydata()) == [len(outcome.false_deaths) for outcome in outcomes]
    assert axes.get_xlabel() == "median delay until a real death is noticed (s)"
    assert axes.get_ylabel() == "times a living worker is given up on"
    assert {"2 s", "5 s", "10 s"} <= {text.get_text() for text in axes.texts}


def test_without_a_death_the_picture_says_so() -> None:
    story = Story()
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 30)
    (axes,) = delay_against_false_deaths(story.end()).axes
    assert [text.get_text() for text in axes.texts] == ["no real death was noticed"]
