"""A worker that writes down which leases it received, and what became of them.

``python -m nucleus.cluster.chaos.worker``: the real worker, with a session that keeps a diary.
"""

import sys
import time
from pathlib import Path
from typing import Any

import click

from nucleus.cluster.chaos.diary import Diary
from nucleus.history.witness import WitnessSession
from nucleus.services.common.main import run_service
from nucleus.services.common.options import host_port
from nucleus.services.worker import Worker


class WitnessWorker(Worker):
    """The real worker, with a session that keeps a diary."""

    def __init__(self, diary: Path, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        like = self._session
        who = like.name, like.incarnation, like.slots, like.job_types
        self._session = WitnessSession(Diary(diary).note, time.time, *who)


@click.command()
@click.option("--master", type=host_port, required=True)
@click.option("--monitoring", required=True)
@click.option("--name", required=True)
@click.option("--slots", type=int, required=True)
@click.option("--heartbeat-interval", type=float, required=True)
@click.option("--diary", type=click.Path(path_type=Path), required=True)
@click.option("--lifeline", type=int)
def main(master: str, diary: Path, lifeline: int | None, **options: Any) -> None:
    """Work until SIGTERM."""
    code = run_service(
        lambda ending: WitnessWorker(diary, master, on_given_up=ending.give_up, **options),
        part="worker",
        log_level="error",
        lifeline=lifeline,
    )
    sys.exit(code)


if __name__ == "__main__":
    main()
