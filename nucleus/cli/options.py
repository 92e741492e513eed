"""What the commands that talk to a master have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from nucleus.services.common.options import MASTER, host_port, option

if TYPE_CHECKING:
    from nucleus.client import Client

F = TypeVar("F", bound=Callable[..., Any])

PATIENCE = 3.0  # seconds to wait for a first answer: somebody sits at the terminal

master_option = option(
    "--master",
    type=host_port,
    metavar="HOST:PORT",
    default=MASTER,
    envvar="NUCLEUS_MASTER",
    help="Where the master is.",
)


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
def connect(master: str) -> Iterator["Client"]:
    """A client of a master that answers. Raises ``Unavailable`` when there is none."""
    from nucleus.client import Client

    with Client(master) as client:
        client.stats(PATIENCE)
        yield client
