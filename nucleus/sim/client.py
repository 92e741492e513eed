"""The simulated client: the real tracker and connection, on a simulated loop and network."""

from collections.abc import Callable
from functools import partial
from typing import Any

from nucleus.client.connection import CALL_TIMEOUT, PATIENCE, Connection
from nucleus.client.handle import JobHandle
from nucleus.client.tracker import Tracker
from nucleus.core.errors import NucleusError
from nucleus.core.job import JobSpec
from nucleus.core.news import News
from nucleus.history.observations import (
    CancelAnswered,
    Counted,
    Listed,
    Told,
    Unanswered,
    submitted,
)
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.sim.calls import Channel
from nucleus.sim.network import Link, Spells
from nucleus.sim.worker import OnThisLoop
from nucleus.sim.world import Process, World

UNTIL_ACKNOWLEDGED = 0.5  # seconds between two looks whether a job can be cancelled by now
PAGE = 7  # jobs on a page: a short run has listings of several


class ObservedTracker(Tracker):
    """The tracker, and a diary of what its client was told. Handles hear of it at once."""

    def __init__(self, process: "SimClient", connection: Connection) -> None:
        super().__init__(connection, process.name, OnThisLoop(process))  # type: ignore[arg-type]
        self._process = process

    def _publish(self, news: list[News]) -> None:
        world = self._process.world
        for item in news:
            world.saw(Told(world.now, self._process.name, item.client_seq, item))
            self._tell_one(item)
        self._process.open.difference_update(
            item.client_seq for item in news if type(item).__name__ != "Acknowledged"
        )


class SimClient(Process):
    """One client: it submits, cancels, retries, lists and counts."""

    def __init__(self, world: World, name: str, spells: Spells, server: Callable[[], Any]) -> None:
        super().__init__(world, name)
        self.link = Link(self, spells)
        self.handles: dict[int, JobHandle] = {}  # by item of the plan
        self.open: set[int] = set()  # client_seqs that it waits for the end of
        address = f"sim:{name}"
        world.channels[address] = Channel(self.link, server)
        self._connection = Connection(address)
        self.tracker = ObservedTracker(self, self._connection)
        self._walks = 0
        self._asking = 0  # calls that it waits for the answers of
        self.loop.create_task(self.tracker.start())

    @property
    def content(self) -> bool:
        """Whether it waits for nothing."""
        return not (self.open or self._asking) or not self.alive

    def _handle(self, job_type: str, payload: str) -> JobHandle:
        return JobHandle(job_type, payload, lambda handle: False, self.tracker.told)

    # ---- what it does -----------------------------------------------------------------

    def submit(self, item: int, spec: JobSpec) -> None:
        """Submit a job."""
        if self.tracker._session.full:
            return
        handle = self._handle(spec.job_type, spec.payload)
        self.tracker.submit(spec, spec.payload, handle)
        self.handles[item] = handle
        seq = handle.client_seq
        self.open.add(seq)
        self.world.saw(submitted(self.world.now, self.name, seq, spec))

    def cancel(self, item: int) -> None:
        """Take a submit back, or cancel its job."""
        handle = self.handles.get(item)
        if handle is not None and not handle.done():
            self.loop.create_task(self._cancel(item, handle))

    async def _cancel(self, item: int, handle: JobHandle) -> None:
        if self.tracker.withdraw(handle):
            self.open.discard(handle.client_seq)
            seq = handle.client_seq
            self.world.saw(Told(self.world.now, self.name, seq, Unanswered(seq, True)))
            return
        job_id = handle._job_id
        if job_id is None:
            again = partial(self.cancel, item)
            self.loop.call_later(UNTIL_ACKNOWLEDGED, again)
            return
        request = pb.CancelJobRequest(job_id=job_id)
        answer = await self._ask("CancelJob", request)
        if answer is not None:
            said = answer if isinstance(answer, str) else "cancelled"
            self.world.saw(CancelAnswered(self.world.now, self.name, job_id, said))

    def retry(self, item: int) -> None:
        """Make a new job like an ended one."""
        handle = self.handles.get(item)
        if handle is not None and handle._job_id is not None and handle.done():
            self.loop.create_task(self._retry(item, handle._job_id, handle))

    async def _retry(self, item: int, job_id: str, like: JobHandle) -> None:
        request = pb.RetryJobRequest(job_id=job_id, idempotency_key=f"retry-{item}")
        reply = await self._ask("RetryJob", request)
        if isinstance(reply, pb.SendJobReply):
            handle = self._handle(like.job_type, like.payload)
            self.tracker.adopt(reply.job_id, handle)
            self.world.came_of_it["job retried"] += 1

    async def _ask(self, method: str, request: Any) -> Any:
        """The answer, the name of the error that is one, or ``None`` when nothing came."""
        self._asking += 1
        try:
            return await self._connection.ask(
                lambda stub: getattr(stub, method)(request, timeout=CALL_TIMEOUT), PATIENCE
            )
        except NucleusError as error:
            return type(error).__name__ if error.definite else None
        finally:
            self._asking -= 1

    # ---- what it reads ----------------------------------------------------------------

    def list(self) -> None:
        """List all jobs, page by page."""
        self._walks += 1
        self.loop.create_task(self._list(self._walks))

    async def _list(self, walk: int) -> None:
        asked, token, last = self.world.now, "", False
        while not last:
            request = pb.GetAllJobsRequest(limit=PAGE, page_token=token)
            reply = await self._ask("GetAllJobs", request)
            if not isinstance(reply, pb.GetAllJobsReply):
                return
            token = reply.next_page_token
            ids, last = tuple(job.job_id for job in reply.jobs), not token
            self.world.saw(Listed(self.world.now, self.name, walk, asked, ids, last))

    def count(self) -> None:
        """Read how many jobs there are."""
        self.loop.create_task(self._count())

    async def _count(self) -> None:
        state = await self._ask("GetClusterState", pb.GetClusterStateRequest())
        if isinstance(state, pb.ClusterState):
            jobs = {name.lower(): number for name, number in state.jobs.items()}
            self.world.saw(
                Counted(self.world.now, "ledger", state.submitted, **jobs, next_seq=state.next_seq)
            )

    # ---- its end ----------------------------------------------------------------------

    def crash(self) -> None:
        """Stop dead. Nobody will hear of what it submitted."""
        self.die()
        for stream in list(self.link.streams):
            stream.cut()
        for seq in sorted(self.open):
            self.world.saw(Told(self.world.now, self.name, seq, Unanswered(seq, False)))
        self.open.clear()
