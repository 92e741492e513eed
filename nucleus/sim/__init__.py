"""The core under a simulated clock, network, disk and workers: one seed, one exact story."""

from nucleus.sim.run import Run, Summary, run_seeds, simulate
from nucleus.sim.world import PromiseBroken

__all__ = ["PromiseBroken", "Run", "Summary", "run_seeds", "simulate"]
