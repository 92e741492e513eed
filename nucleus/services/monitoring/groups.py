"""What was pushed, kept in groups: a Pushgateway that notices silence and forgets.

Pure: no sockets, threads or clock; every call that cares about time takes ``now`` in Unix
seconds. Not thread-safe: the shell holds a lock.

- ``push`` replaces a whole group (PUT) or its families of the same names (POST). It checks
  everything first: a refused push (``InvalidArgument``) leaves the store as it was.
- ``delete`` forgets a group; ``evict`` forgets those that nobody pushed for ``EVICT_AFTER``.
- ``collect`` merges all groups, family by family, and adds the stamps that only Monitoring
  makes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nucleus.services.monitoring.bounds import check_families, check_grouping, check_room
from nucleus.services.monitoring.text_format import Family, Labels, Sample, bad, merge

EVICT_AFTER = 300.0
"""Seconds without a push after which a group is dropped; Prometheus's own staleness limit."""

UP_WITHIN = 10.0
"""Seconds since the last push within which a worker counts as up: the master's own limit.

Where the master is more patient, so is Monitoring; less it cannot be, since workers push every
3 seconds however short the master's patience is, and three pushes may be lost.
"""

WORKER_JOB = "nucleus_worker"

PUSH_STAMP = "nucleus_push_last_timestamp_seconds"
HEARTBEAT_STAMP = "nucleus_worker_last_heartbeat_timestamp_seconds"
UP_STAMP = "nucleus_worker_up"

STAMPS = {
    PUSH_STAMP: "Unix time of the last accepted push of the job and instance.",
    HEARTBEAT_STAMP: "Unix time of the last push that Monitoring saw from the worker.",
    UP_STAMP: "Whether Monitoring saw a push from the worker within {within:g} seconds.",
}
"""Names and HELP of what Monitoring alone says; nobody may push them."""

Series = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Group:
    """The families last pushed under one grouping key, and when the last push came."""

    labels: Labels
    last_push: float  # Unix seconds
    families: Mapping[str, Family]


