"""A whole cluster on one machine, ways to break it, and who records what happens."""

from nucleus.cluster.cluster import Cluster
from nucleus.cluster.fault_log import FaultLog
from nucleus.cluster.recorder import Recorder

__all__ = ["Cluster", "FaultLog", "Recorder"]
