"""For the lesson on a cluster in containers, which a notebook can watch but not break."""

import os
from dataclasses import dataclass

from nucleus.client import Client, WorkerView
from nucleus.notebook.checks import Finding
from nucleus.notebook.predict import ALONE
from nucleus.notebook.staging import wait_until


@dataclass(frozen=True, slots=True, repr=False)
class Loss:
    """That the master gave up on a worker, or that it did not within the time."""

    worker: str = ""
    silence: float = 0.0  # seconds since its last heartbeat, when that was seen

    @property
    def _finding(self) -> Finding:
        if not self.worker:
            return Finding(False, "Nobody was given up on. Did you type the command on the host?")
        words = f"The master gave up on {self.worker} after {self.silence:.1f} s of silence."
        return Finding(True, words)

    def __repr__(self) -> str:
        return repr(self._finding)

    def _repr_html_(self) -> str:
        return self._finding._repr_html_()


def loss_of_a_worker(client: Client, within: float) -> Loss:
    """Wait until the master gives up on one more worker, at most ``within`` seconds.

    Where nobody sits at the notebook nobody kills one either, so it does not wait there.
    """
    before = set(_lost(client))
    if os.environ.get(ALONE) == "1":
        return Loss()
    fresh: dict[str, WorkerView] = {}

    def seen() -> bool:
        fresh.update({n: worker for n, worker in _lost(client).items() if n not in before})
        return bool(fresh)

    try:
        wait_until(seen, within)
    except TimeoutError:
        return Loss()
    name, worker = next(iter(fresh.items()))
    return Loss(name, worker.heartbeat_age)


def _lost(client: Client) -> dict[str, WorkerView]:
    return {worker.name: worker for worker in client.workers() if worker.state == "lost"}
