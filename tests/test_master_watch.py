"""``WatchEvents``: the history, then what is committed, without a gap or a repeat."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.events import Event, JobSubmitted, MasterStarted
from nucleus.rpc import convert
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.master import Master, watchers
from nucleus.stores import memory
from tests.support import open_stub, refused, running_master, running_worker


@pytest.fixture(params=["memory", "sqlite"])
def master(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Master]:
    where = str(tmp_path / "ledger.db") if request.param == "sqlite" else "memory"
    with running_master(where) as master:
        yield master


@pytest.fixture
def stub(master: Master) -> Iterator[JobQueueServiceStub]:
    with open_stub(master.address) as stub:
        yield stub


def submit(stub: JobQueueServiceStub, count: int, client: str = "", first: int = 1) -> None:
    for start in range(0, count, 100):
        numbers = range(start, min(count, start + 100))
        like = pb.JobSpec(job_type="Echo", client_seq=first + start if client else 0)
        order = pb.Order(like=like, payloads=map(str, numbers))
        stub.SendJobs(pb.SendJobsRequest(client_id=client, orders=[order]))


class Watch:
    """An open watch, read batch by batch."""

    def __init__(self, stub: JobQueueServiceStub, **request: Any) -> None:
        self.call = stub.WatchEvents(pb.WatchEventsRequest(**request))
        self.first: pb.EventBatch = next(self.call)
        self.next_seq = self.first.next_seq
        self.events: list[Any] = []

    def read(self) -> list[Any]:
        batch: pb.EventBatch = next(self.call)
        assert batch.next_seq >= self.next_seq, "the place to go on never goes back"
        events = list(convert.events_from_message(batch.events))
        assert all(event.seq < batch.next_seq for event in events)
        self.next_seq = batch.next_seq
        self.events += events
        return events

    def read_to(self, count: int) -> list[Any]:
        while len(self.events) < count:
            self.read()
        return self.events

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.events]


def next_seq(stub: JobQueueServiceStub) -> int:
    seq: int = stub.GetClusterState(pb.GetClusterStateRequest()).next_seq
    return seq


def test_the_history_joins_what_happens_now_without_a_gap_or_a_repeat(
    master: Master, stub: JobQueueServiceStub
) -> None:
    submit(stub, 500)
    began, rest = threading.Event(), threading.Event()

    def go_on() -> None:
        with open_stub(master.address) as other:
            submit(other, 100)
            began.set()
            rest.wait(timeout=60)
            submit(other, 1400)

    submitter = threading.Thread(target=go_on)
    submitter.start()
    began.wait(timeout=60)
    watch = Watch(stub, from_seq=1)
    rest.set()
    events = watch.read_to(2001)
    submitter.join()
    assert watch.seqs == list(range(1, 2002))
    assert type(events[0]).__name__ == "MasterStarted"
    assert {type(event).__name__ for event in events[1:]} == {"JobSubmitted"}


def test_several_watchers_see_the_same(stub: JobQueueServiceStub) -> None:
    watches = [Watch(stub, from_seq=1) for _ in range(5)]
    submit(stub, 300)
    for watch in watches:
        watch.read_to(301)
        assert watch.seqs == list(range(1, 302))


def test_a_watcher_that_falls_behind_is_read_the_history_and_misses_nothing(
    stub: JobQueueServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread bytes fill what the connection holds, so the master has to let the buffer go."""
    monkeypatch.setattr(watchers, "MAX_BUFFER", 50)
    monkeypatch.setattr(watchers, "PAGE", 70)
    watch = Watch(stub, from_seq=1)
    submit(stub, 3000)
    watch.read_to(3001)
    submit(stub, 10)
    watch.read_to(3011)
    assert watch.seqs == list(range(1, 3012))


