"""A judge of store files: replays one with plain SQL, without any code of the core.

:class:`History` fails at the first event that breaks a promise, and compares what clients and
workers were told with what the file says; neither knows how the master works.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.durable_support import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, STATUS_NAMES, Told


@dataclass(slots=True)
class Life:
    """What the history says of one job."""

    job_type: str
    payload: str
    max_attempts: int
    status: int = QUEUED
    attempts: int = 0
    lease: int = 0
    worker: str = ""
    front: bool = False


_EVENTS = """
SELECT seq, kind, job_id, job_type, payload, max_attempts, key, client, client_seq, worker, lease,
    reason, attempts, json_extract(detail, '$.front') AS front,
    json_extract(detail, '$.epoch') AS epoch
FROM history WHERE seq > ? ORDER BY seq
"""
_LIFE = "SELECT id, job_type, payload, max_attempts, status, attempts, lease, worker, front"


class History:
    """Replays the history of a store file, as far as it goes, and judges each step."""

    def __init__(self) -> None:
        self.seq = 0  # of the last event read
        self.jobs: dict[str, Life] = {}
        self.totals: Counter[str] = Counter()  # of events, by kind
        self.went_on = 0  # results under a lease from before the last start of a master
        self.went_back = 0  # jobs whose lease from before the last start ended without a result
        self.reported: set[int] = set()  # leases that ended with a worker's report
        self._leases: dict[int, tuple[str, str]] = {}  # lease -> job id, worker
        self._keys: dict[tuple[str, ...], str] = {}
        self._waiting_in_front: defaultdict[str, set[str]] = defaultdict(set)  # by job type
        self._epoch = 0
        self._started = 0  # seq of the last MasterStarted

    def read(self, connection: sqlite3.Connection) -> None:
        """Read on from where the last call stopped."""
        cursor = connection.execute(_EVENTS, (self.seq,))
        cursor.row_factory = sqlite3.Row
        for event in cursor:
            assert event["seq"] > self.seq
            self.seq = event["seq"]
            self.totals[event["kind"]] += 1
            try:
                self._step(event)
            except AssertionError as error:
                error.add_note(f"at {_shown(event)} of {self.jobs.get(event['job_id'])}")
                raise

    def _step(self, event: sqlite3.Row) -> None:
        match event["kind"]:
            case "MasterStarted":
                assert event["epoch"] > self._epoch, "epochs increase"
                self._epoch, self._started = event["epoch"], event["seq"]
            case "JobSubmitted":
                self._submitted(event)
            case "JobLeased":
                self._leased(event)
            case "JobCompleted" | "JobFailed" | "JobRequeued" | "JobCancelled":
                self._lease_ended(event)

    def _submitted(self, event: sqlite3.Row) -> None:
        job_id = event["job_id"]
        assert job_id not in self.jobs, "a job id is used once"
        assert int(job_id.rpartition("-")[2]) == event["seq"]
        keys = [("user", event["key"])] if event["key"] else []
        keys += [(event["client"], str(event["client_seq"]))] if event["client_seq"] else []
        for key in keys:
            assert self._keys.setdefault(key, job_id) == job_id, f"{key} made two jobs"
        what = event["job_type"], event["payload"], event["max_attempts"]
        self.jobs[job_id] = Life(*what)

    def _leased(self, event: sqlite3.Row) -> None:
        job = self.jobs[event["job_id"]]
        assert job.status == QUEUED, "only a queued job is leased"
        in_front = self._waiting_in_front[job.job_type]
        assert job.front or not in_front, "what was re-queued goes first"
        in_front.discard(event["job_id"])
        job.status, job.lease, job.worker = RUNNING, event["seq"], event["worker"]
        self._leases[job.lease] = event["job_id"], job.worker

    def _lease_ended(self, event: sqlite3.Row) -> None:
        job, kind = self.jobs[event["job_id"]], event["kind"]
        assert job.status in (QUEUED, RUNNING), "terminal is terminal: one result, no more"
        assert event["lease"] == job.lease, "only the current lease counts"
        if kind != "JobCancelled":
            assert job.status == RUNNING
            assert job.attempts <= event["attempts"] <= job.attempts + 1, "attempts only go up"
            job.attempts = event["attempts"]
        self._count_survivors(event)
        job.lease = 0
        if kind == "JobRequeued":
            job.status, job.front = QUEUED, bool(event["front"])
            assert job.front == (event["reason"] != "failed"), "what did not fail goes first"
            assert job.attempts < job.max_attempts
            if job.front:
                self._waiting_in_front[job.job_type].add(event["job_id"])
        else:
            ends = {"JobCompleted": COMPLETED, "JobFailed": FAILED, "JobCancelled": CANCELLED}
            job.status = ends[kind]
            self._waiting_in_front[job.job_type].discard(event["job_id"])

    def _count_survivors(self, event: sqlite3.Row) -> None:
        reported = event["kind"] == "JobCompleted" or event["reason"] in ("failed", "released")
        if reported:
            self.reported.add(event["lease"])
        if 0 < event["lease"] < self._started:
            self.went_on += reported
            self.went_back += not reported

    # ---- comparing --------------------------------------------------------------------

    def check_told(self, told: Told) -> None:
        """Whatever somebody was told is so."""
        assert told.wrong == []
        for job_id, asked in told.jobs.items():
            job = self.jobs.get(job_id)
            assert job is not None, f"{job_id} was acknowledged and is lost"
            assert (job.job_type, job.payload) == asked, f"{job_id} is another job"
        for job_id, status in told.ended.items():
            assert self.jobs[job_id].status == status, f"{job_id} ended otherwise than told"
        for lease, given in told.leases.items():
            assert self._leases.get(lease) == given, f"lease {lease}, given as {given}, is not so"
        lost = set(told.accepted) - self.reported
        assert not lost, f"the reports under these leases were accepted and are lost: {lost}"

    def check_tables(self, connection: sqlite3.Connection, *, live_only: bool = False) -> None:
        """The rows say what the events say, and the totals add up."""
        counts = Counter(job.status for job in self.jobs.values())
        sql = "SELECT status, count(*) FROM jobs GROUP BY status"
        assert dict(connection.execute(sql)) == counts
        totals = json.loads(connection.execute("SELECT totals FROM ledger").fetchone()[0])
        assert totals["submitted"] == self.totals["JobSubmitted"] == counts.total()
        finished = {name: counts[status] for status, name in STATUS_NAMES.items()}
        assert {name: totals["finished"].get(name, 0) for name in finished} == finished
        assert sum(totals["requeued"].values()) == self.totals["JobRequeued"]
        where = "WHERE status IN (1, 2)" if live_only else ""
        for job_id, *row in connection.execute(f"{_LIFE} FROM jobs {where}"):
            assert Life(*row) == self.jobs[job_id], f"the row of {job_id} is not what happened"


def _shown(event: sqlite3.Row) -> dict[str, Any]:
    return {name: event[name] for name in event.keys() if event[name] is not None}  # noqa: SIM118 (a row iterates over its values)


@contextmanager
def one_moment(file: Path) -> Iterator[sqlite3.Connection]:
    """Read a store file as it is at one moment, with nothing but SQLite."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


def judge(file: Path, tolds: Sequence[Told]) -> History:
    """Read the whole history of a file from its beginning, and hold it against what was told."""
    history = History()
    with one_moment(file) as connection:
        history.read(connection)
        history.check_tables(connection)
        kinds = "('JobCompleted', 'JobFailed', 'JobCancelled')"
        sql = f"SELECT number FROM history WHERE kind IN {kinds} GROUP BY number"
        assert not connection.execute(f"{sql} HAVING count(*) > 1").fetchall()
    for told in tolds:
        history.check_told(told)
    return history
