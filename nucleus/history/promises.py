"""All that is promised: every invariant, in the order of the promises."""

# Importing these enters their invariants.
from nucleus.history import claims, durability, losses, order, results, sums  # noqa: F401
from nucleus.history.invariants import ENTERED, Invariant

INVARIANTS: dict[str, Invariant] = {
    entry.name: entry for entry in sorted(ENTERED, key=lambda entry: entry.promise)
}
"""By name."""
