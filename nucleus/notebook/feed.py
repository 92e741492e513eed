"""Watches a master through a client, and shows what it sees some times a second.

However many widgets show one cluster, there is one feed for its client. It runs while
somebody listens, on two background threads: one folds events into a ``Scene``, the other
hands out views of it. Both end by themselves when nobody listens any more (the first with
the next event it hears) and when the client is closed, as it is when its cluster stops.
"""

import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import islice

from nucleus.client import Client, JobView
from nucleus.core.errors import FailedPrecondition, NucleusError
from nucleus.core.events import Event
from nucleus.core.job import Job, job_number
from nucleus.core.lifecycle import Status
from nucleus.notebook.scene import Scene, View

logger = logging.getLogger("nucleus.notebook")

INTERVAL = 0.125  # seconds between two views while something happens
REST = 0.5  # seconds between two views while nothing does: ages grow all the same
SHARE = 0.05  # of a core that views may take; when they take more, there are fewer
ADOPTED = 1_000  # queued, and as many running jobs, that are asked for at the beginning
FIRST_VIEW = 1.0  # seconds that a cell waits for something to show
RETRY = 0.05  # seconds until a master that did not answer is asked again

Listener = Callable[[View], None]


class Feed:
    """The views of one client's master; they have two keys more, ``link`` and ``silent``.

    ``link`` is "opening", before the first answer; "live"; "waiting", while the master does not
    answer; or "closed", in the last view. ``silent`` is how many seconds ago the last event was
    heard.
    """

    def __init__(self, client: Client) -> None:
        self._client = weakref.ref(client)
        self._lock = threading.Lock()  # guards all that follows
        self._listeners: list[Listener] = []
        self._reader: threading.Thread | None = None
        self._painter: threading.Thread | None = None
        self._scene = Scene()
        self._behind = 0.0  # seconds that the master's clock is behind this one, at most
        self._link = "opening"
        self._news = threading.Event()
        self._answered = threading.Event()
        self._closing = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether there will be no more views, because the client is closed."""
        return self._closing.is_set()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with each view, from a thread of the feed, from now on."""
        with self._lock:
            if listener not in self._listeners:
                self._listeners.append(listener)
            client = self._client()
            if client is None or self.closed:
                self._close()
            elif self._reader is None:
                self._reader = _start(lambda: self._read(client), "nucleus-picture-reader")
            if self._painter is None:
                self._painter = _start(self._paint, "nucleus-picture-painter")
        self._news.set()

    def leave(self, listener: Listener) -> None:
        """Call ``listener`` no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
        self._news.set()

    def view(self) -> View:
        """The scene as it is now."""
        with self._lock:
            now = time.time() - self._behind
            silent = round(max(0.0, now - self._scene.now), 1)
            return {**self._scene.view(now), "link": self._link, "silent": silent}

    def first_view(self) -> View:
        """The scene once the master has answered, or as it is when that takes too long."""
        self._answered.wait(FIRST_VIEW)
        return self.view()

    # ---- reading ----------------------------------------------------------------------

    def _read(self, client: Client) -> None:
        while not self._read_until_broken(client):
            time.sleep(RETRY)

    def _read_until_broken(self, client: Client) -> bool:
        """Fold events; return whether that was all."""
        try:
            for event in self._events(client):
                with self._lock:
                    self._fold(event)
                    if not self._listeners:
                        self._reader, self._link = None, "opening"
                        return True
                self._news.set()
        except FailedPrecondition:
            pass  # the client is closed
        except NucleusError as error:
            logger.debug("the picture stands still: %s", error)
            return self._pause()
        except Exception as error:  # a call that the closing of the client cut short
            logger.debug("the picture lost its master: %r", error)
            return self._pause()
        with self._lock:
            self._close()
        return True

    def _close(self) -> None:
        self._reader, self._link = None, "closed"
        self._answered.set()
        self._closing.set()
        self._news.set()

    def _pause(self) -> bool:
        """Note that nobody answers; return whether nobody wants to know, either."""
        with self._lock:
            self._link = "waiting"
            if not self._listeners:
                self._reader = None
            return self._reader is None

    def _events(self, client: Client) -> Iterator[Event]:
        scene, from_seq = begin(client)
        with self._lock:
            self._scene, self._link = scene, "live"
            self._answered.set()
            self._behind = time.time() - scene.now
        self._news.set()
        return client.watch(from_seq, heartbeats=True)

    def _fold(self, event: Event) -> None:
        self._scene.fold(event)
        if not event.seq:  # a heartbeat was said just now, unlike an event from the history
            self._behind = min(self._behind, time.time() - event.at)

    # ---- painting ---------------------------------------------------------------------

    def _paint(self) -> None:
        while listeners := self._audience():
            began = time.thread_time()
            self._news.clear()
            view = self.view()
            for listener in listeners:
                _tell(listener, view)
            pause = max(INTERVAL, (time.thread_time() - began) / SHARE)
            if not self._closing.wait(pause):
                self._news.wait(max(0.0, REST - pause))

    def _audience(self) -> list[Listener]:
        """Those to be shown the next view. Nobody is shown another after the last one."""
        with self._lock:
            listeners = list(self._listeners)
            if self.closed:
                self._listeners.clear()
            if not listeners:
                self._painter = None
            return listeners


def begin(client: Client) -> tuple[Scene, int]:
    """The scene as the master tells it now, and the number of the event to go on from.

    The jobs are asked for a moment after the counts; what happened to them in between is
    told again by the events, which the scene puts up with.
    """
    stats = client.stats()
    scene = Scene(stats.worker_timeout)
    counts = {name.lower(): count for name, count in stats.jobs.items()}
    counts["submitted"] = stats.submitted
    counts["requeued"] = sum(stats.requeued.values())
    counts["refused"] = sum(stats.rejected.values())
    scene.adopt_counts(counts, stats.now)
    scene.epoch = stats.epoch
    for worker in stats.workers:
        scene.adopt_worker(
            worker.name, worker.incarnation, worker.slots, worker.state, worker.heartbeat_age
        )
    for status in ("RUNNING", "QUEUED"):
        for job in islice(client.jobs(status), ADOPTED):
            scene.adopt_job(_job(job))
    if counts.get("queued", 0) > ADOPTED:
        scene.adopt_rest()
    return scene, stats.next_seq


def _job(view: JobView) -> Job:
    return Job(
        id=view.id,
        number=job_number(view.id),
        job_type=view.job_type,
        payload=json.dumps(view.payload),
        priority=view.priority,
        max_attempts=view.max_attempts,
        timeout=None,
        key="",
        client="",
        client_seq=0,
        retry_of=view.retry_of,
        submitted_at=view.submitted_at,
        not_before=view.submitted_at,
        status=Status[view.status],
        attempts=view.attempts,
        worker=view.worker,
    )


def _tell(listener: Listener, view: View) -> None:
    try:
        listener(view)
    except Exception as error:  # such as a front end that is gone
        logger.debug("a view was not shown: %r", error)


def _start(run: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


_feeds: "weakref.WeakKeyDictionary[Client, Feed]" = weakref.WeakKeyDictionary()


def feed_of(client: Client) -> Feed:
    """The one feed of a client."""
    return _feeds.setdefault(client, Feed(client))
