"""The checker on small histories: what was kept, what was broken, what nobody can tell."""

import time
from dataclasses import replace
from typing import Any

import pytest

from nucleus.core.events import JobLeased, MasterStarted, ResultRejected, WorkerLost
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended, Refused
from nucleus.core.refusals import Reason, Refusal
from nucleus.history import History
from nucleus.history.checker import Account, Outcome, Result, Verdict, check
from nucleus.history.invariants import Breach, Invariant
from nucleus.history.observations import (
    Beat,
    Committed,
    Counted,
    Denied,
    Fault,
    Listed,
    Message,
    Observation,
    Raised,
    Received,
    Serving,
    Submitted,
    Told,
    Trimmed,
    Unanswered,
)
from nucleus.history.promises import INVARIANTS
from tests.history_support import WORKER, Scribe


def broken(verdict: Verdict) -> set[str]:
    return {result.invariant.name for result in verdict.broken}


def outcome(history: History, name: str) -> Outcome:
    return check(history).results[name].outcome


def only(history: History, *kinds: type[Observation]) -> History:
    """What somebody sees who can see these kinds only, on a cluster."""
    seen = [item for item in history.observations if isinstance(item, kinds)]
    return replace(history, observations=seen, source="cluster")


def test_a_job_that_lives_as_it_should_breaks_nothing() -> None:
    scribe = Scribe()
    scribe.whole_life()
    verdict = check(scribe.history)
    assert verdict.ok, verdict.text()
    assert verdict.results["every-job-ends"].outcome is Outcome.PASS
    assert verdict.account == Account(1, 1, 0, 0, 0, 0, 0)


def test_what_never_happened_is_unknown_and_not_kept() -> None:
    scribe = Scribe()
    scribe.whole_life()
    for name in ("the-living-are-not-buried", "cancelled-is-not-dispatched", "nothing-raises"):
        assert outcome(scribe.history, name) is Outcome.UNKNOWN


def test_an_empty_history_says_nothing_at_all() -> None:
    verdict = check(History())
    assert {result.outcome for result in verdict.results.values()} == {Outcome.UNKNOWN}
    assert verdict.text() == f"0 invariants kept, 0 broken, {len(INVARIANTS)} unknown"


def test_a_cluster_that_shows_only_its_events_is_judged_by_them() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.complete(job, scribe.lease(job), result="8")
    events = only(scribe.history, Committed)
    assert outcome(scribe.history, "results-come-from-the-holder") is Outcome.FAIL
    assert outcome(events, "results-come-from-the-holder") is Outcome.UNKNOWN
    assert outcome(events, "no-more-than-the-credit") is Outcome.UNKNOWN
    assert outcome(events, "only-the-current-lease-counts") is Outcome.PASS


def test_a_cluster_need_not_show_the_commit_before_the_answer() -> None:
    scribe = Scribe()
    scribe.whole_life()
    early = sorted(scribe.history.observations, key=lambda seen: isinstance(seen, Committed))
    in_the_world = replace(scribe.history, observations=early)
    on_a_cluster = only(in_the_world, Committed, Told, Submitted)
    assert outcome(in_the_world, "told-after-the-commit") is Outcome.FAIL
    assert outcome(on_a_cluster, "told-after-the-commit") is Outcome.UNKNOWN
    assert check(on_a_cluster).ok


@pytest.mark.parametrize("name", ["acknowledged-is-kept", "numbers-increase", "one-master-commits"])
def test_what_a_second_master_could_break_is_unknown_until_there_was_one(name: str) -> None:
    scribe = Scribe()
    scribe.whole_life()
    assert outcome(scribe.history, name) is Outcome.UNKNOWN
    scribe.commit(MasterStarted, epoch=2)
    assert outcome(scribe.history, name) is Outcome.PASS


def test_a_promise_that_is_broken_without_a_test_is_broken() -> None:
    scribe = Scribe()
    scribe.whole_life()
    scribe.see(Committed(scribe.now, WorkerLost(1, scribe.now, **WORKER, reason="silence"), 1))
    assert outcome(scribe.history, "numbers-increase") is Outcome.FAIL


def test_a_recording_that_missed_events_does_not_call_jobs_lost() -> None:
    scribe = Scribe()
    scribe.whole_life()
    scribe.commit(MasterStarted, epoch=2)
    watched = only(scribe.history, Committed, Told)
    late = replace(watched, observations=watched.observations[3:])
    assert outcome(watched, "acknowledged-is-kept") is Outcome.PASS
    assert outcome(late, "acknowledged-is-kept") is Outcome.UNKNOWN
    assert check(late).account.lost == 0


