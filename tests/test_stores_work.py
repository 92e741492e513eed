"""A big store is as fast as a small one: what it looks at does not grow with what it holds.

Work is counted in instructions of SQLite's virtual machine, which are the same on every
machine, and plans are read from EXPLAIN QUERY PLAN.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.events import Event, JobCompleted, JobLeased, JobRequeued, JobSubmitted
from nucleus.core.job import make_job_id
from nucleus.core.lifecycle import TERMINAL, Status
from nucleus.core.retention import Retention
from nucleus.core.snapshot import Totals
from nucleus.stores import MemoryDisk, MemoryStore, SqliteStore, Store, sqlite, states
from nucleus.stores.codec import EVENTS_SQL
from nucleus.stores.numbers import NumbersByStatus
from tests.core_support import keep
from tests.test_stores_contract import a_job, an_event, changes

STATUSES = list(Status)
FILTERS = [frozenset(some) for n in range(4) for some in combinations(STATUSES, n)]
EVENTS = 3  # of each job
BATCH = 2_000  # jobs in a commit


def filled(path: Path, jobs: int, retention: Retention = Retention()) -> SqliteStore:  # noqa: B008
    """A store with so many jobs, of all statuses in turn, one after the other."""
    store = SqliteStore(path, retention=retention)
    ledger_id = store.load().ledger_id
    for first in range(0, jobs, BATCH):
        add(store, ledger_id, range(first, min(first + BATCH, jobs)))
    return store


def add(store: Store, ledger_id: str, places: range) -> None:
    """Keep the jobs at these places, each with its events."""
    kinds = JobSubmitted, JobLeased, JobCompleted
    states, events = [], []
    for place in places:
        number = EVENTS * place + 1
        job = a_job(ledger_id, number, status=STATUSES[place % len(STATUSES)], payload="1")
        states.append(job.state())
        told = kinds if job.status in TERMINAL else kinds[:2]
        events += [an_event(kind, number + n, job) for n, kind in enumerate(told)]
    ended = sum(1 for place in range(places.stop) if STATUSES[place % 5] in TERMINAL)
    totals, next_seq = Totals(0, {"any": ended}), EVENTS * places.stop + 1
    given = {"events": tuple(events), "states": tuple(states), "totals": totals}
    keep(store, changes(next_seq=next_seq, **given))


@contextmanager
def counted(store: SqliteStore) -> Iterator[Callable[[], int]]:
    """Count the instructions of all connections, in tens."""
    tens = [0]

    def tick() -> None:
        tens[0] += 1

    connections = (store._writer, store._finder, store._pager)
    for connection in connections:
        connection.set_progress_handler(tick, 10)
    yield lambda: tens[0]
    for connection in connections:
        connection.set_progress_handler(None, 10)


def work(store: SqliteStore, jobs: int) -> dict[str, int]:
    """The instructions that each thing takes that a master does with its store."""
    ledger_id = store.load().ledger_id
    done: dict[str, int] = {}

    def count(name: str, call: Callable[[], object]) -> None:
        with counted(store) as instructions:
            call()
            done[name] = instructions()

    for statuses in FILTERS:
        for newest_first in (False, True):
            for part in (0, 2, 4):  # of five: places that both sizes have jobs around
                after = EVENTS * (jobs * part // 5)
                name = f"page {sorted(statuses)} {newest_first} {part}"
                ask = partial(store.page, after, 50, statuses, newest_first=newest_first)
                count(name, ask)
    last = EVENTS * jobs
    job_id = make_job_id(ledger_id, EVENTS * (jobs // 2) + 1)
    count("history", lambda: store.history(last - 300, 200))
    count("first_seq", store.first_seq)
    count("find", lambda: store.find(job_id))
    count("find_key", lambda: store.find_key(f"key {EVENTS * (jobs // 2) + 1} ✓ \0 '\""))
    count("check_epoch", store.check_epoch)
    count("commit", lambda: add(store, ledger_id, range(jobs, jobs + 10)))
    return done


@pytest.mark.parametrize("big", [10_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_nothing_takes_more_work_in_a_big_store(tmp_path: Path, big: int) -> None:
    small = 2_000
    with closing(filled(tmp_path / "small", small)) as store:
        expected = work(store, small)
    with closing(filled(tmp_path / "big", big)) as store:
        found = work(store, big)
    slower = {
        name: (expected[name], found[name])
        for name in found
        if found[name] > 1.1 * expected[name] + 10
    }
    assert slower == {}


@pytest.mark.parametrize("big", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_trimming_takes_no_more_work_in_a_big_store(tmp_path: Path, big: int) -> None:
    spent = []
    for jobs in (3_000, big):
        path = tmp_path / str(jobs)
        filled(path, jobs).close()
        with closing(SqliteStore(path, retention=Retention(jobs=0))) as store:
            store.load()
            given = {"totals": Totals(0, {"any": jobs}), "next_seq": EVENTS * jobs + 1}
            with counted(store) as instructions:
                keep(store, changes(**given))
                spent.append(instructions())
    assert spent[1] <= 1.1 * spent[0]


def test_every_question_is_a_walk_along_an_index(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "it", 10)) as store:
        at_a_start = (states.NEVER_DISPATCHED, states.DISPATCHED)
        questions: dict[str, tuple[Any, ...]] = {
            **dict.fromkeys(at_a_start, ()),
            EVENTS_SQL: (1, 1),
            sqlite._OLDEST: (),
            "SELECT id FROM jobs WHERE number = ? AND id = ?": (1, ""),
            "SELECT id FROM jobs WHERE key = ? AND key != ''": ("",),
        }
        for statuses in chain(FILTERS, [frozenset(Status)]):
            for newest_first in (False, True):
                questions[states.listing(statuses, newest_first)] = (1, 1)
        for sql, values in questions.items():
            rows = store._writer.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            plan = [row[3] for row in rows]
            assert not any("TEMP B-TREE" in step for step in plan), sql
            scans = {step for step in plan if step.startswith("SCAN")}
            # The ledger is one row; of the jobs, only the live ones are read all, at a start.
            live = {"SCAN queued", "SCAN running"} if sql in at_a_start else set()
            assert scans <= {"SCAN ledger"} | live, f"{sql}\n{plan}"


def test_a_page_reads_no_text_that_it_has_no_room_for(tmp_path: Path) -> None:
    """A page of long texts must not read all jobs up to its limit."""
    with closing(SqliteStore(tmp_path / "it")) as store:
        ledger_id = store.load().ledger_id
        jobs = [a_job(ledger_id, n, payload="x" * 1_000_000) for n in range(1, 21)]
        states = tuple(job.state() for job in jobs)
        events = tuple(an_event(JobSubmitted, job.number, job) for job in jobs)
        keep(store, changes(states=states, events=events, next_seq=21))
        read = _bytes_read(store, lambda: store.page(0, 5_000, frozenset()))
        assert 2_000_000 <= read <= 4_000_000
        assert len(store.history(1, 1_000)) == 2


def _bytes_read(store: SqliteStore, call: Callable[[], object]) -> int:
    """What passes through the connection's text factory."""
    read = [0]

    def decode(text: bytes) -> str:
        read[0] += len(text)
        return text.decode()

    store._pager.text_factory = decode
    call()
    store._pager.text_factory = str
    return read[0]


