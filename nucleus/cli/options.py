"""What the commands that talk to a master have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from nucleus.rpc.access import Access
from nucleus.services.common.options import MASTER, access_options, host_port, option

if TYPE_CHECKING:
    from nucleus.client import Client

F = TypeVar("F", bound=Callable[..., Any])

PATIENCE = 3.0  # seconds to wait for a first answer: somebody sits at the terminal

_address_option = option(
    "--master",
    type=host_port,
    metavar="HOST:PORT",
    default=MASTER,
    envvar="NUCLEUS_MASTER",
    help="Where the master is.",
)


def master_option(command: F) -> Callable[..., Any]:
    """Add where the master is and what it asks for, as ``master`` and ``access``."""
    return _address_option(access_options(command))


def json_option(command: str) -> Callable[[F], F]:
    """Return ``--json`` for a command; it reaches the function as ``as_json``."""
    return option(
        "--json",
        "as_json",
        is_flag=True,
        envvar=f"NUCLEUS_{command.upper()}_JSON",
        help="Print JSON, for a program to read.",
    )


@contextmanager
def connect(master: str, access: Access) -> Iterator["Client"]:
    """A client of a master that answers; raises ``Unavailable`` or ``Unauthenticated``."""
    from nucleus.client import Client

    with Client(master, token=access.token, tls_ca=access.tls_ca) as client:
        client.stats(PATIENCE)
        yield client
