"""Faults, as marks across all graphs: what went wrong, and when, beside what it did.

Grafana draws a mark where a query is above 0, and a bar for as long as it stays there.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import AnnotationQuery

from boards.panels import PROMETHEUS

WINDOW = "[$__rate_interval]"
"""At least four scrapes, and at least one step of the graph: nothing falls between two steps."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault; ``text`` is what its mark says, with labels in double braces."""

    name: str
    color: str
    expr: str
    text: str

    def mark(self) -> AnnotationQuery:
        """It, as Grafana has it."""
        return _Mark(self)


class _Mark(AnnotationQuery):
    """An annotation with words, which the library leaves out: only some data sources have them."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name, PROMETHEUS, icon_color=fault.color, expr=fault.expr)
        self._text = fault.text

    def to_json(self) -> dict[str, object]:
        words = {"titleFormat": self.name, "textFormat": self._text}
        return {**super().to_json(), **words}


FAULTS = [
    Fault(
        "Master restarted",
        "purple",
        f"sum(changes(nucleus_master_epoch{WINDOW})) > 0",
        "A master began a new epoch: after a restart, a failed commit or a take-over.",
    ),
    Fault(
        "Worker down",
        "red",
        "nucleus_worker_up == bool 0",
        "Monitoring hears nothing of {{worker}}.",
    ),
    Fault(
        "Worker lost",
        "dark-red",
        f'sum(delta(nucleus_workers{{state="lost"}}{WINDOW})) > 0',
        "The master has given up on a worker.",
    ),
    Fault(
        "Jobs re-queued",
        "orange",
        f"sum by (reason) (increase(nucleus_jobs_requeued_total{WINDOW})) > 0",
        "Leases ended without a result: {{reason}}.",
    ),
    Fault(
        "Results refused",
        "yellow",
        f"sum by (reason) (increase(nucleus_results_rejected_total{WINDOW})) > 0",
        "Reports came under a lease that no longer holds: {{reason}}.",
    ),
]
