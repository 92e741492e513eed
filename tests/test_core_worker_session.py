"""The worker's own rules: what it holds, what it says, when it drains (promises 7, 9 and 11)."""

from dataclasses import replace
from math import inf

from nucleus.core.credit import AHEAD, MEMORY
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.worker import (
    MAX_REPORT_CHARACTERS,
    MAX_WINDOW,
    Assignment,
    BeatAnswer,
    Hello,
    Report,
    WorkerStatus,
)
from nucleus.core.worker_session import COMPANY, LINGER, WorkerSession
from tests.core_support import START, Queue, checked_queue

queue = checked_queue


def opened(slots: int = 2) -> WorkerSession:
    worker = WorkerSession("w", "i1", slots, ["Echo"])
    worker.open(START)
    return worker


def jobs(*leases: int) -> list[Assignment]:
    return [Assignment(f"job-{lease}", lease, "Echo", "1", None, 1) for lease in leases]


def started(worker: WorkerSession) -> list[int]:
    return [job.lease for job in worker.to_start()]


def done(lease: int) -> Report:
    return Report(f"job-{lease}", lease, result="1")


def reported(worker: WorkerSession, now: float = START) -> list[int]:
    """The leases in the next ``SendResults``."""
    reports = worker.reports(now)
    return [report.lease for report in reports.items] if reports else []


def answer(worker: WorkerSession, *refusals: Refusal | None) -> None:
    """Answer the ``SendResults`` under way; without ``refusals`` all of it is accepted."""
    worker.answered(refusals or [None] * len(worker._in_call))


def presented(worker: WorkerSession) -> tuple[int, ...]:
    """The leases that the next session presents."""
    return worker.open(START).leases


def test_each_session_has_a_higher_number_and_presents_what_is_held() -> None:
    worker = opened()
    worker.received(1, jobs(5, 6))
    hello = worker.open(START)
    assert isinstance(hello, Hello)
    assert (hello.worker, hello.incarnation, hello.session) == ("w", "i1", 2)
    assert (hello.slots, hello.job_types, hello.leases) == (2, ("Echo",), (5, 6))


def test_leases_start_in_the_order_received_as_many_as_there_are_slots() -> None:
    worker = opened(slots=2)
    worker.received(1, jobs(7, 3, 9))
    assert started(worker) == [7, 3]
    assert started(worker) == []
    worker.finished(done(3), START)
    assert started(worker) == [9]


def test_promise_11_a_lease_that_is_held_is_not_taken_twice() -> None:
    worker = opened(slots=5)
    worker.received(1, jobs(1, 2))
    assert started(worker) == [1, 2]
    worker.finished(done(1), START)
    worker.received(1, jobs(1, 2, 3))
    assert started(worker) == [3]
    assert presented(worker) == (1, 2, 3)


def test_what_arrives_on_an_earlier_session_is_ignored() -> None:
    worker = opened()
    worker.open(START)
    worker.received(1, jobs(1))
    worker.received(2, jobs(2))
    assert presented(worker) == (2,)


def test_a_lease_is_held_until_its_report_is_answered() -> None:
    worker = opened()
    worker.received(1, jobs(1))
    started(worker)
    worker.finished(done(1), START)
    assert presented(worker) == (1,)
    assert reported(worker) == [1]
    assert presented(worker) == (1,)
    answer(worker)
    assert presented(worker) == ()
    assert worker.idle


def test_promise_11_a_report_is_sent_until_it_is_answered() -> None:
    worker = opened()
    worker.received(1, jobs(1, 2))
    started(worker)
    worker.finished(done(1), START)
    assert reported(worker) == [1]
    worker.finished(done(2), START)
    assert reported(worker) == [], "one call at a time"
    worker.unanswered()
    assert reported(worker) == [1, 2]
    answer(worker)
    assert worker.reports(START) is None


def test_an_answer_is_about_the_reports_that_were_sent_and_no_others() -> None:
    worker = opened()
    worker.received(1, jobs(1, 2))
    started(worker)
    worker.finished(done(1), START)
    reported(worker)
    worker.finished(done(2), START)
    answer(worker)
    assert reported(worker) == [2]


