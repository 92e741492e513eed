"""The dashboard's page, for tests: a real Chromium, and a proxy as JupyterLab has one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request

PREFIX = "/user/ada/proxy/5000"
"""What the proxy takes away."""

_LINKS = re.compile(r'(?:href|src|action|hx-get|hx-post)="([^"]*)"')
_SINGLE = ("connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive")


def links(html: str) -> list[str]:
    """Every address in a page."""
    return _LINKS.findall(html)


@contextmanager
def behind_prefix(url: str) -> Iterator[str]:
    """Serve what is at ``url`` under a prefix that ``url`` never hears of; yield the address.

    A request without the prefix is answered with 404: somebody wrote an absolute address.
    """

    class Strip(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            answer = requests.request(
                self.command,
                url + self.path.removeprefix(PREFIX),
                data=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                headers=dict(self.headers.items()),
                allow_redirects=False,
                timeout=60,
            )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _SINGLE:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Strip)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Watchful:
    """Notes what a page must not do: complain, or ask another machine for anything."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            self.strangers.append(request.url)


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now: nothing, one hopes."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]
