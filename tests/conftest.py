"""What every test shares: how long it may take, and how hypothesis chooses its examples."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A shell that runs something in the background makes it ignore SIGINT, and its children inherit
# that. The tests press Ctrl-C for real, so here it means what it says.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Failed invariants of the core show the values that they compared.
pytest.register_assert_rewrite("tests.core_support")

# Seconds. Every other test gets the `timeout` of pyproject.toml; a test may mark its own.
TIMEOUT_OF_MARKER = {"full": 3600, "long": 600}

# No deadline, since two cores under load say nothing about one example. In CI the examples are
# always the same, so that a failure there is a failure of the change.
settings.register_profile("nucleus", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("nucleus"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "nucleus")


# Half a minute each. Where they stand side by side, one process is left alone with them at the end.
LONGEST = (
    "test_a_notebook_runs_and_leaves_nothing_behind",
    "test_every_promise_is_kept_and_everything_went_wrong",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give slow tests the time they need, and have the longest begin in time."""
    for item in items:
        slow = next((name for name in TIMEOUT_OF_MARKER if item.get_closest_marker(name)), None)
        if slow and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUT_OF_MARKER[slow]))
    _spread(items, [item for item in items if item.name.startswith(LONGEST)])


def _spread(items: list[pytest.Item], some: list[pytest.Item]) -> None:
    """Put ``some`` of the ``items`` at equal distances, the last well before the end."""
    others = [item for item in items if item not in some]
    distance = 4 * len(others) // (5 * max(1, len(some)))
    for place, item in enumerate(some):
        others.insert(place * (distance + 1), item)
    items[:] = others


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how long the steps took that a test has recorded as its property ``took``."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    ends = [report for report in reports if getattr(report, "when", "") == "teardown"]
    steps = [value for end in ends for name, value in end.user_properties if name == "took"]
    if steps:
        terminalreporter.section("steps")
        for step in steps:
            terminalreporter.write_line(step)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that runs within the tests decides how much is logged, for its own time only."""
    logger = logging.getLogger("nucleus")
    level = logger.level
    yield
    logger.setLevel(level)