def test_the_file_does_not_grow_when_as_much_goes_as_comes(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with closing(SqliteStore(path, retention=Retention(jobs=500))) as store:
        ledger_id = store.load().ledger_id

        def pages() -> int:
            count: int = store._writer.execute("PRAGMA page_count").fetchone()[0]
            return count

        for first in range(0, 3_000, 100):
            add(store, ledger_id, range(first, first + 100))
        before = pages()
        for first in range(3_000, 12_000, 100):
            add(store, ledger_id, range(first, first + 100))
        live = 12_000 * 2 // 5  # queued and running, which stay
        assert store.first_seq() > EVENTS * 10_000
        per_job = before / (3_000 * 2 // 5 + 500)
        assert pages() <= 1.2 * per_job * (live + 500)


def test_what_was_trimmed_is_in_no_table(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "it")) as store:
        job = a_job(store.load().ledger_id, 1, status=Status.COMPLETED)
        kinds = JobSubmitted, JobLeased, JobRequeued, JobCompleted
        events = tuple(an_event(kind, seq, job) for seq, kind in enumerate(kinds, start=1))
        given: dict[str, Any] = {"totals": Totals(1, {"any": 1}), "next_seq": 5}
        tables = ("submits", "ended", "leases", "completions", "events")

        def rows() -> list[int]:
            counts = (f"SELECT count(*) FROM {table}" for table in tables)
            return [store._writer.execute(sql).fetchone()[0] for sql in counts]

        keep(store, changes(events=events, states=(job.state(),), **given))
        assert rows() == [1] * len(tables)
        store._retention = Retention(events=0)
        keep(store, changes(**given))
        assert rows() == [0] * len(tables)


# ---- memory ---------------------------------------------------------------------------


class Looked(list[Event]):
    """A list that counts how often it is looked into."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)


def test_the_memory_store_finds_its_place_in_the_history_by_bisection() -> None:
    disk = MemoryDisk("abc123")
    store = MemoryStore(disk, Retention())
    store.load()
    job = a_job("abc123", 1)
    events = tuple(an_event(JobSubmitted, seq, job) for seq in range(1, 100_001))
    keep(store, changes(events=events, next_seq=100_001))
    disk.events = looked = Looked(disk.events)
    assert store.history(99_990, 5) == list(events[99_989:99_994])
    assert 0 < looked.looks < 100


def test_numbers_are_walked_from_a_place_without_looking_at_those_before() -> None:
    numbers = NumbersByStatus()
    for number in range(1, 100_001):
        numbers.add(number % 5, number)
    assert list(numbers.walk(99_990, {0, 3}, newest_first=False)) == [
        99_993,
        99_995,
        99_998,
        100_000,
    ]
    assert list(numbers.walk(8, {0, 3}, newest_first=True)) == [5, 3]
    for blocks in numbers._blocks.values():
        assert max(map(len, blocks.values())) <= 1_024
        assert len(blocks) <= 100
    for number in range(1, 100_001):
        numbers.remove(number % 5, number)
    assert list(numbers.walk(0, (), newest_first=False)) == []
    assert not any(numbers._blocks.values()), "nothing is left of what has gone"
