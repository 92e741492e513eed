"""The command line of Monitoring."""

import click

from nucleus.services.common.exposure import NO_HTTPS, NO_TOKEN, OPEN_SCRAPE, warn_if_exposed
from nucleus.services.common.main import Ending, run_service
from nucleus.services.common.options import (
    PORT,
    host_option,
    option,
    part_options,
    settings,
    token_option,
)


@click.command("monitoring", context_settings=settings("monitoring"))
@host_option
@option(
    "--push-port", type=PORT, default=8000, help="Where parts push metrics; 0 takes a free one."
)
@option("--scrape-port", type=PORT, default=8001, help="What Prometheus reads; 0 takes a free one.")
@token_option
@option(
    "--protect-scrape",
    is_flag=True,
    help="Ask for the token also where Prometheus reads; give it an authorization section then.",
)
@option(
    "--worker-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    metavar="SECONDS",
    help="The master's. A worker that is silent for longer is shown as down; 10 at least.",
)
@part_options
@click.pass_context
def monitoring(
    ctx: click.Context,
    host: str,
    push_port: int,
    scrape_port: int,
    token: str,
    protect_scrape: bool,
    worker_timeout: float,
    log_level: str,
    lifeline: int | None,
) -> None:
    """Run Monitoring: it collects everybody's metrics and shows them to Prometheus.

    The other parts push their numbers to it every 3 seconds; it notices who has fallen silent.

    \b
    Example: start it, then read what it knows.
      nucleus monitoring
      curl http://127.0.0.1:8001/metrics
    """
    from nucleus.services.monitoring.service import Monitoring

    def make(ending: Ending) -> Monitoring:
        return Monitoring(
            host,
            push_port,
            scrape_port,
            token=token,
            protect_scrape=protect_scrape,
            worker_timeout=worker_timeout,
        )

    if protect_scrape and not token:
        raise click.UsageError("--protect-scrape needs a token: give one with --token-file")
    open_scrape = [] if protect_scrape else [OPEN_SCRAPE]
    warn_if_exposed("monitoring", host, *([NO_HTTPS, *open_scrape] if token else [NO_TOKEN]))

    ctx.exit(run_service(make, part="monitoring", log_level=log_level, lifeline=lifeline))
