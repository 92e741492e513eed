"""``nucleus jobs``, ``cancel`` and ``retry``."""

from itertools import islice

import click

from nucleus.cli.options import connect, json_option, master_option
from nucleus.cli.output import console, job_as_json, jobs_table, print_json
from nucleus.core.lifecycle import Status
from nucleus.rpc.access import Access
from nucleus.services.common.options import option

LIMIT = 20  # jobs


@click.command()
@option(
    "--status",
    type=click.Choice([status.name for status in Status], case_sensitive=False),
    multiple=True,
    help="Only jobs with this status; repeatable.",
)
@option("--limit", type=click.IntRange(min=1), default=LIMIT, help="Show that many, the newest.")
@master_option
@json_option("jobs")
def jobs(status: tuple[str, ...], limit: int, master: str, access: Access, as_json: bool) -> None:
    """List jobs with their results, the newest last.

    \b
    Example: which jobs failed, and why?
      nucleus jobs --status FAILED
    """
    with connect(master, access) as client:
        counts = client.stats().jobs
        newest = list(islice(client.jobs(status, newest_first=True), limit))[::-1]
    if as_json:
        print_json([job_as_json(job) for job in newest])
        return
    if newest:
        console().print(jobs_table(newest))
    total = sum(counts.get(name, 0) for name in status or counts)
    kind = f"{' or '.join(status)} jobs" if status else "jobs"
    click.echo(f"{len(newest)} of {total} {kind}" + _hint(len(newest), total))


def _hint(shown: int, total: int) -> str:
    return "; --limit shows more" if shown < total else ""


@click.command()
@click.argument("job_id", metavar="JOB")
@master_option
def cancel(job_id: str, master: str, access: Access) -> None:
    """Cancel a job that has not ended; JOB is its id.

    A queued job is never run then. The result of a running one no longer counts, and its worker
    is told to stop it.

    \b
    Example:
      nucleus cancel 3f2a9c-0000000017
    """
    with connect(master, access) as client:
        client.cancel(job_id)
    click.echo(f"cancelled {job_id}")


@click.command()
@click.argument("job_id", metavar="JOB")
@master_option
def retry(job_id: str, master: str, access: Access) -> None:
    """Make a new job like one that has ended, and print its id; JOB is the old one's.

    An end is never undone: the new job remembers the old one as its 'retry_of'.

    \b
    Example:
      nucleus retry 3f2a9c-0000000017
    """
    with connect(master, access) as client:
        handle = client.retry(job_id)
        click.echo(handle.id)