def test_a_report_waits_a_moment_for_others_while_there_is_more_to_run() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2, 3, 4))
    assert worker.report_due() == inf, "there is nothing to report"
    worker.to_start(capacity=4)  # an executor that queues
    worker.finished(done(1), START)
    worker.finished(done(2), START + 0.01)
    assert worker.report_due() == START + LINGER, "the oldest decides"
    worker.finished(done(3), START + 0.02)
    assert worker.report_due() == -inf, "somebody may be waiting for these alone"
    assert reported(worker) == [1, 2, 3]
    answer(worker)
    assert worker.report_due() == inf


def test_reports_that_have_company_enough_wait_for_no_more() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(*range(COMPANY + 2)))
    worker.to_start(capacity=100)
    for lease in range(COMPANY):
        assert worker.report_due() > -inf
        worker.finished(done(lease), START)
    assert worker.report_due() == -inf


def test_what_has_waited_already_does_not_wait_again() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2, 3, 4, 5))
    worker.to_start(capacity=5)
    for lease in (1, 2, 3):
        worker.finished(done(lease), START)
    worker.reports(START, limit=2)
    assert worker.report_due() == -inf, "those that the call had no room for"
    worker.unanswered()
    assert reported(worker) == [1, 2, 3]
    assert worker.report_due() == inf, "all are under way"
    worker.unanswered()
    assert worker.report_due() == -inf
    reported(worker)
    answer(worker, Refusal(Reason.INVALID, "result: too large"), None, None)
    assert worker.report_due() == -inf, "the error instead of it"


def test_what_a_drain_hands_back_does_not_wait() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2, 3))
    worker.to_start(capacity=2)
    worker.drain()
    assert worker.report_due() == -inf


def test_one_call_carries_so_many_reports() -> None:
    worker = opened(slots=5)
    worker.received(1, jobs(1, 2, 3))
    for lease in started(worker):
        worker.finished(done(lease), START)
    first = worker.reports(START, limit=2)
    assert first is not None
    assert [report.lease for report in first.items] == [1, 2]
    answer(worker)
    assert reported(worker) == [3]


def test_promise_1_a_result_that_is_not_legal_is_reported_as_an_error_instead() -> None:
    """Otherwise the worker would forget a lease that the master still counts on."""
    worker = opened()
    worker.received(1, jobs(1, 2))
    for lease in started(worker):
        worker.finished(done(lease), START)
    reported(worker)
    answer(worker, Refusal(Reason.INVALID, "result: too large"), None)
    assert presented(worker) == (1,)
    reports = worker.reports(START)
    assert reports is not None
    assert reports.items == (Report("job-1", 1, error="result: too large"),)
    answer(worker)
    assert worker.idle


def test_a_report_that_is_refused_otherwise_is_done_with() -> None:
    worker = opened()
    worker.received(1, jobs(1))
    started(worker)
    worker.finished(done(1), START)
    reported(worker)
    answer(worker, Refusal(Reason.STALE_LEASE, "stale"))
    assert worker.idle


def test_an_end_of_an_unknown_run_is_ignored() -> None:
    worker = opened()
    worker.finished(done(1), START)
    assert worker.reports(START) is None
    assert worker.assignment(1) is None


def test_a_heartbeat_names_what_is_running() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2))
    started(worker)
    beat = worker.beat(START)
    assert (beat.session, beat.running, beat.stopped, beat.leaving) == (1, (1,), (), False)
    assert worker.beat(START, leaving=True).leaving
    held = worker.assignment(2)
    assert held is not None
    assert held.job_id == "job-2"


def test_an_executor_that_queues_is_given_more_than_there_are_slots() -> None:
    worker = opened(slots=2)
    worker.received(1, jobs(1, 2, 3, 4, 5))
    assert [job.lease for job in worker.to_start(4)] == [1, 2, 3, 4]
    assert worker.to_start(4) == []
    worker.finished(done(2), START)
    assert [job.lease for job in worker.to_start(4)] == [5]


def test_a_heartbeat_names_only_what_has_begun_and_is_not_void() -> None:
    worker = opened(slots=2)
    worker.received(1, jobs(1, 2, 3, 4))
    worker.to_start(4)
    worker.voided([3])
    assert worker.beat(START, [1, 3]).running == (1,)
    assert worker.beat(START).running == (1, 2, 4)


