"""What the notebooks show and press.

``Scene`` can be had without the widgets: a name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucleus.notebook.fault_panel import FaultPanel
    from nucleus.notebook.metrics_panel import MetricsPanel
    from nucleus.notebook.picture import Picture
    from nucleus.notebook.playground import Playground
    from nucleus.notebook.predict import predict_choice, predict_curve, predict_number
    from nucleus.notebook.sampler import Sampler
    from nucleus.notebook.scene import Scene
    from nucleus.notebook.submit_panel import SubmitPanel
    from nucleus.notebook.time_travel import TimeTravel

__all__ = [
    # See
    "Picture",
    "MetricsPanel",
    "TimeTravel",
    # Predict first
    "predict_number",
    "predict_choice",
    "predict_curve",
    # Press
    "SubmitPanel",
    "FaultPanel",
    "Playground",
    # What they are made from
    "Sampler",
    "Scene",
]

_HOMES = {
    "FaultPanel": "fault_panel",
    "MetricsPanel": "metrics_panel",
    "Picture": "picture",
    "Playground": "playground",
    "Sampler": "sampler",
    "Scene": "scene",
    "SubmitPanel": "submit_panel",
    "TimeTravel": "time_travel",
    "predict_choice": "predict",
    "predict_curve": "predict",
    "predict_number": "predict",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nucleus.notebook' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nucleus.notebook.{_HOMES[name]}"), name)