def test_a_run_that_was_cut_short_does_not_call_jobs_endless() -> None:
    scribe = Scribe(drained=False)
    scribe.lease(scribe.submit())
    assert outcome(scribe.history, "every-job-ends") is Outcome.UNKNOWN
    assert outcome(replace(scribe.history, drained=True), "every-job-ends") is Outcome.FAIL


def test_jobs_are_accounted_for_as_jepsen_does() -> None:
    scribe = Scribe()
    scribe.whole_life()
    scribe.see(Told(scribe.now, "c", 9, Acknowledged(9, "a-0000000999")))  # lost
    scribe.submit(client="somebody")  # unexpected: the client is another than the one told
    scribe.see(Submitted(scribe.now, "d", 1, "Echo", "1"))
    scribe.see(Told(scribe.now, "d", 1, Refused(1, Refusal(Reason.QUEUE_FULL, "full"))))
    account = check(scribe.history).account
    assert account.attempted == 3
    assert account.acknowledged == 3
    assert (account.refused, account.unexpected, account.recovered) == (1, 1, 1)
    assert account.lost == 2  # and the one that never ends


def test_a_job_whose_client_gave_up_was_recovered() -> None:
    scribe = Scribe()
    scribe.submit()
    scribe.history.observations.pop()
    scribe.see(Told(scribe.now, "c", 1, Unanswered(1, definite=False)))
    assert check(scribe.history).account.recovered == 1


def test_a_breach_of_an_empty_history_can_be_told() -> None:
    rule = Invariant("never", 1, "Nothing is ever right.", lambda replay: iter([Breach(1.0, "no")]))
    result = Result(rule, 1, (Breach(1.0, "no"),))
    account = check(History()).account
    assert "at 1.000 s: no" in Verdict(History(), {"never": result}, account).text()


def test_a_client_that_gave_up_hears_no_end() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.see(Told(scribe.now, "c", job.client_seq, Unanswered(job.client_seq, definite=False)))
    scribe.cancel(job)
    scribe.history.observations.pop()
    assert outcome(scribe.history, "every-handle-hears-one-end") is Outcome.PASS


def test_two_ends_are_one_too_many() -> None:
    scribe = Scribe()
    job = scribe.whole_life()
    scribe.see(Told(scribe.now, "c", 1, Ended(1, job.job_id, Status.COMPLETED, "7")))
    assert broken(check(scribe.history)) == {"every-handle-hears-one-end"}


def test_a_job_that_was_leased_after_it_was_cancelled_is_noticed_in_several_ways() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.cancel(job)
    scribe.lease(job)
    assert broken(check(scribe.history)) == {"moves-are-legal", "cancelled-is-not-dispatched"}


def test_a_worker_is_buried_too_early_by_a_heartbeat_or_by_a_restart() -> None:
    scribe = Scribe(settings={"worker_timeout": 5.0})
    job = scribe.submit()
    lease = scribe.lease(job)
    scribe.see(Beat(scribe.now, **WORKER))
    scribe.lose(job, lease)
    verdict = check(scribe.history)
    assert broken(verdict) == {
        "the-living-are-not-buried",
        "every-job-ends",
        "every-handle-hears-one-end",
    }
    assert "w was lost 1.00 s after a heartbeat" in verdict.text()
    assert outcome(scribe.history, "silence-counts-while-a-master-serves") is Outcome.PASS


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
@pytest.mark.parametrize(("timeout", "kept"), [(0.5, True), (5.0, False)])
def test_the_clock_of_a_master_may_be_wrong(ahead: float, timeout: float, kept: bool) -> None:
    scribe = Scribe(settings={"worker_timeout": timeout})
    job = scribe.submit()
    lease = scribe.lease(job)
    scribe.see(Beat(scribe.now, **WORKER))
    scribe.lose(job, lease)
    wrong = [
        replace(seen, event=replace(seen.event, at=seen.event.at + ahead))
        if isinstance(seen, Committed)
        else seen
        for seen in scribe.history.observations
    ]
    verdict = check(replace(scribe.history, observations=wrong), ["the-living-are-not-buried"])
    assert verdict.results["the-living-are-not-buried"].cases == 1
    assert verdict.ok is kept


def test_a_key_may_be_used_again_once_its_job_was_trimmed() -> None:
    scribe = Scribe()
    scribe.complete(first := scribe.submit(key="k"), scribe.lease(first))
    trimmed = Trimmed(scribe.now, scribe.seq + 1)
    scribe.see(trimmed)
    scribe.complete(second := scribe.submit(key="k"), scribe.lease(second))
    assert outcome(scribe.history, "one-job-for-one-key") is Outcome.PASS
    scribe.history.observations.remove(trimmed)
    assert outcome(scribe.history, "one-job-for-one-key") is Outcome.FAIL


