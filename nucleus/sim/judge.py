"""The judge: holds a finished run against the promises of the design.

It knows nothing but what left the master: the committed events, what the workers received,
and what the clients were told.
"""

from collections import Counter
from collections.abc import Iterable

from nucleus.core.events import (
    Event,
    JobCompleted,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
    WorkerJoined,
    WorkerLost,
)
from nucleus.core.job import Job, evolve, new_job
from nucleus.core.lifecycle import Status
from nucleus.core.limits import Limits
from nucleus.core.news import Acknowledged, Ended, News, Refused
from nucleus.core.snapshot import Totals
from nucleus.sim.actors import SimClient, SimWorker
from nucleus.sim.world import World

TIMEOUT = Limits().worker_timeout


class Judge:
    """Replays the history of a world and checks each step."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs: dict[str, Job] = {}
        self._holders: dict[int, JobLeased] = {}
        self._slots: dict[tuple[str, str], int] = {}
        self._charged: Counter[tuple[str, str, float]] = Counter()

    def judge(self, clients: Iterable[SimClient], workers: Iterable[SimWorker]) -> None:
        """Raise ``PromiseBroken`` unless every promise was kept."""
        self._judge_history()
        self._judge_disk()
        for worker in workers:
            self._judge_worker(worker)
        for client in clients:
            for seq, news in sorted(client.told.items()):
                self._judge_handle(client, seq, news)
            for job_id in client.cancelled:
                self._check(
                    self._jobs[job_id].status is Status.CANCELLED, "cancelled stays", job_id
                )

    def _check(self, kept: bool, promise: str, about: str = "") -> None:
        if not kept:
            raise self._world.break_promise(promise, about)

    # ---- the history ------------------------------------------------------------------

    def _judge_history(self) -> None:
        last, submits = 0, set()
        for event in self._world.disk.events:
            self._check(event.seq > last, "sequence numbers and leases strictly increase")
            last = event.seq
            match event:
                case JobSubmitted(job_id=job_id, client=client, client_seq=seq):
                    self._check((client, seq) not in submits, "one job for one client_seq", job_id)
                    submits.add((client, seq))
                    self._jobs[job_id] = new_job(event)
                case WorkerJoined(worker=worker, incarnation=incarnation, slots=slots):
                    self._slots[worker, incarnation] = slots
                case WorkerLost():
                    self._judge_loss(event)
                case _ if job := self._jobs.get(getattr(event, "job_id", "")):
                    self._judge_step(job, event)

    def _judge_step(self, job: Job, event: Event) -> None:
        match event:
            case JobLeased():
                self._judge_order(job, event)
                self._holders[event.seq] = event
            case JobCompleted():
                holder = self._holders[event.lease]
                author = f'["{holder.worker}", "{holder.incarnation}", {event.lease}]'
                current = event.lease == job.lease and event.result == author
                self._check(current, "only the current lease's result is accepted", job.id)
            case JobFailed(reason="worker_lost" | "replaced"):
                self._charge(job, event)
            case JobRequeued(reason="worker_lost" | "replaced"):
                if event.attempts > job.attempts:
                    self._charge(job, event)
                self._check(event.front and event.suspect, "what was lost goes first", job.id)
            case JobRequeued(reason="undelivered" | "released"):
                free = event.front and event.attempts == job.attempts
                self._check(free, "what never started goes first, uncharged", job.id)
        if not isinstance(event, ResultRejected):
            evolve(job, event)
        self._check(job.attempts <= job.max_attempts, "attempts <= max_attempts", job.id)

    def _charge(self, job: Job, event: Event) -> None:
        loss = job.worker, job.incarnation, event.at
        self._charged[loss] += 1
        innocent = "a lost worker's jobs beyond its slots are not charged"
        slots = self._slots[job.worker, job.incarnation]
        self._check(self._charged[loss] <= slots, innocent, job.worker)

    def _judge_order(self, job: Job, lease: JobLeased) -> None:
        """Nothing that was ready, and that this worker could be given, was passed over."""
        for other in self._jobs.values():
            if (
                other.status is Status.QUEUED
                and other.job_type == job.job_type
                and other.not_before <= lease.at
                and _place(other) < _place(job)
            ):
                raise self._world.break_promise(f"in order: {other} waits before {job}", job.id)

    def _judge_loss(self, event: WorkerLost) -> None:
        if event.reason == "silence":
            heard = self._world.heard.get((event.worker, event.incarnation), [])
            since = max(time for time in (*heard, *self._world.fresh) if time <= event.at)
            silent = event.at - since > TIMEOUT
            self._check(silent, f"no worker is lost after {event.at - since:.1f} s", event.worker)

    # ---- what is left -----------------------------------------------------------------

    def _judge_disk(self) -> None:
        disk, totals = self._world.disk, Totals()
        for event in disk.events:
            totals.count(event)
        self._check(totals == disk.totals, f"totals add up: {totals} {disk.totals}")
        for job in self._jobs.values():
            self._check(job.ended, "every acknowledged job ends", job.id)
            self._check(job.row() == disk.rows[job.id], "the events tell the row", job.id)

    def _judge_worker(self, worker: SimWorker) -> None:
        for lease, job_id in worker.received.items():
            event = self._holders.get(lease)
            given = event and (event.job_id, event.worker, event.incarnation)
            mine = given == (job_id, worker.name, worker.session.incarnation)
            self._check(mine, "a lease leaves the master once it is committed", worker.name)

    def _judge_handle(self, client: SimClient, seq: int, news: list[News]) -> None:
        if any(isinstance(item, Refused) for item in news):
            self._check(len(news) == 1, f"a refusal is final: {news}", client.name)
            return
        for item in news:
            if isinstance(item, Acknowledged):
                self._check(item.job_id in self._jobs, "nothing acknowledged is lost", item.job_id)
        ends = [item for item in news if isinstance(item, Ended)]
        self._check(len(ends) == 1, f"handle {seq} hears one end: {news}", client.name)
        self._judge_end(ends[0])

    def _judge_end(self, end: Ended) -> None:
        job = self._jobs[end.job_id]
        told = (end.status, end.result, end.error if end.status is Status.FAILED else "")
        true = (job.status, job.result, job.error if job.status is Status.FAILED else "")
        self._check(told == true, f"clients hear the truth: {told} {true}", job.id)


def _place(job: Job) -> tuple[int, int, float, str]:
    if job.front:
        return -job.priority, 0, job.submitted_at, job.id
    return -job.priority, 1, job.not_before, job.id
