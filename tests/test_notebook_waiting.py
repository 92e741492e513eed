"""A waiting line, measured and on paper."""

from dataclasses import replace

import pytest

from nucleus.cluster import Cluster
from nucleus.notebook.waiting import (
    Stay,
    Trace,
    as_theory_says,
    draw_crowds,
    draw_flow,
    draw_hockey_stick,
    littles_law,
    stay_of_theory,
    sweep,
)
from nucleus.sim.scale import Load, mean_wait, run_load
from tests.pictures_support import artist, labels

# The second one has to wait for the first, the third finds nobody there.
THREE = Trace(0.5, (Stay(0, 2, 2), Stay(1, 3, 1), Stay(6, 7, 1)))


def test_a_trace_counts_who_is_there() -> None:
    assert THREE.steps() == [(0, 1), (1, 2), (2, 1), (3, 0), (6, 1), (7, 0)]
    assert THREE.most == 2
    assert THREE.number == pytest.approx((1 + 2 + 1 + 1) / 7)
    assert THREE.stay == pytest.approx(5 / 3)
    assert THREE.wait == pytest.approx(1 / 3)


def test_littles_law_holds_for_whoever_has_left() -> None:
    found = littles_law(THREE)
    assert found.ok
    assert "L = 0.714286" in found.words


def test_on_paper_a_job_begins_when_the_one_before_it_ends() -> None:
    late = Trace(0.5, tuple(Stay(stay.came, stay.left + 5, stay.run) for stay in THREE.stays))
    assert late.on_paper() == THREE


def test_theory_says_that_a_stay_doubles_when_half_of_what_is_left_is_taken() -> None:
    assert stay_of_theory(0.5, run=1.0) == 2.0
    assert stay_of_theory(0.75, run=1.0) == 4.0
    assert mean_wait(1, 0.75) + 1 == pytest.approx(4.0)


def test_the_flow_shows_arrivals_above_departures() -> None:
    drawing = draw_flow(THREE)
    (axes,) = drawing.axes
    assert list(artist(axes, "had come").get_ydata()) == [1, 1, 2, 2, 2, 3, 3]
    assert list(artist(axes, "had left").get_ydata()) == [0, 0, 0, 1, 2, 2, 3]
    assert axes.get_xlabel() == "time (s)"
    assert "at the worst moment 2" in drawing.words


def test_the_hockey_stick_shows_what_was_measured_beside_paper_and_theory() -> None:
    drawing = draw_hockey_stick([THREE], run=1.0)
    (axes,) = drawing.axes
    assert list(artist(axes, "measured").get_ydata()) == [pytest.approx(5000 / 3)]
    assert labels(drawing) == ["theory", "the same jobs on paper", "measured"]
    assert "1667 ms at 50% (on paper 1667, in the long run 2000)" in drawing.words


def test_a_real_line_takes_no_less_time_than_one_on_paper() -> None:
    with Cluster(workers=1, dashboard=False, monitoring=False) as cluster:
        (trace,) = sweep(cluster.client, [0.8], seconds=1.0)
        assert len(trace.stays) == len(list(cluster.client.jobs()))
    assert littles_law(trace).ok
    assert all(stay.left - stay.came >= stay.run > 0 for stay in trace.stays)
    assert trace.stay >= trace.on_paper().stay > 0


def test_many_workers_can_be_busy_and_nobody_waits() -> None:
    few, many = (run_load(Load(workers, 6_000, busy=0.9)) for workers in (2, 100))
    assert few.load.utilisation == many.load.utilisation == 0.9
    assert as_theory_says(many).ok
    assert many.wait < few.wait / 10
    drawing = draw_crowds([few, many])
    above, below = drawing.axes
    measured = list(artist(above, "the real ledger, simulated time").get_ydata())
    assert measured == [100 * few.waited, 100 * many.waited]
    assert below.get_ylabel() == "mean wait (s)"
    theory = dict(zip(*artist(below, "theory (Erlang C)").get_data(), strict=True))
    assert theory[2] == pytest.approx(few.wait_theory)
    assert theory[100] == pytest.approx(many.wait_theory)
    assert len(theory) > 20


def test_jobs_of_the_warm_up_are_not_judged() -> None:
    load = Load(1, 500, busy=0.9, warm_up=1_000)
    assert run_load(load).waited == 0
    assert run_load(replace(load, warm_up=0)).waited > 0.5


def test_the_share_that_suits_the_number_of_workers_stays_the_default() -> None:
    assert Load(workers=99, jobs=1).utilisation == pytest.approx(0.9)
