"""What the menus and buttons do to a cluster, and how they do it without blocking anybody.

A click is handled on the kernel's main thread, or, where the kernel has subshells, on a
thread beside the running cell. Neither may wait, so each action runs on a thread of its own.
"""

import logging
import threading
from collections.abc import Callable

from nucleus.cluster import Cluster
from nucleus.core.errors import InvalidArgument, NucleusError

logger = logging.getLogger("nucleus.notebook")

_DO: dict[str, Callable[[Cluster, str], object]] = {
    "crash": lambda cluster, worker: cluster.kill(worker, "crash"),
    "pause": lambda cluster, worker: cluster.kill(worker, "pause"),
    "resume": lambda cluster, worker: cluster.resume(worker),
    "partition": lambda cluster, worker: cluster.kill(worker, "partition"),
    "slow": lambda cluster, worker: cluster.kill(worker, "slow"),
    "heal": lambda cluster, worker: cluster.heal(worker),
}
ACTIONS = tuple(_DO)

_SAID = {
    "crash": "{0} has crashed. The master does not know yet: all it can see is silence.",
    "pause": "{0} is frozen: it neither works nor speaks.",
    "resume": "{0} goes on, and does not know how long it was away.",
    "partition": "{0} is cut off: it works on, but nothing that it says arrives.",
    "slow": "{0} hears and says everything late.",
    "heal": "The network of {0} is whole again.",
    "add": "{0} was added.",
}


def perform(cluster: Cluster, action: str, worker: str = "") -> str:
    """Do one of :data:`ACTIONS` to a worker, or ``add`` one; return what happened, in words.

    Raises ``NucleusError`` when it cannot be done.
    """
    if action == "add":
        worker = cluster.add_worker()
    elif action in _DO:
        _DO[action](cluster, worker)
    else:
        allowed = ", ".join((*ACTIONS, "add"))
        raise InvalidArgument(f"action: {action!r} is not allowed; one of {allowed}")
    return _SAID[action].format(worker)


def in_background(act: Callable[[], str], tell: Callable[[str, bool], None]) -> threading.Thread:
    """Call ``act`` on a thread; ``tell`` gets what it returns, or its error, and whether it is."""

    def run() -> None:
        try:
            said, went_well = act(), True
        except (NucleusError, ValueError) as error:
            said, went_well = str(error), False
        except Exception as error:  # nobody else would hear of it
            logger.exception("an action failed")
            said, went_well = f"{type(error).__name__}: {error}", False
        tell(said, went_well)

    thread = threading.Thread(target=run, name="nucleus-action", daemon=True)
    thread.start()
    return thread
