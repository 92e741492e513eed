"""Promises 4 and 5: who is given up on, and which attempts that costs."""

from collections import Counter, defaultdict

from nucleus.core.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    WorkerJoined,
    WorkerLeft,
    WorkerLost,
)
from nucleus.core.lifecycle import Status
from nucleus.history.invariants import Breach, Cases, breach, invariant
from nucleus.history.replay import Holder, Replay, Silence, Step
from nucleus.history.silences import silences

ROUNDING = 1e-6  # seconds that setting one clock against another can cost
NOTICED = 2.0  # seconds after the timeout by which a master that keeps up has noticed
LOST = ("worker_lost", "replaced")  # reasons with which a lost worker's job moves on
ENDS = (JobCompleted, JobFailed, JobRequeued, JobCancelled)  # of a lease
UNCHARGED = ("undelivered", "released", "left")


def _holder(step: Step) -> Holder:
    return step.event.worker, step.event.incarnation


@invariant(4)
def the_living_are_not_buried(replay: Replay) -> Cases:
    """No worker is lost whose last heartbeat is younger than the timeout."""
    silence, timeout = Silence(replay), replay.history.worker_timeout
    for step in _silent(replay):
        heard = silence.heartbeat(_holder(step), step.decided)
        if heard is not None:
            silent = step.decided - heard
            what = f"{step.event.worker} was lost {silent:.2f} s after a heartbeat"
            yield None if silent > timeout - ROUNDING else breach(step, what)


@invariant(4)
def silence_counts_while_a_master_serves(replay: Replay) -> Cases:
    """A master that begins, or that stood still, gives all workers a fresh allowance."""
    silence, timeout = Silence(replay), replay.history.worker_timeout
    for step in _silent(replay):
        began = silence.allowance(step.decided)
        if began is not None:
            waited = step.decided - began
            what = f"{step.event.worker} was lost {waited:.2f} s after the master began to listen"
            yield None if waited > timeout - ROUNDING else breach(step, what)


def _silent(replay: Replay) -> list[Step]:
    return [step for step in replay.of(WorkerLost) if step.event.reason == "silence"]


@invariant(4)
def the_silent_are_given_up(replay: Replay) -> Cases:
    """A worker that is silent for longer than the timeout while a master serves is lost."""
    timeout = replay.history.worker_timeout
    for quiet in silences(replay):
        if quiet.seconds > timeout:
            what = f"{quiet.worker} was silent for {quiet.seconds:.2f} s, and still counted on"
            kept = quiet.seconds <= timeout + NOTICED
            yield None if kept else Breach(quiet.until, what, worker=quiet.worker)


@invariant(4)
def only_a_session_revives(replay: Replay) -> Cases:
    """A lost worker gets no work before it has opened a new session."""
    counted_on: dict[str, str] = {}  # worker -> the incarnation that the master counts on
    for step in replay.of(WorkerJoined, WorkerLost, WorkerLeft, JobLeased) if replay.whole else ():
        worker, incarnation = _holder(step)
        if isinstance(step.event, WorkerJoined):
            counted_on[worker] = incarnation
            continue
        what = f"{type(step.event).__name__} of {worker} ({incarnation}), which had not joined"
        yield None if counted_on.get(worker) == incarnation else breach(step, what)
        if not isinstance(step.event, JobLeased):
            counted_on.pop(worker, None)


@invariant(4)
def unfinished_work_goes_first(replay: Replay) -> Cases:
    """Work that a worker did not finish goes to the front, whatever took it away."""
    for step in replay.of(JobRequeued):
        if step.event.reason in (*LOST, *UNCHARGED):
            what = f"{step.event.job_id} went to the tail after {step.event.reason}"
            yield None if step.event.front else breach(step, what)


