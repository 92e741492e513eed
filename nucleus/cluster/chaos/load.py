"""What a client does all day while everything around it breaks.

:class:`Load` submits quick, slow, failing and deadly jobs, cancels some, repeats keys, retries
what failed, and reads lists. What it does is decided by its seed; its client writes down what
came of it.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from nucleus.client import JobHandle
from nucleus.cluster.recorded import Note, RecordedClient
from nucleus.core.errors import NucleusError
from nucleus.history.observations import Listed

PATIENCE = 3.0  # seconds for a call that somebody waits for
MAX_OPEN = 400  # jobs that have not ended; then it waits for some to end
KEPT = 50  # recent jobs and keys that are remembered, to be cancelled, repeated or retried
ACKNOWLEDGED = 0.2  # seconds that a job to be cancelled has to be acknowledged

Job = tuple[str, Any, dict[str, Any]]  # type, payload, options


class Load:
    """One client, asking ``rate`` times a second on average, until it is told to stop."""

    def __init__(self, address: str, note: Note, *, seed: str, rate: float) -> None:
        self._rng = Random(seed)
        self._rate = rate
        self._note = note
        self._walks = itertools.count(1)
        self._client = RecordedClient(address, note, patience=PATIENCE)
        self._recent: deque[JobHandle] = deque(maxlen=KEPT)
        self._open: set[JobHandle] = set()
        self._keyed: deque[Job] = deque(maxlen=KEPT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-load", daemon=True)

    @property
    def client(self) -> RecordedClient:
        """The client that it uses."""
        return self._client

    def start(self, repeats: Sequence[Job] = ()) -> None:
        """Begin; first ask again for jobs with keys that an earlier life did not get answered."""
        for job in repeats:
            self._submit(job)
        self._thread.start()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stop.set()
        self._thread.join()

    @property
    def open(self) -> int:
        """Submits that have neither ended nor been refused."""
        return len(self._open)

    def close(self) -> None:
        """Let go."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.close(0.0, warn=False)

    # ---- one step ---------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            # What an outage held up is not made up for: that would be a burst after each.
            due = max(due, time.monotonic() - 1.0) + self._rng.expovariate(self._rate)
            if len(self._open) < MAX_OPEN:
                with suppress(NucleusError):  # nobody answers, or not in time
                    self._step()

    def _step(self) -> None:
        steps: list[tuple[float, Callable[[], None]]] = [
            (0.86, lambda: self._submit(self._any_job())),
            (0.03, self._repeat_key),
            (0.01, self._dispute_key),
            (0.05, self._cancel),
            (0.02, self._withdraw),
            (0.025, self._retry),
            (0.005, self._list),
        ]
        [(_, step)] = self._rng.choices(steps, [weight for weight, _ in steps])
        step()

    def _submit(self, job: Job) -> None:
        job_type, payload, options = job
        handle = self._follow(self._client.submit(job_type, payload, **options))
        self._recent.append(handle)
        if "idempotency_key" in options:
            self._keyed.append(job)

    def _follow(self, handle: JobHandle) -> JobHandle:
        self._open.add(handle)
        handle.add_done_callback(lambda _: self._open.discard(handle))
        return handle

    def _any_job(self) -> Job:
        rng = self._rng
        options: dict[str, Any] = {}
        if rng.random() < 0.2:
            options["priority"] = rng.choice((-1, 1))
        if rng.random() < 0.1:
            options["delay"] = round(rng.uniform(0.05, 1.0), 2)
        if rng.random() < 0.15:
            options["idempotency_key"] = f"{rng.getrandbits(64):016x}"
        number = rng.randrange(1_000_000)
        kinds: list[tuple[float, Job]] = [
            (0.56, ("Echo", {"number": number}, options)),
            (0.18, ("Sleep", round(rng.uniform(0.05, 0.8), 2), options)),
            (0.12, ("Fibonacci", rng.randrange(5, 22), options)),
            (0.10, ("Flaky", {"p": rng.choice((0.3, 1.0))}, {**options, "max_attempts": 2})),
            (0.03, ("Sleep", 30.0, {"timeout": 0.3, "max_attempts": 1})),
            (0.01, ("Poison", None, {**options, "max_attempts": 1})),
        ]
        [(_, job)] = rng.choices(kinds, [weight for weight, _ in kinds])
        return job

    def _repeat_key(self) -> None:
        if self._keyed:
            self._submit(self._rng.choice(self._keyed))

    def _dispute_key(self) -> None:
        """Ask for another job under a key that is taken."""
        if self._keyed:
            _, _, options = self._rng.choice(self._keyed)
            self._submit(("Echo", "another", {"idempotency_key": options["idempotency_key"]}))

    def _cancel(self) -> None:
        recent = [handle for handle in self._recent if not handle.done()] or list(self._recent)
        if recent:
            self._client.cancel(self._rng.choice(recent).acknowledged(ACKNOWLEDGED))

    def _withdraw(self) -> None:
        """Take back what was just asked for."""
        job_type, payload, options = self._any_job()
        handle = self._follow(self._client.submit(job_type, payload, **options))
        self._client.withdraw(handle)

    def _retry(self) -> None:
        ended = [handle for handle in self._recent if handle.done()]
        if ended:
            self._follow(self._client.retry(self._rng.choice(ended).acknowledged(0.0)))

    def _list(self) -> None:
        """Read all jobs, page by page."""
        walk, asked, token = next(self._walks), time.time(), ""
        while True:
            page, token = self._client.page(page_token=token)
            ids = tuple(job.id for job in page)
            self._note(Listed(time.time(), self._client.id, walk, asked, ids, not token))
            if not token:
                return
