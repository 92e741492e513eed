"""Questions and answers in turn on one call, with a real master at the other end."""

import asyncio
import socket
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc import loop
from nucleus.rpc.channel import open_channel
from nucleus.rpc.conversation import Conversation
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from tests.nonsense_support import nonsense_master
from tests.support import open_stub, running_master


class Asker:
    """A conversation about submits; it counts the calls that it takes."""

    def __init__(self, stub: JobQueueServiceStub, running: loop.LoopThread) -> None:
        self._stream: Any = stub.SendJobsStream
        self._loop = running
        self.calls: list[Any] = []
        begin: Any = self._begin
        self.conversation: Conversation[pb.SendJobsRequest, pb.SendJobsReply] = Conversation(begin)

    def _begin(self) -> Any:
        self.calls.append(self._stream())
        return self.calls[-1]

    def ask(self, *payloads: str, timeout: float = 60, **options: Any) -> pb.SendJobsReply:
        """Submit jobs in one question."""
        return self._loop.run(self.conversation.ask(submits(*payloads, **options), timeout))

    def ask_at_once(self, *payloads: str) -> list[Any]:
        """Ask a question for each payload without waiting for answers; these, and errors."""

        async def ask() -> list[Any]:
            asked = (self.conversation.ask(submits(payload), 60) for payload in payloads)
            return await asyncio.gather(*asked, return_exceptions=True)

        return self._loop.run(ask())

    def end_of_call(self) -> grpc.StatusCode:
        """How the latest call ended; waits for it."""

        async def code() -> grpc.StatusCode:
            ended: Awaitable[grpc.StatusCode] = self.calls[-1].code()
            return await ended

        return self._loop.run(code(), timeout=60)


def submits(*payloads: str, **options: Any) -> pb.SendJobsRequest:
    order = pb.Order(like=pb.JobSpec(job_type="Echo", **options), payloads=payloads)
    return pb.SendJobsRequest(orders=[order])


@contextmanager
def asking(address: str) -> Iterator[Asker]:
    running = loop.acquire()
    try:

        async def connect() -> Any:
            return open_channel(address)

        channel = running.run(connect())
        try:
            asker = Asker(JobQueueServiceStub(channel), running)
            yield asker
            running.call(asker.conversation.end)
        finally:
            running.run(channel.close())
    finally:
        loop.release()


def failure(asker: Asker, *payloads: str, **options: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        asker.ask(*payloads, **options)
    return error.value


def test_each_question_is_answered_and_all_of_them_on_one_call() -> None:
    with running_master() as master, asking(master.address) as asker:
        ids = [job_id for n in range(5) for job_id in asker.ask(str(n), str(-n)).job_ids]
        with open_stub(master.address) as stub:
            kept = [job.job_id for job in stub.GetAllJobs(pb.GetAllJobsRequest()).jobs]
    assert ids == kept
    assert len(ids) == 10
    assert len(asker.calls) == 1


def test_a_question_that_is_refused_fails_as_a_call_would_and_the_next_is_answered() -> None:
    with running_master() as master, asking(master.address) as asker:
        too_many = ["1"] * 5001
        with open_stub(master.address) as stub, pytest.raises(grpc.RpcError) as refused:
            stub.SendJobs(submits(*too_many))
        error = failure(asker, *too_many)
        assert (error.code(), error.details()) == (refused.value.code(), refused.value.details())
        assert len(asker.ask("1").job_ids) == 1


def test_a_question_before_the_answer_to_the_last_one_is_a_bug_and_harms_nothing() -> None:
    with running_master() as master, asking(master.address) as asker:
        answer, error = asker.ask_at_once("1", "2")
        assert len(answer.job_ids) == 1
        assert isinstance(error, RuntimeError)
        assert len(asker.ask("3").job_ids) == len(asker.calls) == 1


def test_a_refused_job_is_part_of_the_answer() -> None:
    with running_master() as master, asking(master.address) as asker:
        [refused] = asker.ask("1", priority=10_000).refused
        assert refused.refusal.reason == "INVALID"
        assert len(asker.ask("1").job_ids) == len(asker.calls) == 1


def test_a_call_that_ended_between_two_questions_is_made_again() -> None:
    with running_master() as master, asking(master.address) as asker:
        asker.ask("1")
        asker.calls[-1].cancel()
        assert len(asker.ask("2").job_ids) == 1
        assert len(asker.calls) == 2


def test_a_master_that_stops_hangs_up_and_the_next_one_is_asked() -> None:
    with running_master() as master, asking(master.address) as asker:
        asker.ask("1")
        master.stop()
        assert asker.end_of_call() is grpc.StatusCode.OK, "it was not cut off"
        assert failure(asker, "2").code() is grpc.StatusCode.UNAVAILABLE
        with running_master(port=master.port):
            answers: list[Any] = []
            while not answers:  # gRPC connects again in its own time
                try:
                    answers.append(asker.ask("3"))
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert len(answers[0].job_ids) == 1


def test_a_master_that_vanishes_ends_the_conversation() -> None:
    with running_master() as master, asking(master.address) as asker:
        asker.ask("1")
        master.crash()
        assert asker.end_of_call() is not grpc.StatusCode.OK
        assert failure(asker, "2").code() is grpc.StatusCode.UNAVAILABLE


def test_an_answer_that_does_not_come_is_an_error() -> None:
    with nonsense_master(SendJobs=None) as address, asking(address) as asker:
        error = failure(asker, "1")
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "the other side hung up"


def test_nobody_waits_for_ever_for_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with asking(f"127.0.0.1:{port}") as asker:
            error = failure(asker, "1", timeout=0.2)
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert error.details() == "no answer within 0.2 s"
            assert asker.end_of_call() is grpc.StatusCode.CANCELLED
