"""Pictures of what happened, drawn with matplotlib.

Each function returns a figure with units and a legend; ``describe`` says the same in words.
"""

from nucleus.pictures.metrics import Sample, describe, queue_and_heartbeats

__all__ = ["Sample", "describe", "queue_and_heartbeats"]
