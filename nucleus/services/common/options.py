"""What the command lines of all parts have in common.

- ``option``: a click option that shows its default and its environment twin in ``--help``.
- ``part_options``: the options that every part has.
- ``retention_options``: the options of whatever keeps jobs, and ``retention_arguments`` for
  whoever starts it as a child process.
- ``access_options``: the token, and the authority that is trusted, as one ``Access``.
- ``host_port``, ``url``, ``duration``, ``PORT``: kinds of values; a wrong one is told what is
  allowed.
- ``settings``: where a command finds its ``NUCLEUS_…`` variables, also when it is not run as a
  part of ``nucleus``.
"""

import re
from collections.abc import Callable
from functools import wraps
from math import inf
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from nucleus.core.errors import InvalidArgument
from nucleus.core.retention import Retention
from nucleus.rpc.access import (
    AUTHORITY_VARIABLE,
    TOKEN_FILE_VARIABLE,
    Access,
    check_authority,
    read_token,
    token_from_environment,
)

F = TypeVar("F", bound=Callable[..., Any])

MASTER = "127.0.0.1:50051"  # where everybody looks for the master
LOG_LEVELS = ("debug", "info", "warning", "error")
PORT = click.IntRange(0, 65535)
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}  # seconds


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Return ``click.option`` with its default and its environment twin in the help."""
    return click.option(*names, **{"show_envvar": True, "show_default": True, **attributes})


def settings(part: str) -> dict[str, Any]:
    """Return the context settings of the command ``part``: its variables are NUCLEUS_PART_…"""
    return {"auto_envvar_prefix": f"NUCLEUS_{part.upper()}", "max_content_width": 100}


def part_options(command: F) -> F:
    """Add ``--log-level``, and ``--lifeline`` for whoever starts the part as a child process."""
    log_level = option(
        "--log-level",
        type=click.Choice(LOG_LEVELS),
        default="info",
        help="How much to log, to stderr.",
    )
    lifeline = click.option(
        "--lifeline",
        type=int,
        hidden=True,
        help="A pipe's read end; when it closes, whoever started this part is gone.",
    )
    return log_level(lifeline(command))


def host_port(value: str) -> str:
    """Return ``value``, a ``HOST:PORT``, or fail saying what one looks like."""
    host, _, port = value.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) <= 65535
    if not host or not is_port or "/" in host:
        raise click.BadParameter(f"{value!r} is not allowed; write HOST:PORT, such as {MASTER}")
    return value


def url(value: str) -> str:
    """Return ``value``, a URL, or fail saying what one looks like."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        example = "http://127.0.0.1:8000"
        raise click.BadParameter(f"{value!r} is not allowed; write a URL such as {example}")
    return value


def duration(value: str) -> float:
    """Return the seconds in ``value``, such as 12h, and ``inf`` for ``forever``."""
    number, unit = value[:-1], value[-1:]
    if value == "forever":
        return inf
    if unit not in _UNITS or not re.fullmatch("[0-9]{1,9}", number):
        allowed = f"a number and one of {', '.join(_UNITS)}, such as 7d, or forever"
        raise click.BadParameter(f"{value!r} is not allowed; write {allowed}")
    return float(number) * _UNITS[unit]


def retention_options(command: F) -> F:
    """Add ``--retain`` and ``--retain-jobs``: what is kept of the past."""
    age = option(
        "--retain",
        type=duration,
        metavar="AGE",
        default="7d",
        help="How long events and finished jobs are kept: 7d, 12h, 30m, or forever.",
    )
    jobs = option(
        "--retain-jobs",
        type=click.IntRange(min=0),
        metavar="N",
        default=10_000_000,
        help="How many finished jobs are kept at most; 'memory' keeps 100,000 at most.",
    )
    return age(jobs(command))


def retention_arguments(retention: Retention) -> list[str]:
    """Return ``retention`` as the command line that asks for it, to the second."""
    age = "forever" if retention.age == inf else f"{retention.age:.0f}s"
    return ["--retain", age, "--retain-jobs", str(retention.jobs)]


host_option = option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is all of this machine's."
)
monitoring_option = option(
    "--monitoring",
    type=url,
    metavar="URL",
    help="Where to push metrics, such as http://127.0.0.1:8000; nowhere if not given.",
)


def _checked(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return ``check`` as a kind of value: what it refuses is bad usage."""

    def convert(value: str) -> str:
        try:
            return check(value)
        except InvalidArgument as error:
            raise click.BadParameter(str(error)) from None

    return convert


def _or_environment(ctx: click.Context, param: click.Parameter, token: str | None) -> str:
    return token or _checked(lambda _: token_from_environment())("")


token_option = option(
    "--token-file",
    "token",
    type=_checked(read_token),
    callback=_or_environment,
    metavar="FILE",
    envvar=TOKEN_FILE_VARIABLE,
    help="File with the token that all parts share; NUCLEUS_TOKEN may hold it instead.",
)
_authority_option = option(
    "--tls-ca",
    type=_checked(check_authority),
    metavar="FILE",
    default="",
    envvar=AUTHORITY_VARIABLE,
    show_default=False,
    help="The authority that vouches for the master; with it, calls to it go over TLS.",
)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what whoever calls the master needs; it reaches the function as ``access``."""

    @wraps(command)
    def with_access(*args: Any, token: str, tls_ca: str, **options: Any) -> Any:
        return command(*args, access=Access(token, tls_ca), **options)

    return token_option(_authority_option(with_access))


def master_option(part: str) -> Callable[[F], F]:
    """Return ``--master`` for a part; NUCLEUS_MASTER serves all parts and commands at once."""
    return option(
        "--master",
        type=host_port,
        metavar="HOST:PORT",
        default=MASTER,
        envvar=[f"NUCLEUS_{part.upper()}_MASTER", "NUCLEUS_MASTER"],
        help="Where the master is. It need not be there yet.",
    )
