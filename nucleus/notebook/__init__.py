"""What the notebooks show and press.

``Scene`` can be had without the widgets: a name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucleus.notebook.checks import (
        all_completed,
        attempts_in_words,
        buried_alive,
        check,
        detection_delay,
        events_of,
        longest_silence,
        places,
        places_at_the_end,
        seconds_for,
        verdicts_in_words,
        waiting_at,
    )
    from nucleus.notebook.containers import loss_of_a_worker
    from nucleus.notebook.fault_panel import FaultPanel
    from nucleus.notebook.metrics_panel import MetricsPanel
    from nucleus.notebook.outage import away, longest_gap, nothing_lost
    from nucleus.notebook.picture import Picture
    from nucleus.notebook.playground import Playground
    from nucleus.notebook.predict import predict_choice, predict_curve, predict_number
    from nucleus.notebook.prometheus import (
        ALERTS,
        lines_about,
        open_prometheus,
        push_metrics,
        read_metrics,
        value_of,
    )
    from nucleus.notebook.protocol import definition, regenerate
    from nucleus.notebook.rows import job_table
    from nucleus.notebook.sampler import Sampler
    from nucleus.notebook.scene import Scene
    from nucleus.notebook.speed import speed_ups
    from nucleus.notebook.staging import await_alive, await_lost, curse, mend, wait_until
    from nucleus.notebook.submit_panel import SubmitPanel
    from nucleus.notebook.time_travel import TimeTravel
    from nucleus.notebook.waiting import (
        as_theory_says,
        draw_crowds,
        draw_flow,
        draw_hockey_stick,
        littles_law,
        run_line,
        sweep,
    )

__all__ = [
    # See
    "Picture",
    "MetricsPanel",
    "TimeTravel",
    # Predict first
    "predict_number",
    "predict_choice",
    "predict_curve",
    # Check: say in words what was seen
    "check",
    "all_completed",
    "attempts_in_words",
    "buried_alive",
    "detection_delay",
    "events_of",
    "job_table",
    "longest_gap",
    "longest_silence",
    "loss_of_a_worker",
    "nothing_lost",
    "places",
    "places_at_the_end",
    "seconds_for",
    "speed_ups",
    "verdicts_in_words",
    "waiting_at",
    # Stage an accident
    "await_alive",
    "await_lost",
    "away",
    "curse",
    "mend",
    "wait_until",
    # Wait in line
    "run_line",
    "sweep",
    "littles_law",
    "as_theory_says",
    "draw_flow",
    "draw_hockey_stick",
    "draw_crowds",
    # Read metrics
    "ALERTS",
    "open_prometheus",
    "lines_about",
    "push_metrics",
    "read_metrics",
    "value_of",
    # Read the protocol
    "definition",
    "regenerate",
    # Press
    "SubmitPanel",
    "FaultPanel",
    "Playground",
    # What they are made from
    "Sampler",
    "Scene",
]

_HOMES = {
    "ALERTS": "prometheus",
    "FaultPanel": "fault_panel",
    "MetricsPanel": "metrics_panel",
    "Picture": "picture",
    "Playground": "playground",
    "Sampler": "sampler",
    "Scene": "scene",
    "SubmitPanel": "submit_panel",
    "TimeTravel": "time_travel",
    "all_completed": "checks",
    "as_theory_says": "waiting",
    "attempts_in_words": "checks",
    "await_alive": "staging",
    "await_lost": "staging",
    "away": "outage",
    "buried_alive": "checks",
    "check": "checks",
    "curse": "staging",
    "definition": "protocol",
    "detection_delay": "checks",
    "draw_crowds": "waiting",
    "draw_flow": "waiting",
    "draw_hockey_stick": "waiting",
    "events_of": "checks",
    "job_table": "rows",
    "lines_about": "prometheus",
    "littles_law": "waiting",
    "longest_gap": "outage",
    "longest_silence": "checks",
    "loss_of_a_worker": "containers",
    "mend": "staging",
    "nothing_lost": "outage",
    "open_prometheus": "prometheus",
    "places": "checks",
    "places_at_the_end": "checks",
    "predict_choice": "predict",
    "predict_curve": "predict",
    "predict_number": "predict",
    "push_metrics": "prometheus",
    "read_metrics": "prometheus",
    "regenerate": "protocol",
    "run_line": "waiting",
    "seconds_for": "checks",
    "speed_ups": "speed",
    "sweep": "waiting",
    "value_of": "prometheus",
    "verdicts_in_words": "checks",
    "wait_until": "staging",
    "waiting_at": "checks",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nucleus.notebook' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nucleus.notebook.{_HOMES[name]}"), name)
