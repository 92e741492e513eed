"""The kinds of panels: each asks Prometheus, and says what it shows, in which unit.

Every panel has a title, a description for whoever does not know it, a unit, and its queries
by their legends. ``width`` is in columns, of which a dashboard has 24.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source, as provisioning/datasources names it."""

COUNT = units.Short
SECONDS = units.Seconds
SHARE = units.PercentUnit  # from 0 to 1, shown as percent
JOBS_PER_SECOND = "suffix:jobs/s"
ATTEMPTS_PER_SECOND = "suffix:attempts/s"
BEATS_PER_MINUTE = "suffix:beats/min"

STAT_HEIGHT, GRAPH_HEIGHT = 4, 8  # in rows of about 30 pixels

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; ``None`` is where the first one begins."""

PLAIN: Steps = [(None, "blue")]

UP_OR_DOWN = ValueMap(
    options={
        "0": ValueMappingResult(text="down", color="red", index=0),
        "1": ValueMappingResult(text="up", color="green", index=1),
    }
)

SHOWN_AS_A_WORD = [
    DynamicConfigValue("mappings", [UP_OR_DOWN]),
    DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
]
"""For a column of a table that is 0 or 1."""


class Look(Protocol):
    """What the builders of all kinds of panels have in common."""

    def title(self, title: str, /) -> Self:
        """Its heading."""

    def description(self, description: str, /) -> Self:
        """What the "i" beside the title says."""

    def datasource(self, datasource: DataSourceRef, /) -> Self:
        """Whom it asks."""

    def with_target(self, target: prometheus.Dataquery, /) -> Self:
        """One more query."""

    def unit(self, unit: str, /) -> Self:
        """Of its values."""

    def span(self, w: int, /) -> Self:
        """Its width, in columns."""

    def height(self, h: int, /) -> Self:
        """Its height, in rows."""


P = TypeVar("P", bound=Look)


def number(
    title: str,
    description: str,
    unit: str,
    queries: Mapping[str, str],
    *,
    steps: Steps = PLAIN,
    width: int = 4,
) -> stat.Panel:
    """One large number, with its recent past behind it."""
    panel = _dress(stat.Panel(), title, description, unit, queries)
    return (
        panel.span(width)
        .height(STAT_HEIGHT)
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_steps(steps))
    )


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Mapping[str, str],
    *,
    colors: Mapping[str, str] | None = None,
    limit: float | None = None,
    stacked: bool = False,
    width: int = 8,
) -> timeseries.Panel:
    """Values over time; ``limit`` draws a red line, ``colors`` are by legend."""
    panel = _dress(timeseries.Panel(), title, description, unit, queries)
    panel = (
        panel.span(width)
        .height(GRAPH_HEIGHT)
        .min(0)
        .line_width(2)
        .fill_opacity(40 if stacked else 10)
        .show_points(VisibilityMode.NEVER)
        .legend(_legend(["lastNotNull", "max"]))
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    for legend, color in (colors or {}).items():
        panel = panel.override_by_name(legend, [_fixed(color)])
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if limit is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style).thresholds(_steps([(None, "green"), (limit, "red")]))
    return panel


def states(
    title: str, description: str, queries: Mapping[str, str], *, width: int = 24
) -> statetimeline.Panel:
    """A bar for each series, green while it is 1 and red while it is 0."""
    panel = _dress(statetimeline.Panel(), title, description, COUNT, queries)
    return (
        panel.span(width)
        .height(GRAPH_HEIGHT)
        .mappings([UP_OR_DOWN])
        .show_value(VisibilityMode.NEVER)
        .fill_opacity(80)
        .line_width(0)
        .legend(_legend([], mode=LegendDisplayMode.LIST))
    )


def bars(
    title: str, description: str, unit: str, queries: Mapping[str, str], *, width: int = 8
) -> bargauge.Panel:
    """One bar for each series, as of now."""
    panel = _dress(bargauge.Panel(), title, description, unit, queries, instant=True)
    return (
        panel.span(width)
        .height(GRAPH_HEIGHT)
        .min(0)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )


def clouds(
    title: str, description: str, unit: str, query: str, *, width: int = 12
) -> heatmap.Panel:
    """The buckets of a histogram over time: the darker, the more."""
    panel = _dress(heatmap.Panel(), title, description, unit, {}).with_target(
        _query("A", "{{le}}", query).range().format(PromQueryFormat.HEATMAP)
    )
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32)
    return (
        panel.span(width)
        .height(GRAPH_HEIGHT)
        .color(color)
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(AxisPlacement.LEFT))
        .cell_gap(1)
        .show_legend()
    )


def columns(
    title: str,
    description: str,
    label: str,
    queries: Mapping[str, tuple[str, str]],
    *,
    width: int = 24,
) -> table.Panel:
    """A row for each value of ``label``; ``queries`` has a unit and a query for each column."""
    panel = _dress(table.Panel(), title, description, COUNT, {})
    names = {}
    for letter, (column, (unit, expr)) in zip(ascii_uppercase, queries.items(), strict=False):
        query = _query(letter, column, expr).instant().format(PromQueryFormat.TABLE)
        panel = panel.with_target(query)
        panel = panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
        names[f"Value #{letter}"] = column
    joined = DataTransformerConfig("joinByField", options={"byField": label, "mode": "outer"})
    # Each query brings a time of its own, which says nothing: all of them were asked just now.
    times = {f"Time {place}": True for place in range(1, len(names) + 1)}
    tidied = DataTransformerConfig(
        "organize", options={"excludeByName": {"Time": True, **times}, "renameByName": names}
    )
    return (
        panel.span(width)
        .height(GRAPH_HEIGHT)
        .with_transformation(joined)
        .with_transformation(tidied)
    )


# ---- what they share ------------------------------------------------------------------


def _dress(
    panel: P,
    title: str,
    description: str,
    unit: str,
    queries: Mapping[str, str],
    *,
    instant: bool = False,
) -> P:
    panel = panel.title(title).description(description).unit(unit).datasource(PROMETHEUS)
    for letter, (legend, expr) in zip(ascii_uppercase, queries.items(), strict=False):
        query = _query(letter, legend, expr)
        panel = panel.with_target(query.instant() if instant else query.range())
    return panel


def _query(letter: str, legend: str, expr: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expr).legend_format(legend)
    return query.datasource(PROMETHEUS)


def _legend(
    numbers: list[str], mode: LegendDisplayMode = LegendDisplayMode.TABLE
) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(mode)
    return legend.placement(LegendPlacement.BOTTOM).calcs(numbers)


def _steps(steps: Steps) -> ThresholdsConfig:
    thresholds = [Threshold(value, color) for value, color in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def _fixed(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
