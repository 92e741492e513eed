"""What every store promises (``nucleus/stores/contract.py``), asked of all of them."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest

from nucleus.core.errors import CommitFailed, Fenced
from nucleus.core.events import (
    KINDS,
    Event,
    JobCompleted,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    WorkerHeartbeat,
)
from nucleus.core.job import Job, make_job_id
from nucleus.core.ledger import Ledger
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.outbox import Outbox
from nucleus.core.refusals import Reason, Refusal
from nucleus.core.retention import CHARACTERS, PACE, STEP, Retention
from nucleus.core.snapshot import Changes, KeyRun, Snapshot, Totals, WorkerRow
from nucleus.stores import MemoryDisk, MemoryStore, SqliteStore, Store, memory
from tests.core_support import Queue, Types, accepted, keep

NOW = 1_000_000.0


class Medium:
    """What outlives a store object: a memory disk, or a file. Each ``open`` takes it over."""

    def __init__(self, make: Callable[[Retention], Store]) -> None:
        self._make = make
        self._opened: list[Store] = []

    def open(self, retention: Retention = Retention()) -> Store:  # noqa: B008 - it is frozen
        self._opened.append(self._make(retention))
        return self._opened[-1]

    def loaded(self) -> tuple[Store, Snapshot]:
        store = self.open()
        return store, store.load()

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(params=["memory", "sqlite"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Medium]:
    disk = MemoryDisk("abc123")
    file = tmp_path / "ledger.db"
    makers: dict[str, Callable[[Retention], Store]] = {
        "memory": lambda retention: MemoryStore(disk, retention),
        "sqlite": lambda retention: SqliteStore(file, take_over=True, retention=retention),
    }
    medium = Medium(makers[request.param])
    yield medium
    medium.close()


class StoreQueue(Queue):
    """The ledger by hand, on the store of a medium."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        super().__init__()

    def _start(self) -> None:
        self.store = cast(Any, self._medium.open())
        self.ledger = Ledger(self.store.load(), self.store, Types(), self.limits, self.now)
        self.ledger.serve(self.now)
        self.outbox: Outbox[str] = Outbox(self.ledger)


def changes(**given: Any) -> Changes:
    """One commit's worth; whatever is not given is empty."""
    empty = Changes(
        events=(),
        states=(),
        workers=(),
        gone_workers=(),
        totals=Totals(),
        job_types=(),
        next_seq=1,
        latest=NOW,
        heartbeats=(),
    )
    return replace(empty, **given)


def a_job(ledger_id: str, number: int, **given: Any) -> Job:
    """A job with a value of its own in every field."""
    values: dict[str, Any] = {
        "id": make_job_id(ledger_id, number),
        "number": number,
        "job_type": "Echo",
        "payload": '{"größe": [1, null, "\\u0000"]}',
        "priority": -7,
        "max_attempts": 5,
        "timeout": 1.25,
        "key": f"key {number} ✓ \0 '\"",
        "client": "client",
        "client_seq": number,
        "retry_of": "abc123-0000000001",
        "submitted_at": NOW + 0.1,
        "not_before": NOW + 0.2,
        "status": Status.RUNNING,
        "attempts": 2,
        "front": True,
        "suspect": True,
        "lease": 77,
        "reported": 66,
        "worker": "w",
        "incarnation": "i",
        "started_at": NOW + 0.3,
        "finished_at": NOW + 0.4,
        "result": "[1]",
        "error": "boom\n",
        "output": "printed",
    }
    assert values.keys() == {field.name for field in fields(Job)}, "a field is missing here"
    return Job(**{**values, **given})


def put(store: Store, *jobs: Job) -> None:
    """Keep jobs as they are now; those that are new with the event that says so."""
    next_seq = max(job.number for job in jobs) + 1
    new = [job for job in jobs if store.find(job.id) is None]
    events = tuple(an_event(JobSubmitted, job.number, job) for job in new)
    states = tuple(job.state() for job in jobs)
    keep(store, changes(states=states, events=events, next_seq=next_seq))


_SAMPLES: dict[str, Any] = {
    "int": 12,
    "float": 1.5,
    "str": 'té "x" \0',
    "bool": True,
    "float | None": None,
    "tuple[str, ...]": ("Echo", "Sleep"),
    "tuple[int, ...]": (1, 2),
}


