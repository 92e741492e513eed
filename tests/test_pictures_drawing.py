"""What all pictures share: their words, their looks, and that they disturb nobody."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import numpy
import pytest
from matplotlib import image, style
from matplotlib.colors import to_hex, to_rgb

from nucleus.history import History
from nucleus.pictures import (
    Drawing,
    delay_against_false_deaths,
    gantt,
    heartbeats,
    latencies,
    overview,
    queue_and_throughput,
    space_time,
)
from nucleus.pictures.style import (
    COMPLETED,
    FAILED,
    PAPER,
    QUEUED,
    RUNNING,
    by_number,
    count,
    shorten,
)
from tests.pictures_support import Story, a_crash, labels, texts

PICTURES: dict[str, Callable[[History], Drawing]] = {
    "gantt": gantt,
    "heartbeats": heartbeats,
    "latencies": latencies,
    "queue_and_throughput": queue_and_throughput,
    "overview": overview,
    "space_time": lambda history: space_time(history, ["4"]),
    "delay_against_false_deaths": delay_against_false_deaths,
}
every_picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
OVER_TIME = {
    n: p for n, p in PICTURES.items() if n not in ("space_time", "delay_against_false_deaths")
}
every_picture_over_time = pytest.mark.parametrize("draw", OVER_TIME.values(), ids=OVER_TIME)


@cache
def drawn(draw: Callable[[History], Drawing]) -> Drawing:
    """A drawing for those who only look at it."""
    return draw(a_crash())


@every_picture
def test_every_picture_says_in_words_what_it_shows(draw: Callable[[History], Drawing]) -> None:
    drawing = drawn(draw)
    assert len(drawing.words) > 60
    assert drawing.words.endswith(".")
    assert repr(drawing) == str(drawing) == drawing.words


@every_picture
def test_every_picture_has_units_and_a_legend(draw: Callable[[History], Drawing]) -> None:
    drawing = drawn(draw)
    named = [axes.get_xlabel() + axes.get_ylabel() for axes in drawing.axes]
    assert any(re.search(r"\((s|ms)\)|time \(s\)", name) for name in named)
    assert len(labels(drawing)) >= 2


@every_picture_over_time
def test_an_axis_that_counts_time_begins_with_the_history(
    draw: Callable[[History], Drawing],
) -> None:
    for axes in drawn(draw).axes:
        if axes.get_xlabel() == "time (s)":
            assert -1 < axes.get_xlim()[0] <= 0
            assert 27.5 <= axes.get_xlim()[1] < 29


@every_picture
def test_a_picture_is_dark_ink_on_opaque_paper_whatever_style_the_student_has_set(
    draw: Callable[[History], Drawing],
) -> None:
    with style.context("dark_background"):
        drawing = draw(a_crash())
        pixels = image.imread(BytesIO(drawing.png()))
    assert (pixels[..., 3] == 1.0).all()
    assert to_hex(tuple(pixels[0, 0, :3])) == PAPER.lower()
    drawing.draw_without_rendering()
    for text in texts(drawing):
        assert contrast_with_paper(text.get_color()) > 3, text.get_text()


def contrast_with_paper(colour: Any) -> float:
    """The contrast ratio of WCAG 2.2, from 1 (the same) to 21 (black on white)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    red, green, blue = linear
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@every_picture
def test_no_picture_is_known_to_pyplot(draw: Callable[[History], Drawing]) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    draw(a_crash())
    assert pyplot.get_fignums() == before


def test_pictures_are_drawn_without_importing_pyplot() -> None:
    code = """
import sys
from tests.pictures_support import a_crash
from nucleus.pictures import gantt
gantt(a_crash()).png()
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@every_picture_over_time
def test_faults_are_shaded_with_an_entry_in_the_legend(draw: Callable[[History], Drawing]) -> None:
    said = labels(drawn(draw))
    assert "fault: crash (1)" in said
    assert "fault: partition (1)" in said


def test_a_fault_is_shaded_from_its_beginning_to_its_end_on_the_row_of_its_target() -> None:
    story = Story()
    for name in ("worker-1", "worker-2"):
        story.join(0, name)
        story.beats(name, 0, 30)
    story.fault(5, 9, "partition", "worker-2")
    story.fault(20, None, "freeze", "master")
    (axes,) = heartbeats(story.end()).axes
    spans = [patch for patch in axes.patches if str(patch.get_label()).startswith("fault")]
    boxes = [patch.get_extents().transformed(axes.transAxes.inverted()) for patch in spans]
    times = [patch.get_extents().transformed(axes.transData.inverted()) for patch in spans]
    assert [x for box in times for x in (box.x0, box.x1)] == pytest.approx([5, 9, 20, 30])
    assert [y for box in boxes for y in (box.y0, box.y1)] == pytest.approx([0, 0.5, 0, 1])
    assert len({patch.get_hatch() for patch in spans}) == 2


def test_nothing_observed_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="nothing was observed"):
        gantt(History())


@every_picture_over_time
def test_a_history_without_jobs_can_be_drawn_too(draw: Callable[[History], Drawing]) -> None:
    story = Story()
    story.serve(0)
    draw(story.end()).draw_without_rendering()


def test_in_a_notebook_a_picture_is_an_image_with_its_words() -> None:
    drawing = gantt(a_crash())
    shown = drawing._repr_mimebundle_()
    assert shown["text/plain"] == drawing.words
    alt, source, folded = re.findall(
        r'alt="(.*?)".*?src="data:image/png;base64,(.*?)".*<p>(.*)</p>', shown["text/html"], re.S
    )[0]
    assert alt == folded
    assert "Job 4 was lost with worker-1" in alt
    assert source == shown["image/png"]
    assert len(source) > 10_000


def test_workers_are_sorted_as_people_sort_them() -> None:
    assert by_number(["worker-10", "worker-2", "b", "worker-2"]) == ["b", "worker-2", "worker-10"]


def test_a_long_name_loses_its_middle() -> None:
    assert shorten("a-very-long-host-name-4711", 11) == "a-ver…-4711"
    assert shorten("worker-1", 11) == "worker-1"


def test_one_thing_is_counted_without_an_s() -> None:
    assert (count(1, "job"), count(1200, "job")) == ("1 job", "1,200 jobs")


def test_colours_differ_for_those_who_see_no_red_or_no_green() -> None:

    colours = [QUEUED, RUNNING, COMPLETED, FAILED, PAPER]
    for matrix in DICHROMATS:
        seen = [matrix @ numpy.array(to_rgb(colour)) for colour in colours]
        apart = [abs(a - b).max() for n, a in enumerate(seen) for b in seen[:n]]
        assert min(apart) > 0.12


# Machado, Oliveira and Fernandes (2009): protanopia and deuteranopia.
DICHROMATS = [
    numpy.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    numpy.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
]
