"""Pushes the metrics of a part to Monitoring, every few seconds, from one thread.

The push is also the heartbeat that Monitoring sees, so it carries all families each time and
goes out whether or not anything changed. Monitoring may be missing: a part works without it,
says so once, and says once when it is back.
"""

import base64
import logging
import re
import threading
import time
from collections.abc import Callable

import requests
from prometheus_client import CollectorRegistry, generate_latest

logger = logging.getLogger("nucleus.push")

INTERVAL = 3.0
"""Seconds between two pushes: three may be lost before Monitoring calls a worker down (10 s)."""

FIRST_RETRY = 0.25
"""Seconds before the first retry; each further one waits twice as long, up to the interval."""

PUSH_TIMEOUT = 2.0
"""Seconds for one push. A push that takes longer is worth less than the next one."""

DELETE_TIMEOUT = 1.0
"""Seconds for the last word; the group is evicted anyway if it does not get through."""

STOP_TIMEOUT = PUSH_TIMEOUT + DELETE_TIMEOUT + 1.0
"""Seconds that ``stop()`` takes at most: a push under way, the last word, and some slack."""

_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")


class MetricsPusher:
    """Pushes to ``{url}/metrics/job/<job>/instance/<instance>``.

    ``source`` is a registry, or a callable that returns the text format as bytes and is called
    in the pusher's thread. ``interval`` is in seconds. ``token`` is what Monitoring asks for.
    """

    def __init__(
        self,
        url: str,
        job: str,
        instance: str,
        source: CollectorRegistry | Callable[[], bytes],
        interval: float = INTERVAL,
        *,
        token: str = "",
    ) -> None:
        self.url = f"{url.rstrip('/')}/metrics/{_pair('job', job)}/{_pair('instance', instance)}"
        self._source = source
        self._interval = interval
        self._failures = 0  # since the last push that got through
        self._changed = threading.Condition()  # guards the three flags below
        self._paused = False
        self._stopping = False
        self._delete = False
        self._session = requests.Session()
        # Monitoring is a neighbour: no proxy of the environment stands between.
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._thread = threading.Thread(target=self._run, name=f"push-{instance}", daemon=True)

    def start(self) -> None:
        """Push at once, and from now on every ``interval`` seconds."""
        self._thread.start()

    def pause(self) -> None:
        """Fall silent, as a frozen process does; a push already on its way may still land."""
        self._set(paused=True)

    def resume(self) -> None:
        """Go on pushing."""
        self._set(paused=False)

    def stop(self, *, delete: bool = True) -> None:
        """End the thread at once; with ``delete`` the group goes from Monitoring as well.

        Without ``delete`` it looks like a crash. Idempotent; the first call decides. A hanging
        Monitoring delays it by at most ``STOP_TIMEOUT``.
        """
        with self._changed:
            if not self._stopping:
                self._stopping, self._delete = True, delete
                self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT)

    def _set(self, *, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._changed.notify()

    def _run(self) -> None:
        delay = 0.0
        with self._session:
            while self._rest(delay):
                delay = self._push()
            if self._delete:
                # From this thread, so that no push of ours can arrive after it.
                self._say_goodbye()

    def _rest(self, seconds: float) -> bool:
        """Wait for the next turn, and while paused; return False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, timeout=seconds)
            self._changed.wait_for(lambda: self._stopping or not self._paused)
            return not self._stopping

    def _push(self) -> float:
        """Push once; return the seconds to wait until the next time."""
        started = time.monotonic()
        self._note(self._attempt())
        if self._failures:
            # The exponent is bounded: an outage may be longer than a float can count.
            return min(self._interval, FIRST_RETRY * 2.0 ** min(self._failures - 1, 16))
        return max(0.0, started + self._interval - time.monotonic())

    def _attempt(self) -> str | None:
        """Return why the push failed, or None."""
        try:
            answer = self._session.put(
                self.url,
                data=self._render(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
                timeout=PUSH_TIMEOUT,
                allow_redirects=False,
            )
        except Exception as reason:  # the renderer is foreign code: nothing may end the thread
            return f"{type(reason).__name__}: {reason}"
        return None if answer.status_code == 200 else f"{answer.status_code}: {answer.text[:200]}"

    def _render(self) -> bytes:
        if isinstance(self._source, CollectorRegistry):
            return generate_latest(self._source)
        return self._source()

    def _note(self, problem: str | None) -> None:
        """Count failures, and log only the change."""
        if problem is None:
            if self._failures:
                logger.info("pushing metrics to %s again", self.url)
            self._failures = 0
            return
        self._failures += 1
        if self._failures == 1:
            logger.warning("cannot push metrics to %s, trying again: %s", self.url, problem)

    def _say_goodbye(self) -> None:
        try:
            self._session.delete(self.url, timeout=DELETE_TIMEOUT)
        except requests.RequestException as reason:
            logger.debug("could not delete %s: %s", self.url, reason)


def _pair(label: str, value: str) -> str:
    """Write a label for the path; base64 where a URL would mangle the value."""
    if _PLAIN.fullmatch(value):
        return f"{label}/{value}"
    encoded = base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
    return f"{label}@base64/{encoded or '='}"
