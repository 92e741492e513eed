"""The command line of the dashboard."""

import click

from nucleus.rpc.access import Access
from nucleus.services.common.exposure import NO_HTTPS, NO_TOKEN, warn_if_exposed
from nucleus.services.common.main import Ending, run_service
from nucleus.services.common.options import (
    PORT,
    access_options,
    host_option,
    master_option,
    option,
    part_options,
    settings,
)


@click.command("dashboard", context_settings=settings("dashboard"))
@host_option
@option("--port", type=PORT, default=5000, help="HTTP port; 0 takes a free one.")
@master_option("dashboard")
@access_options
@part_options
@click.pass_context
def dashboard(
    ctx: click.Context,
    host: str,
    port: int,
    master: str,
    access: Access,
    log_level: str,
    lifeline: int | None,
) -> None:
    """Run the dashboard: the queue as a web page, and as a REST interface.

    \b
    Example: start it, then submit a job with curl.
      nucleus dashboard
      curl http://127.0.0.1:5000/submit_job -H 'Content-Type: application/json' \\
           -d '{"job_type": "Fibonacci", "payload": 30}'
    """
    from nucleus.services.dashboard import Dashboard

    def make(ending: Ending) -> Dashboard:
        return Dashboard(host, port, master=master, access=access)

    warn_if_exposed("dashboard", host, NO_HTTPS if access.token else NO_TOKEN)

    ctx.exit(run_service(make, part="dashboard", log_level=log_level, lifeline=lifeline))
