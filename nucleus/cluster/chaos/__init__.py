"""Chaos: a real cluster under load is broken on purpose, and its history judged."""

from nucleus.cluster.chaos.cluster import ChaosCluster
from nucleus.cluster.chaos.plan import FAULTS, Planned, make_plan
from nucleus.cluster.chaos.run import Chaos, Progress, parts_of

__all__ = ["FAULTS", "Chaos", "ChaosCluster", "Planned", "Progress", "make_plan", "parts_of"]
