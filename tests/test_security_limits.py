"""Limits: what is too much is refused in words, and who is too slow is cut off."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests

from nucleus.client import Client
from nucleus.core.errors import InvalidArgument, ResourceExhausted
from nucleus.core.limits import Limits
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.channel import SERVER_OPTIONS
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.common import http, slow_clients
from nucleus.services.common.http import HttpServer
from nucleus.services.master import watchers
from nucleus.services.monitoring import bounds, turns
from nucleus.services.monitoring.groups import Groups
from nucleus.services.monitoring.text_format import parse
from nucleus.services.monitoring.turns import Turns
from tests.security_support import raw_connections, raw_request
from tests.support import eventually, open_stub, refused, running_master

JOB = (("job", "a"),)


def push(groups: Groups, body: str, labels: tuple[tuple[str, str], ...] = JOB) -> None:
    groups.push(labels, parse(body), now=0.0, replace_all=True)


# ---- what is pushed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("".join(f'x{{a="{n}"}} 1\n' for n in range(5_001)), "line 5001: more than 5000 series"),
        (f"{'x' * 201} 1\n", "line 1: a name has 201 characters; 200 at most"),
        (f'x{{a="{"v" * 501}"}} 1\n', "line 1: label 'a' has 501 characters; 500 at most"),
        (f'x{{{"n" * 201}="v"}} 1\n', "line 1: a label's name has 201 characters"),
        ("x{" + ",".join(f'l{n}="v"' for n in range(40)) + "} 1\n", "line 1: 42 labels; 32"),
        (f"# HELP x {'h' * 1_001}\n# TYPE x gauge\nx 1\n", "line 3: HELP has 1001 characters"),
    ],
)
def test_a_push_beyond_a_limit_is_refused_with_its_line(body: str, problem: str) -> None:
    groups = Groups()
    push(groups, "before 1\n")
    with pytest.raises(InvalidArgument) as refusal:
        push(groups, body)
    assert str(refusal.value).startswith(problem)
    assert "before" in {family.name for family in groups.collect(0.0)}  # all is as it was


def test_a_path_with_too_long_a_label_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="the path: label 'b' has 501 characters"):
        push(Groups(), "x 1\n", (("b", "v" * 501), *JOB))


def test_a_push_at_every_limit_is_taken() -> None:
    labels = ",".join(f'l{n:02}="{"v" * 500}"' for n in range(bounds.LABELS - 2))
    push(Groups(), f"{'x' * 200}{{{labels}}} 1\n")
    push(Groups(), "".join(f'x{{a="{n}"}} 1\n' for n in range(bounds.SERIES_OF_ONE)))


def test_one_source_too_many_is_refused_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "SOURCES", 2)
    monkeypatch.setattr(bounds, "SERIES_OF_ALL", 4)
    groups = Groups()
    first, second, third = ((("job", name),) for name in "abc")
    push(groups, "x 1\n", first)
    push(groups, "x 1\ny 1\n", second)
    with pytest.raises(ResourceExhausted, match="2 sources push already"):
        push(groups, "x 1\n", third)
    push(groups, "x 2\ny 2\n", first)  # that makes four series
    with pytest.raises(ResourceExhausted, match="at most 4 series"):
        push(groups, "x 2\ny 2\nz 2\n", first)
    groups.delete(second)
    push(groups, "x 1\n", third)


def test_a_large_push_waits_for_another_and_a_small_one_does_not() -> None:
    queue = Turns()
    with queue.turn(turns.LARGE + 1):
        with queue.turn(turns.LARGE):
            pass  # a small one
        queue._places.acquire()  # somebody waits
        with (
            pytest.raises(ResourceExhausted, match="other large pushes"),
            queue.turn(turns.LARGE + 1),
        ):
            pass
        queue._places.release()
    with queue.turn(turns.LARGE + 1):
        pass


# ---- slow clients ---------------------------------------------------------------------


def answer(environ: Any, start_response: Any) -> Iterator[bytes]:
    """Answer a request, with as many megabytes as its path says, piece by piece."""
    start_response("200 OK", [])
    yield b"xx"
    for _ in range(int(environ["PATH_INFO"].strip("/") or 0)):
        yield b"x" * 1_000_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """A server that has no patience."""
    monkeypatch.setattr(slow_clients, "REQUEST_TIMEOUT", 1.0)
    monkeypatch.setattr(slow_clients, "IDLE_TIMEOUT", 1.0)
    server = HttpServer(answer, "127.0.0.1", 0, name="test", threads=2)
    server.start()
    yield server
    server.stop()


def is_closed(raw: socket.socket) -> bool:
    """Whether the other side has closed a connection; does not wait."""
    raw.setblocking(False)
    try:
        return raw.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\n"])
def test_half_open_connections_are_closed(server: HttpServer, said: bytes) -> None:
    with raw_connections(server.port, 20, said) as raws:
        eventually(lambda: all(map(is_closed, raws)))


def test_a_byte_now_and_then_does_not_keep_a_connection(server: HttpServer) -> None:
    began = time.monotonic()
    with raw_connections(server.port, 1, b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n") as raws:

        def trickle() -> bool:
            """Send a byte; return whether the connection is still there."""
            try:
                raws[0].send(b"x")
            except OSError:
                return True
            return is_closed(raws[0])

        eventually(trickle, interval=0.1)
    assert time.monotonic() - began > 1.0  # it was not cut off for something else


def test_who_leaves_an_answer_unread_does_not_keep_a_thread(server: HttpServer) -> None:
    # More than the buffers on the way hold; two of them occupy both threads.
    with raw_connections(server.port, 2, b"GET /30 HTTP/1.0\r\n\r\n"):
        reply = requests.get(f"http://127.0.0.1:{server.port}/", timeout=60)
        assert reply.text == "xx"


def test_when_all_places_are_taken_the_most_silent_make_room(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_clients, "IDLE_TIMEOUT", 100.0)
    monkeypatch.setattr(http, "CONNECTION_LIMIT", 20)
    crowded = HttpServer(answer, "127.0.0.1", 0, name="crowded", threads=2)
    crowded.start()
    try:
        with raw_connections(crowded.port, 40):
            assert requests.get(f"http://127.0.0.1:{crowded.port}/", timeout=60).text == "xx"
    finally:
        crowded.stop()


def test_long_headers_are_refused(server: HttpServer) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * http.HEADER_LIMIT + b"\r\n\r\n"
    assert raw_request(server.port, request).startswith(b"HTTP/1.0 431 ")


# ---- the master -----------------------------------------------------------------------


def test_a_connection_has_so_many_watches_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "MAX_OF_PEER", 3)
    monkeypatch.setattr(watchers, "MAX_WATCHERS", 4)
    with (
        running_master() as master,
        open_stub(master.address) as stub,
        # Two channels of one process would otherwise share a connection.
        grpc.insecure_channel(
            master.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel,
    ):
        other = JobQueueServiceStub(channel)
        watches = [stub.WatchEvents(pb.WatchEventsRequest()) for _ in range(3)]
        for watch in watches:
            next(watch)
        refusal = refused(lambda: next(stub.WatchEvents(pb.WatchEventsRequest())))
        assert refusal.code == "RESOURCE_EXHAUSTED"
        assert refusal.message == "watch: this connection has 3 watches already"
        fourth = other.WatchEvents(pb.WatchEventsRequest())
        next(fourth)
        refusal = refused(lambda: next(other.WatchEvents(pb.WatchEventsRequest())))
        assert refusal.message == "watch: 4 watch this master already"
        watches[0].cancel()

        def watch_again() -> bool:
            try:
                return bool(next(stub.WatchEvents(pb.WatchEventsRequest())))
            except grpc.RpcError:
                return False

        assert eventually(watch_again)


def hello(worker: str, *job_types: str, session: int = 1) -> pb.GetJobsRequest:
    return pb.GetJobsRequest(
        worker=worker,
        incarnation="i",
        session=session,
        slots=1,
        credit=pb.Credit(window=1, seq=1),
        job_types=job_types,
    )


def test_a_master_knows_so_many_workers_and_job_types_and_no_more() -> None:
    limits = Limits(max_workers=2, max_job_types=8)
    with running_master(limits=limits) as master, open_stub(master.address) as stub:
        streams = [stub.GetJobs(hello("one", "Echo")), stub.GetJobs(hello("two", "A", "B", "C"))]
        for stream in streams:
            next(stream)
        refusal = refused(lambda: next(stub.GetJobs(hello("three", "Echo"))))
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_WORKERS")
        assert refusal.message == "worker: 2 are known; at most 2"
        refusal = refused(lambda: next(stub.GetJobs(hello("one", "D", session=2))))
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_TYPES")
        next(stub.GetJobs(hello("one", "A", session=2)))  # whoever is known comes back


def test_a_message_that_is_too_long_is_refused_and_the_connection_goes_on() -> None:
    with running_master() as master, open_stub(master.address) as stub:
        refusal = refused(lambda: stub.SendJob(pb.JobSpec(job_type="Echo", payload="1" * 2**27)))
        assert refusal.code == "RESOURCE_EXHAUSTED"
        assert stub.SendJob(pb.JobSpec(job_type="Echo", payload="1", max_attempts=1)).job_id


def test_what_half_opens_a_connection_to_the_master_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nucleus.services.master import service

    hasty = [(name, 1_000 if "handshake" in name else value) for name, value in SERVER_OPTIONS]
    monkeypatch.setattr(service, "SERVER_OPTIONS", hasty)
    with running_master() as master, raw_connections(master.port, 50, b"PRI * HTTP/2") as raws:
        with Client(master.address) as client:
            assert client.stats().epoch == 1
        for raw in raws:
            while raw.recv(65_536):
                pass  # the server's own greeting, and then the end