def test_what_the_executor_gives_back_is_released_by_a_drain() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2, 3))
    worker.to_start(3)
    worker.not_started([2, 3, 9])
    worker.drain()
    reports = worker.reports(START)
    assert reports is not None
    assert [(report.lease, report.released) for report in reports.items] == [(2, True), (3, True)]
    assert worker.busy == 1


# Credit


def test_the_window_is_no_more_than_the_slots_run_in_a_moment() -> None:
    worker = opened(slots=2)
    worker.received(1, jobs(*range(1, 41)))
    worker.to_start(40)
    for lease in range(1, 31):
        worker.finished(replace(done(lease), run_seconds=AHEAD / 2.2), START)
    assert worker.credit.window(START) == 2 + 2 * 2
    for lease in range(31, 41):
        worker.finished(replace(done(lease), run_seconds=AHEAD * 8), START + 0.01)
    assert worker.credit.window(START + 0.01) == 2


def test_a_worker_of_quick_jobs_soon_has_the_whole_window() -> None:
    """Each exchange doubles it, also when a message takes longer than the jobs."""
    worker, now, exchanges, newest = opened(slots=1), START, 0, 0
    while (window := worker.credit.window(now)) < MAX_WINDOW:
        worker.received(1, jobs(*range(newest + 1, newest + window + 1)))
        newest, now, exchanges = newest + window, now + 0.06, exchanges + 1
        for job in worker.to_start(MAX_WINDOW):
            worker.finished(done(job.lease), now)
        assert reported(worker, now)
        answer(worker)
    assert exchanges <= 12


def test_the_window_is_the_slots_and_what_was_finished_lately() -> None:
    worker = opened(slots=2)
    assert worker.credit.window(START) == 2
    worker.received(1, jobs(1, 2, 3))
    started(worker)
    worker.finished(done(1), START)
    worker.finished(done(2), START + 0.01)
    assert worker.credit.window(START + 0.01) == 4
    assert worker.credit.window(START + MEMORY) == 4
    assert worker.credit.window(START + MEMORY + 0.005) == 3
    assert worker.credit.window(START + 1) == 2


def test_the_window_never_exceeds_its_bound() -> None:
    worker = opened(slots=MAX_WINDOW)
    for lease in range(1, 2 * MAX_WINDOW):
        worker.received(1, jobs(lease))
        started(worker)
        worker.finished(done(lease), START)
    assert worker.credit.window(START) == MAX_WINDOW


def test_a_slot_that_is_blocked_is_not_offered() -> None:
    worker = opened(slots=2)
    worker.open(START)
    assert not worker.has_news(START)
    worker.credit.blocked = 1
    assert worker.credit.window(START) == 1
    assert worker.has_news(START)
    worker.beat(START)
    assert not worker.has_news(START)
    worker.received(2, jobs(1, 2))
    assert started(worker) == [1]
    assert worker.busy == 1
    worker.credit.blocked = 0
    assert started(worker) == [2]


def test_the_master_should_hear_soon_of_a_slot_that_is_free_again() -> None:
    worker = opened(slots=2)
    worker.credit.blocked = 1
    worker.open(START)
    assert not worker.has_news(START)
    worker.credit.blocked = 0
    assert worker.has_news(START)
    assert worker.beat(START).credit.window == 2
    assert not worker.has_news(START)
    worker.drain()
    worker.open(START)
    assert not worker.has_news(START), "while draining no slot is offered"


def test_promise_11_every_statement_of_credit_has_a_higher_number() -> None:
    worker = opened()
    worker.received(1, jobs(1))
    started(worker)
    worker.finished(done(1), START)
    reports = worker.reports(START)
    assert reports is not None
    assert reports.credit is not None
    numbers = [reports.credit.seq, worker.beat(START).credit.seq, worker.open(START).credit.seq]
    assert numbers == sorted(set(numbers))


# Void leases


def test_promise_9_a_void_lease_that_waits_is_dropped_and_told() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2))
    started(worker)
    assert worker.voided([2]) == []
    worker.finished(done(1), START)
    assert started(worker) == []
    assert worker.beat(START).stopped == (2,)


