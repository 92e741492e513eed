"""``python -m nucleus.services.dashboard``: the same as ``nucleus dashboard``."""

from nucleus.services.dashboard.command import dashboard

dashboard()
