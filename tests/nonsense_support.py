"""A master that speaks the protocol wrongly, for those who must not hang because of it."""

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import (
    JobQueueServiceServicer,
    add_JobQueueServiceServicer_to_server,
)


class NonsenseMaster(JobQueueServiceServicer):
    """Answers each call with what the test says, and otherwise with as little as is allowed."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers: dict[str, Any] = {
            "SendJobs": pb.SendJobsReply(job_ids=["a"], ledger_id="a"),
            "WatchEvents": pb.EventBatch(next_seq=1, ledger_id="a"),
            "GetJobs": pb.JobBatch(ledger_id="a"),
            "SendResults": pb.SendResultsReply(ledger_id="a"),
        } | answers
        self._stopped = threading.Event()

    def SendJobsStream(self, requests: Any, context: Any) -> Any:
        return _each(requests, self._answers["SendJobs"])

    def LookupJobs(self, request: Any, context: Any) -> Any:
        return pb.LookupJobsReply(ledger_id="a")

    def WatchEvents(self, request: Any, context: Any) -> Any:
        yield self._answers["WatchEvents"]
        self._stopped.wait()

    def GetJobs(self, request: Any, context: Any) -> Any:
        yield self._answers["GetJobs"]
        self._stopped.wait()

    def SendResultsStream(self, requests: Any, context: Any) -> Any:
        return _each(requests, self._answers["SendResults"])

    def Heartbeat(self, request: Any, context: Any) -> Any:
        return pb.HeartbeatReply()

    def HeartbeatStream(self, requests: Any, context: Any) -> Any:
        return _each(requests, pb.HeartbeatReply())

    def stop(self) -> None:
        """End the streams."""
        self._stopped.set()


def _each(requests: Iterator[Any], answer: Any) -> Iterator[Any]:
    """The same answer to each request; without one, the end."""
    for _ in requests:
        if answer is None:
            return
        yield answer


@contextmanager
def nonsense_master(**answers: Any) -> Iterator[str]:
    """Serve; give the address."""
    master = NonsenseMaster(answers)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_JobQueueServiceServicer_to_server(master, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        master.stop()
        server.stop(None).wait()
