"""Pictures of what happened, drawn with matplotlib.

Each function returns a :class:`Drawing`: a figure with units and a legend, whose ``words``
say the same in text.
"""

from nucleus.pictures.drawing import Drawing
from nucleus.pictures.gantt import gantt
from nucleus.pictures.heartbeats import heartbeats
from nucleus.pictures.latency import latencies
from nucleus.pictures.metrics import Sample, queue_and_heartbeats
from nucleus.pictures.overview import Overview, overview
from nucleus.pictures.queue import queue_and_throughput
from nucleus.pictures.space_time import draw_space_time, space_time
from nucleus.pictures.timeouts import delay_against_false_deaths

__all__ = [
    "Drawing",
    # Of a recorded history
    "gantt",
    "heartbeats",
    "latencies",
    "queue_and_throughput",
    "overview",
    "Overview",
    "space_time",
    "draw_space_time",
    "delay_against_false_deaths",
    # Of samples of the scrape endpoint
    "Sample",
    "queue_and_heartbeats",
]
