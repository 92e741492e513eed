"""A student's code in a real cluster.

    live = Live(next_job)
    with nucleus.Cluster(workers=3, rules=live.rules) as cluster:
        ...

The ledger of the cluster's master goes by the code. Where the code raises, or its answer makes
no sense, the right answer is given in its place, the cluster goes on, and ``live`` says so.

Here the code runs in the process of whoever watches, without limits. A grader that executes a
notebook watches nothing, so the code is not asked then: ``check`` has judged it.
"""

import os

from nucleus.core.refusals import shorten
from nucleus.core.rules import OURS, Rules
from nucleus.grading.errors import CannotCheck
from nucleus.grading.lab import Finding, Thing
from nucleus.grading.labs import lab_of
from nucleus.grading.witness import Witness

GRADER = "NBGRADER_EXECUTION"  # nbgrader sets it in the environment of the notebooks that it grades


class Live:
    """What a real cluster goes by when a student decides; raises ``CannotCheck``."""

    rules: Rules

    def __init__(self, thing: Thing) -> None:
        lab = lab_of(getattr(thing, "__name__", shorten(thing)))
        if lab.rules is None:
            raise CannotCheck(f"thing: {lab.entry} has no place in a cluster")
        self._entry = lab.entry
        self._witness = Witness(lab.entry)
        self._graded = GRADER in os.environ
        self.rules = OURS if self._graded else lab.rules(thing, self._witness)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What should not have been, so far; the first of each kind."""
        return tuple(self._witness.findings)

    def __repr__(self) -> str:
        """What it was asked, and what went wrong."""
        if self._graded:
            return f"{self._entry} was not asked: a grader runs this, and nobody watches."
        asked = self._witness.asked
        words = f"{self._entry} was asked {'once' if asked == 1 else f'{asked} times'}"
        if not self.findings:
            return f"{words}, and each answer made sense. Whether it was right, check() tells."
        wrong = [f"- {finding.what.rstrip('.')} ({finding.name})." for finding in self.findings]
        return "\n".join([f"{words}. What was wrong:", *wrong])
