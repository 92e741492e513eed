"""``nucleus clean``."""

import click

from nucleus.cli.options import json_option
from nucleus.cli.output import console, plain, print_json, table
from nucleus.services.common.options import option


@click.command()
@option(
    "--all",
    "everything",
    is_flag=True,
    envvar="NUCLEUS_CLEAN_ALL",
    help="Also end the parts of runs that go on.",
)
@json_option("clean")
def clean(everything: bool, as_json: bool) -> None:
    """End the processes of runs that were interrupted.

    Parts notice by themselves when whoever started them is gone; this is for those that could
    not. Nobody else's processes are touched, nor a run that goes on, except with --all.

    \b
    Example:
      nucleus clean
    """
    from nucleus.cluster import leftovers

    ended = leftovers.end(leftovers.find(), all=everything)
    if as_json:
        print_json({"ended": ended})
        return
    made = table("run", "ended")
    for name, parts in ended.items():
        made.add_row(plain(name), ", ".join(parts) or "nothing was left of it")
    if ended:
        console().print(made)
    else:
        click.echo("nothing to clean")
