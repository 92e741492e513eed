"""Predict first: a guess, the experiment, and both in one picture."""

from typing import Any

import pytest

from nucleus.notebook.predict import (
    Prediction,
    predict_choice,
    predict_curve,
    predict_number,
)
from tests.pictures_support import artist, labels


def a_number() -> Prediction:
    return predict_number("How long until the crash is noticed?", "s", default=5)


def test_a_number_is_laid_beside_the_measurement() -> None:
    guess = predict_number("How long until the crash is noticed?", "s", default=5)
    guess.field.value = 4
    drawing = guess.compare(10)
    assert drawing.words == "You predicted 4 s; it was 10 s, 2.5 times as much."
    (axes,) = drawing.axes
    bars: list[Any] = list(axes.patches)
    assert sorted(bar.get_width() for bar in bars) == [4, 10]
    assert axes.get_xlabel() == "s"
    assert labels(drawing) == ["predicted", "measured"]


def test_a_curve_is_laid_over_the_measurement() -> None:
    guess = predict_curve("How much faster?", "workers", "speed-up (times)", [1, 2, 4], high=8)
    for slider, height in zip(guess.sliders, (1, 2, 4), strict=True):
        slider.value = height
    drawing = guess.compare([(1, 1.0), (2, 1.9), (4, 2.0)])
    (axes,) = drawing.axes
    assert list(artist(axes, "predicted").get_ydata()) == [1, 2, 4]
    assert list(artist(axes, "measured").get_ydata()) == [1, 1.9, 2]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("workers", "speed-up (times)")
    assert drawing.words == (
        "You predicted 1 at 1, 2 at 2, 4 at 4; measured: 1 at 1, 1.9 at 2, 2 at 4"
        " (speed-up (times))."
    )


def test_the_default_of_a_curve_gives_nothing_away() -> None:
    guess = predict_curve("How much faster?", "workers", "times", [1, 2, 4], high=8)
    assert guess.value == [(1, 4), (2, 4), (4, 4)]


def test_a_choice_is_held_against_what_came() -> None:
    guess = predict_choice("Which job runs first?", ["the oldest", "the newest"])
    guess.choice.value = "the newest"
    assert guess.compare("the oldest") == "You predicted: the newest; but it was: the oldest."
    assert guess.compare("the newest") == "You predicted: the newest; and so it was."
    with pytest.raises(ValueError, match="is not one of"):
        guess.compare("none")


def test_the_unit_of_a_number_is_shown_whole() -> None:
    field = predict_number("How many?", "false deaths", default=1).field
    assert field.description == "in false deaths:"
    assert field.style.description_width == "initial"  # the default cuts it off


def test_numbers_are_said_without_powers_of_ten() -> None:
    guess = predict_number("How long?", "µs", default=0.03)
    assert guess.compare(12_345.6).words.endswith(
        "was 0.03 µs; it was 12,346 µs, 411,520 times as much."
    )


def test_who_agrees_with_the_default_says_so_with_the_button() -> None:
    guess = predict_number("How long?", "s", default=5)
    assert not guess.touched
    guess.button.click()
    assert guess.compare(5).words == "You predicted 5 s; it was 5 s, 1 times as much."
    assert guess.compare(0).words == "You predicted 5 s; it was 0 s."


def test_without_a_student_the_default_stands_and_is_said_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NUCLEUS_NONINTERACTIVE", "1")
    guess = predict_number("How long?", "s", default=5)
    assert "Nobody is here to predict" in guess.note.value
    assert guess.compare(10).words.startswith("Nobody predicted anything; the default was 5 s")


def test_after_the_comparison_nothing_can_be_changed() -> None:
    guess = predict_curve("How much faster?", "workers", "times", [1, 2], high=8)
    guess.compare([(1, 1)])
    assert all(slider.disabled for slider in guess.sliders)
    assert guess.button.disabled


def test_a_comparison_can_be_drawn_twice() -> None:
    guess = predict_number("How long?", "s", default=5)
    assert guess.compare(10).words == guess.compare(10).words


def test_a_prediction_is_shown_as_a_widget() -> None:
    shown, _ = a_number()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_a_question_is_shown_as_it_was_written() -> None:
    guess = predict_number("Is 1 < 2 & 3?", "s", default=0)
    assert guess.box.children[0].value == "<b>Is 1 &lt; 2 &amp; 3?</b>"


def test_a_prediction_of_nothing_is_compared_without_a_ratio() -> None:
    guess = predict_number("How long?", "s", default=0)
    assert guess.compare(3).words.endswith("it was 3 s.")
