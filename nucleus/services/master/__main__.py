"""``python -m nucleus.services.master``: the same as ``nucleus master``."""

from nucleus.services.master.command import master

master()