def test_promise_9_a_void_lease_that_runs_is_to_be_stopped_once() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2))
    started(worker)
    assert worker.voided([1]) == [1]
    assert worker.voided([1]) == []
    assert worker.beat(START).stopped == ()
    assert started(worker) == [], "it still occupies its slot"
    assert presented(worker) == (1, 2)
    worker.stopped(1)
    assert worker.beat(START).stopped == (1,)
    assert started(worker) == [2]
    assert presented(worker) == (2,)


def test_a_void_run_that_cannot_be_stopped_reports_only_that_it_ended() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1))
    started(worker)
    worker.voided([1])
    worker.finished(done(1), START)
    assert worker.reports(START) is None
    assert worker.beat(START).stopped == (1,)
    assert worker.idle


def test_a_void_lease_that_has_ended_is_reported_so_that_the_refusal_is_counted() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1))
    started(worker)
    worker.finished(done(1), START)
    assert worker.voided([1]) == []
    assert reported(worker) == [1]


def test_a_void_lease_that_never_arrived_is_told_and_ignored_when_it_does() -> None:
    worker = opened()
    assert worker.voided([1]) == []
    worker.received(1, jobs(1))
    assert worker.idle
    assert worker.beat(START).stopped == (1,)


def test_a_void_lease_that_arrives_after_it_was_told_is_still_ignored() -> None:
    """Heartbeats are not ordered with the stream: the answer may overtake the job."""
    worker = opened()
    worker.voided([1])
    worker.told(worker.beat(START).stopped)
    worker.received(1, jobs(1))
    assert worker.idle


def test_what_stopped_is_told_until_the_master_has_heard() -> None:
    worker = opened()
    worker.received(1, jobs(1, 2, 3))
    started(worker)
    worker.voided([2, 3])
    worker.stopped(2)
    assert worker.beat(START).stopped == (2, 3)
    worker.finished(done(1), START)
    reports = worker.reports(START)
    assert reports is not None
    assert reports.stopped == (2, 3)
    worker.told([2])
    assert worker.beat(START).stopped == (3,)


def test_stopping_what_is_not_held_does_nothing() -> None:
    worker = opened()
    worker.stopped(4)
    assert worker.beat(START).stopped == ()


# Draining


def test_a_drain_hands_back_what_has_not_started() -> None:
    worker = opened(slots=1)
    worker.received(1, jobs(1, 2, 3))
    started(worker)
    worker.drain()
    assert worker.credit.window(START) == 0
    reports = worker.reports(START)
    assert reports is not None
    assert [(report.lease, report.released) for report in reports.items] == [(2, True), (3, True)]
    answer(worker)
    assert not worker.idle
    worker.finished(done(1), START)
    assert reported(worker) == [1]
    answer(worker)
    assert worker.idle


def test_what_arrives_during_a_drain_is_handed_back() -> None:
    worker = opened()
    worker.drain()
    worker.received(1, jobs(1))
    assert started(worker) == []
    reports = worker.reports(START)
    assert reports is not None
    assert [report.released for report in reports.items] == [True]


# Both sides together


def hello(queue: Queue, worker: WorkerSession) -> None:
    void = queue.ledger.open_session(worker.open(queue.now), queue.now)
    assert not isinstance(void, Refusal)
    worker.voided(void)


def deliver(queue: Queue, worker: WorkerSession) -> None:
    """Commit, and carry over what the ledger has leased to the worker."""
    queue.settle()
    held = queue.worker(worker.name).leases.items()
    worker.received(
        worker.session, [Assignment(job, lease, "Echo", "1", None, 1) for lease, job in held]
    )


def exchange(queue: Queue, worker: WorkerSession) -> list[bool]:
    """Send the reports that wait; return which of them were accepted."""
    reports = worker.reports(queue.now)
    assert reports is not None
    outcomes, voided = queue.ledger.report(reports, queue.now)
    worker.answered(outcomes)
    worker.told(reports.stopped)
    worker.voided(voided)
    return [outcome is None for outcome in outcomes]


