"""What a part shows to the master that it calls, and whom it believes to be the master.

Both are optional. The *token* is a secret that everybody shares who may use the queue. The
*authority* is the certificate (a file in PEM) of whoever vouches for the master's own one; with
it, calls go over TLS. Neither is ever a value on a command line, which every user of a machine
can read with ``ps``: a token comes from a file, or from the environment.

- ``Access``: the two, and ``Access.given`` looks into the environment for what is not given.
- ``read_token``, ``check_authority``: files, read strictly. Errors are ``InvalidArgument``.
"""

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from nucleus.core.errors import InvalidArgument

TOKEN_FILE_VARIABLE = "NUCLEUS_TOKEN_FILE"
TOKEN_VARIABLE = "NUCLEUS_TOKEN"
AUTHORITY_VARIABLE = "NUCLEUS_TLS_CA"
VARIABLES = (
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
    AUTHORITY_VARIABLE,
    "NUCLEUS_TLS_CERT",
    "NUCLEUS_TLS_KEY",
)
"""Everything in the environment that says who may do what."""

_TOKEN = re.compile(r"[!-~]{16,512}")  # ASCII without spaces: it travels in headers and URLs
_ALLOWED = "16 to 512 printable ASCII characters without a space, such as: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Access:
    """A token, "" for none, and the file of an authority, "" for plain text."""

    token: str = field(default="", repr=False)
    tls_ca: str = ""

    @classmethod
    def given(cls, token: str | None = None, tls_ca: str | Path | None = None) -> "Access":
        """Check what is given; ``None`` stands for what the environment says, "" for nothing.

        Raises ``InvalidArgument``, also for a file that is named and cannot be read.
        """
        if tls_ca is None:
            tls_ca = os.environ.get(AUTHORITY_VARIABLE, "")
        return cls(
            token=token_from_environment() if token is None else _check_token(token, "token"),
            tls_ca=check_authority(str(tls_ca)),
        )


OPEN = Access()
"""Nothing to show, and no TLS."""


def token_from_environment() -> str:
    """The token in the file that ``NUCLEUS_TOKEN_FILE`` names, or in ``NUCLEUS_TOKEN``, or ""."""
    if path := os.environ.get(TOKEN_FILE_VARIABLE):
        return read_token(path)
    return _check_token(os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)


def read_token(path: str) -> str:
    """The token in a file; spaces and line ends around it do not count."""
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as reason:
        why = reason.strerror if isinstance(reason, OSError) else "it is not ASCII text"
        raise InvalidArgument(f"token file {path}: {why}") from None
    if not text:
        raise InvalidArgument(f"token file {path}: it is empty; a token is {_ALLOWED}")
    return _check_token(text, f"token file {path}")


def _check_token(token: str, where: str) -> str:
    if token and not _TOKEN.fullmatch(token):
        # Never the value itself: it may be a good one with a typing error.
        raise InvalidArgument(f"{where}: it has {len(token)} characters; a token is {_ALLOWED}")
    return token


def check_authority(path: str) -> str:
    """Return ``path`` if it is "", or a file with certificates in it."""
    if path:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as reason:  # an SSLError is one, too
            why = "it holds no certificate" if isinstance(reason, ssl.SSLError) else reason.strerror
            raise InvalidArgument(f"TLS authority {path}: {why}") from None
    return path
