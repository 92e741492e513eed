"""Handles and clients in programs of many threads, and of very many handles."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed, wait
from typing import Any

import pytest

from nucleus.client import Client, JobHandle
from nucleus.client.handle import Told
from tests.support import eventually, running_master


@pytest.fixture
def idle() -> Iterator[Client]:
    """A client of a master without a worker: what it submits stays queued."""
    with running_master() as master, Client(master.address) as client:
        yield client


def test_threads_that_share_a_client_submit_their_own_options(idle: Client) -> None:
    """A payload that lets the other thread in, between the check and the submit."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(dict[str, int]):
        def items(self) -> Any:
            inside.set()
            assert go_on.wait(60)
            return super().items()

    handles: list[JobHandle] = []
    thread = threading.Thread(
        target=lambda: handles.append(idle.submit("Echo", Slow(a=1), priority=7))
    )
    thread.start()
    assert inside.wait(60)
    other = idle.submit("Sleep", 0)
    go_on.set()
    thread.join()
    mine = idle.job(handles[0].id)
    assert (mine.job_type, mine.priority) == ("Echo", 7)
    assert idle.job(other.id).job_type == "Sleep"


def test_futures_of_two_clients_may_be_waited_for_in_any_order() -> None:
    with running_master() as master, Client(master.address) as a, Client(master.address) as b:
        first, second = a.submit("Echo", 1), b.submit("Echo", 2)
        # What ``wait`` does with the locks of its futures, with another thread in between.
        with first._told, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(second._told.acquire, timeout=0.1)
            assert not asked.result(), "one lock, so that no two are taken in two orders"


def test_a_handle_is_one_object_to_the_garbage_collector() -> None:
    told = Told()
    handles = [JobHandle("Echo", number, bool, told) for number in range(2)]
    handles[1].set_result(1)
    visited = [set(map(id, filter(gc.is_tracked, gc.get_referents(h)))) for h in handles]
    assert visited[0] == visited[1] == {id(told), id(JobHandle)}, "what they share, and no more"


def test_handles_of_which_some_have_ended_can_be_waited_for_together() -> None:
    handles = [JobHandle("Echo", number, bool, Told()) for number in range(3)]
    first, second, third = handles
    first.set_result(1)
    assert wait(handles, timeout=0).done == {first}
    threading.Timer(0.05, second.set_result, [2]).start()
    assert next(as_completed([second, third], timeout=60)) is second
    threading.Timer(0.05, third.set_cancelled).start()
    assert wait(handles, timeout=60).done == set(handles)


def test_whoever_waits_hears_of_the_end_before_a_callback_runs() -> None:
    handle = JobHandle("Echo", 1, lambda _: True, Told())
    heard = threading.Event()
    in_time: list[bool] = []

    def wait_for_it() -> None:
        with pytest.raises(CancelledError):
            handle.result(timeout=60)
        heard.set()

    handle.add_done_callback(lambda _: in_time.append(heard.wait(60)))
    thread = threading.Thread(target=wait_for_it)
    thread.start()
    eventually(lambda: bool(handle._told._waiters))  # type: ignore[attr-defined]
    handle.set_cancelled()
    handle._told.tell()
    thread.join()
    assert in_time == [True]