class Groups:
    """All groups, by their labels.

    ``worker_timeout`` is the master's: seconds of silence after which it gives a worker up.
    """

    def __init__(self, worker_timeout: float = UP_WITHIN) -> None:
        self._up_within = max(worker_timeout, UP_WITHIN)
        self._groups: dict[Labels, Group] = {}
        self._holders: dict[str, dict[Labels, Family]] = {}  # family name -> who holds it
        self._claims: dict[str, str] = {}  # sample name -> the one family that may use it
        self._series: dict[Series, Labels] = {}  # which group a series belongs to

    def push(
        self, labels: Labels, families: Iterable[Family], now: float, *, replace_all: bool
    ) -> None:
        """Take a push into the group ``labels``.

        Raises ``InvalidArgument`` if it does not fit, ``ResourceExhausted`` if there is no room.
        """
        pushed = {family.name: _in_group(family, labels) for family in families}
        held = self._families(labels)
        kept = {} if replace_all else {k: v for k, v in held.items() if k not in pushed}
        # What stays comes first, so that a clash is blamed on a line of this push.
        families_now = {**kept, **pushed}
        self._check_bounds(labels, families_now)
        self._check(labels, families_now)
        self._forget(labels)
        self._remember(Group(labels, now, families_now))

    def delete(self, labels: Labels) -> None:
        """Forget a group; one that is not there is fine."""
        self._forget(labels)

    def evict(self, now: float) -> list[Labels]:
        """Forget the groups that have been silent for too long, and return them."""
        silent = [key for key, g in self._groups.items() if now - g.last_push > EVICT_AFTER]
        for labels in silent:
            self._forget(labels)
        return silent

    def collect(self, now: float) -> list[Family]:
        """Return everything to expose, each family once, in order of its name."""
        merged = [merge(list(holders.values())) for holders in self._holders.values()]
        stamps = [family for family in self._stamps(now) if family.samples]
        return sorted([*merged, *stamps], key=lambda family: family.name)

    def _families(self, labels: Labels) -> Mapping[str, Family]:
        group = self._groups.get(labels)
        return group.families if group else {}

    def _check_bounds(self, labels: Labels, families: Mapping[str, Family]) -> None:
        check_grouping(labels)
        check_families(families.values())
        others = len(self._groups) - (labels in self._groups)
        grown = _count(families) - _count(self._families(labels))
        check_room(others + 1, len(self._series) + grown)

    def _check(self, labels: Labels, families: Mapping[str, Family]) -> None:
        claims: dict[str, str] = {}
        series: set[Series] = set()
        for family in families.values():
            self._check_names(labels, family, claims)
            self._check_kind(labels, family)
            for sample in family.samples:
                self._check_series(labels, sample, series)

    def _check_names(self, labels: Labels, family: Family, claims: dict[str, str]) -> None:
        for name in family.claims:
            if name in STAMPS:
                raise bad(family.line, f"{name} is made by Monitoring and cannot be pushed")
            other = claims.setdefault(name, family.name)
            if other == family.name and self._held_by_others(labels, self._claims.get(name, "")):
                other = self._claims[name]
            if other != family.name:
                raise bad(family.line, f"{family.name} ({family.kind}) collides with {other}")

    def _held_by_others(self, labels: Labels, name: str) -> bool:
        return any(holder != labels for holder in self._holders.get(name, ()))

    def _check_kind(self, labels: Labels, family: Family) -> None:
        for holder, other in self._holders.get(family.name, {}).items():
            if holder != labels:
                if other.kind != family.kind:
                    raise bad(
                        family.line,
                        f"{family.name} has TYPE {family.kind}, but the group {_show(holder)} "
                        f"holds it as {other.kind}",
                    )
                return  # all holders agree, so one is enough

    def _check_series(self, labels: Labels, sample: Sample, seen: set[Series]) -> None:
        series = sample.series
        owner = self._series.get(series, labels)
        if series in seen or owner != labels:
            where = "in this push" if series in seen else f"in the group {_show(owner)}"
            raise bad(sample.line, f"duplicate sample {sample.name}{_show(series[1])} {where}")
        seen.add(series)

    def _remember(self, group: Group) -> None:
        self._groups[group.labels] = group
        for name, family in group.families.items():
            self._holders.setdefault(name, {})[group.labels] = family
            self._claims.update(dict.fromkeys(family.claims, name))
            self._series.update((sample.series, group.labels) for sample in family.samples)

    def _forget(self, labels: Labels) -> None:
        for name, family in self._families(labels).items():
            for sample in family.samples:
                del self._series[sample.series]
            del self._holders[name][labels]
            if not self._holders[name]:
                del self._holders[name]
                for claim in family.claims:
                    del self._claims[claim]
        self._groups.pop(labels, None)

    def _stamps(self, now: float) -> list[Family]:
        pushes: dict[Labels, float] = {}
        workers: dict[Labels, float] = {}
        for group in self._groups.values():
            labels = dict(group.labels)
            job, instance = labels["job"], labels.get("instance", "")
            _latest(pushes, (("instance", instance), ("job", job)), group.last_push)
            if job == WORKER_JOB and instance:
                _latest(workers, (("worker", instance),), group.last_push)
        up = {labels: float(now - last <= self._up_within) for labels, last in workers.items()}
        stamps = {PUSH_STAMP: pushes, HEARTBEAT_STAMP: workers, UP_STAMP: up}
        return [self._stamp(name, values) for name, values in stamps.items()]

    def _stamp(self, name: str, values: Mapping[Labels, float]) -> Family:
        samples = tuple(Sample(name, labels, value) for labels, value in values.items())
        return Family(name, "gauge", STAMPS[name].format(within=self._up_within), samples)


def _in_group(family: Family, grouping: Labels) -> Family:
    """Put the labels of the group over those in the body, as the Pushgateway does."""
    samples = (
        replace(sample, labels=_override(sample.labels, grouping)) for sample in family.samples
    )
    return replace(family, samples=tuple(samples))


def _override(labels: Labels, grouping: Labels) -> Labels:
    # Without an instance of its own, a sample would get Monitoring's address from Prometheus.
    return tuple(sorted({"instance": "", **dict(labels), **dict(grouping)}.items()))


def _count(families: Mapping[str, Family]) -> int:
    return sum(len(family.samples) for family in families.values())


def _latest(stamps: dict[Labels, float], labels: Labels, when: float) -> None:
    stamps[labels] = max(when, stamps.get(labels, when))


def _show(labels: Labels) -> str:
    return "{" + ", ".join(f"{name}={value!r}" for name, value in labels) + "}"