def test_a_page_may_lack_what_came_after_the_walk_began() -> None:
    scribe = Scribe()
    first, asked = scribe.whole_life(), scribe.now
    second = scribe.whole_life()
    scribe.see(Listed(scribe.now, "c", 1, asked, (first.job_id,), last=True))
    assert outcome(scribe.history, "pages-skip-nothing") is Outcome.PASS
    scribe.see(Listed(scribe.now, "c", 2, scribe.now, (second.job_id,), last=True))
    assert outcome(scribe.history, "pages-skip-nothing") is Outcome.FAIL


def test_counts_are_held_against_the_events_before_them() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.see(Counted(scribe.now, "ledger", 1, 1, 0, 0, 0, 0, next_seq=scribe.seq + 1))
    scribe.complete(job, scribe.lease(job))
    assert outcome(scribe.history, "counts-are-true") is Outcome.PASS
    scribe.see(Counted(scribe.now, "metrics", 1, 1, 0, 0, 0, 0, next_seq=scribe.seq + 1))
    verdict = check(scribe.history)
    assert broken(verdict) == {"counts-are-true"}
    assert "metrics counts" in verdict.text()


def test_messages_without_an_unforeseen_error_are_evidence_that_nothing_raises() -> None:
    scribe = Scribe()
    scribe.see(Message(scribe.now, None, "w", "master", "heartbeat"))
    assert outcome(scribe.history, "nothing-raises") is Outcome.PASS
    scribe.see(Raised(scribe.now, "master", "KeyError()"))
    assert outcome(scribe.history, "nothing-raises") is Outcome.FAIL


def test_a_failure_is_told_in_words_with_its_moment_and_the_story_of_the_job() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.complete(job, scribe.lease(job), result="8")
    text = check(scribe.history).text()
    assert "Promise 2 is broken (results-come-from-the-holder): The accepted result is" in text
    assert "at 10.000 s: 8 was taken; lease 4 computed 7" in text
    words = (
        "JobSubmitted",
        "JobLeased lease 4",
        "Received worker=w",
        "JobCompleted",
        "is told Ended",
    )
    places = [text.index(word) for word in words]
    assert places == sorted(places)


def test_a_long_story_is_shortened_in_the_middle() -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.complete(job, scribe.lease(job), result="8")
    for _ in range(100):
        scribe.see(Message(scribe.now, None, "w", "master", "result", job.job_id))
    text = check(scribe.history).text()
    assert "lines …" in text
    assert len(text.splitlines()) < 60


def test_every_sentence_says_what_is_so() -> None:
    for invariant in INVARIANTS.values():
        assert 1 <= invariant.promise <= 11
        assert invariant.sentence.endswith("."), invariant
    assert {invariant.promise for invariant in INVARIANTS.values()} == set(range(1, 12))


@pytest.mark.parametrize("name", INVARIANTS)
def test_an_invariant_can_be_asked_for_alone(name: str) -> None:
    scribe = Scribe()
    scribe.whole_life()
    assert list(check(scribe.history, [name]).results) == [name]


def test_checking_takes_time_in_proportion_to_the_history() -> None:
    def cost(jobs: int) -> float:
        scribe = Scribe()
        many = [scribe.submit() for _ in range(jobs)]
        for job in many:
            scribe.complete(job, scribe.lease(job, credit=jobs))
        began = time.process_time()
        assert check(scribe.history).ok
        return time.process_time() - began

    cost(200)
    assert cost(8_000) / cost(1_000) < 24


def test_a_lease_that_was_never_given_is_noticed() -> None:
    scribe = Scribe()
    job = scribe.whole_life()
    scribe.see(Received(scribe.now, **WORKER, lease=99, job_id=job.job_id, credit=1))
    assert broken(check(scribe.history)) == {"leases-leave-after-the-commit"}
    assert not any(
        isinstance(s.event, JobLeased) and s.event.seq == 99 for s in scribe.history.events()
    )


