"""The way from a request to the master: a client that no request waits on for long.

- Each method asks the master and answers within its patience, or raises ``Unavailable``, whose
  ``definite`` says whether it is certain that nothing happened.
- While the master is missing only a few requests wait for it (``Turnstile``); the others are
  refused at once, so that a crowd cannot occupy every thread of the server.
- A submit that was given up on without being certain is sent again by the client until the
  master answers. Until then no other submit is taken in, so there are never more of them than
  threads, and the client's own back-pressure, which blocks, is never reached.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nucleus.client import Client, JobHandle, JobView, Stats
from nucleus.core.errors import InvalidArgument, NotFound, NucleusError, Unavailable
from nucleus.core.events import Event
from nucleus.jobs import Registry
from nucleus.rpc.access import OPEN, Access

PATIENCE = 3.0
"""Seconds that a request waits for the master; a restart of it takes less."""

GLANCE = 1.0
"""Seconds that a look at the master's health takes at most: whoever asks, asks often."""

WAITING_LIMIT = 8
"""Requests that wait for a missing master; a quarter of the server's threads."""

READING = 1.0
"""Seconds that one look into the history takes at most."""

PAGE = 500
"""Jobs that a listing without a limit reads at a time, and so has in memory."""


class HistoryGone(NucleusError):
    """The history does not reach back that far; ``begins`` is the first number that is kept."""

    def __init__(self, message: str, begins: int) -> None:
        super().__init__(message)
        self.begins = begins


class Turnstile:
    """Lets everybody through while the master answers, and only a few while it does not."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting = 0
        self._missing = False  # the last answer that we waited for did not come

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a place while the master is asked; raises ``Unavailable`` when none is left."""
        with self._lock:
            if self._missing and self._waiting >= self._limit:
                raise Unavailable(
                    f"the master does not answer, and {self._waiting} requests wait for it already",
                    definite=True,
                )
            self._waiting += 1
        try:
            yield
            self._missing = False
        except Unavailable:
            self._missing = True
            raise
        finally:
            with self._lock:
                self._waiting -= 1


class Gateway:
    """What the dashboard asks of the master at ``HOST:PORT``. Safe to use from many threads."""

    def __init__(
        self,
        master: str,
        registry: Registry,
        patience: float = PATIENCE,
        access: Access = OPEN,
    ) -> None:
        self.master = master
        self._client = Client(
            master,
            token=access.token,
            tls_ca=access.tls_ca,
            registry=registry,
            patience=patience,
        )
        self._patience = patience
        self._turnstile = Turnstile(WAITING_LIMIT)
        self._unanswered: set[JobHandle] = set()  # given up on, and perhaps taken in

    def close(self) -> None:
        """Drop the connection at once. Idempotent."""
        # Whoever sent a submit that has no answer yet was told so, in the 503.
        self._client.close(timeout=0.0, warn=False)

    # ---- jobs -------------------------------------------------------------------------

    def submit(self, job_type: str, payload: Any, **options: Any) -> str:
        """Submit a job with the options of ``Client.submit``; return its id once durable."""
        with self._turnstile.turn():
            deadline = time.monotonic() + self._patience
            self._await_earlier(deadline)
            handle = self._client.submit(job_type, payload, **options)
            try:
                return handle.acknowledged(deadline - time.monotonic())
            except Unavailable:
                raise self._given_up(handle) from None

    def _await_earlier(self, deadline: float) -> None:
        for handle in tuple(self._unanswered):
            try:
                handle.acknowledged(max(0.0, deadline - time.monotonic()))
            except Unavailable:
                raise self._no_answer(definite=True) from None
            except NucleusError:
                pass  # a refusal is an answer too
            self._unanswered.discard(handle)

    def _given_up(self, handle: JobHandle) -> Unavailable:
        certain = self._client.withdraw(handle)
        if not certain:
            self._unanswered.add(handle)
        return self._no_answer(definite=certain)

    def _no_answer(self, *, definite: bool) -> Unavailable:
        message = f"no answer from the master at {self.master} within {self._patience:g} s"
        return Unavailable(message, definite=definite)

    def job(self, job_id: str) -> JobView:
        """The job under this id. Raises ``NotFound``."""
        with self._turnstile.turn():
            return self._client.job(job_id)

    def cancel(self, job_id: str) -> None:
        """Cancel a job. Raises ``NotFound``, or ``FailedPrecondition`` when it has ended."""
        with self._turnstile.turn():
            self._client.cancel(job_id)

    def retry(self, job_id: str) -> str:
        """Make a new job like an ended one; return its id."""
        with self._turnstile.turn():
            return self._client.retry(job_id).id

    def page(
        self, status: str, limit: int, page_token: str = "", *, newest_first: bool = False
    ) -> tuple[list[JobView], str]:
        """One page of jobs, and the token of the next one, "" on the last.

        Raises ``NotFound`` for the token of another ledger.
        """
        try:
            with self._turnstile.turn():
                return self._client.page(status or (), limit, page_token, newest_first=newest_first)
        except InvalidArgument as error:  # the other arguments were checked before they got here
            raise NotFound(str(error)) from None

    def pages(self, status: str, page_token: str, *, newest_first: bool) -> Iterator[list[JobView]]:
        """Every job from there on, page by page; the first page is read before this returns."""
        first, token = self.page(status, PAGE, page_token, newest_first=newest_first)
        return self._pages(first, status, token, newest_first)

    def _pages(
        self, page: list[JobView], status: str, token: str, newest_first: bool
    ) -> Iterator[list[JobView]]:
        yield page
        while token:
            page, token = self.page(status, PAGE, token, newest_first=newest_first)
            yield page

    def events(self, job_id: str, from_seq: int, until: int) -> tuple[list[Event], int]:
        """The job's events from ``from_seq`` on, before ``until``, and how far was read.

        Stops early after ``READING`` seconds. ``until`` is at most the number of the next event,
        since what has not happened yet would be waited for. Raises ``HistoryGone``.
        """
        found: list[Event] = []
        deadline = time.monotonic() + READING
        for event in self._history(from_seq):
            if event.seq < until and getattr(event, "job_id", "") == job_id:
                found.append(event)
            from_seq = event.seq + 1
            if from_seq >= until or time.monotonic() > deadline:
                break
        return found, min(from_seq, until)

    def time_of(self, seq: int) -> float:
        """When an event happened, in Unix seconds. Raises ``HistoryGone``."""
        return next(self._history(seq)).at

    def _history(self, from_seq: int) -> Iterator[Event]:
        try:
            yield from self._client.watch(from_seq)
        except NucleusError as error:
            begins = re.search(r"history begins at (\d+)$", str(error))
            if begins is None:
                raise
            raise HistoryGone(str(error), int(begins[1])) from None

    # ---- the cluster ------------------------------------------------------------------

    def stats(self) -> Stats:
        """The cluster in numbers."""
        with self._turnstile.turn():
            return self._client.stats()

    def glance(self) -> Stats:
        """The cluster in numbers, or ``Unavailable`` after a second."""
        return self._client.stats(min(GLANCE, self._patience))