def an_event(kind: type[Event], seq: int, job: Job) -> Event:
    """An event of this kind with a value in every field; what it says of ``job`` is true."""
    values = {field.name: _sample(field.type) for field in fields(kind)}
    asked = ("job_type", "payload", "priority", "max_attempts", "timeout", "key", "retry_of")
    told: list[str] = [*asked, "client", "client_seq", "result"]
    values |= {"seq": seq, "at": NOW + seq}
    if kind is JobSubmitted:
        values["at"] = job.submitted_at
    elif kind is JobCompleted:
        values |= {"at": job.finished_at, "lease": job.reported}
        told += ["worker", "attempts", "output"]
    values |= {name: getattr(job, name) for name in told if name in values}
    if "job_id" in values:
        values["job_id"] = job.id
    return kind(**values)


def _sample(annotation: Any) -> Any:
    return _SAMPLES[annotation if isinstance(annotation, str) else _name(annotation)]


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


# ---- what goes in comes out -----------------------------------------------------------


def test_a_job_comes_back_with_every_field(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    full = a_job(snapshot.ledger_id, 5)
    bare = a_job(
        snapshot.ledger_id,
        6,
        key="",
        timeout=None,
        started_at=None,
        finished_at=None,
        front=False,
        suspect=False,
        status=Status.QUEUED,
    )
    put(store, full, bare)
    for job in (full, bare):
        found = store.find(job.id)
        assert found == job
        assert found is not None and isinstance(found.status, Status)
        assert isinstance(found.front, bool) and isinstance(found.suspect, bool)


def test_a_later_commit_replaces_the_row_of_a_job(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    job = a_job(snapshot.ledger_id, 5)
    put(store, job)
    job.status, job.result = Status.COMPLETED, "2"
    put(store, job)
    assert store.find(job.id) == job
    assert store.page(0, 10, frozenset()) == ([job], False)


def test_every_kind_of_event_comes_back_as_it_was(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    job = a_job(snapshot.ledger_id, 1, status=Status.COMPLETED)
    durable = [kind for kind in KINDS.values() if kind is not WorkerHeartbeat]
    events = tuple(an_event(kind, seq, job) for seq, kind in enumerate(durable, start=1))
    keep(store, changes(events=events, states=(job.state(),), next_seq=100))
    assert store.history(1, 100) == list(events)


def test_workers_totals_types_and_numbers_come_back(medium: Medium) -> None:
    store, first = medium.loaded()
    assert (first.next_seq, first.totals, first.workers) == (1, Totals(), [])
    here = WorkerRow("here", "i2", 4, ("Echo", "Sleep"), NOW, "alive", ("i0", "i1"))
    gone = WorkerRow("gone", "i1", 1, ("Echo",), NOW, "lost", ())
    totals = Totals(9, {"COMPLETED": 3}, {"worker_lost": 2}, {"stale_lease": 1})
    given: dict[str, Any] = {"totals": totals, "job_types": ("A", "B"), "next_seq": 42}
    keep(store, changes(workers=(here, gone), **given))
    keep(store, changes(gone_workers=("gone",), latest=NOW + 5, **given))
    _, second = medium.loaded()
    assert second.workers == [here]
    assert second.totals == totals
    assert second.job_types == ("A", "B")
    assert (second.next_seq, second.latest) == (42, NOW + 5)
    assert second.ledger_id == first.ledger_id
    assert second.epoch > first.epoch


def test_totals_that_were_handed_out_do_not_change_the_store(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    snapshot.totals.submitted += 100
    keep(store, changes())
    assert medium.loaded()[1].totals == Totals()


def test_load_returns_live_jobs_only(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    jobs = [a_job(snapshot.ledger_id, 10 + status, status=status) for status in Status]
    put(store, *jobs)
    loaded = medium.loaded()[1].jobs
    assert [job.status for job in loaded] == [Status.QUEUED, Status.RUNNING]
    assert loaded == jobs[:2]


def test_runs_of_client_keys_are_kept_until_they_are_forgotten(medium: Medium) -> None:
    store, _ = medium.loaded()
    runs = (KeyRun("a", 1, 10, 3), KeyRun("a", 4, 20, 2), KeyRun("b", 1, 13, 1))
    keep(store, changes(key_runs=runs))
    store, loaded = medium.loaded()
    assert set(loaded.keys) == set(runs)
    keep(store, changes(forgotten_keys=(("a", 4), ("b", 1))))
    assert list(medium.loaded()[1].keys) == [runs[1]]


def test_keys_that_come_back_in_the_batch_that_forgets_them_are_kept(medium: Medium) -> None:
    store, _ = medium.loaded()
    keep(store, changes(key_runs=(KeyRun("a", 1, 10, 1),)))
    again = KeyRun("a", 1, 20, 1)
    keep(store, changes(key_runs=(again,), forgotten_keys=(("a", 4),)))
    assert list(medium.loaded()[1].keys) == [again]


# ---- asking ---------------------------------------------------------------------------


def test_find_and_find_key_see_what_is_committed_and_nothing_else(medium: Medium) -> None:
    queue = StoreQueue(medium)
    job_id = queue.submit(key="mine")
    assert queue.store.find(job_id) is None
    assert queue.store.find_key("mine") is None
    queue.settle()
    assert queue.store.find(job_id) == queue.store.find_key("mine") == queue.job(job_id)


@pytest.mark.parametrize(
    "job_id",
    ["", "x", "abc123-1", "other0-0000000005", "-0000000005", "abc123-000000000\uff15", "0" * 99],
)
def test_find_knows_no_job_under_another_id(medium: Medium, job_id: str) -> None:
    store, snapshot = medium.loaded()
    put(store, a_job(snapshot.ledger_id, 5))
    assert store.find(job_id) is None


def test_no_job_has_the_empty_key(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    put(store, a_job(snapshot.ledger_id, 5, key=""), a_job(snapshot.ledger_id, 6, key=""))
    assert store.find_key("") is None
    assert store.find_key("another") is None


def test_history_comes_in_order_and_in_pages(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    job = a_job(snapshot.ledger_id, 1)
    submitted = an_event(JobSubmitted, job.number, job)
    events = [submitted, *(an_event(JobRequeued, seq, job) for seq in range(2, 26))]
    keep(store, changes(events=tuple(events[:10]), states=(job.state(),), next_seq=11))
    keep(store, changes(events=tuple(events[10:]), next_seq=26))
    seen: list[Event] = []
    while page := store.history(seen[-1].seq + 1 if seen else 1, 7):
        assert len(page) <= 7
        seen += page
    assert seen == events
    assert store.history(26, 7) == []
    assert store.history(13, 2) == events[12:14]
    assert store.first_seq() == 1


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest", "newest"])
@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize(
    "statuses",
    [
        frozenset[Status](),
        *(frozenset({status}) for status in Status),
        frozenset({Status.QUEUED, Status.COMPLETED}),
        frozenset(Status),
    ],
    ids=lambda statuses: "+".join(status.name for status in sorted(statuses)) or "all",
)
def test_pages_see_each_job_of_a_status_once_in_order(
    medium: Medium, statuses: frozenset[Status], limit: int, newest_first: bool
) -> None:
    store, snapshot = medium.loaded()
    every = list(Status)
    jobs = [a_job(snapshot.ledger_id, 997 * n + 1, status=every[n % len(every)]) for n in range(23)]
    put(store, *jobs)
    seen: list[Job] = []
    more = True
    while more:
        after = seen[-1].number if seen else 0
        page, more = store.page(after, limit, statuses, newest_first=newest_first)
        assert len(page) == limit or not more
        seen += page
    expected = [job for job in jobs if not statuses or job.status in statuses]
    assert seen == (expected[::-1] if newest_first else expected)


def test_a_job_is_listed_under_its_present_status_only(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    job = a_job(snapshot.ledger_id, 5, status=Status.QUEUED)
    for status in (Status.QUEUED, Status.RUNNING, Status.QUEUED, Status.FAILED):
        job.status = status
        put(store, job)
        listed = {asked for asked in Status if store.page(0, 10, frozenset({asked}))[0]}
        assert listed == {status}


def test_a_page_of_long_texts_is_shorter_than_its_limit(medium: Medium) -> None:
    store, snapshot = medium.loaded()
    long = "x" * 900_000
    jobs = [a_job(snapshot.ledger_id, n, payload=long) for n in range(1, 8)]
    put(store, *jobs)
    seen: list[Job] = []
    lengths = []
    more = True
    while more:
        page, more = store.page(seen[-1].number if seen else 0, 5_000, frozenset())
        lengths.append(len(page))
        seen += page
    assert lengths == [3, 3, 1]
    assert seen == jobs


# ---- what is kept ---------------------------------------------------------------------


class Past:
    """Jobs that came and ended, one a second, as a store is told of them."""

    def __init__(self, medium: Medium, retention: Retention) -> None:
        self._medium = medium
        self.store = medium.open(retention)
        self.ledger_id = self.store.load().ledger_id
        self.totals = Totals()
        self.next_seq = 1
        self.now = NOW

    def add(self, status: Status = Status.COMPLETED, **given: Any) -> Job:
        """Keep a job with its two events: one that ended, unless the status is another."""
        number, ended = self.next_seq, status in TERMINAL
        self.now += 1.0
        given = {"key": f"key {number}", "submitted_at": self.now, **given}
        job = a_job(self.ledger_id, number, status=status, finished_at=self.now, **given)
        kinds = (JobSubmitted, JobCompleted if ended else JobLeased)
        events = [an_event(kind, number + n, job) for n, kind in enumerate(kinds)]
        events = [replace(event, at=self.now) for event in events]
        self.totals.count(events)
        self.next_seq += 2
        self.commit(events=tuple(events), states=(job.state(),))
        return job

    def commit(self, **given: Any) -> None:
        given = {"totals": self.totals.copy(), "next_seq": self.next_seq, **given}
        keep(self.store, changes(latest=self.now, **given))

    def settle(self) -> int:
        """Commit nothing until nothing is overdue; return how many commits that took."""
        commits = 0
        while self.store.overdue(self.now):
            self.commit()
            commits += 1
        return commits

    def reopen(self, retention: Retention) -> Snapshot:
        """Another master opens the store."""
        self.store = self._medium.open(retention)
        return self.store.load()

    def jobs(self) -> list[Job]:
        return self.store.page(0, 9_999, frozenset())[0]

    def seqs(self) -> list[int]:
        return [event.seq for event in self.store.history(1, 99_999)]


def test_only_the_last_ended_jobs_are_kept_with_their_events(medium: Medium) -> None:
    past = Past(medium, Retention(jobs=3))
    jobs = [past.add() for _ in range(8)]
    assert past.jobs() == jobs[5:]
    first = jobs[5].number
    assert past.seqs() == list(range(first, past.next_seq))
    assert past.store.first_seq() == first
    assert not past.store.overdue(past.now)


def test_what_is_too_old_goes_also_when_nothing_happens(medium: Medium) -> None:
    past = Past(medium, Retention(age=60.0))
    old, new = past.add(), past.add()
    past.now += 58.5
    assert not past.store.overdue(past.now)
    past.now += 1.0  # the older one is now 60.5 s old
    assert past.store.overdue(past.now)
    past.commit()
    assert past.jobs() == [new]
    assert past.store.first_seq() == new.number == old.number + 2
    past.now += 60.0
    past.settle()
    assert (past.jobs(), past.seqs()) == ([], [])
    assert past.store.first_seq() == past.next_seq
    again = past.add()
    assert past.jobs() == [again]
    assert past.seqs() == [again.number, again.number + 1]


def test_what_is_kept_for_ever_does_not_go(medium: Medium) -> None:
    past = Past(medium, Retention(age=inf))
    job = past.add()
    past.now += 1e9
    assert not past.store.overdue(past.now)
    past.commit()
    assert past.jobs() == [job]


def test_a_job_that_has_not_ended_stays_when_its_events_go(medium: Medium) -> None:
    past = Past(medium, Retention(age=60.0))
    running, ended = past.add(Status.RUNNING), past.add()
    past.now += 1_000.0
    past.settle()
    assert past.seqs() == []
    assert past.jobs() == [running]
    assert past.store.find(running.id) == running
    assert past.store.find(ended.id) is None
    assert past.reopen(Retention(age=60.0)).jobs == [running]


def test_a_users_key_goes_with_its_job(medium: Medium) -> None:
    past = Past(medium, Retention(jobs=1))
    first = past.add(key="mine")
    assert past.store.find_key("mine") == first
    past.add(key="another")
    assert past.store.find_key("mine") is None
    again = past.add(key="mine")
    assert past.store.find_key("mine") == again


def test_totals_count_on_when_jobs_go(medium: Medium) -> None:
    past = Past(medium, Retention(jobs=2))
    for _ in range(7):
        past.add()
    snapshot = past.reopen(Retention(jobs=2))
    assert snapshot.totals.submitted == 7
    assert snapshot.totals.finished == {"COMPLETED": 7}


def test_what_was_trimmed_is_remembered_by_the_next_master(medium: Medium) -> None:
    past = Past(medium, Retention(jobs=4))
    jobs = [past.add() for _ in range(9)]
    past.reopen(Retention(jobs=4))
    assert past.store.first_seq() == jobs[5].number
    assert not past.store.overdue(past.now)
    jobs.append(past.add())
    assert past.jobs() == jobs[6:]
    past.reopen(Retention(age=60.0))
    assert not past.store.overdue(past.now)
    assert past.store.overdue(past.now + 60.0)
    past.reopen(Retention(jobs=2))  # who asks for less now gets less
    assert past.store.overdue(past.now)
    past.settle()
    assert past.jobs() == jobs[8:]


def test_a_commit_lets_go_of_a_few_times_what_it_adds(medium: Medium) -> None:
    past = Past(medium, Retention())
    for _ in range(1_000):
        past.add()
    past.reopen(Retention(jobs=0))
    past.commit()
    assert len(past.seqs()) == 2_000 - STEP
    past.add()
    assert len(past.seqs()) == 2_002 - 2 * STEP - PACE * 2
    assert past.settle() == 2
    assert past.seqs() == []


def test_long_texts_go_in_smaller_steps(tmp_path: Path) -> None:
    """Where dropping a text is work, that is: in a file."""
    medium = Medium(lambda retention: SqliteStore(tmp_path / "it", retention=retention))
    past = Past(medium, Retention())
    for _ in range(10):
        past.add(payload="x" * 200 * CHARACTERS)
    medium.close()
    past.reopen(Retention(jobs=0))
    past.commit()
    assert len(past.jobs()) == 7  # at least 500 of weight, 200 and a bit for each
    assert past.settle() == 3
    assert past.jobs() == []
    medium.close()


def test_a_commit_that_fails_lets_nothing_go(tmp_path: Path) -> None:
    medium = Medium(lambda retention: SqliteStore(tmp_path / "it", retention=retention))
    past = Past(medium, Retention(jobs=1))
    job = past.add()
    with pytest.raises(CommitFailed):
        past.commit(events=(an_event(JobCompleted, 2, job),))  # a seq that is taken
    past.store.load()
    assert past.jobs() == [job]
    assert past.store.first_seq() == 1
    medium.close()


def test_memory_has_a_bound_whatever_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = MemoryDisk("abc123")
    medium = Medium(lambda retention: MemoryStore(disk, retention))
    monkeypatch.setattr(memory, "KEPT_JOBS", 5)
    past = Past(medium, Retention(age=inf, jobs=1_000_000))
    jobs = [past.add() for _ in range(9)]
    assert past.jobs() == jobs[4:]
    monkeypatch.setattr(memory, "KEPT_EVENTS", 4)
    past.reopen(Retention(age=inf, jobs=1_000_000))
    past.settle()
    assert past.jobs() == jobs[7:]
    assert len(disk.keys) == len(disk.rows) == 2


# ---- fencing --------------------------------------------------------------------------


def test_a_store_that_was_taken_over_is_fenced(medium: Medium) -> None:
    older, snapshot = medium.loaded()
    older.check_epoch()
    newer, _ = medium.loaded()
    with pytest.raises(Fenced):
        older.check_epoch()
    job = a_job(snapshot.ledger_id, 5)
    event = an_event(JobSubmitted, 5, job)
    worker = WorkerRow("w", "i", 1, ("Echo",), NOW, "alive", ())
    with pytest.raises(Fenced):
        keep(older, changes(states=(job.state(),), events=(event,), workers=(worker,), next_seq=9))
    assert newer.find(job.id) is None
    assert newer.history(1, 10) == []
    after = medium.loaded()[1]
    assert (after.next_seq, after.workers) == (1, [])


def test_the_one_that_took_over_goes_on(medium: Medium) -> None:
    medium.loaded()
    newer, snapshot = medium.loaded()
    newer.check_epoch()
    put(newer, a_job(snapshot.ledger_id, 5))
    assert newer.find(make_job_id(snapshot.ledger_id, 5)) is not None


def test_a_store_loads_again_under_a_new_epoch(medium: Medium) -> None:
    store, first = medium.loaded()
    second = store.load()
    assert second.epoch > first.epoch
    put(store, a_job(first.ledger_id, 5))


def test_a_store_that_was_taken_over_cannot_take_it_back_by_loading_again(medium: Medium) -> None:
    older, _ = medium.loaded()
    newer, _ = medium.loaded()
    with pytest.raises(Fenced):
        older.load()
    newer.check_epoch()


# ---- a ledger on it -------------------------------------------------------------------


def test_a_restart_continues_where_the_last_master_stood(medium: Medium) -> None:
    queue = StoreQueue(medium)
    waiting = queue.submit(client="c", client_seq=1)
    held, done = queue.submit(priority=9), queue.submit(priority=10, key="mine")
    queue.join("w", slots=2)
    queue.settle()
    queue.beat("w", credit=queue.credit(1))
    queue.finish(done)
    queue.settle()
    before = queue.ledger.counts()
    lost = queue.submit()  # not committed
    queue.restart()
    assert queue.ledger.find(lost) is None
    assert queue.status(waiting) is Status.QUEUED
    assert queue.status(held) is Status.RUNNING
    assert queue.status(done) is Status.COMPLETED
    assert queue.ledger.counts() == before
    assert queue.ledger.totals.submitted == 3
    assert accepted(queue.offer(client="c", client_seq=1)).job_id == waiting
    assert accepted(queue.offer(key="mine", priority=10)).job_id == done
    conflict = queue.offer("2", key="mine")
    assert isinstance(conflict, Refusal) and conflict.reason is Reason.KEY_CONFLICT
    assert queue.finish(held)
    events = queue.store.history(1, 1000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_new_numbers_after_a_restart_were_never_given_before(medium: Medium) -> None:
    queue = StoreQueue(medium)
    seen = {queue.submit()}
    for _ in range(5):
        queue.settle()
        queue.restart()
        job_id = queue.submit()
        assert job_id not in seen
        seen.add(job_id)
    queue.settle()
    assert {job.id for job in queue.store.page(0, 100, frozenset())[0]} == seen


def test_every_store_tells_the_same_story(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    first = SqliteStore(file)
    ledger_id = first.load().ledger_id
    first.close()
    disk = MemoryDisk(ledger_id, epoch=1)
    told = []
    for medium in (Medium(lambda _: MemoryStore(disk)), Medium(lambda _: _reopened(file))):
        queue = StoreQueue(medium)
        _an_eventful_day(queue)
        store, snapshot = medium.loaded()
        told.append((store.history(1, 9999), store.page(0, 9999, frozenset()), snapshot))
        medium.close()
    memory, sqlite = told
    assert memory[0] == sqlite[0]
    assert memory[1] == sqlite[1]
    assert _comparable(memory[2]) == _comparable(sqlite[2])


def _reopened(file: Path) -> SqliteStore:
    return SqliteStore(file, take_over=True)


def _comparable(snapshot: Snapshot) -> Snapshot:
    """The snapshot with its keys as a list, and the workers in an order."""
    workers = sorted(snapshot.workers, key=lambda row: row.name)
    return replace(snapshot, keys=list(snapshot.keys), workers=workers)


def _an_eventful_day(queue: StoreQueue) -> None:
    jobs = [queue.submit(str(n), priority=n % 3, client="c", client_seq=n + 1) for n in range(12)]
    keyed = queue.submit(key="mine", timeout=2.5, max_attempts=1)
    queue.join("w1", slots=3)
    queue.join("w2", slots=2)
    queue.settle()
    queue.finish(queue.held("w1")[0])
    queue.fail(queue.held("w2")[0])
    queue.settle()
    queue.cancel(queue.held("w1")[0])
    queue.cancel(jobs[0])
    queue.restart()
    queue.join("w1", slots=3)
    queue.wait(12.0, beating=["w1"])
    queue.settle()
    queue.submit(delay=60.0)
    queue.retry(jobs[0], key="again")
    queue.beat("w1", leaving=True)
    queue.settle()
    assert queue.job(keyed).key == "mine"
