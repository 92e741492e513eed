"""The worker as a service: carries messages and runs jobs; the rules are in the core.

Three duties run on the loop, around one ``WorkerSession``: receiving (``GetJobs``),
reporting (``SendResults``) and heartbeats. What they have to say to the executor goes
through :meth:`Worker._start_jobs` and :meth:`Worker._stop_jobs`.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import grpc.aio

from nucleus.core.refusals import Reason
from nucleus.core.worker import Report
from nucleus.core.worker_session import WorkerSession
from nucleus.jobs import Registry, default_registry
from nucleus.rpc import loop
from nucleus.rpc.access import OPEN, Access
from nucleus.rpc.backoff import Backoff
from nucleus.rpc.status import brief, is_unauthenticated, reason_of
from nucleus.services.common.clock import SystemClock
from nucleus.services.common.push import MetricsPusher
from nucleus.services.worker.executors import make_executor
from nucleus.services.worker.link import MasterLink
from nucleus.services.worker.metrics import WorkerMetrics

logger = logging.getLogger("nucleus.worker")

HEARTBEAT_INTERVAL = 3.0  # seconds; three in a row may be lost within the master's 10
CREDIT_CHECK = 0.1  # seconds until a master hears that there is less credit than it thinks

_CALL_FAILED = (grpc.aio.AioRpcError, TimeoutError, asyncio.TimeoutError)


def default_name() -> str:
    """Hostname and process id: unique on one network."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Worker:
    """Receives jobs from a master, runs them, and reports what became of them.

    ``start`` does not wait for the master: a missing one is waited for with backoff, and
    one line of log. ``access`` is what the master (and, of it, the token what Monitoring) asks
    for. ``on_given_up`` is called, from the loop, with the reason when the worker cannot go on
    and has stopped working: a newer one has taken its name, the master does not take its token,
    or a bug ended it.
    """

    def __init__(
        self,
        master: str = "127.0.0.1:50051",
        *,
        name: str | None = None,
        slots: int = 1,
        executor: str = "process",
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        monitoring: str | None = None,
        access: Access = OPEN,
        registry: Registry | None = None,
        modules: Sequence[str] = (),
        on_given_up: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.name = name or default_name()
        self.master = master
        self.slots = slots
        registry = registry or default_registry()
        self._executor = make_executor(executor, slots, registry, modules)
        self._kind = executor
        self._access = access
        incarnation = secrets.token_hex(8)
        self._session = WorkerSession(self.name, incarnation, slots, registry.names())
        self._interval = heartbeat_interval
        self._clock = SystemClock()
        self._on_given_up = on_given_up
        self._given_up = False
        self._metrics = WorkerMetrics(self.name, slots, lambda: len(self._executor.running))
        self._pusher: MetricsPusher | None = None
        if monitoring:
            source = self._metrics.registry
            self._pusher = MetricsPusher(
                monitoring, "nucleus_worker", self.name, source, token=access.token
            )
        self._loop: loop.LoopThread | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: deque[Report] = deque()  # filled by the executor's threads
        self._take_ended_soon = False

    # ---- the life of the service ------------------------------------------------------

    def start(self) -> None:
        """Begin to work, as soon as there is a master."""
        self._loop = loop.acquire()
        self._executor.start(partial(self._ended_anywhere, self._loop))
        self._loop.run(self._start())
        if self._pusher is not None:
            self._pusher.start()

    async def _start(self) -> None:
        self._link = MasterLink(self.master, self._access, self._interval)
        self._backoff = Backoff(logger, f"worker {self.name}: no master at {self.master}")
        self._awake = asyncio.Event()
        self._awake.set()
        self._to_report = asyncio.Event()  # look again when a report is due
        self._answered = asyncio.Event()  # set while no report waits for its answer
        self._answered.set()
        for duty in (self._receive_for_ever(), self._report_for_ever(), self._beat_for_ever()):
            self._tasks.append(asyncio.create_task(self._guard(duty)))

    def stop(self, drain: float = 0.0) -> list[str]:
        """Stop: finish what runs for at most ``drain`` seconds, hand the rest back, say goodbye.

        Return the names of the jobs that run on, because their executor cannot stop them.
        Idempotent.
        """
        return self._close_down(lambda: self._leave(drain), delete_metrics=True)

    def crash(self) -> None:
        """Fall silent for ever, as if the process had died: nothing is said to anybody."""
        self._close_down(self._close, delete_metrics=False)

    def _close_down(
        self, ending: Callable[[], Coroutine[Any, Any, None]], *, delete_metrics: bool
    ) -> list[str]:
        running, self._loop = self._loop, None
        if running is None:
            return []
        running.run(ending())
        still_running = self._executor.stop()
        if self._pusher is not None:
            self._pusher.stop(delete=delete_metrics)
        loop.release()
        return still_running

    async def _leave(self, drain: float) -> None:
        if not self._given_up:
            await self._finish(drain)
        await self._close()

    async def _finish(self, drain: float) -> None:
        self._awake.set()
        self._session.not_started(self._executor.withdraw())
        self._session.drain()
        self._to_report.set()
        deadline = self._clock.now() + drain
        while not self._session.idle and self._clock.now() < deadline:
            await asyncio.sleep(0.02)
        try:
            async with asyncio.timeout(self._interval):
                await self._send_reports()
                await self._link.leave(self._session.beat(self._clock.now(), leaving=True))
        except _CALL_FAILED as error:
            logger.info("worker %s could not say goodbye: %s", self.name, brief(error))

    async def _close(self) -> None:
        self._fall_asleep()  # whatever ends from now on, nothing more begins
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # with them go frames that hold on to calls
        await self._link.close()

    def pause(self) -> None:
        """Freeze: say nothing and hear nothing, while jobs that run go on."""
        if self._loop is not None:
            self._loop.call(self._fall_asleep)
        if self._pusher is not None:
            self._pusher.pause()

    def resume(self) -> None:
        """Wake up as if no time had passed."""
        if self._loop is not None:
            self._loop.call(self._wake_up)
        if self._pusher is not None:
            self._pusher.resume()

    def _fall_asleep(self) -> None:
        self._awake.clear()
        self._session.not_started(self._executor.withdraw())

    def _wake_up(self) -> None:
        if not self._given_up:
            self._awake.set()
            self._start_jobs()

    def ready_line(self) -> str:
        """One line that says who this is and where it looks for work."""
        return f"worker {self.name}: {self.slots} slots ({self._kind}), master {self.master}"

    # ---- receiving --------------------------------------------------------------------

    async def _receive_for_ever(self) -> None:
        while True:
            await self._awake.wait()
            try:
                # A worker that was away reports what it finished before it asks for more.
                await self._send_reports()
                await self._receive()
                delay = 0.0  # the master ended the stream, and wants a new one
            except _CALL_FAILED as error:
                self._check_final(error)
                delay = self._backoff.failed(brief(error))
            await asyncio.sleep(delay)

    async def _receive(self) -> None:
        hello = self._session.open(self._clock.now())
        async for jobs, voided in self._link.open(hello):
            await self._awake.wait()
            self._backoff.succeeded()
            self._session.received(hello.session, jobs)
            self._stop_jobs(voided)
            self._start_jobs()
            if self._session.draining:  # what has just arrived goes back
                self._to_report.set()

    def _start_jobs(self) -> None:
        self._session.credit.blocked = self._executor.blocked
        if jobs := self._session.to_start(self._executor.capacity):
            self._executor.submit(jobs)

    def _stop_jobs(self, voided: Sequence[int]) -> None:
        # The newest first, or the slot of an older one would begin the newer, void as it is.
        for lease in sorted(self._session.voided(voided), reverse=True):
            if self._executor.cancel(lease):
                self._session.stopped(lease)

    def _ended_anywhere(self, running: loop.LoopThread, reports: Sequence[Report]) -> None:
        """Attempts ended, perhaps while draining; this is called on the executor's thread."""
        self._ended.extend(reports)
        if not self._take_ended_soon:  # one call takes in all that end until it runs
            self._take_ended_soon = True
            running.call(self._take_ended)

    def _take_ended(self) -> None:
        self._take_ended_soon = False  # first, so that whoever comes later calls again
        now = self._clock.now()
        while self._ended:
            self._session.finished(self._ended.popleft(), now)
        self._to_report.set()
        if self._awake.is_set():
            self._start_jobs()

    # ---- reporting --------------------------------------------------------------------

    async def _report_for_ever(self) -> None:
        while True:
            await self._until_report_is_due()
            await self._awake.wait()
            try:
                await self._send_some()
            except _CALL_FAILED as error:
                await asyncio.sleep(self._backoff.failed(brief(error)))

    async def _until_report_is_due(self) -> None:
        while (left := self._session.report_due() - self._clock.now()) > 0:
            self._to_report.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if left == inf else left):
                    await self._to_report.wait()

    async def _send_reports(self) -> None:
        """Send what has ended until nothing is left; return when all of it is answered."""
        while await self._send_some():
            pass

    async def _send_some(self) -> bool:
        """Send what has ended, as far as one call takes it; return whether there was any."""
        await self._answered.wait()  # another duty's call is under way
        reports = self._session.reports(self._clock.now())
        if reports is None:
            return False
        self._answered.clear()
        try:
            refusals, voided = await self._link.send(reports)
        except BaseException:
            self._session.unanswered()
            raise
        finally:
            self._answered.set()
        await self._awake.wait()
        for refusal in filter(None, refusals):
            logger.info("worker %s: a report was refused: %s", self.name, refusal.message)
        self._session.answered(refusals)
        self._session.told(reports.stopped)
        self._stop_jobs(voided)
        self._start_jobs()
        return True

    # ---- heartbeats -------------------------------------------------------------------

    async def _beat_for_ever(self) -> None:
        while True:
            await self._until_next_beat()
            await self._awake.wait()
            beat = self._session.beat(self._clock.now(), self._executor.running)
            try:
                answer = await self._link.beat(beat)
            except _CALL_FAILED as error:
                self._check_final(error)
                logger.debug("worker %s: a heartbeat was not answered: %s", self.name, error)
                continue
            await self._awake.wait()
            self._metrics.beat()
            self._session.told(beat.stopped)
            self._stop_jobs(answer.voided)
            self._start_jobs()
            if self._session.must_reopen(beat, answer):
                self._link.break_stream()

    async def _until_next_beat(self) -> None:
        """Wait for the interval, or less when the master thinks there is more credit."""
        deadline = self._clock.now() + self._interval
        while (left := deadline - self._clock.now()) > 0:
            await asyncio.sleep(min(left, CREDIT_CHECK))
            if self._session.has_news(self._clock.now()):
                return

    # ---- what can go wrong ------------------------------------------------------------

    def _check_final(self, error: BaseException) -> None:
        """Raise if no further try can end differently."""
        if not isinstance(error, grpc.aio.AioRpcError):
            return
        if reason_of(error) is Reason.REPLACED or is_unauthenticated(error):
            raise _Refused(error.details() or error.code().name)

    async def _guard(self, duty: Coroutine[Any, Any, None]) -> None:
        try:
            await duty
        except _Refused as reason:
            self._give_up(str(reason))
        except Exception as error:  # a bug of ours, or a master that answers nonsense
            self._give_up(f"{type(error).__name__}: {error}", error)

    def _give_up(self, reason: str, bug: Exception | None = None) -> None:
        logger.error("worker %s stops: %s", self.name, reason, exc_info=bug)
        self._given_up = True
        self._fall_asleep()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._on_given_up(reason)


class _Refused(Exception):
    """The master refuses this worker for good: another took its place, or its token is wrong."""
