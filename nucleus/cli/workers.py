"""``nucleus workers``."""

import click

from nucleus.cli.options import connect, json_option, master_option
from nucleus.cli.output import (
    age,
    console,
    plain,
    print_json,
    styled,
    table,
    worker_as_json,
)
from nucleus.rpc.access import Access


@click.command()
@master_option
@json_option("workers")
def workers(master: str, access: Access, as_json: bool) -> None:
    """List the workers that the master knows, with the age of their last heartbeats.

    A worker that has been silent for 10 seconds is lost, and its jobs go to others.

    \b
    Example:
      nucleus workers
    """
    with connect(master, access) as client:
        known = client.workers()
    if as_json:
        print_json([worker_as_json(worker) for worker in known])
        return
    numbers = ("slots", "running", "held", "heartbeat age")
    made = table(
        "worker", "state", *numbers, "job types", right=numbers, flexible=("worker", "job types")
    )
    for worker in known:
        made.add_row(
            plain(worker.name),
            styled(worker.state),
            str(worker.slots),
            str(worker.running),
            str(worker.held),
            age(worker.heartbeat_age),
            plain(", ".join(worker.job_types)),
        )
    if known:
        console().print(made)
    else:
        click.echo("no workers; start one with: nucleus worker")
