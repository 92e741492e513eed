"""``python -m nucleus.services.monitoring``: the same as ``nucleus monitoring``."""

from nucleus.services.monitoring.command import monitoring

monitoring()
