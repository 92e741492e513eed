"""All that is promised: every invariant, in the order of the promises."""

from nucleus.history import claims, durability, losses, order, results, sums
from nucleus.history.invariants import ENTERED, Invariant

PARTS = (durability, results, losses, order, claims, sums)
"""The modules that hold the invariants; importing one enters its own."""

INVARIANTS: dict[str, Invariant] = {
    entry.name: entry for entry in sorted(ENTERED, key=lambda entry: entry.promise)
}
"""By name."""
