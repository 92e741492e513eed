"""The command line of a worker."""

import logging

import click

from nucleus.core.checks import MAX_NAME, MAX_SLOTS
from nucleus.rpc.access import Access
from nucleus.services.common.main import Cause, Ending, run_service
from nucleus.services.common.options import (
    access_options,
    master_option,
    monitoring_option,
    option,
    part_options,
    settings,
)

logger = logging.getLogger("nucleus.worker")


def _check_name(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    if name and (len(name) > MAX_NAME or not name.isprintable()):
        raise click.BadParameter(f"a name is 1 to {MAX_NAME} printable characters", ctx, param)
    return name


@click.command("worker", context_settings=settings("worker"))
@master_option("worker")
@monitoring_option
@access_options
@option(
    "--name", callback=_check_name, help="A unique name; host name and process id if not given."
)
@option(
    "--slots", type=click.IntRange(1, MAX_SLOTS), default=1, help="How many jobs run side by side."
)
@option(
    "--executor",
    type=click.Choice(["process", "thread"]),
    default="process",
    help="'process' can stop a job and survives its crash; 'thread' starts it faster.",
)
@option(
    "--heartbeat-interval",
    type=click.FloatRange(min=0.05),
    default=3.0,
    metavar="SECONDS",
    help="Time between two heartbeats.",
)
@option(
    "--jobs",
    multiple=True,
    metavar="MODULE",
    help="A Python module with more job types; repeatable.",
)
@option(
    "--drain",
    type=click.FloatRange(min=0),
    default=5.0,
    metavar="SECONDS",
    help="After SIGTERM, time to finish what runs; Ctrl-C hands it back at once.",
)
@part_options
@click.pass_context
def worker(
    ctx: click.Context,
    master: str,
    monitoring: str | None,
    access: Access,
    name: str | None,
    slots: int,
    executor: str,
    heartbeat_interval: float,
    jobs: tuple[str, ...],
    drain: float,
    log_level: str,
    lifeline: int | None,
) -> None:
    """Run a worker: it takes jobs from the master, runs them, and reports the results.

    Start as many as you like, on any machine that reaches the master. What a worker held when
    it died goes to another one.

    \b
    Example: run four jobs at a time, also of the types that my_jobs.py defines.
      nucleus worker --slots 4 --jobs my_jobs
    """
    from nucleus.jobs import load_modules
    from nucleus.services.worker.service import Worker

    def make(ending: Ending) -> Worker:
        load_modules(jobs)
        return Worker(
            master,
            name=name,
            slots=slots,
            executor=executor,
            heartbeat_interval=heartbeat_interval,
            monitoring=monitoring,
            access=access,
            modules=jobs,
            on_given_up=ending.give_up,
        )

    def stop(service: Worker, cause: Cause) -> None:
        still_running = service.stop(drain if cause is Cause.TERMINATED else 0.0)
        if still_running:
            logger.warning("these jobs could not be stopped: %s", ", ".join(still_running))

    code = run_service(make, part="worker", log_level=log_level, lifeline=lifeline, stop=stop)
    ctx.exit(code)
