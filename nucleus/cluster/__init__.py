"""A whole cluster on one machine, and ways to break it."""

from nucleus.cluster.cluster import Cluster

__all__ = ["Cluster"]
