"""The dashboard in JupyterLab's launcher, by way of jupyter-server-proxy."""

import sys
from pathlib import Path
from typing import Any

ICON = Path(__file__).parent / "static" / "icon.svg"


def server_process() -> dict[str, Any]:
    """What jupyter-server-proxy needs to know to start a dashboard when its icon is clicked.

    It shows the master that ``NUCLEUS_MASTER`` names, or the one at the default address; which
    one, the page says. Jupyter's own login stands before it, and it listens on loopback only.
    """
    return {
        "command": [sys.executable, "-m", "nucleus", "dashboard", "--port", "{port}"],
        "timeout": 30,  # seconds until it listens, on a busy machine
        "launcher_entry": {"title": "Nucleus", "icon_path": str(ICON)},
    }
