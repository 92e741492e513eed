"""Known-wrong versions of the code: a check is trusted when it notices them.

``python -m nucleus.sim.mutants`` hunts them all; ``--table docs/promises.md`` writes down who
caught which.
"""

# Importing these enters their mutants in the table.
from nucleus.sim.mutants import wrong_ledgers, wrong_shells
from nucleus.sim.mutants.registry import MUTANTS, Mutant

__all__ = ["MUTANTS", "Mutant", "wrong_ledgers", "wrong_shells"]
