"""The heartbeat raster: strokes, silences, and the cliff of the timeout."""

import pytest

from nucleus.pictures import heartbeats
from nucleus.pictures.heartbeats import heard_of
from tests.pictures_support import START, Story, a_crash, artist, labels


def test_a_stroke_stands_for_each_heartbeat() -> None:
    (axes,) = heartbeats(a_crash()).axes
    strokes = artist(axes, "heartbeat").get_segments()
    assert len(strokes) == 12
    assert [stroke[0][0] for stroke in strokes[:2]] == [2, 5]
    assert {stroke[:, 1].mean() for stroke in strokes} == {0, 1}


def test_silence_runs_to_the_cliff_and_beyond_it() -> None:
    one = heard_of(a_crash())["worker-1"]
    assert [(a - START, b - START) for a, b in one.quiet] == [(5, 15)]
    assert [(a - START, b - START) for a, b in one.beyond] == [(15, 27.5)]
    assert heard_of(a_crash())["worker-2"].quiet == []


def test_the_cliff_stands_where_the_silence_reaches_the_timeout() -> None:
    (axes,) = heartbeats(a_crash()).axes
    (cliff,) = artist(axes, "the cliff: 10 s").get_segments()
    assert (cliff[0][0], cliff[1][0]) == (15, 15)
    (mark,) = artist(axes, "given up on").get_offsets()
    assert tuple(mark) == (15, 0)


def test_another_timeout_has_another_cliff() -> None:
    history = a_crash()
    history.settings["worker_timeout"] = 4.0
    (axes,) = heartbeats(history).axes
    (cliff,) = artist(axes, "the cliff: 4 s").get_segments()
    assert cliff[0][0] == 9


def test_a_master_that_begins_to_serve_gives_a_fresh_allowance() -> None:
    story = Story()
    story.serve(0)
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 6)
    story.serve(12, epoch=2)
    story.beat(21, "worker-1")
    one = heard_of(story.end())["worker-1"]
    assert one.beyond == []
    assert [(a - START, b - START) for a, b in one.quiet] == [(6, 21)]


def test_a_worker_that_said_goodbye_is_not_silent() -> None:
    story = Story()
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 6)
    story.leave(7, "worker-1")
    story.join(40, "worker-2")
    one = heard_of(story.end())["worker-1"]
    assert (one.quiet, one.beyond) == ([], [])


def test_the_words_name_who_was_silent_and_who_was_given_up_on() -> None:
    words = heartbeats(a_crash()).words
    assert "12 heartbeats of 2 workers" in words
    assert "Silent for more than 10 s: worker-1." in words
    assert "The master gave up on worker-1 at 15.0 s." in words


def test_the_legend_has_no_entry_for_what_did_not_happen() -> None:
    story = Story()
    story.join(0, "worker-1")
    story.beats("worker-1", 0, 9)
    assert labels(heartbeats(story.end())) == ["heartbeat (4)"]


def test_the_axis_is_in_seconds() -> None:
    (axes,) = heartbeats(a_crash()).axes
    assert axes.get_xlabel() == "time (s)"
    assert axes.get_xlim() == pytest.approx((-0.275, 27.775))