def test_a_page_of_the_history_that_runs_into_the_buffer_repeats_nothing() -> None:
    """While a watcher catches up, what is committed is in the history and in its buffer."""
    events: list[Event] = [MasterStarted(seq, 0.0, epoch=1) for seq in range(1, 9)]

    async def read_history(from_seq: int, limit: int) -> list[Event]:
        return [event for event in events if event.seq >= from_seq][:limit]

    async def watch() -> list[list[int]]:
        watcher = watchers.Watcher(1, client="", kinds=frozenset(), heartbeats=False)
        watcher.start(5)
        watcher.offer([*events[4:]], end=9)
        batches = watcher.batches(read_history)
        async with asyncio.timeout(5):
            return [[event.seq for event in await anext(batches)] for _ in range(2)]

    assert asyncio.run(watch()) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_what_was_buffered_behind_a_lost_buffer_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One wake-up for two commits, of which the first was too much for the buffer."""
    monkeypatch.setattr(watchers, "MAX_BUFFER", 2)
    events: list[Event] = [MasterStarted(seq, 0.0, epoch=1) for seq in range(1, 5)]

    async def read_history(from_seq: int, limit: int) -> list[Event]:
        return [event for event in events if event.seq >= from_seq][:limit]

    async def watch() -> list[list[int]]:
        watcher = watchers.Watcher(1, client="", kinds=frozenset(), heartbeats=False)
        watcher.start(1)
        batches = watcher.batches(read_history)
        first = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)  # it takes note of the start
        await asyncio.sleep(0)  # and waits for news
        watcher.offer(events[:3], end=4)
        watcher.offer(events[3:], end=5)
        async with asyncio.timeout(5):
            return [[event.seq for event in batch] for batch in (await first, await anext(batches))]

    assert asyncio.run(watch()) == [[1, 2, 3], [4]]


def test_a_buffer_that_is_lost_while_the_history_is_read_costs_no_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page read reaches into what was in the buffer, which is gone when it is there."""
    monkeypatch.setattr(watchers, "MAX_BUFFER", 2)
    monkeypatch.setattr(watchers, "PAGE", 6)
    events: list[Event] = [MasterStarted(seq, 0.0, epoch=1) for seq in range(1, 11)]
    watcher = watchers.Watcher(1, client="", kinds=frozenset(), heartbeats=False)

    async def read_history(from_seq: int, limit: int) -> list[Event]:
        page = [event for event in events if event.seq >= from_seq][:limit]
        if from_seq == 1:
            watcher.offer(events[6:], end=11)
        return page

    async def watch() -> list[int]:
        watcher.start(5)
        watcher.offer(events[4:6], end=7)
        seen: list[int] = []
        batches = watcher.batches(read_history)
        async with asyncio.timeout(5):
            while len(seen) < 10:
                seen += [event.seq for event in await anext(batches)]
        return seen

    assert asyncio.run(watch()) == list(range(1, 11))


def test_a_slow_watcher_with_a_filter_misses_nothing_of_its_own(
    stub: JobQueueServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchers, "MAX_BUFFER", 10)
    monkeypatch.setattr(watchers, "PAGE", 25)
    watch = Watch(stub, from_seq=1, client_id="mine")
    for round_number in range(20):
        submit(stub, 40, client="theirs", first=1 + 40 * round_number)
        submit(stub, 15, client="mine", first=1 + 15 * round_number)
    events = watch.read_to(300)
    assert [event.client_seq for event in events] == list(range(1, 301))
    assert {event.client for event in events} == {"mine"}


def test_from_seq_0_is_from_now_on_and_the_first_batch_tells_where(
    stub: JobQueueServiceStub,
) -> None:
    submit(stub, 3)
    expected = next_seq(stub)
    watch = Watch(stub)
    assert (watch.first.next_seq, list(watch.first.events)) == (expected, [])
    submit(stub, 2)
    watch.read_to(2)
    assert watch.seqs == [expected, expected + 1]


def test_a_watch_taken_up_again_where_it_broke_sees_each_event_once(
    stub: JobQueueServiceStub,
) -> None:
    submit(stub, 250)
    seen: list[int] = []
    place = 1
    while len(seen) < 251:
        watch = Watch(stub, from_seq=place)
        watch.read()
        watch.call.cancel()
        seen += watch.seqs
        place = watch.next_seq
    assert seen == list(range(1, 252))


def test_only_the_kinds_that_were_asked_for_arrive(
    master: Master, stub: JobQueueServiceStub
) -> None:
    watch = Watch(stub, from_seq=1, kinds=["JobCompleted", "WorkerJoined"])
    with running_worker(master.address):
        submit(stub, 20)
        kinds = [type(event).__name__ for event in watch.read_to(21)]
    assert kinds.count("WorkerJoined") == 1
    assert kinds.count("JobCompleted") == 20


def test_heartbeats_are_watched_when_asked_for_and_lead_no_further(
    master: Master, stub: JobQueueServiceStub
) -> None:
    watch = Watch(stub, heartbeats=True)
    silent = Watch(stub)
    with running_worker(master.address, heartbeat_interval=0.05):
        events = watch.read_to(10)
    beats = {(e.seq, e.worker) for e in events if type(e).__name__ == "WorkerHeartbeat"}
    assert beats == {(0, "w1")}
    assert watch.next_seq > 1, "who goes on from here does not see the history again"
    silent.read_to(2)
    assert "WorkerHeartbeat" not in {type(event).__name__ for event in silent.events}


def test_a_place_older_than_the_history_is_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT_EVENTS", 100)
    with running_master() as master, open_stub(master.address) as stub:
        submit(stub, 300)
        call = stub.WatchEvents(pb.WatchEventsRequest(from_seq=5))
        assert next(call).next_seq == 5
        refusal = refused(lambda: next(call))
        assert refusal.code == "OUT_OF_RANGE"
        assert refusal.message == "from_seq: 5 is too old; the history begins at 202"
        kept = Watch(stub, from_seq=202)
        kept.read_to(100)
        assert kept.seqs == list(range(202, 302))


def test_nobody_sees_an_event_before_it_is_committed(
    master: Master, stub: JobQueueServiceStub
) -> None:
    watch = Watch(stub, from_seq=1)
    submit(stub, 200)
    with open_stub(master.address) as other:
        while len(watch.events) < 201:
            for event in watch.read():
                if isinstance(event, JobSubmitted):
                    asked = pb.LookupJobsRequest(job_ids=[event.job_id])
                    assert other.LookupJobs(asked).jobs, "a read sees committed changes only"
