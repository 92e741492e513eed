"""What the tests of durability share: a real master to kill, load on it, and a judge.

- :class:`MasterCommand` is ``python -m nucleus.services.master`` in a process of its own.
- :class:`Load` keeps a master busy through a client and two workers, and :class:`Repeater` says
  everything twice; both write down what they were told, and nothing else.
- :class:`History` replays a store file with plain SQL, without any code of Nucleus, and fails at
  the first event that breaks a promise.

What was told is compared with what the file says; neither knows how the master works.
"""

import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
import psutil

from nucleus.client import Client, JobHandle
from nucleus.core.errors import Unavailable
from nucleus.core.refusals import Refusal
from nucleus.core.worker import Assignment
from nucleus.core.worker_session import WorkerSession
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.worker import Worker
from tests.support import eventually, wait_for_output

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = range(1, 6)  # as in the table ``jobs``
STATUS_NAMES = {3: "COMPLETED", 4: "FAILED", 5: "CANCELLED"}


def pause(seconds: float) -> None:
    """Let time pass, where the moment itself is what is tested."""
    threading.Event().wait(seconds)


# ---- the master -----------------------------------------------------------------------


class MasterCommand:
    """A master as users start it, to be killed or frozen; it can be started again."""

    def __init__(self, store: Path, *options: str, log: Path | None = None) -> None:
        self.port = 0
        self.store = store
        self.log = log or store.with_name(f"{store.name}.log")  # of all its lives
        self._options = options

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start the process, after the first time on the same port, and do not wait for it."""
        command = [sys.executable, "-m", "nucleus.services.master", "--port", str(self.port)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*command, "--store", str(self.store), *self._options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self) -> None:
        """Start the process, and wait until it serves."""
        self.begin()
        try:
            line = wait_for_output(self.process, "gRPC on")
        except AssertionError:
            raise AssertionError(self.log.read_text()) from None
        self.port = int(line.split(",")[0].rpartition(":")[2])

    def kill(self) -> None:
        """Kill it as the kernel does."""
        self.process.kill()
        self.process.communicate(timeout=10)

    def exit_code(self, timeout: float = 15.0) -> int:
        """Wait for the process to end by itself."""
        return self.process.wait(timeout)

    def look(self) -> psutil.Process:
        """The process, to be measured."""
        return psutil.Process(self.process.pid)


@contextmanager
def master_command(store: Path, *options: str, log: Path | None = None) -> Iterator[MasterCommand]:
    """Run the command ``nucleus master`` with these options, until the end of the block."""
    master = MasterCommand(store, *options, log=log)
    master.start()
    try:
        yield master
    finally:
        master.kill()


# ---- what was told --------------------------------------------------------------------


@dataclass
class Told:
    """What the master told somebody, and so must stay true for ever."""

    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> type, payload (JSON)
    ended: dict[str, int] = field(default_factory=dict)  # id -> status
    leases: dict[int, tuple[str, str]] = field(default_factory=dict)  # lease -> job id, worker
    accepted: list[int] = field(default_factory=list)  # leases whose reports were taken
    wrong: list[str] = field(default_factory=list)  # what could be seen to be wrong at once
    _seen: tuple[int, ...] = (0, 0, 0, 0)

    def news(self) -> "Told":
        """What was told since the last call. Whoever is told goes on meanwhile."""
        jobs, ended = list(self.jobs.items()), list(self.ended.items())
        leases, accepted = list(self.leases.items()), self.accepted.copy()
        a, b, c, d = self._seen
        self._seen = len(jobs), len(ended), len(leases), len(accepted)
        return Told(dict(jobs[a:]), dict(ended[b:]), dict(leases[c:]), accepted[d:], self.wrong)


class RecordingSession(WorkerSession):
    """A worker's session that writes down what it receives and what is accepted."""

    def __init__(self, told: Told, name: str, slots: int, job_types: Iterable[str]) -> None:
        super().__init__(name, f"{name}-{random.randrange(1 << 30)}", slots, job_types)
        self._told = told

    def received(self, session: int, jobs: Iterable[Assignment]) -> None:
        jobs = list(jobs)
        for job in jobs:
            given = self._told.leases.setdefault(job.lease, (job.job_id, self.name))
            if given != (job.job_id, self.name):
                self._told.wrong.append(f"lease {job.lease} was given as {given} and {job}")
        super().received(session, jobs)

    def answered(self, refusals: Iterable[Refusal | None]) -> None:
        refusals = list(refusals)
        answers = zip(self._in_call, refusals, strict=True)
        self._told.accepted.extend(lease for lease, refusal in answers if refusal is None)
        super().answered(refusals)


def recording_worker(address: str, name: str, told: Told) -> Worker:
    """A real worker, whose session tells what it was told."""
    worker = Worker(address, name=name, slots=4, executor="thread")
    worker._session = RecordingSession(told, name, worker.slots, worker._session.job_types)
    return worker


