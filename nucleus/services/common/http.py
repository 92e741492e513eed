"""An HTTP server that a notebook can start and stop: waitress in one background thread.

- ``HttpServer(app, host, port, name=...)`` serves a WSGI app; ``start()`` returns when it
  listens, ``stop()`` when the port is free again and every thread has ended.
- ``RunningServer(app, listener, name)`` serves on a socket that listens already, for a service
  that must have its port before it begins anything else.
- ``json_errors(app)`` makes every error of a Flask app a JSON object; ``json_error`` is one.

Several servers live side by side in one process: each has its own socket map, so none sees
the connections of another. Nothing is written to stdout or stderr; what goes wrong is logged
under ``nucleus.http`` and ``waitress``.
"""

import json
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Flask, Response
from waitress import create_server, wasyncore
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from werkzeug.exceptions import HTTPException

from nucleus.services.common.ports import listen
from nucleus.services.common.slow_clients import LOOK, DatedChannel, cut_off

logger = logging.getLogger("nucleus.http")

# A logger without any handler falls back to stderr, which costs marks in a notebook.
logging.getLogger("waitress").addHandler(logging.NullHandler())
# A short queue of requests is how a thread pool works, not something to warn about.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

CONNECTION_LIMIT = 1_100
"""Open connections at once; waitress's own 100 would stall a class behind one server."""

BODY_LIMIT = 4 * 2**20
"""Bytes. The last resort: each app has a lower limit, and says so in its own words."""

HEADER_LIMIT = 32 * 2**10
"""Bytes of the first line and all headers together; nginx takes as much."""

UNSENT_LIMIT = 2**20
"""Bytes of an answer that wait for a slow reader; its handler waits beyond that."""

LOOP_TIMEOUT = 1.0
"""Seconds that the loop waits for news. Stopping does not wait for it."""

DRAIN_TIMEOUT = 5.0
"""Seconds that ``stop()`` grants a handler to notice that its client is gone."""


class HttpServer:
    """Serves one WSGI app from one background thread and a small pool of workers.

    ``port`` 0 takes a free port; ``port`` holds the real one after ``start()``.
    ``port_option`` is the command-line option that the error about a taken port recommends.
    """

    def __init__(
        self,
        app: WSGIApplication,
        host: str,
        port: int,
        *,
        name: str,
        port_option: str = "--port",
        threads: int = 4,
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._name = name
        self._port_option = port_option
        self._threads = threads
        self._running: RunningServer | None = None

    def start(self) -> None:
        """Listen and serve.

        Raises ``PortTaken`` when another program listens there, ``InvalidArgument`` when the
        address cannot be listened on at all.
        """
        if self._running is not None:
            return
        listener = listen(self.host, self.port, self._port_option)
        self.port = listener.getsockname()[1]
        self._running = RunningServer(self._app, listener, self._name, self._threads)

    def stop(self) -> None:
        """Close the port and every connection, and end the threads. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]  # waitress ships no types
    """Refuses in our words what never reaches the app: bad HTTP, far too long bodies."""

    def execute(self) -> None:
        error = self.request.error
        answer = json_error(error.code, f"{error.reason}: {error.body}")
        self.status = answer.status
        self.response_headers.extend(answer.headers.to_wsgi_list())
        self.set_close_on_finish()
        body = answer.get_data()
        self.content_length = len(body)
        self.write(body)


class _Channel(DatedChannel):
    error_task_class = _JsonErrorTask


class RunningServer:
    """Serves from now until ``stop()``; owns the listener, its connections and the threads."""

    def __init__(
        self, app: WSGIApplication, listener: socket.socket, name: str, threads: int
    ) -> None:
        self._name = name
        self._workers: list[threading.Thread] = []
        self._stopping = False
        self._map: dict[int, Any] = {}
        self._dispatcher = ThreadedTaskDispatcher()
        # waitress forgets its threads; remembering them lets stop() wait for their end.
        self._dispatcher.start_new_thread = self._start_worker
        self._dispatcher.set_thread_count(threads)
        self._server = create_server(
            app,
            map=self._map,
            _dispatcher=self._dispatcher,
            sockets=[listener],
            ident="nucleus",
            connection_limit=CONNECTION_LIMIT,
            max_request_body_size=BODY_LIMIT,
            max_request_header_size=HEADER_LIMIT,
            cleanup_interval=LOOK,
            outbuf_high_watermark=UNSENT_LIMIT,
            # Whether a proxy was reached over HTTPS is for the app to read, as it came: a chain
            # of proxies may send several values, which waitress would answer with a 400.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        self._server.channel_class = _Channel
        self._server.maintenance = self._cut_off
        self._loop = threading.Thread(target=self._serve, name=f"{name}-http", daemon=True)
        self._loop.start()

    def _cut_off(self, now: float) -> None:
        full = len(self._map) >= CONNECTION_LIMIT
        cut_off(tuple(self._server.active_channels.values()), now, full=full)

    def _start_worker(self, target: Callable[[int], None], number: int) -> None:
        worker = threading.Thread(
            target=target, args=(number,), name=f"{self._name}-http-{number}", daemon=True
        )
        self._workers.append(worker)
        worker.start()

    def _serve(self) -> None:
        while not self._stopping:
            # poll(), because select() ends at descriptor 1,024.
            wasyncore.loop(timeout=LOOP_TIMEOUT, use_poll=True, map=self._map, count=1)

    def stop(self) -> None:
        """Close the port and every connection, and end the threads."""
        # Loop, connections, workers, trigger: each ends when nobody uses it any more.
        self._stopping = True
        self._server.pull_trigger()
        self._loop.join()
        wasyncore.dispatcher.close(self._server)
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        if self._end_workers():
            # Workers write to the trigger's descriptor, so it outlives the last of them.
            self._server.trigger.close()

    def _end_workers(self) -> bool:
        self._dispatcher.shutdown(timeout=DRAIN_TIMEOUT)
        busy = len(self._dispatcher.threads)
        if busy:
            logger.warning("%s: %d requests are still running after stop", self._name, busy)
            return False
        for worker in self._workers:
            worker.join()
        return True


def json_errors(app: Flask) -> None:
    """Answer every error of ``app`` as ``{"success": false, "error": "..."}``.

    The status code and headers such as ``Allow`` stay. An unexpected exception is logged and
    becomes a 500 that tells nothing about the inside.
    """
    app.logger = logger  # Flask's own would write to stderr
    app.after_request(_forbid_guessing)
    app.register_error_handler(HTTPException, _as_json)
    app.register_error_handler(Exception, _unexpected)


def json_error(status: int, message: str) -> Response:
    """Return the answer that every error of our HTTP services has."""
    body = json.dumps({"success": False, "error": message}) + "\n"
    return _forbid_guessing(Response(body, status=status, mimetype="application/json"))


def _forbid_guessing(response: Response) -> Response:
    # Somebody else's text may be in there: to a browser it is what we say it is.
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _as_json(error: HTTPException) -> Response:
    response = json_error(error.code or 500, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    logger.error("unexpected error while answering a request", exc_info=error)
    return json_error(500, "internal error; the server's log says more")