def test_promise_7_a_cancelled_run_keeps_its_place_on_both_sides(queue: Queue) -> None:
    worker = WorkerSession("w", "i1", 1, ["Echo"])
    first, second = queue.submit_many(2)
    hello(queue, worker)
    deliver(queue, worker)
    [run] = worker.to_start()
    queue.cancel(first)
    answer = queue.ledger.heartbeat(worker.beat(queue.now), queue.now)
    assert isinstance(answer, BeatAnswer)
    assert worker.voided(answer.voided) == [run.lease]
    deliver(queue, worker)
    assert queue.held("w") == []
    worker.stopped(run.lease)
    beat = worker.beat(queue.now)
    queue.ledger.heartbeat(beat, queue.now)
    worker.told(beat.stopped)
    deliver(queue, worker)
    assert [job.job_id for job in worker.to_start()] == [second]


def test_promise_2_a_zombie_reports_before_it_opens_a_session(queue: Queue) -> None:
    worker = WorkerSession("w", "i1", 1, ["Echo"])
    job_id = queue.submit()
    hello(queue, worker)
    deliver(queue, worker)
    [run] = worker.to_start()
    queue.wait(10.25)
    worker.finished(Report(job_id, run.lease, result='"late"'), queue.now)
    assert exchange(queue, worker) == [False]
    assert queue.worker("w").status is WorkerStatus.LOST
    hello(queue, worker)
    deliver(queue, worker)
    [again] = worker.to_start()
    assert again.lease > run.lease
    worker.finished(Report(job_id, again.lease, result='"fresh"'), queue.now)
    assert exchange(queue, worker) == [True]
    assert queue.job(job_id).result == '"fresh"'
    assert queue.ledger.totals.rejected == {"stale_lease": 1}


def test_promise_11_a_lost_answer_to_a_report_does_no_harm(queue: Queue) -> None:
    worker = WorkerSession("w", "i1", 1, ["Echo"])
    job_id = queue.submit()
    hello(queue, worker)
    deliver(queue, worker)
    [run] = worker.to_start()
    worker.finished(Report(job_id, run.lease, result="1"), queue.now)
    lost = worker.reports(queue.now)
    assert lost is not None
    queue.ledger.report(lost, queue.now)
    worker.unanswered()
    hello(queue, worker)
    assert exchange(queue, worker) == [True]
    assert worker.idle
    queue.settle()
    assert queue.ledger.totals.finished == {"COMPLETED": 1}
    assert queue.worker("w").held == 0


def test_a_drained_worker_leaves_nothing_behind(queue: Queue) -> None:
    worker = WorkerSession("w", "i1", 2, ["Echo"])
    ids = queue.submit_many(3)
    hello(queue, worker)
    deliver(queue, worker)
    worker.drain()
    assert exchange(queue, worker) == [True, True]
    assert worker.idle
    queue.ledger.heartbeat(worker.beat(queue.now, leaving=True), queue.now)
    queue.join("v", slots=3)
    queue.settle()
    assert queue.held("v") == ids
    assert {queue.job(job_id).attempts for job_id in ids} == {0}


def test_one_call_carries_what_a_message_can_and_at_least_one_report() -> None:
    worker = opened(slots=3)
    worker.received(1, jobs(1, 2, 3))
    worker.to_start()
    for lease in (1, 2, 3):
        worker.finished(Report(f"job-{lease}", lease, result="x" * MAX_REPORT_CHARACTERS), START)
    for lease in (1, 2, 3):
        assert reported(worker) == [lease]
        answer(worker)
    assert worker.idle


def test_only_a_session_in_which_something_arrived_can_be_gone() -> None:
    worker = opened()
    gone = BeatAnswer(open_again=True, voided=())
    assert not worker.must_reopen(worker.beat(START), gone)  # it may be under way
    worker.received(1, [])
    beat = worker.beat(START)
    assert worker.must_reopen(beat, gone)
    assert not worker.must_reopen(beat, BeatAnswer(open_again=False, voided=()))
    worker.open(START)
    assert not worker.must_reopen(beat, gone)


def test_the_master_should_hear_soon_of_a_voided_lease_that_was_stopped() -> None:
    worker = opened()
    worker.received(1, jobs(1))
    assert not worker.has_news(START)
    worker.voided([1])
    assert worker.has_news(START)
    worker.told(worker.beat(START).stopped)
    assert not worker.has_news(START)
