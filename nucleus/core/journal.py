"""The journal: gathers what happened until the next commit takes it away."""

from collections.abc import Mapping, Sequence

from nucleus.core.events import Event, WorkerHeartbeat
from nucleus.core.job import Job, evolve, state_of
from nucleus.core.snapshot import Changes, KeyRun, Totals, WorkerRow
from nucleus.core.worker import Worker


class Journal:
    """Numbers the events, applies them to their jobs, and counts them."""

    def __init__(self, next_seq: int, totals: Totals) -> None:
        self._totals = totals
        self._counted = 0  # of the events
        self.next_seq = next_seq
        self._events: list[Event] = []
        self._heartbeats: list[WorkerHeartbeat] = []
        self._jobs: dict[str, Job] = {}
        self._workers: dict[str, Worker] = {}
        self._gone: list[str] = []
        self._key_runs: list[KeyRun] = []
        self._forgotten_keys: list[tuple[str, int]] = []

    @property
    def totals(self) -> Totals:
        """Counts since the ledger began."""
        self._totals.count(self._events[self._counted :])
        self._counted = len(self._events)
        return self._totals

    def seq(self) -> int:
        """The next sequence number; each is given out once."""
        seq = self.next_seq
        self.next_seq += 1
        return seq

    def seqs(self, count: int) -> range:
        """The next ``count`` sequence numbers."""
        first = self.next_seq
        self.next_seq += count
        return range(first, self.next_seq)

    def emit(self, event: Event) -> None:
        """Note ``event``."""
        self._events.append(event)

    def changed(self, jobs: Mapping[str, Job], events: Sequence[Event]) -> None:
        """Note jobs, by id, that ``events`` have brought into being or changed."""
        self._jobs.update(jobs)
        self._events += events

    def change(self, job: Job, event: Event) -> None:
        """Note ``event``, and change ``job`` by it."""
        evolve(job, event)
        self._jobs[job.id] = job
        self.emit(event)

    def holds(self, job: Job) -> bool:
        """Whether ``job`` has changes that no commit has taken yet."""
        return job.id in self._jobs

    def touch_worker(self, worker: Worker) -> None:
        """The row of ``worker`` is to be written."""
        self._workers[worker.name] = worker
        if worker.name in self._gone:  # it is back before its row was removed
            self._gone.remove(worker.name)

    def remove_worker(self, worker: Worker) -> None:
        """The row of ``worker`` is to be removed."""
        self._workers.pop(worker.name, None)
        self._gone.append(worker.name)

    def beat(self, event: WorkerHeartbeat) -> None:
        """Note a heartbeat, which is watched but never stored."""
        self._heartbeats.append(event)

    def note_keys(self, run: KeyRun) -> None:
        """Keys of a client became jobs."""
        if self._key_runs and self._key_runs[-1].leads_to(run):
            run = self._key_runs.pop().joined(run)
        self._key_runs.append(run)

    def forget_keys(self, client: str, up_to: int) -> None:
        """The keys of ``client`` up to this one are no longer wanted."""
        self._forgotten_keys.append((client, up_to))

    def drain(self, job_types: tuple[str, ...], latest: float) -> Changes:
        """Hand over everything since the last call."""
        changes = Changes(
            events=tuple(self._events),
            states=tuple(map(state_of, self._jobs.values())),
            workers=tuple(worker_row(worker) for worker in self._workers.values()),
            gone_workers=tuple(self._gone),
            key_runs=tuple(self._key_runs),
            forgotten_keys=tuple(self._forgotten_keys),
            totals=self.totals.copy(),
            job_types=job_types,
            next_seq=self.next_seq,
            latest=latest,
            heartbeats=tuple(self._heartbeats),
        )
        self._clear()
        return changes

    def _clear(self) -> None:
        for gathered in (self._events, self._heartbeats, self._jobs, self._workers, self._gone):
            gathered.clear()
        self._key_runs.clear()
        self._forgotten_keys.clear()
        self._counted = 0


def worker_row(worker: Worker) -> WorkerRow:
    """What outlives a master about ``worker``."""
    return WorkerRow(
        worker.name,
        worker.incarnation,
        worker.slots,
        worker.job_types,
        worker.joined_at,
        worker.status.value,
        worker.retired,
        worker.session,
    )
