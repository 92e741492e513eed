"""What a part says when it can be reached from other machines, and is not protected.

Everything listens on the loopback address unless told otherwise: then only programs on this
machine reach it. Told otherwise it obeys, and says in one line what is missing.
"""

import socket
from ipaddress import ip_address

import click

NO_TOKEN = "without a token: whoever reaches it may use it (give it one with --token-file)"
NO_TLS = "without TLS: whoever is on the way can read all of it (see: nucleus certs --help)"
NO_HTTPS = "without HTTPS: whoever is on the way can read the token (see docs/security.md)"
OPEN_SCRAPE = "without asking for the token where it is scraped (see --protect-scrape)"


def warn_if_exposed(part: str, host: str, *missing: str) -> None:
    """Write a warning to stderr if something is missing, and ``host`` is not only this machine."""
    if missing and not is_loopback(host):
        click.echo(f"Warning: the {part} listens on {host}, {', and '.join(missing)}", err=True)


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, stands for this machine alone."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host or "0.0.0.0", None)}
    except (OSError, UnicodeError):
        return True  # nobody can listen there: it is refused in a moment, and says why
    return all(ip_address(str(address).partition("%")[0]).is_loopback for address in found)
