"""The open ``GetJobs`` streams: committed leases on their way to the workers."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from nucleus.core.job import Job
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.chunks import chunks, size_of


class WorkerStream:
    """One session of one worker. What waits here is bounded by the worker's credit."""

    def __init__(self, worker: str, incarnation: str, session: int) -> None:
        self.worker = worker
        self.incarnation = incarnation
        self.session = session
        self._batches: list[pb.JobBatch] = []
        self._closed = False
        self._news = asyncio.Event()

    def send(self, jobs: Sequence[Job]) -> None:
        """Pass on RUNNING jobs; they are read now, before anything else happens to them."""
        for some in chunks(jobs, _size):
            leases = convert.leases_to_message(some)
            self._batches.append(pb.JobBatch(session=self.session, leases=leases))
        self._news.set()

    def close(self) -> None:
        """End the stream: a newer session took over, or the master stops."""
        self._closed = True
        self._news.set()

    async def batches(self) -> AsyncIterator[pb.JobBatch]:
        """What to write to the stream, until it is closed."""
        while not self._closed:
            await self._news.wait()
            self._news.clear()
            waiting, self._batches = self._batches, []
            for batch in waiting:
                yield batch


class Streams:
    """The streams of all workers, one for each."""

    def __init__(self) -> None:
        self._streams: dict[str, WorkerStream] = {}

    def attach(self, stream: WorkerStream) -> None:
        """Send to ``stream`` from now on; the worker's earlier one ends."""
        earlier = self._streams.get(stream.worker)
        if earlier is not None:
            earlier.close()
        self._streams[stream.worker] = stream

    def detach(self, stream: WorkerStream) -> None:
        """``stream`` is gone, unless another has taken its place already."""
        if self._streams.get(stream.worker) is stream:
            del self._streams[stream.worker]

    def send(self, worker: str, jobs: list[Job]) -> None:
        """Send leases to a worker, if it is there; else they come back as undelivered."""
        stream = self._streams.get(worker)
        if stream is not None:
            stream.send(jobs)

    def close_all(self) -> None:
        """End all streams; the workers open new ones."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()


def _size(job: Job) -> int:
    return size_of(job.payload)
