"""The way from a request to the master: a client that no request waits on for long.

- Each method asks the master and answers within its patience, or raises ``Unavailable``, whose
  ``definite`` says whether it is certain that nothing happened.
- While the master is missing only a few requests wait for it (``Turnstile``); the others are
  refused at once, so that a crowd cannot occupy every thread of the server.
- A submit that was given up on without being certain is sent again by the client until the
  master answers. Until then no other submit is taken in, so there are never more of them than
  threads, and the client's own back-pressure, which blocks, is never reached.
- Nobody here waits for results, so nothing is kept of a submit once it is acknowledged.
- A client that has ended, as after a refused token, is replaced once the master answers again.
"""

import logging
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

logger = logging.getLogger("nucleus.dashboard")

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
        except InvalidArgument:
            raise  # it may be this side that refuses, without having asked
        except NucleusError:
            self._missing = False  # a refusal is an answer, too
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
        self._registry = registry
        self._access = access
        self._patience = patience
        self._client = self._make_client()
        self._retired: Client | None = None  # the one before it: others may still ask through it
        self._replacing = threading.Lock()
        self._turnstile = Turnstile(WAITING_LIMIT)
        self._unanswered: dict[JobHandle, Client] = {}  # given up on, and perhaps taken in

    def close(self) -> None:
        """Drop the connection at once. Idempotent."""
        # Whoever sent a submit that has no answer yet was told so, in the 503.
        for client in (self._client, self._retired):
            if client is not None:
                client.close(timeout=0.0, warn=False)

    def _make_client(self) -> Client:
        return Client(
            self.master,
            token=self._access.token,
            tls_ca=self._access.tls_ca,
            registry=self._registry,
            patience=self._patience,
        )

    def _submitter(self, deadline: float) -> Client:
        """A client that takes submits; raises for as long as the master refuses it."""
        client = self._client
        if client.ended:
            try:
                client.stats(max(0.0, deadline - time.monotonic()))
            except Unavailable:
                raise self._no_answer(definite=True) from None
            self._replace(client)
        return self._client

    def _replace(self, ended: Client) -> None:
        """Put another client in the place of one that has ended and is answered again."""
        with self._replacing:
            if self._client is not ended:
                return
            logger.warning("a new client takes over: %s", ended.ended)
            if self._retired is not None:
                self._retired.close(timeout=0.0, warn=False)
            self._client, self._retired = self._make_client(), ended

    # ---- jobs -------------------------------------------------------------------------

    def submit(self, job_type: str, payload: Any, **options: Any) -> str:
        """Submit a job with the options of ``Client.submit``; return its id once durable."""
        with self._turnstile.turn():
            deadline = time.monotonic() + self._patience
            self._await_earlier(deadline)
            client = self._submitter(deadline)
            handle = client.submit(job_type, payload, **options)
            try:
                job_id = handle.acknowledged(deadline - time.monotonic())
            except Unavailable:
                raise self._given_up(client, handle) from None
            client.forget(handle)
            return job_id

    def _await_earlier(self, deadline: float) -> None:
        for handle, client in tuple(self._unanswered.items()):
            try:
                handle.acknowledged(max(0.0, deadline - time.monotonic()))
            except Unavailable:
                if not client.ended:
                    raise self._no_answer(definite=True) from None
            except NucleusError:
                pass  # a refusal is an answer too
            client.forget(handle)
            self._unanswered.pop(handle, None)

    def _given_up(self, client: Client, handle: JobHandle) -> Unavailable:
        certain = client.withdraw(handle)
        if not certain:
            self._unanswered[handle] = client
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
            return self._client.make_again(job_id)

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
        events = _or_gone(self._client.watch(from_seq))
        # Only the first is waited for: those behind it are there already.
        with self._turnstile.turn():
            first = next(events, None)
        if first is not None:
            yield first
            yield from events

    # ---- the cluster ------------------------------------------------------------------

    def stats(self) -> Stats:
        """The cluster in numbers."""
        with self._turnstile.turn():
            return self._client.stats()

    def glance(self) -> Stats:
        """The cluster in numbers, or ``Unavailable`` after a second.

        ``Unavailable`` also where no submit would have been taken until now.
        """
        client = self._client
        stats = client.stats(min(GLANCE, self._patience))
        if client.ended:
            self._replace(client)
            raise Unavailable(f"no submit was taken until now: {client.ended}", definite=True)
        return stats


def _or_gone(events: Iterator[Event]) -> Iterator[Event]:
    """The same events; raises ``HistoryGone`` where the first is none that is kept."""
    try:
        yield from events
    except NucleusError as error:
        begins = re.search(r"history begins at (\d+)$", str(error))
        if begins is None:
            raise
        raise HistoryGone(str(error), int(begins[1])) from None
