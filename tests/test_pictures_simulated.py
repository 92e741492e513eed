"""Pictures of simulated runs in which everything goes wrong."""

from collections import Counter
from functools import cache

import pytest

from nucleus.core.events import JobCancelled, JobCompleted, JobFailed, JobLeased, WorkerLost
from nucleus.core.lifecycle import Status
from nucleus.history import History
from nucleus.history.what_if import what_if
from nucleus.notebook.time_travel import Moments
from nucleus.pictures import latencies, overview, space_time
from nucleus.pictures.attempts import attempts_of, retries
from nucleus.pictures.queue import flow_of
from nucleus.pictures.story import jobs_of
from nucleus.pictures.time_axis import TimeAxis
from nucleus.sim import simulate

SEEDS = (3, 11, 29)
WORKER_FAULTS = frozenset({"worker-pause", "zombie", "worker-crash", "partition", "one-way"})
every_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def run(seed: int) -> History:
    return simulate(seed).history


@every_seed
def test_every_accepted_result_is_a_completed_attempt(seed: int) -> None:
    attempts = attempts_of(run(seed))
    completed = [seen.event for seen in run(seed).events() if isinstance(seen.event, JobCompleted)]
    drawn = {attempt.lease for attempt in attempts if attempt.outcome == "completed"}
    assert drawn == {event.lease for event in completed}
    leased = [seen.event for seen in run(seed).events() if isinstance(seen.event, JobLeased)]
    assert {attempt.lease for attempt in attempts} <= {event.seq for event in leased}


@every_seed
def test_no_attempt_ends_before_it_begins_or_begins_before_its_lease(seed: int) -> None:
    for attempt in attempts_of(run(seed)):
        assert attempt.started is not None
        assert attempt.leased <= attempt.started <= attempt.ended


def test_a_retry_comes_after_the_attempt_that_was_lost_or_failed() -> None:
    pairs = [pair for seed in SEEDS for pair in retries(attempts_of(run(seed)))]
    assert len(pairs) > 5
    assert all(before.lease < after.lease for before, after in pairs)


@every_seed
def test_the_queue_is_empty_when_the_run_has_drained(seed: int) -> None:
    flow = flow_of(run(seed), TimeAxis.of(run(seed)))
    assert (flow.queued[-1], flow.running[-1]) == (0, 0)
    assert min(flow.queued) == min(flow.running) == 0
    assert len(flow.submitted_at) == sum(map(len, flow.ended_at.values()))


@every_seed
def test_the_last_moment_of_time_travel_counts_what_the_events_say(seed: int) -> None:
    moments = Moments(run(seed))
    kinds = Counter(type(seen.event) for seen in run(seed).events())
    counts = moments.view(len(moments))["counts"]
    for status, kind in (
        (Status.COMPLETED, JobCompleted),
        (Status.FAILED, JobFailed),
        (Status.CANCELLED, JobCancelled),
    ):
        assert counts.get(status.name.lower(), 0) == kinds[kind]
    assert (counts["queued"], counts["running"]) == (0, 0)


def test_a_storm_of_faults_can_be_drawn() -> None:
    history = run(SEEDS[0])
    for drawing in (overview(history), latencies(history), space_time(history, jobs_of(history))):
        drawing.draw_without_rendering()
        assert drawing.words


def test_at_the_recorded_settings_the_model_gives_up_on_whom_the_master_gave_up_on() -> None:
    checked = 0
    for seed in range(8):
        history = simulate(seed, faults=WORKER_FAULTS).history
        outcome = what_if(history, timeout=history.worker_timeout, interval=3)
        verdicts = (*outcome.detections, *outcome.false_deaths)
        for seen in history.events():
            if isinstance(seen.event, WorkerLost) and seen.event.reason == "silence":
                checked += 1
                mine = [v.at for v in verdicts if v.worker == seen.event.worker]
                assert any(0 <= seen.at - at < 1 for at in mine), f"seed {seed}: {seen}"
    assert checked > 5
