"""The command line of the master."""

import sys

import click

from nucleus.services.common.exposure import NO_TLS, NO_TOKEN, warn_if_exposed
from nucleus.services.common.main import Ending, run_service
from nucleus.services.common.options import (
    PORT,
    host_option,
    monitoring_option,
    option,
    part_options,
    retention_options,
    settings,
    token_option,
)

SWITCH = 0.001  # seconds; a thread whose COMMIT is done waits as long for the interpreter


@click.command("master", context_settings=settings("master"))
@host_option
@option("--port", type=PORT, default=50051, help="gRPC port; 0 takes a free one.")
@option(
    "--store",
    metavar="memory|PATH",
    default="memory",
    help="Where jobs are kept: 'memory' forgets them, an SQLite file survives a crash.",
)
@option("--take-over", is_flag=True, help="Use the store even if another master holds its lock.")
@retention_options
@monitoring_option
@token_option
@option(
    "--tls-cert",
    metavar="FILE",
    envvar="NUCLEUS_TLS_CERT",
    help="The master's certificate; with it and its key, calls go over TLS.",
)
@option(
    "--tls-key",
    metavar="FILE",
    envvar="NUCLEUS_TLS_KEY",
    help="The certificate's private key.",
)
@option(
    "--worker-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    metavar="SECONDS",
    help="Silence after which a worker is lost, and its jobs go to others.",
)
@part_options
@click.pass_context
def master(
    ctx: click.Context,
    host: str,
    port: int,
    store: str,
    take_over: bool,
    retain: float,
    retain_jobs: int,
    monitoring: str | None,
    token: str,
    tls_cert: str | None,
    tls_key: str | None,
    worker_timeout: float,
    log_level: str,
    lifeline: int | None,
) -> None:
    """Run the master: it owns the job queue.

    Clients hand it jobs, workers take jobs from it and bring back results. It judges by their
    heartbeats which workers are alive. SIGTERM and Ctrl-C stop it cleanly.

    \b
    Example: keep the jobs in a file, so that they survive a crash.
      nucleus master --store jobs.db
    """
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together: give both, or neither")
    from nucleus.core.limits import Limits
    from nucleus.core.retention import Retention
    from nucleus.rpc.guard import Identity
    from nucleus.services.common.memory import expect_many, keep_out
    from nucleus.services.master.service import Master

    def make(ending: Ending) -> Master:
        return Master(
            host,
            port,
            store=store,
            take_over=take_over,
            retention=Retention(retain, retain_jobs),
            monitoring=monitoring,
            token=token,
            identity=Identity(tls_cert, tls_key) if tls_cert and tls_key else None,
            limits=Limits(worker_timeout=worker_timeout),
            on_fenced=ending.give_up,
            on_loaded=keep_out,
        )

    missing = [*([] if token else [NO_TOKEN]), *([] if tls_cert else [NO_TLS])]
    warn_if_exposed("master", host, *missing)
    expect_many()
    sys.setswitchinterval(SWITCH)
    ctx.exit(run_service(make, part="master", log_level=log_level, lifeline=lifeline))
