"""A dashboard: rows of panels, the faults across them, and the way to the others."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from boards.faults import FAULTS
from boards.panels import PROMETHEUS

TAG = "nucleus"

Rows = Sequence[tuple[str, Sequence[Builder[model.Panel]]]]
"""The heading of each row, and its panels from left to right; each line of them is full."""


def board(
    name: str, title: str, description: str, rows: Rows, *variables: QueryVariable
) -> model.Dashboard:
    """The dashboard at ``/d/nucleus-NAME``: the last quarter of an hour, looked at every 5 s."""
    builder = (
        Dashboard(f"Nucleus: {title}")
        .uid(f"{TAG}-{name}")
        .description(description)
        .tags([TAG])
        .time("now-15m", "now")
        .refresh("5s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(_siblings())
    )
    for variable in variables:
        builder = builder.with_variable(variable)
    for heading, panels in rows:
        builder = builder.with_row(Row(heading))
        for panel in panels:
            builder = builder.with_panel(panel)
    built = builder.build()
    built.annotations = model.AnnotationContainer([fault.mark() for fault in FAULTS])
    for number, placed in enumerate(built.panels or [], start=1):
        placed.id_val = number  # else Grafana gives them out, and links to a panel do not last
    return built


def choice(name: str, label: str, query: str) -> QueryVariable:
    """A list above the dashboard, of which one, some or all can be chosen."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _siblings() -> DashboardLink:
    link = DashboardLink("Nucleus").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.keep_time(True)
