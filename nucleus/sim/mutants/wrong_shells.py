"""Mutants of what surrounds the rules: outbox, store, sessions, and the master's shell."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from grpc import StatusCode

from nucleus.client import tracker
from nucleus.client.ends import ends_in
from nucleus.core.client_session import ClientSession
from nucleus.core.lifecycle import Status
from nucleus.core.news import Ended
from nucleus.core.outbox import Outbox
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.snapshot import Totals
from nucleus.core.worker_session import WorkerSession
from nucleus.rpc.status import PASSING
from nucleus.services.master.engine import Engine
from nucleus.sim.mutants.registry import Patch, mutant
from nucleus.stores.memory import MemoryStore

# ---- commits --------------------------------------------------------------------------


@mutant("told-after-the-commit")
def answers_leave_before_the_commit(patch: Patch) -> None:
    """The job is in the ledger, so its client may know."""

    @patch.method(Outbox)
    def hold(real: Any, outbox: Any, effect: Any) -> None:
        effect.set_result(None)


@mutant("told-after-the-commit")
def events_leave_before_the_commit(patch: Patch) -> None:
    """Who watches wants to know at once."""

    @patch.method(Engine)
    async def _commit(real: Any, engine: Any, batch: Any) -> None:
        engine.watchers.publish(batch.events, batch.next_seq)
        await real(engine, batch)


@mutant("leases-leave-after-the-commit")
def leases_leave_before_the_commit(patch: Patch) -> None:
    """The worker can start while the disk is still writing."""

    @patch.method(Engine)
    async def _commit(real: Any, engine: Any, batch: Any) -> None:
        engine._release_leases(batch)
        await real(engine, batch)


@mutant("definite-errors-are-definite")
def every_failed_commit_is_called_definite(patch: Patch) -> None:
    """A commit that failed did not happen."""

    @patch.method(Outbox)
    def abandon(real: Any, outbox: Any, *, commit_issued: bool) -> Any:
        return real(outbox, commit_issued=False)


@mutant("nothing-raises")
def ended_jobs_leave_before_their_commit(patch: Patch) -> None:
    """What has ended is in the store as soon as the store was told."""

    @patch.method(Outbox)
    def begin(real: Any, outbox: Any, now: float) -> Any:
        batch = real(outbox, now)
        if batch is not None:
            outbox.ledger.forget_ended(batch)
        return batch


# ---- the store ------------------------------------------------------------------------


@mutant("acknowledged-is-kept")
def a_commit_waits_for_the_next_one(patch: Patch) -> None:
    """What was handed to the disk is on the disk."""
    late = "late"

    @patch.method(MemoryStore)
    def commit(real: Any, store: Any) -> None:
        vars(store).setdefault(late, None)
        store._staged, vars(store)[late] = vars(store)[late], store._staged
        real(store)


@mutant("one-master-commits")
def a_stale_master_commits(patch: Patch) -> None:
    """There is only one master, so it need not look whether it still is the one."""

    @patch.method(MemoryStore)
    def check_epoch(real: Any, store: Any) -> None:
        return None


@mutant("rows-tell-the-same")
def errors_are_not_kept(patch: Patch) -> None:
    """An error was told to the client; the table need not have it, too."""

    @patch.method(MemoryStore)
    def _keep_job(real: Any, store: Any, asked: Any, state: tuple[Any, ...]) -> None:
        without = ("" if str(value).startswith("worker ") else value for value in state)
        real(store, asked, tuple(without))


@mutant("totals-are-true")
def rejections_are_counted_in_memory_only(patch: Patch) -> None:
    """A refused result changes nothing, so there is nothing to keep."""

    @patch.method(Totals)
    def copy(real: Any, totals: Totals) -> Totals:
        kept: Totals = real(totals)
        kept.rejected.clear()
        return kept


@mutant("pages-skip-nothing")
def a_page_token_skips_a_job(patch: Patch) -> None:
    """A token names the first job of the next page."""

    @patch.method(MemoryStore)
    def page(real: Any, store: Any, after: int, *rest: Any, **options: Any) -> Any:
        return real(store, after + 1 if after else 0, *rest, **options)


# ---- sessions -------------------------------------------------------------------------


@mutant("void-leases-are-not-started")
def what_was_stopped_is_put_back_in_line(patch: Patch) -> None:
    """A run that had to stop has not ended, so it has to begin again."""

    @patch.method(WorkerSession)
    def voided(real: Any, session: Any, leases: Any) -> Any:
        leases = tuple(leases)
        again = {lease: session._running[lease] for lease in leases if lease in session._running}
        to_stop = real(session, leases)
        session._waiting.update(again)
        return to_stop


@mutant("every-handle-hears-one-end")
def a_gap_in_the_events_is_not_filled(patch: Patch) -> None:
    """Every event arrives, sooner or later."""

    @patch.method(ClientSession)
    def found(real: Any, *_: Any) -> list[Any]:
        return []


@mutant("clients-hear-the-truth")
def every_end_is_a_success(patch: Patch) -> None:
    """A job that has ended has a result."""

    def all_completed(batch: Any) -> Iterator[Ended]:
        return (replace(end, status=Status.COMPLETED) for end in ends_in(batch))

    patch.replace(tracker, "ends_in", all_completed)


@mutant("one-job-is-told-of")
def results_arrive_in_the_order_of_submits(patch: Patch) -> None:
    """First in, first out: the next result belongs to the oldest handle."""

    @patch.method(ClientSession)
    def seen(real: Any, session: Any, events: Any, next_seq: int) -> Any:
        news = []
        for event in events:
            oldest = min(session._open, default=event.client_seq)
            news += real(session, [replace(event, client_seq=oldest)], next_seq)
        return news


@mutant("definite-errors-are-definite")
def what_will_be_sent_again_was_not_sent(patch: Patch) -> None:
    """A submit that waits to be sent can be taken back."""

    @patch.method(ClientSession)
    def withdraw(real: Any, session: Any, client_seq: int) -> Any:
        session._sent.discard(client_seq)
        return real(session, client_seq)


@mutant("refusals-are-final")
def no_answer_is_a_refusal(patch: Patch) -> None:
    """Who gets no answer in time was not let in."""
    patch.replace(tracker, "PASSING", PASSING - {StatusCode.DEADLINE_EXCEEDED})


@mutant("refusals-are-final")
def a_refusal_is_a_matter_of_time(patch: Patch) -> None:
    """When the queue is full the library tries again, and the user need not hear of it."""

    @patch.method(ClientSession)
    def answered(real: Any, session: Any, outcomes: Any) -> Any:
        sent = list(session._in_flight)
        news = real(session, outcomes)
        for submit, outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, Refusal) and outcome.reason is Reason.QUEUE_FULL:
                session._pending.append(submit)
        return news
