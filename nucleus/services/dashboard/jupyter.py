"""The dashboard in JupyterLab's launcher, by way of jupyter-server-proxy."""

import sys
from pathlib import Path
from typing import Any

from nucleus.rpc.access import token_from_environment

ICON = Path(__file__).parent / "static" / "icon.svg"


def server_process() -> dict[str, Any]:
    """What jupyter-server-proxy needs to know to start a dashboard when its icon is clicked.

    It shows the master that ``NUCLEUS_MASTER`` names, or the one at the default address; which
    one, the page says. Jupyter's own login stands before it, and it listens on loopback only;
    whoever has passed that login is not asked for the cluster's token as well.
    """
    return {
        "command": [sys.executable, "-m", "nucleus", "dashboard", "--port", "{port}"],
        "timeout": 30,  # seconds until it listens, on a busy machine
        "launcher_entry": {"title": "Nucleus", "icon_path": str(ICON)},
        "request_headers_override": token_headers,
    }


def token_headers() -> dict[str, str]:
    """What shows the dashboard, which has inherited the same environment, the cluster's token.

    A function, so that a token file that cannot be read keeps nobody's JupyterLab from starting.
    """
    token = token_from_environment()
    # It is taken for a template, in which a brace has to be written twice.
    shown = token.replace("{", "{{").replace("}", "}}")
    return {"Authorization": f"Bearer {shown}"} if token else {}
