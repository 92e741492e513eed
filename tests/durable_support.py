"""What the tests of durability share: a real master to kill, and load on it.

- :class:`MasterCommand` is ``python -m nucleus.services.master`` in a process of its own.
- :class:`Load` keeps a master busy through a client and two workers, and :class:`Repeater` says
  everything twice; both write down what they were told, and nothing else.

``tests/durable_judge.py`` compares what was told with what the file says.
"""

import json
import random
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
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
        self.process.communicate(timeout=60)

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

    def close(self) -> None:
        """Stop, and let go."""
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

    def close(self) -> None:
        """Stop, and let go."""
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
                    request, timeout=60, wait_for_ready=True
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
