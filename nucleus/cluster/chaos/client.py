"""A client in a process of its own, that may be killed at any moment and started again.

``python -m nucleus.cluster.chaos.client``. What it sees is in its diary. A new life reads
what the one before has left open: it asks again under the keys that were not answered, and
looks up what became of the jobs that were acknowledged.
"""

import json
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from nucleus.client import JobView
from nucleus.cluster.chaos.diary import Diary, Reader
from nucleus.cluster.chaos.load import Job, Load
from nucleus.core.errors import NotFound, NucleusError
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.news import Acknowledged, Ended, Forgotten
from nucleus.history.observations import Observation, Submitted, Told
from nucleus.jobs.payload import dump_result
from nucleus.services.common.main import run_service
from nucleus.services.common.options import host_port

LOOK = 0.1  # seconds between two looks at what is open
LOOK_UP = 0.5  # seconds between two looks at the jobs of an earlier life

Submit = tuple[str, int]  # a client and its number


@dataclass(slots=True)
class Past:
    """What earlier lives have left open."""

    lives: int
    unanswered: list[Job]  # with a key, so that asking again does no harm
    running: dict[Submit, str]  # acknowledged, and not known to have ended: the job's id


def remember(observations: Iterable[Observation]) -> Past:
    """Read what is open out of a diary."""
    clients: set[str] = set()
    asked: dict[Submit, Submitted] = {}
    running: dict[Submit, str] = {}
    for seen in observations:
        if isinstance(seen, Submitted):
            clients.add(seen.client)
            asked[seen.client, seen.client_seq] = seen
        elif isinstance(seen, Told):
            submit = seen.client, seen.client_seq
            asked.pop(submit, None)
            if isinstance(seen.news, Acknowledged):
                running[submit] = seen.news.job_id
            else:
                running.pop(submit, None)
    return Past(len(clients), [_again(submit) for submit in asked.values() if submit.key], running)


def _again(submit: Submitted) -> Job:
    options = {
        "priority": submit.priority,
        "delay": submit.delay,
        "max_attempts": submit.max_attempts,
        "timeout": submit.timeout,
        "idempotency_key": submit.key,
    }
    return submit.job_type, json.loads(submit.payload), options


class ChaosClient:
    """A load and its diary, in the shape of a service. Its clean stop waits for all ends."""

    def __init__(self, address: str, diary: Path, seed: str, rate: float) -> None:
        self._past = remember(Reader(diary).news())
        self._diary = Diary(diary)
        seed = f"{seed}-{self._past.lives}"  # it does not do the same again
        self._load = Load(address, self._diary.note, seed=seed, rate=rate)
        self._over = threading.Event()
        self._follower = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._load.start(self._past.unanswered)
        self._follower.start()

    def stop(self) -> None:
        """Ask for nothing more; let go when every job has ended."""
        self._load.stop()
        while self._load.open or self._past.running:
            time.sleep(LOOK)
        self._over.set()
        self._load.close()
        self._diary.close()

    def ready_line(self) -> str:
        """One line."""
        return "a client asks"

    def _follow(self) -> None:
        """Look up what became of the jobs of earlier lives."""
        while self._past.running and not self._over.wait(LOOK_UP):
            with suppress(NucleusError):  # nobody answers at the moment
                for submit, job_id in list(self._past.running.items()):
                    self._look_up(submit, job_id)

    def _look_up(self, submit: Submit, job_id: str) -> None:
        client, seq = submit
        try:
            news = _end(self._load.client.job(job_id), seq)
        except NotFound:
            news = Forgotten(seq, job_id)
        if news is not None:
            self._diary.note(Told(time.time(), client, seq, news))
            del self._past.running[submit]


def _end(job: JobView, seq: int) -> Ended | Forgotten | None:
    status = Status[job.status]
    if status not in TERMINAL:
        return None
    result = dump_result(job.result) if status is Status.COMPLETED else ""
    return Ended(seq, job.id, status, result, job.error if status is Status.FAILED else "")


@click.command()
@click.option("--master", type=host_port, required=True)
@click.option("--diary", type=click.Path(path_type=Path), required=True)
@click.option("--seed", required=True)
@click.option("--rate", type=float, required=True)
@click.option("--lifeline", type=int)
def main(master: str, diary: Path, seed: str, rate: float, lifeline: int | None) -> None:
    """Ask for jobs until SIGTERM; then wait until all of them have ended."""
    code = run_service(
        lambda ending: ChaosClient(master, diary, seed, rate),
        part="client",
        log_level="error",
        lifeline=lifeline,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
