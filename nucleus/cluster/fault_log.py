"""When each fault of a cluster began, and when it was over."""

import time

from nucleus.history.observations import Fault


class FaultLog:
    """The faults that ``Cluster.listen`` tells of, with their times in Unix seconds."""

    def __init__(self) -> None:
        self._over: list[Fault] = []
        self._lasting: dict[tuple[str, str], float] = {}  # (kind, target) -> since when

    @property
    def faults(self) -> list[Fault]:
        """All of them; what still lasts comes last, and has no end."""
        # One step each, so that others may hear of faults meanwhile.
        over, lasting = tuple(self._over), tuple(self._lasting.items())
        return [*over, *(Fault(since, None, *what) for what, since in lasting)]

    def hear(self, kind: str, target: str, over: bool) -> Fault | None:
        """Take what the cluster tells; return the fault that is over with it, if one is."""
        now = time.time()
        if kind == "take-over":  # of a frozen master, which is one no more
            return self._end(Fault(self._lasting.pop(("freeze", target), now), now, kind, target))
        if not over:
            self._lasting.setdefault((kind, target), now)
            return None
        since = self._lasting.pop((kind, target), None)
        return None if since is None else self._end(Fault(since, now, kind, target))

    def _end(self, fault: Fault) -> Fault:
        self._over.append(fault)
        return fault
