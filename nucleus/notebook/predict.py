"""Predict first: the student says what will happen, and then sees it beside what did.

A prediction is made in one cell, the experiment runs in the next, and a third one compares::

    guess = predict_number("How long until the master notices the crash?", "s", default=5)
    …
    guess.compare(measured)

Nothing waits for the student, so a notebook also runs from top to bottom without one: until
somebody touches the widget its default stands in, and the comparison says so. Every input is
a plain field or slider that the keyboard reaches. Once it has been compared, a prediction can
no longer be changed.
"""

import html
import os
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from nucleus.notebook.fallback import Bundle, bundle
from nucleus.pictures import Drawing
from nucleus.pictures.style import BLUE, ORANGE, WIDTH, dress, legend

ALONE = "NUCLEUS_NONINTERACTIVE"  # set to 1 where nobody sits at the notebook
HEIGHT = "170px"  # of the sliders of a curve
WHOLE = {"description_width": "initial"}  # else a label is cut off after a few characters

Point = tuple[float, float]


class Prediction:
    """What all predictions share: a question, inputs, and whether they were touched."""

    def __init__(self, question: str, answers: str, inputs: Sequence[Any], around: Any) -> None:
        self.question = question
        self._answers = answers  # that are possible, in words
        self.touched = False
        self._inputs = inputs
        self.note = widgets.HTML(_paragraph(self._state()))
        self.button = widgets.Button(description="I predict this", icon="check")
        asked = widgets.HTML(f"<b>{html.escape(question)}</b>")
        self.box = widgets.VBox([asked, around, self.button, self.note])
        self.button.on_click(self._touch)
        for item in inputs:
            item.observe(self._touch, names="value")

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        words = f"{self.question} ({self._answers}) {self._state()}"
        return bundle(self.box, options, words, _paragraph(words))

    def _touch(self, _: object) -> None:
        self.touched = True
        self.note.value = _paragraph(self._state())

    def _state(self) -> str:
        if self.touched:
            return "Your prediction is noted. Now run the experiment."
        if os.environ.get(ALONE) == "1":
            return "Nobody is here to predict, so the default stands."
        return "Set your prediction, then run the experiment."

    def _close(self) -> str:
        """Take no more changes; return whose prediction it is."""
        for item in (*self._inputs, self.button):
            item.disabled = True
        self.note.value = _paragraph("The experiment is over; this was your prediction.")
        if self.touched:
            return "You predicted"
        self.note.value = _paragraph("The experiment is over; nobody had predicted anything.")
        return "Nobody predicted anything; the default was"


class NumberPrediction(Prediction):
    """A number with a unit."""

    def __init__(
        self, question: str, unit: str, default: float, low: float = 0.0, high: float = 1e9
    ) -> None:
        self.unit = unit
        self.field = widgets.BoundedFloatText(
            value=default, min=low, max=high, description=f"in {unit}:", style=WHOLE
        )
        super().__init__(question, f"a number, in {unit}", [self.field], self.field)

    @property
    def value(self) -> float:
        """What is predicted, in the unit of the question."""
        return float(self.field.value)

    def compare(self, measured: float) -> Drawing:
        """Draw the prediction above the measurement, both in the unit of the question."""
        words = (
            f"{self._close()} {_figures(self.value, 4)} {self.unit};"
            f" it was {_figures(measured, 4)} {self.unit}{_times(self.value, measured)}."
        )
        drawing = Drawing(WIDTH, 2.3, words)
        axes = drawing.subplots()
        dress(axes, self.question, self.unit)
        axes.barh(0, self.value, color=ORANGE, hatch="//", edgecolor="white", label="predicted")
        axes.barh(1, measured, color=BLUE, label="measured")
        axes.set_yticks([0, 1], ["predicted", "measured"])
        axes.invert_yaxis()
        legend(drawing)
        return drawing