@invariant(5)
def attempts_are_limited(replay: Replay) -> Cases:
    """No job is given more attempts than its limit."""
    for step in replay.of(JobRequeued, JobFailed, JobCompleted):
        if step.job is not None:
            limit, attempts = step.job.max_attempts, step.event.attempts
            goes_on = isinstance(step.event, JobRequeued)
            what = f"{step.job.id} went on after attempt {attempts} of {limit}"
            yield None if attempts + goes_on <= limit else breach(step, what)


@invariant(5)
def reported_attempts_add_up(replay: Replay) -> Cases:
    """A reported attempt is charged once."""
    for step in replay.of(JobRequeued, JobFailed, JobCompleted):
        reported = isinstance(step.event, JobCompleted) or step.event.reason == "failed"
        if step.job is not None and step.legal and reported:
            what = f"attempt {step.attempts + 1} was counted as attempt {step.event.attempts}"
            yield None if step.event.attempts == step.attempts + 1 else breach(step, what)


@invariant(5)
def what_never_ran_is_free(replay: Replay) -> Cases:
    """A job that never started, or whose worker left in peace, is not charged."""
    for step in replay.of(JobRequeued):
        if step.job is not None and step.event.reason in UNCHARGED:
            what = f"{step.job.id} was charged an attempt for {step.event.reason}"
            yield None if step.event.attempts == step.attempts else breach(step, what)


@invariant(5)
def innocents_are_not_charged(replay: Replay) -> Cases:
    """Of a lost worker's jobs only as many are charged as it has slots: the oldest."""
    for step, can_have_started in _losses(replay):
        if not can_have_started:
            what = f"{step.event.job_id} was charged, though it cannot have started"
            yield None if step.event.attempts == step.attempts else breach(step, what)


@invariant(5)
def suspects_are_charged(replay: Replay) -> Cases:
    """A job that may have taken its worker down is charged an attempt."""
    for step, can_have_started in _losses(replay):
        if can_have_started:
            what = f"{step.event.job_id} was not charged, though it may have killed its worker"
            yield None if step.event.attempts == step.attempts + 1 else breach(step, what)


def _losses(replay: Replay) -> list[tuple[Step, bool]]:
    """What a lost worker held, and whether it was old enough to have started."""
    slots: dict[Holder, int] = {}
    held: dict[Holder, dict[int, None]] = defaultdict(dict)  # leases, oldest first
    chargeable: set[int] = set()
    found: list[tuple[Step, bool]] = []
    for step in replay.steps:
        event = step.event
        if isinstance(event, WorkerJoined):
            slots[event.worker, event.incarnation] = event.slots
        elif isinstance(event, JobLeased) and step.legal:
            held[event.worker, event.incarnation][event.seq] = None
        elif isinstance(event, WorkerLost):
            leases = list(held[event.worker, event.incarnation])
            chargeable.update(leases[: slots.get((event.worker, event.incarnation), 0)])
        elif isinstance(event, ENDS) and step.status is Status.RUNNING and step.legal:
            held[step.holder].pop(step.lease, None)
            if getattr(event, "reason", "") in LOST and step.holder in slots:
                found.append((step, step.lease in chargeable))
    return found


@invariant(5)
def suspects_are_not_prefetched(replay: Replay) -> Cases:
    """A job that may have taken a worker down waits for a free slot."""
    slots: dict[Holder, int] = {}
    running: Counter[Holder] = Counter()
    suspects: set[str] = set()
    for step in replay.steps:
        event = step.event
        if isinstance(event, WorkerJoined):
            slots[event.worker, event.incarnation] = event.slots
        elif isinstance(event, JobLeased) and step.legal:
            holder = _holder(step)
            if event.job_id in suspects and holder in slots:
                what = f"{event.job_id} was leased behind {running[holder]} others of {holder[0]}"
                yield None if running[holder] < slots[holder] else breach(step, what)
            running[holder] += 1
        elif isinstance(event, ENDS) and step.status is Status.RUNNING and step.legal:
            running[step.holder] -= 1
            if isinstance(event, JobRequeued):
                (suspects.add if event.suspect else suspects.discard)(event.job_id)
