"""The workers, and who is next to be sent a job.

Free slots are filled before anybody is sent work ahead (prefetch), each in turn, so a few
jobs spread over all workers instead of piling up behind the first.
"""

from collections import OrderedDict
from collections.abc import Iterator

from nucleus.core.worker import Worker, WorkerStatus


class Roster:
    """All workers by name."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._free: OrderedDict[str, Worker] = OrderedDict()  # with a free slot
        self._roomy: OrderedDict[str, Worker] = OrderedDict()  # with credit, but no free slot

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def add(self, worker: Worker) -> None:
        """Take in a worker, in place of an earlier one of the same name."""
        self._workers[worker.name] = worker
        self.file(worker)

    def remove(self, worker: Worker) -> None:
        """Forget a worker."""
        self.set_aside(worker)
        del self._workers[worker.name]

    def named(self, name: str) -> Worker | None:
        """The worker of this name, whatever its incarnation."""
        return self._workers.get(name)

    def find(self, name: str, incarnation: str) -> Worker | None:
        """The worker of this name, if it still is this incarnation."""
        worker = self._workers.get(name)
        return worker if worker is not None and worker.incarnation == incarnation else None

    def alive(self) -> list[Worker]:
        """The workers that the master counts on."""
        return [w for w in self._workers.values() if w.status is WorkerStatus.ALIVE]

    def file(self, worker: Worker) -> None:
        """Note anew whether ``worker`` can be sent jobs; it goes behind the others."""
        line = None
        if worker.has_room:
            line = self._free if worker.held < worker.slots else self._roomy
        if line is not None and worker.name in line:
            line.move_to_end(worker.name)
            return
        self.set_aside(worker)
        if line is not None:
            line[worker.name] = worker

    def set_aside(self, worker: Worker) -> None:
        """Do not name ``worker`` until it is filed again."""
        self._free.pop(worker.name, None)
        self._roomy.pop(worker.name, None)

    def next_in_turn(self) -> Worker | None:
        """The worker to be sent the next job; ``None`` when nobody has room."""
        for line in (self._free, self._roomy):
            if line:
                return next(iter(line.values()))
        return None
