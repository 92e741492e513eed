"""``nucleus submit``."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from nucleus.cli.options import connect, json_option, master_option
from nucleus.cli.output import console, duration, jobs_table, print_json
from nucleus.core.errors import InvalidArgument, JobFailed, NucleusError
from nucleus.core.refusals import one_line
from nucleus.rpc.access import Access
from nucleus.services.common.main import Exit
from nucleus.services.common.options import option

if TYPE_CHECKING:
    from nucleus.client import Client, JobHandle

SHOWN = 20  # rows of the table of results


def json_value(text: str) -> Any:
    """Return the JSON value. Raises ``InvalidArgument`` that says how a shell takes one."""
    if text.startswith("--"):  # let through, because -1 looks like an option, too
        raise click.NoSuchOption(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidArgument(f"payload: {_hint(text)}") from None


def _hint(text: str) -> str:
    """Say what is wrong with ``text``; a shell has most likely eaten the quotes."""
    shown = one_line(text, 40)
    if any(sign in text for sign in '{["'):
        return f"{shown} is not JSON; put single quotes around it: '{{\"p\": 0.3}}'"
    quoted = json.dumps(shown, ensure_ascii=False)
    return f"{shown} is not JSON; a number is written 30, and a text '{quoted}'"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job."""

    job_id: str
    status: str
    result: Any = None
    error: str = ""


@click.command(context_settings={"ignore_unknown_options": True})  # for payloads such as -1
@click.argument("job_type", metavar="TYPE")
@click.argument("payload")
@option("--count", type=click.IntRange(min=1), default=1, help="Submit that many of the same.")
@option("--wait", is_flag=True, help="Wait for the results, and show them.")
@option("--priority", type=int, default=0, help="Higher runs first.")
@option("--delay", type=float, default=0.0, metavar="SECONDS", help="Do not run before.")
@option("--max-attempts", type=int, default=3, help="How often to try before it has FAILED.")
@option("--timeout", type=float, metavar="SECONDS", help="How long one attempt may take.")
@option("--key", help="Idempotency key: the same key again gives the same job, not a second one.")
@master_option
@json_option("submit")
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    job_type: str,
    payload: str,
    count: int,
    wait: bool,
    key: str | None,
    master: str,
    access: Access,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit a job of the type TYPE, and print its id; PAYLOAD is its input, as JSON.

    With --wait, the exit code is 1 unless all jobs completed. Types that come with Nucleus:
    Fibonacci, FastFibonacci, Sleep, Echo, Flaky, Poison.

    \b
    Examples:
      nucleus submit Fibonacci 30 --wait
      nucleus submit Fibonacci 25 --count 100 --wait
      nucleus submit Echo '{"hello": "world"}'
    """
    if key and count > 1:
        raise click.UsageError("--key names one job; it does not go with --count")
    value = json_value(payload)
    with connect(master, access) as client, _jobs_outlive_ctrl_c():
        began = time.monotonic()
        handles = client.submit_many(
            job_type, [value] * count, idempotency_key=key or None, **options
        )
        ids = _acknowledged(handles)
        if not wait:
            _print_ids(ids, as_json)
            return
        _await_all(handles, bar=not as_json)
        seconds = time.monotonic() - began
        outcomes = [_outcome(handle) for handle in handles]
        report = summary(outcomes, seconds)
        if as_json:
            print_json({**report, "jobs": [asdict(outcome) for outcome in outcomes]})
        else:
            _print_table(client, outcomes, report)
    ctx.exit(Exit.DONE if report["completed"] == count else Exit.FAILED)


@contextmanager
def _jobs_outlive_ctrl_c() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("jobs that were taken in go on without you; see: nucleus jobs", err=True)
        raise


def _acknowledged(handles: list["JobHandle"]) -> list[str]:
    """Wait until every job is durable; raise the first refusal, having looked at all."""
    ids, refusals = [], []
    for handle in handles:
        try:
            ids.append(handle.acknowledged())
        except NucleusError as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    return ids


def _print_ids(ids: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"submitted": len(ids), "jobs": [{"job_id": job_id} for job_id in ids]})
        return
    for job_id in ids:
        click.echo(job_id)


def _await_all(handles: list["JobHandle"], *, bar: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = ("waiting", BarColumn(), MofNCompleteColumn(), "jobs", TimeElapsedColumn())
    screen = console(stderr=True)
    hidden = not (bar and screen.is_terminal)
    with Progress(*columns, console=screen, transient=True, disable=hidden) as progress:
        for _ in progress.track(as_completed(handles), total=len(handles)):
            pass


def _outcome(handle: "JobHandle") -> Outcome:
    """What became of a job that has ended. Raises what hides that, such as ``LedgerLost``."""
    try:
        return Outcome(handle.id, "COMPLETED", result=handle.result())
    except JobFailed as error:
        return Outcome(handle.id, "FAILED", error=str(error))
    except CancelledError:
        return Outcome(handle.id, "CANCELLED")


def summary(outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    """Return the outcomes in numbers."""
    counts = {
        status.lower(): sum(outcome.status == status for outcome in outcomes)
        for status in ("COMPLETED", "FAILED", "CANCELLED")
    }
    return {"submitted": len(outcomes), **counts, "seconds": round(seconds, 3)}


def _print_table(client: "Client", outcomes: list[Outcome], report: dict[str, Any]) -> None:
    """Show the jobs, what went wrong first."""
    first = sorted(outcomes, key=lambda outcome: outcome.status == "COMPLETED")[:SHOWN]
    console().print(jobs_table(client.job(outcome.job_id) for outcome in first))
    parts = [f"{report['completed']} of {report['submitted']} completed"]
    parts += [f"{report[name]} {name}" for name in ("failed", "cancelled") if report[name]]
    hidden = len(outcomes) - len(first)
    more = f"; {hidden} more are not shown" if hidden else ""
    click.echo(f"{', '.join(parts)} in {duration(report['seconds'])}{more}")
