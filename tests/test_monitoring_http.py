"""The HTTP server that every part with a web face uses, and its JSON errors."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import requests
from flask import Flask, abort

from nucleus.core.errors import InvalidArgument, PortTaken
from nucleus.services.common.http import HttpServer, json_errors
from tests.support import eventually, living_threads


def make_app() -> Flask:
    app = Flask("tests.http", static_folder=None)
    json_errors(app)

    @app.get("/")
    def index() -> str:
        return "here"

    @app.post("/echo")
    def echo() -> dict[str, bool]:
        abort(415, "only text")

    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError("a secret of the inside")

    @app.get("/worse")
    def worse() -> str:
        raise LookupError

    @app.errorhandler(LookupError)
    def clumsy(error: LookupError) -> str:
        raise RuntimeError("the handler of the error fails too")

    return app


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer(make_app(), "127.0.0.1", 0, name="test")
    server.start()
    yield server
    server.stop()


def url(server: HttpServer, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def is_closed(raw: socket.socket) -> bool:
    """Whether the other side has closed; a reset says that it did so with our bytes unread."""
    raw.settimeout(5)
    try:
        return raw.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_second_server_on_one_port_is_refused_with_what_to_do(server: HttpServer) -> None:
    second = HttpServer(
        make_app(), "127.0.0.1", server.port, name="second", port_option="--scrape-port"
    )
    with pytest.raises(PortTaken) as refusal:
        second.start()
    assert str(refusal.value) == (
        f"port {server.port} on 127.0.0.1 is taken; "
        "stop the other program or choose another with --scrape-port"
    )
    assert requests.get(url(server), timeout=60).text == "here"


@pytest.mark.parametrize(("host", "port"), [("host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_impossible_address_is_an_invalid_argument(host: str, port: int) -> None:
    with pytest.raises(InvalidArgument, match="cannot listen on host"):
        HttpServer(make_app(), host, port, name="test").start()


def test_stop_frees_the_port_and_leaves_no_thread_even_with_open_connections() -> None:
    before = living_threads()
    server = HttpServer(make_app(), "127.0.0.1", 0, name="test")
    server.start()
    with requests.Session() as session, socket.create_connection(("127.0.0.1", server.port)) as raw:
        assert session.get(url(server), timeout=60).ok
        raw.sendall(b"GET / HTTP/1.1\r\n")  # half a request
        port = server.port
        server.stop()
        server.stop()
        assert living_threads() == before
        assert is_closed(raw)
        server.start()  # at once, on the same port
        assert server.port == port
        assert session.get(url(server), timeout=60).ok
        server.stop()


def test_stop_does_not_wait_for_a_client_that_reads_nothing() -> None:
    before = living_threads()
    entered = threading.Event()

    def endless(environ: object, start_response: object) -> Iterator[bytes]:
        assert callable(start_response)
        start_response("200 OK", [])
        entered.set()
        while True:
            yield b"x" * 2**20

    server = HttpServer(endless, "127.0.0.1", 0, name="test")
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert entered.wait(60)
        server.stop()
    assert living_threads() == before


def test_servers_in_one_process_do_not_share_their_fate(server: HttpServer) -> None:
    other = HttpServer(make_app(), "127.0.0.1", 0, name="other")
    other.start()
    assert requests.get(url(other), timeout=60).ok
    other.stop()
    assert requests.get(url(server), timeout=60).ok


def test_300_connections_at_once_are_all_answered(server: HttpServer) -> None:
    def ask(raw: socket.socket) -> bytes:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return raw.recv(15)

    raws = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(300)]
    try:
        assert {ask(raw) for raw in reversed(raws)} == {b"HTTP/1.0 200 OK"}
    finally:
        for raw in raws:
            raw.close()


@pytest.mark.parametrize(
    ("method", "path", "code", "error"),
    [
        ("GET", "/nowhere", 404, "not found"),
        ("DELETE", "/", 405, "not allowed"),
        ("POST", "/echo", 415, "only text"),
        ("GET", "/worse", 500, "internal"),
        ("GET", "/bug", 500, "internal error; the server's log says more"),
    ],
)
def test_every_error_is_json_and_tells_nothing_of_the_inside(
    server: HttpServer, method: str, path: str, code: int, error: str
) -> None:
    answer = requests.request(method, url(server, path), timeout=60)
    assert answer.status_code == code
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["success"] is False
    assert error in answer.json()["error"]
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert answer.headers["Server"] == "nucleus"


def test_405_keeps_its_allow_header(server: HttpServer) -> None:
    answer = requests.delete(url(server), timeout=60)
    assert "GET" in answer.headers["Allow"]


def test_an_unexpected_error_is_logged(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    requests.get(url(server, "/bug"), timeout=60)
    eventually(lambda: "a secret of the inside" in caplog.text)


def test_nothing_is_written_to_the_terminal_where_logging_is_not_set_up() -> None:
    script = (
        "import requests\n"
        "from tests.test_monitoring_http import HttpServer, make_app\n"
        "server = HttpServer(make_app(), '127.0.0.1', 0, name='test')\n"
        "server.start()\n"
        "for path in ('/', '/bug', '/worse', '/nowhere'):\n"
        "    requests.get(f'http://127.0.0.1:{server.port}{path}', timeout=60)\n"
        "server.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
