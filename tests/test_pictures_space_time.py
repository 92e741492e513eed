"""Space-time diagrams: messages between lifelines, lost ones crossed out half-way."""

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from nucleus.history.diagram import Arrow, Diagram, Mark
from nucleus.pictures import draw_space_time, space_time
from nucleus.pictures.space_time import MOST
from tests.pictures_support import a_crash, labels, texts

JOB = "story-0000000004"


def a_lost_message() -> Diagram:
    return Diagram(
        ("client", "master", "worker-1"),
        (
            Arrow(0.0, 0.004, "client", "master", "submit", JOB),
            Arrow(0.005, 0.006, "master", "worker-1", "lease 5", JOB),
            Arrow(4.0, None, "worker-1", "master", "result", JOB),
            Arrow(5.0, 9.0, "worker-1", "master", "result again", JOB, refused=True),
        ),
        (Mark(3.0, "worker-1", "partition", 4.5, fault=True), Mark(6.0, "master", "re-queued")),
    )


def arrows(axes: Axes) -> list[tuple[Any, Any, str]]:
    """Where each arrow begins and ends, and how it looks."""
    found = []
    for text in axes.texts:
        if isinstance(text, Annotation) and text.arrow_patch is not None:
            style = type(text.arrow_patch.get_arrowstyle()).__name__
            found.append((text.get_position(), text.xy, style))
    return found


def crosses(axes: Axes) -> list[tuple[float, float]]:
    lines: list[Any] = [line for line in axes.lines if line.get_marker() == "X"]
    return [(float(x), float(y)) for line in lines for x, y in line.get_xydata()]


def test_lifelines_stand_from_left_to_right_and_time_runs_down() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["client", "master", "worker-1"]
    assert axes.yaxis_inverted()
    assert axes.get_ylabel() == "time (s), not to scale"
    shown = [float(t.get_text()) for t in axes.get_yticklabels()]
    assert shown == [0, 0.005, 3, 4, 5, 6, 9]
    assert list(axes.get_yticks()) == sorted(axes.get_yticks())


def test_a_message_is_an_arrow_from_its_sender_to_its_receiver() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    (x, y), (to_x, to_y), style = arrows(axes)[0]
    assert (x, to_x, style) == (0, 1, "CurveFilledB")
    assert to_y > y


def test_a_lost_message_ends_at_a_cross_half_way() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    _, end, style = arrows(axes)[2]
    assert (end[0], style) == (1.5, "Curve")
    assert tuple(end) in crosses(axes)


def test_a_refused_message_arrives_and_is_crossed_out_there() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    _, end, _ = arrows(axes)[3]
    assert end[0] == 1
    assert tuple(end) in crosses(axes)


def test_a_slow_message_arrives_at_the_row_of_its_arrival() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    _, (_, bottom), _ = arrows(axes)[3]
    rows = dict(zip([t.get_text() for t in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert bottom == rows["9.000"]


def test_a_fault_that_lasts_is_a_band_on_the_lifeline_of_its_target() -> None:
    (axes,) = draw_space_time(a_lost_message()).axes
    (band,) = [c for c in axes.collections if len(c.get_segments()) == 1]  # type: ignore[attr-defined]
    ((x, begin), (_, end)) = band.get_segments()[0]  # type: ignore[attr-defined]
    rows = dict(zip([t.get_text() for t in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert (x, begin) == (2, rows["3.000"])
    assert rows["4.000"] < end < rows["5.000"]


def test_the_legend_explains_what_is_there_and_nothing_else() -> None:
    assert labels(draw_space_time(a_lost_message())) == [
        "message about job 4",
        "lost message",
        "refused",
        "something breaks",
        "while a fault lasts",
        "something happens",
    ]
    plain = Diagram(("client", "master"), (Arrow(0, 0, "client", "master", "submit", JOB),), ())
    assert labels(draw_space_time(plain)) == ["message about job 4"]


def test_jobs_are_told_apart_by_colour_dashes_and_number() -> None:
    drawing = space_time(a_crash(), ["4", "story-0000000005"])
    assert labels(drawing)[:2] == ["message about job 4", "message about job 5"]
    said = [text.get_text() for text in texts(drawing)]
    assert {"4: lease 8", "5: lease 9"} <= set(said)


def test_the_words_follow_every_message() -> None:
    words = draw_space_time(a_lost_message()).words
    assert words.startswith("4 messages between client, master and worker-1, of which 1 were lost")
    assert "At 4.000 s worker-1 sends result to master; it is lost." in words
    assert "it arrives at 9.000 s; it is refused." in words
    assert "At 3.000 s worker-1: partition." in words


def test_a_diagram_of_very_many_messages_is_cut_and_says_so() -> None:
    many = [Arrow(n, n + 0.001, "client", "master", "submit", JOB) for n in range(500)]
    drawing = draw_space_time(Diagram(("client", "master"), tuple(many), ()))
    assert len(arrows(drawing.axes[0])) == MOST
    assert f"Only the first {MOST} things are drawn." in drawing.words
    assert drawing.get_figheight() < 30  # inches


def test_a_job_that_is_not_in_the_history_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no job '4711'"):
        space_time(a_crash(), ["4711"])
