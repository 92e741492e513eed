"""``nucleus health``: for a container's health check, or for a person in a hurry."""

import sys
from typing import TYPE_CHECKING

import click

from nucleus.cli.options import master_option
from nucleus.rpc.access import Access
from nucleus.services.common.main import Exit
from nucleus.services.common.options import host_port, option, url

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2 import HealthCheckResponse

PATIENCE = 3.0  # seconds; health checks are asked often, and give up before they are given up on


@click.command()
@click.argument("target")
@option(
    "--patience",
    type=click.FloatRange(min=0, max=60, min_open=True),
    default=PATIENCE,
    metavar="SECONDS",
    help="How long to wait for an answer. A container's health check has to wait a little longer.",
)
@master_option
def health(target: str, patience: float, master: str, access: Access) -> None:
    """Ask a part whether it is well. Exits with 1 if it is not.

    TARGET is the URL of a health page, or HOST:PORT of a master, which is asked by gRPC's
    standard health service. 'worker' means the workers of this machine: a worker listens
    nowhere, so its master is asked whether it is alive.

    \b
    Example: the master, and the dashboard.
      nucleus health 127.0.0.1:50051
      nucleus health http://127.0.0.1:5000/healthz
    """
    if target == "worker":
        said = _ask_about_workers(master, access, patience)
    elif "://" in target:
        said = _ask_by_http(url(target), patience)
    else:
        said = _ask_by_grpc(host_port(target), access, patience)
    click.echo(said or f"{target}: well")
    sys.exit(Exit.FAILED if said else Exit.DONE)


def _ask_by_http(page: str, patience: float) -> str:
    """Return what is wrong, or nothing."""
    import requests

    try:
        with requests.Session() as session:
            session.trust_env = False  # a neighbour: no proxy stands between
            answer = session.get(page, timeout=patience)
    except requests.RequestException as error:
        return f"{page}: no answer ({type(error).__name__})"
    return "" if answer.ok else f"{page}: {answer.status_code} {answer.reason}"


def _ask_by_grpc(address: str, access: Access, patience: float) -> str:
    import grpc.aio
    from grpc_health.v1 import health_pb2

    from nucleus.rpc import loop

    try:
        answer = loop.acquire().run(_check(address, access, patience))
    except grpc.aio.AioRpcError as error:
        return f"{address}: no answer ({error.code().name})"
    finally:
        loop.release()
    kinds = health_pb2.HealthCheckResponse
    if answer.status == kinds.SERVING:
        return ""
    return f"{address}: {kinds.ServingStatus.Name(answer.status)}"


async def _check(address: str, access: Access, patience: float) -> "HealthCheckResponse":
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

    from nucleus.rpc.channel import open_channel

    async with open_channel(address, access) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        return await check(HealthCheckRequest(), timeout=patience)


def _ask_about_workers(master: str, access: Access, patience: float) -> str:
    import socket

    from nucleus.client import Client

    here = f"{socket.gethostname()}-"  # as workers are named that were given no name
    with Client(master, token=access.token, tls_ca=access.tls_ca) as client:
        workers = client.stats(patience).workers
    ours = [worker for worker in workers if worker.name.startswith(here)]
    dead = [worker.name for worker in ours if worker.state != "alive"]
    if not ours:
        return f"worker: the master knows none whose name begins with {here}"
    return f"worker: given up on {', '.join(dead)}" if len(dead) == len(ours) else ""
