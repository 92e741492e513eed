"""The graded labs: a module for each, and the table of them."""

from nucleus.grading.errors import CannotCheck
from nucleus.grading.lab import Lab
from nucleus.grading.labs import (
    durability,
    failure_detector,
    fencing,
    first_job,
    metrics,
    poison,
    queue,
    queueing,
    requeue,
)

LABS: dict[str, Lab] = {
    lab.name: lab
    for lab in (
        first_job.LAB,
        queue.LAB,
        failure_detector.LAB,
        requeue.LAB,
        fencing.LAB,
        poison.LAB,
        queueing.LAB,
        metrics.LAB,
        durability.LAB,
    )
}
"""By the names of their folders."""


def lab_of(entry: str) -> Lab:
    """The lab that asks for a thing of this name; raises ``CannotCheck`` when none does."""
    for lab in LABS.values():
        if lab.entry == entry:
            return lab
    known = ", ".join(lab.entry for lab in LABS.values())
    raise CannotCheck(f"thing: no lab asks for {entry!r}; they ask for {known}")
