"""The client library: submit jobs, follow them, look at the cluster."""

from nucleus.client.client import Client
from nucleus.client.handle import JobHandle
from nucleus.client.views import JobView, Stats, WorkerView

__all__ = ["Client", "JobHandle", "JobView", "Stats", "WorkerView"]
