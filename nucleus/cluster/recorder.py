"""Records a run of a real cluster into a history.

    with Recorder(cluster) as recorder:
        cluster.client.submit("Fibonacci", 30).result()
        cluster.kill("worker-1")
        verdict = check(recorder.history())

What is seen: every event (``WatchEvents``; what was missed while no master answered is read
from its history afterwards), heartbeats, what the client asked for and was told, and what
was done to the cluster. What a store file says at the end is read with plain SQL.
"""

import asyncio
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc.aio

from nucleus.client.connection import CALL_TIMEOUT, Connection
from nucleus.cluster.cluster import Cluster
from nucleus.cluster.fault_log import FaultLog
from nucleus.cluster.recorded import RecordedClient
from nucleus.cluster.tables import read_tables
from nucleus.cluster.uninterrupted import uninterrupted
from nucleus.core.errors import Unavailable
from nucleus.core.events import Event, MasterStarted, WorkerHeartbeat
from nucleus.core.limits import Limits
from nucleus.history import History
from nucleus.history.observations import (
    Beat,
    Committed,
    Counted,
    Fault,
    Observation,
    Serving,
)
from nucleus.history.recent import recent
from nucleus.rpc import convert, loop
from nucleus.rpc import job_queue_pb2 as pb

COUNT = 1.0  # seconds between two looks at the totals
RETRY = 0.05  # seconds until a master that does not answer is looked for again
SAME = 0.001  # seconds by which one heartbeat, heard of in two ways, may be apart
CATCH_UP = 30.0  # seconds until everything that was committed has been seen
FROZEN = Limits().frozen_after
BROKEN = (grpc.aio.AioRpcError, asyncio.CancelledError)  # the end of a call, or of its channel
OF_THE_LEDGER = (Committed, Beat, Serving, Counted)