class ChoicePrediction(Prediction):
    """One of several answers."""

    def __init__(self, question: str, options: Sequence[str], default: str) -> None:
        self.choice = widgets.RadioButtons(
            options=list(options), value=default, layout=widgets.Layout(width="max-content")
        )
        super().__init__(question, "; ".join(options), [self.choice], self.choice)

    @property
    def value(self) -> str:
        """What is predicted."""
        return str(self.choice.value)

    def compare(self, measured: str) -> str:
        """Say whether it came as predicted. Raises ``ValueError`` when it was no option."""
        if measured not in self.choice.options:
            raise ValueError(f"measured: {measured!r} is not one of {self.choice.options}")
        agree = "and so it was" if measured == self.value else f"but it was: {measured}"
        return f"{self._close()}: {self.value}; {agree}."


class CurvePrediction(Prediction):
    """A curve, set with a slider for each of a few points."""

    def __init__(
        self, question: str, x: str, y: str, points: Sequence[float], high: float, default: float
    ) -> None:
        self._labels = x, y
        self._points = list(points)
        self.sliders = [
            widgets.FloatSlider(
                value=default,
                min=0.0,
                max=high,
                step=high / 100,
                orientation="vertical",
                description=f"{point:g}",
                readout_format=".3g",
                layout=widgets.Layout(height=HEIGHT, width="4.5em"),
            )
            for point in self._points
        ]
        below = widgets.HTML(_paragraph(f"{y}, over {x}"))
        around = widgets.VBox([widgets.HBox(self.sliders), below])
        super().__init__(question, f"a curve: {y}, over {x}", self.sliders, around)

    @property
    def value(self) -> list[Point]:
        """What is predicted: pairs of x and y."""
        heights = (float(slider.value) for slider in self.sliders)
        return list(zip(self._points, heights, strict=True))

    def compare(self, measured: Sequence[Point]) -> Drawing:
        """Draw the prediction over the measurement: pairs of x and y, in the same units."""
        whose = self._close()
        words = f"{whose} {_said(self.value)}; measured: {_said(measured)} ({self._labels[1]})."
        drawing = Drawing(WIDTH, 4.2, words)
        axes = drawing.subplots()
        dress(axes, self.question, *self._labels)
        for name, curve, colour, look in (
            ("predicted", self.value, ORANGE, "s--"),
            ("measured", measured, BLUE, "o-"),
        ):
            xs, ys = [x for x, _ in curve], [y for _, y in curve]
            axes.plot(xs, ys, look, color=colour, linewidth=2, label=name)
        axes.set_xticks(self._points, [f"{point:g}" for point in self._points])
        axes.set_ylim(bottom=0)
        legend(drawing)
        return drawing


def predict_number(
    question: str, unit: str, default: float, *, low: float = 0.0, high: float = 1e9
) -> NumberPrediction:
    """Ask for a number, between ``low`` and ``high``."""
    return NumberPrediction(question, unit, default, low, high)


def predict_choice(
    question: str, options: Sequence[str], default: str | None = None
) -> ChoicePrediction:
    """Ask for one of ``options``; the first is the default."""
    return ChoicePrediction(question, options, options[0] if default is None else default)


def predict_curve(
    question: str,
    x: str,
    y: str,
    points: Sequence[float],
    *,
    high: float,
    default: float | None = None,
) -> CurvePrediction:
    """Ask for a curve over ``points``, between 0 and ``high``; ``x`` and ``y`` are its labels.

    The labels have their units in them: ``"workers"``, ``"speed-up (times)"``. The default is a
    flat line half-way up, so that it gives nothing away.
    """
    return CurvePrediction(question, x, y, points, high, high / 2 if default is None else default)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _said(points: Sequence[Point]) -> str:
    return ", ".join(f"{y:.3g} at {x:g}" for x, y in points)


def _times(predicted: float, measured: float) -> str:
    if predicted <= 0 or measured <= 0:
        return ""
    return f", {_figures(measured / predicted, 2)} times as much"


def _figures(value: float, count: int) -> str:
    """A number with so many figures, but never with a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 10**count else f"{value:.{count}g}"