def silent_for(seconds: float) -> Scribe:
    """A worker that joins at 1002, is last heard of at 1004, and is replaced so much later."""
    scribe = Scribe(settings={"worker_timeout": 5.0})
    scribe.see(Beat(1004.0, **WORKER))
    at = 1004.0 + seconds
    scribe.see(Committed(at, WorkerLost(9, at, **WORKER, reason="replaced"), 1))
    return scribe


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.0, Outcome.UNKNOWN), (6.0, Outcome.PASS), (7.5, Outcome.FAIL), (29.0, Outcome.FAIL)],
)
def test_who_is_silent_for_longer_than_the_timeout_is_given_up(
    seconds: float, said: Outcome
) -> None:
    assert outcome(silent_for(seconds).history, "the-silent-are-given-up") is said


@pytest.mark.parametrize(
    "meanwhile",
    [
        Serving(1008.0, 2),
        Fault(1006.0, 1008.0, "master-pause", "master"),
        Fault(1009.0, None, "slow-store", "store"),
        Message(1008.0, 1009.0, "w", "master", "GetJobs"),
        Beat(1009.0, **WORKER),
    ],
    ids=lambda seen: type(seen).__name__,
)
def test_silence_counts_only_while_a_master_listens(meanwhile: Observation) -> None:
    scribe = silent_for(9.0)
    scribe.history.observations.insert(-1, meanwhile)
    assert outcome(scribe.history, "the-silent-are-given-up") is Outcome.UNKNOWN
    scribe.history.observations.remove(meanwhile)
    assert outcome(scribe.history, "the-silent-are-given-up") is Outcome.FAIL


def test_somebody_elses_sign_of_life_is_none() -> None:
    scribe = silent_for(9.0)
    scribe.history.observations.insert(-1, Beat(1009.0, "w", "an earlier life"))
    assert outcome(scribe.history, "the-silent-are-given-up") is Outcome.FAIL


@pytest.mark.parametrize(
    ("fate", "kept"),
    [
        ({"front": False, "not_before": 2000.0}, True),
        ({"front": True, "not_before": 2000.0}, False),
        ({"front": False}, False),  # at once
    ],
)
def test_a_failed_attempt_waits_at_the_tail(fate: dict[str, Any], kept: bool) -> None:
    scribe = Scribe()
    job = scribe.submit()
    scribe.lose(job, scribe.lease(job), reason="failed", suspect=False, **fate)
    verdict = check(scribe.history, ["failed-goes-to-the-tail"])
    assert (verdict.ok, verdict.results["failed-goes-to-the-tail"].cases) == (kept, 1)


def test_a_refusal_that_a_worker_heard_is_among_the_events() -> None:
    scribe = Scribe()
    job = scribe.whole_life()
    scribe.see(Denied(scribe.now, **WORKER, lease=4, job_id=job.job_id, reason="stale_lease"))
    assert broken(check(scribe.history)) == {"refusals-are-counted"}
    scribe.commit(ResultRejected, job_id=job.job_id, lease=4, worker="w", reason="stale_lease")
    assert outcome(scribe.history, "refusals-are-counted") is Outcome.PASS


def test_what_was_withdrawn_for_certain_made_no_job() -> None:
    scribe = Scribe()
    scribe.see(Told(scribe.now, "c", 2, Unanswered(2, definite=True)))
    scribe.whole_life()
    assert outcome(scribe.history, "definite-errors-are-definite") is Outcome.PASS
    scribe.see(Told(scribe.now, "c", 1, Unanswered(1, definite=True)))
    verdict = check(scribe.history, ["definite-errors-are-definite"])
    assert verdict.broken[0].breaches[0].job == "a-0000000003"


@pytest.mark.parametrize(
    ("options", "event"), [({"timeout": 2.0}, {"timeout": None}), ({"delay": 3.0}, {})]
)
def test_a_job_is_asked_for_with_its_delay_and_its_timeout(
    options: dict[str, Any], event: dict[str, Any]
) -> None:
    scribe = Scribe()
    scribe.submit(**event)
    kinds = [type(seen) for seen in scribe.history.observations]
    place = kinds.index(Submitted)
    assert outcome(scribe.history, "jobs-are-as-asked") is Outcome.PASS
    asked = scribe.history.observations[place]
    scribe.history.observations[place] = replace(asked, **options)
    assert outcome(scribe.history, "jobs-are-as-asked") is Outcome.FAIL


@pytest.mark.parametrize(("reason", "kept"), [(Reason.INVALID, False), (Reason.QUEUE_FULL, True)])
def test_a_refused_submit_made_no_job_unless_it_arrived_twice(reason: Reason, kept: bool) -> None:
    scribe = Scribe()
    scribe.submit()
    scribe.history.observations.pop()
    scribe.see(Told(scribe.now, "c", 1, Refused(1, Refusal(reason, "no"))))
    assert check(scribe.history, ["refusals-are-final"]).ok is kept