class Load:
    """Submits without a pause, with two workers that run it all.

    Most jobs are no work; some take 50 ms, so that there is always something running, and a
    few fail now and then. At most ``outstanding`` jobs are under way.
    """

    def __init__(self, address: str, *, outstanding: int = 2000, seed: int = 0) -> None:
        self.told = Told()
        self.submitted = 0
        self._address = address
        self._rng = random.Random(seed)
        self._open: set[JobHandle] = set()
        self._room = threading.Semaphore(outstanding)
        self._stop = threading.Event()
        self._client = Client(address)
        self._workers = {name: self._start_worker(name) for name in ("w1", "w2")}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._room.release()
        self._thread.join()
        for worker in self._workers.values():
            worker.crash()
        self._client.close(0, warn=False)

    def _start_worker(self, name: str) -> Worker:
        worker = recording_worker(self._address, name, self.told)
        worker.start()
        return worker

    def replace(self, name: str) -> None:
        """Let a worker vanish, and start another under its name."""
        self._workers[name].crash()
        self._workers[name] = self._start_worker(name)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._room.acquire()
            dice = self._rng.random()
            if dice < 0.01:
                job: tuple[str, Any] = "Sleep", 0.05
            elif dice < 0.02:
                job = "Flaky", {"p": 0.3}
            else:
                job = "Echo", self.submitted
            handle = self._client.submit(*job)
            self.submitted += 1
            self._open.add(handle)
            handle.add_done_callback(self._ended)

    def _ended(self, handle: Future[Any]) -> None:
        assert isinstance(handle, JobHandle)
        error = handle.exception()
        if isinstance(error, Unavailable):
            return  # the test is over, and nobody follows the job any more
        self._learn(handle)
        failed = error is not None
        self.told.ended[handle.id] = FAILED if failed else COMPLETED
        if not failed and handle.job_type == "Echo" and handle.result() != handle.payload:
            self.told.wrong.append(f"{handle} gave {handle.result()!r}")
        self._open.discard(handle)
        self._room.release()

    def _learn(self, handle: JobHandle) -> None:
        self.told.jobs[handle.id] = handle.job_type, json.dumps(handle.payload)

    def learn(self) -> None:
        """Take down the acknowledgements that came for jobs that have not ended."""
        for handle in list(self._open):
            if " acknowledged>" in repr(handle):
                self._learn(handle)

    @property
    def finished(self) -> int:
        """Jobs whose end the client was told."""
        return len(self.told.ended)

    def flows(self, jobs: int = 50, timeout: float = 30.0) -> None:
        """Wait until some more jobs have ended."""
        target = self.finished + jobs
        eventually(lambda: self.finished >= target, timeout, interval=0.005)

    def drain(self, timeout: float = 60.0) -> None:
        """Submit no more, and wait until every job has ended."""
        self._stop.set()
        self._room.release()
        self._thread.join()
        eventually(lambda: not self._open, timeout)
        assert self.finished == self.submitted, "two submits became one job"


class Repeater:
    """Submits one call at a time, under keys of both kinds, and repeats what it has said.

    A call that breaks is repeated until it is answered; what has been answered is asked again
    now and then, and must be answered with the same jobs.
    """

    CLIENT = "repeater"
    NUMBERS = 10  # client's keys in one call
    REPEATED = 200  # calls: far fewer numbers than the window of keys that a master remembers

    def __init__(self, address: str, *, seed: int = 0) -> None:
        self.told = Told()
        self.calls = self.repeats = self.broken = 0
        self._rng = random.Random(seed)
        self._said: deque[tuple[pb.SendJobsRequest, list[str]]] = deque(maxlen=self.REPEATED)
        self._stop = threading.Event()
        self._channel = grpc.insecure_channel(
            address, options=[("grpc.max_reconnect_backoff_ms", 200)]
        )
        self._stub = JobQueueServiceStub(self._channel)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> "Repeater":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._channel.close()

    def stop(self) -> None:
        """Say no more; what was said is answered, or broken."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            if self._said and self._rng.random() < 0.3:
                self._repeat(*self._rng.choice(self._said))
            else:
                self._submit()

    def _submit(self) -> None:
        request = self._request()
        reply = self._ask(request)
        if reply is None:
            return
        ids = list(reply.job_ids)
        self._said.append((request, ids))
        payloads = (payload for order in request.orders for payload in order.payloads)
        self.told.jobs.update(zip(ids, (("Echo", payload) for payload in payloads), strict=True))

    def _request(self) -> pb.SendJobsRequest:
        """The next call: one job under a user's key, the others under the client's numbers."""
        self.calls += 1
        request = pb.SendJobsRequest(client_id=self.CLIENT)
        users = pb.JobSpec(job_type="Echo", idempotency_key=f"key {self.calls}")
        request.orders.add(like=users, payloads=[str(self.calls)])
        numbers = range(self.calls * self.NUMBERS, (self.calls + 1) * self.NUMBERS)
        own = pb.JobSpec(job_type="Echo", client_seq=numbers[0])
        request.orders.add(like=own, payloads=map(str, numbers))
        return request

    def _ask(self, request: pb.SendJobsRequest) -> pb.SendJobsReply | None:
        """Ask until there is an answer."""
        while not self._stop.is_set():
            try:
                reply: pb.SendJobsReply = self._stub.SendJobs(
                    request, timeout=5, wait_for_ready=True
                )
                return reply
            except grpc.RpcError:
                self.broken += 1
        return None

    def _repeat(self, request: pb.SendJobsRequest, ids: list[str]) -> None:
        reply = self._ask(request)
        if reply is None:
            return
        self.repeats += 1
        if list(reply.job_ids) != ids or len(reply.duplicates) != len(ids):
            self.told.wrong.append(f"{request} gave {ids} once, and then {reply}")


# ---- the judge ------------------------------------------------------------------------


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
SELECT history.seq, history.kind, jobs.id AS job_id, jobs.job_type, jobs.payload,
    jobs.max_attempts, jobs.key, jobs.client, jobs.client_seq, history.worker, history.lease,
    history.reason, history.attempts, json_extract(history.detail, '$.front') AS front,
    json_extract(history.detail, '$.epoch') AS epoch
FROM history LEFT JOIN jobs USING (number) WHERE history.seq > ? ORDER BY history.seq
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
    return {name: event[name] for name in event.keys() if event[name] is not None}  # noqa: SIM118


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