class Recorder:
    """Writes down what happens in a running cluster, from the first event of its ledger.

    Use it in a ``with``. Inside, ``cluster.client`` is a client whose view is recorded;
    :meth:`note` takes what others saw. ``seed`` is that of the faults, if they have one.
    """

    def __init__(self, cluster: Cluster, *, seed: int | None = None) -> None:
        self._cluster = cluster
        self._seed = seed
        self._noted: list[Observation] = []
        self._noting = threading.Lock()
        self._next_seq = 1  # of the event to be seen next
        self._ledger_id = ""
        self._recording = False
        self._began = 0.0  # Unix seconds: what had happened until then has been seen
        self._heard: dict[str, float] = {}  # incarnation -> its last heartbeat, Unix seconds
        self._faults = FaultLog()
        self._arrived = threading.Condition()
        self._connection: Connection | None = None  # to the master that is being watched
        self._call: grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.EventBatch] | None = None

    def __enter__(self) -> "Recorder":
        """Begin; return when what has happened so far was seen."""
        try:
            with uninterrupted():
                self._begin()
            self._catch_up()
            self._began = time.time()
        except BaseException:
            self._let_go()
            raise
        return self

    def _begin(self) -> None:
        self._loop = loop.acquire()
        duties = (self._watch_for_ever(), self._count_for_ever())
        self._duties = [self._loop.start(duty) for duty in duties]
        self._cluster.listen(self._on_fault)
        self._own_client = self._cluster.client
        token = self._cluster.access.token
        self._client = self._cluster.client = RecordedClient(
            self._cluster.address, self.note, token=token, tls_ca=""
        )
        self._recording = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See no more; give the cluster its own client back."""
        self._let_go()

    def _let_go(self) -> None:
        with uninterrupted():
            if self._recording:
                self._end()

    def _end(self) -> None:
        self._recording = False
        self._cluster.unlisten(self._on_fault)
        for duty in self._duties:
            duty.cancel()
        self._client.close(0.0, warn=False)
        if self._cluster.client is self._client:
            self._cluster.client = self._own_client
        else:  # another master took over, and the cluster made itself another client
            self._own_client.close(0.0, warn=False)
        loop.release()

    def note(self, observation: Observation) -> None:
        """Write down what somebody saw; on any thread."""
        with self._noting:
            self._noted.append(observation)

    def recent(self) -> History:
        """What happened since the ``with`` began, and what went on then: for pictures.

        The history of a cluster is as old as its ledger. Raises ``Unavailable`` when there is
        no master to ask whether everything was seen.
        """
        return recent(self.history(), self._began)

    def history(self, *, drained: bool = False, complete: bool = True) -> History:
        """What was seen so far, in order of time, from the first event of the ledger.

        ``drained``: the run went on until every job had had the time to end. Raises
        ``Unavailable`` when there is no master to ask whether everything was seen; with
        ``complete=False`` it does not ask.
        """
        if complete:
            self._catch_up()
        history = History(
            [*self._noted, *self._faults.faults],
            source="cluster",
            seed=self._seed,
            settings=self._cluster.about,
            drained=drained,
        )
        history.sort()
        if self._cluster.store != "memory":
            history.tables = read_tables(Path(self._cluster.store))
        return history

    # ---- faults -----------------------------------------------------------------------

    def _on_fault(self, kind: str, target: str, over: bool) -> None:
        ended = self._faults.hear(kind, target, over)
        if kind == "take-over":
            self._look_again()
        elif (kind, target) == ("freeze", "master") and _lasted(ended) > FROZEN:
            self.note(Serving(time.time(), 0))  # it gives everybody a fresh allowance

    # ---- events -----------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Wait until everything that is committed by now has been seen."""
        target = self._loop.run(self._committed())
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._next_seq >= target, CATCH_UP):
                raise Unavailable(f"event {self._next_seq} was not seen within {CATCH_UP:.0f} s")

    async def _committed(self) -> int:
        connection = Connection(self._cluster.address, self._cluster.access)
        try:
            state = await connection.ask(
                lambda stub: stub.GetClusterState(
                    pb.GetClusterStateRequest(), timeout=CALL_TIMEOUT
                ),
                CATCH_UP,
            )
        finally:
            await connection.close()
        return int(state.next_seq)

    def _look_again(self) -> None:
        """Leave the master that is being watched: it is not the one that leads any more."""
        call = self._call
        if call is not None:
            self._loop.call(call.cancel)

    async def _watch_for_ever(self) -> None:
        while True:
            # A channel of its own for each try: the master may be somewhere else by now, and
            # a channel that has failed waits before it tries again.
            connection = self._connection = Connection(self._cluster.address, self._cluster.access)
            try:
                await self._watch(connection)
            except BROKEN as error:
                if _is_the_end():
                    raise
                self._lost_place(error)
            finally:
                self._connection = None
                await connection.close()
            await asyncio.sleep(RETRY)

    async def _count_for_ever(self) -> None:
        """Ask now and then how many jobs there are, and when workers were last heard of."""
        while True:
            await asyncio.sleep(COUNT)
            connection = self._connection
            if connection is None:
                continue
            try:
                await self._count(connection)
            except BROKEN:
                if _is_the_end():
                    raise

    async def _count(self, connection: Connection) -> None:
        request = pb.GetClusterStateRequest()
        state = await connection.stub.GetClusterState(request, timeout=CALL_TIMEOUT)
        for worker in state.workers:
            self._hear(state.now - worker.heartbeat_age, worker.worker, worker.incarnation)
        self.note(counted("ledger", state.now, state.submitted, state.jobs, state.next_seq))

    def _hear(self, at: float, worker: str, incarnation: str) -> None:
        """Note a heartbeat, unless it is the one before, heard of once more."""
        if at > self._heard.get(incarnation, 0.0) + SAME:
            self._heard[incarnation] = at
            self.note(Beat(at, worker, incarnation))

    async def _watch(self, connection: Connection) -> None:
        request = pb.WatchEventsRequest(from_seq=self._next_seq, heartbeats=True)
        self._call = connection.stub.WatchEvents(request)
        batch = await self._call.read()
        if isinstance(batch, pb.EventBatch) and self._is_another(batch.ledger_id):
            return
        await self._count(connection)  # heartbeats that were missed are not in the history
        while isinstance(batch, pb.EventBatch):
            self._take(batch)
            batch = await self._call.read()

    def _lost_place(self, error: BaseException) -> None:
        """Go on from now where the history does not reach back, or another ledger answers."""
        lost = (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.INVALID_ARGUMENT)
        if isinstance(error, grpc.aio.AioRpcError) and error.code() in lost:
            self._next_seq = 1 if error.code() is lost[1] else 0

    def _is_another(self, ledger_id: str) -> bool:
        """Whether another ledger answers; what was seen of the one before is of no use then."""
        known, self._ledger_id = self._ledger_id, ledger_id
        if known in ("", ledger_id):
            return False
        with self._noting:
            self._noted = [seen for seen in self._noted if not isinstance(seen, OF_THE_LEDGER)]
        self._next_seq = 1
        return True

    def _take(self, batch: pb.EventBatch) -> None:
        for event in convert.events_from_message(batch.events):
            self._take_event(event, batch.epoch)
        with self._arrived:
            self._next_seq = max(self._next_seq, batch.next_seq)
            self._arrived.notify_all()

    def _take_event(self, event: Event, epoch: int) -> None:
        if isinstance(event, WorkerHeartbeat):
            self._hear(event.at, event.worker, event.incarnation)
            return
        if isinstance(event, MasterStarted):
            self.note(Serving(event.at, event.epoch))
        self.note(Committed(time.time(), event, epoch))


def counted(source: str, at: float, submitted: int, jobs: Any, next_seq: int = 0) -> Counted:
    """How many jobs there are, by the names of their statuses in ``jobs``."""
    return Counted(
        at,
        source,
        submitted,
        jobs["QUEUED"],
        jobs["RUNNING"],
        jobs["COMPLETED"],
        jobs["FAILED"],
        jobs["CANCELLED"],
        next_seq,
    )


def _lasted(fault: Fault | None) -> float:
    """Seconds; 0 for what did not happen, or is not over."""
    return 0.0 if fault is None or fault.until is None else fault.until - fault.at


def _is_the_end() -> bool:
    """Whether the recorder itself is being ended, and not only the call that it listened to."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
