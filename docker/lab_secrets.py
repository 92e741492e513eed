#!/usr/bin/env python3
"""Makes the secrets of the lab environment on its first start, and shows the links.

``lab-secrets make`` writes what is missing: a token for the parts of Nucleus, one for
JupyterLab, a password for Grafana. Each is a file of its own, on a volume that only those
containers have which need it. ``lab-secrets links`` prints where everything is, ready to be
clicked.
"""

import secrets
import sys
from pathlib import Path
from urllib.parse import quote

HOME = Path("/secrets")
FILES = ("cluster/token", "jupyter/token", "grafana/password")
BITS = 192  # nobody guesses that, and it still fits a line
LINKS = """
Dashboard    http://127.0.0.1:5000/?token={cluster}
JupyterLab   http://127.0.0.1:8888/lab?token={jupyter}
Grafana      http://127.0.0.1:3000/    user admin, password {grafana}
"""


def make(home: Path = HOME) -> list[str]:
    """Write every secret that is not there yet; return the names of those written."""
    made = []
    for name in FILES:
        path = home / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: a half one would be kept for ever.
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.write_text(secrets.token_urlsafe(BITS // 8) + "\n")
            # Whoever has the volume may read it: the containers have users of their own.
            fresh.chmod(0o444)
            fresh.replace(path)
            made.append(name)
    return made


def links(home: Path = HOME) -> str:
    """Return the links with their tokens."""
    values = {name.partition("/")[0]: quote((home / name).read_text().strip()) for name in FILES}
    return LINKS.format(**values)


def main(arguments: list[str]) -> int:
    """Run one of the two commands; return the exit code."""
    if arguments == ["make"]:
        print(f"made: {', '.join(make()) or 'nothing, all of it was there'}")
        return 0
    if arguments == ["links"]:
        print(links())
        return 0
    print("usage: lab-secrets make | links", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
