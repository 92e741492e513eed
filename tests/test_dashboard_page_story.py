"""The story of a job, as its page tells it, and the sparklines of the overview."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from nucleus.client import Client, Stats, WorkerView
from nucleus.core.errors import Unavailable
from nucleus.core.events import (
    Event,
    JobCancelled,
    JobFailed,
    JobLeased,
    JobRequeued,
    JobSubmitted,
    ResultRejected,
)
from nucleus.core.limits import Limits
from nucleus.core.retention import Retention
from nucleus.jobs import default_registry
from nucleus.services.dashboard import samples, story
from nucleus.services.dashboard.gateway import Gateway
from nucleus.services.dashboard.samples import Sampler, Samples
from nucleus.services.dashboard.sparkline import sparkline
from nucleus.services.dashboard.story import Storyteller, line_of
from nucleus.services.dashboard.words import condition, span
from tests.support import eventually, running_master, running_worker


class Reader:
    """A storyteller, and a client of the same master."""

    def __init__(self, gateway: Gateway, client: Client) -> None:
        self.client = client
        self._gateway = gateway
        self._teller = Storyteller(gateway)

    def story(self, job_id: str) -> story.Story:
        """What the job's page would tell now."""
        job = self._gateway.job(job_id)
        return self._teller.tell(job, self._gateway.stats().next_seq)

    def kinds(self, job_id: str) -> list[str]:
        """How the lines of its story are marked."""
        return [line.kind for line in self.story(job_id).lines]


def reader_of(stack: ExitStack, address: str) -> Reader:
    gateway = stack.enter_context(closing(Gateway(address, default_registry())))
    return Reader(gateway, stack.enter_context(Client(address)))


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Of a master with one worker."""
    with ExitStack() as stack:
        master = stack.enter_context(running_master(limits=Limits(retry_delay=0.01)))
        stack.enter_context(running_worker(master.address))
        yield reader_of(stack, master.address)


def test_a_job_that_is_tried_again_tells_each_attempt_with_its_error_and_output(
    reader: Reader,
) -> None:
    job = reader.client.submit("Flaky", {"p": 1}, max_attempts=2)
    assert job.exception() is not None
    lines = reader.story(job.id).lines
    assert [line.kind for line in lines] == ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "FAILED"]
    assert lines[2].words == (
        "The attempt on w1 failed. Back to the tail of the queue, to be tried again in 0.01 s."
    )
    assert lines[2].detail == "RuntimeError: bad luck" and "Traceback" in lines[2].output
    assert lines[4].words == "The attempt on w1 failed. The job has failed, after attempt 2."


def test_a_story_grows_with_each_look_and_repeats_nothing(reader: Reader) -> None:
    blocker = reader.client.submit("Sleep", 0.3)
    job = reader.client.submit("Echo", 1, delay=0.1)
    assert reader.kinds(job.acknowledged())[0] == "QUEUED"
    job.result()
    blocker.result()
    for _ in range(2):
        assert reader.kinds(job.id) == ["QUEUED", "RUNNING", "COMPLETED"]


def test_a_job_that_waits_behind_many_others_is_told_from_both_ends(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "LOOK", 8)
    job = reader.client.submit("Echo", "last", priority=-1, delay=0.5)
    job_id = job.acknowledged()
    for handle in reader.client.submit_many("Echo", range(40)):
        handle.result()
    job.result()
    assert reader.kinds(job_id) == ["QUEUED", "RUNNING", "COMPLETED"]
    assert reader.story(job_id).skipped


def test_a_history_that_is_kept_no_longer_is_admitted_and_the_rest_is_told() -> None:
    with ExitStack() as stack:
        master = stack.enter_context(running_master(retention=Retention(events=40, jobs=1_000)))
        reader = reader_of(stack, master.address)
        worker = stack.enter_context(ExitStack())
        worker.enter_context(running_worker(master.address))
        old = reader.client.submit("Echo", "old", delay=1.0)
        for handle in reader.client.submit_many("Echo", range(60)):
            handle.result()
        old.result()
        eventually(lambda: "COMPLETED" in reader.kinds(old.id))
        assert "the history begins at" in reader.story(old.id).gone


def test_only_the_last_stories_are_remembered(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "KEPT", 2)
    jobs = reader.client.submit_many("Echo", range(4))
    for job in jobs:
        job.result()
        assert reader.kinds(job.id) == ["QUEUED", "RUNNING", "COMPLETED"]
    assert len(reader._teller._stories) == 2
    assert reader.kinds(jobs[0].id) == ["QUEUED", "RUNNING", "COMPLETED"]


ID = "a-0000000003"


def requeued(reason: str, *, front: bool = True) -> JobRequeued:
    return JobRequeued(9, 20.0, ID, 7, "w2", reason, "", "", 1, 20.0, front, False, 0.0)


SAYINGS: list[tuple[Event, str, str]] = [
    (
        JobSubmitted(3, 1.0, ID, "Echo", "1", 5, 3.0, 3, None, "", "", 0, "a-0000000001"),
        "QUEUED",
        "Submitted, to try job 1 again, with priority 5. It may run in 2.0 s.",
    ),
    (JobLeased(7, 2.0, ID, "w2", "i"), "RUNNING", "Given to w2, under lease 7."),
    (
        requeued("worker_lost"),
        "QUEUED",
        "w2 fell silent and was given up on. Back to the front of the queue.",
    ),
    (
        requeued("undelivered"),
        "QUEUED",
        "It never reached w2. Back to the front of the queue.",
    ),
    (requeued("left", front=False), "QUEUED", "w2 left. Back to the tail of the queue."),
    (requeued("of_the_future"), "QUEUED", "w2: of_the_future. Back to the front of the queue."),
    (
        JobFailed(9, 2.0, ID, 7, "w2", "", "", 0.0, 3, "worker_lost", "", 0),
        "FAILED",
        "w2 fell silent and was given up on. The job has failed, after attempt 3.",
    ),
    (
        JobCancelled(9, 2.0, ID, 7, "w2", "", 0),
        "CANCELLED",
        "Cancelled. Lease 7 of w2 is void at once.",
    ),
    (JobCancelled(9, 2.0, ID, 0, "", "", 0), "CANCELLED", "Cancelled."),
    (
        ResultRejected(12, 2.0, ID, 7, "w2", "stale_lease"),
        "refused",
        "A report of w2 under lease 7 is refused: stale lease.",
    ),
]


@pytest.mark.parametrize(("event", "kind", "words"), SAYINGS, ids=lambda value: str(value)[:30])
def test_each_event_is_told_in_words(event: Event, kind: str, words: str) -> None:
    line = line_of(event)
    assert (line.kind, line.words) == (kind, words)


# ---- sparklines -----------------------------------------------------------------------


def stats(ended: int, wait: float = 0.0, ledger: str = "a") -> Stats:
    jobs = {"QUEUED": 1, "COMPLETED": ended, "FAILED": 1}
    return Stats(ledger, 1, jobs, ended + 2, {}, {}, wait, (), {})


def test_throughput_is_what_ended_between_two_samples() -> None:
    taken = Samples()
    for at, ended in ((0.0, 0), (2.0, 10), (4.0, 10), (5.0, 40)):
        taken.note(stats(ended, wait=at), at)
    assert taken.throughput() == [5.0, 0.0, 30.0]
    assert taken.waits() == [0.0, 2.0, 4.0, 5.0]


def test_an_outage_and_another_ledger_leave_a_gap() -> None:
    taken = Samples()
    taken.note(stats(5), 0.0)
    taken.note(None, 2.0)
    taken.note(stats(9), 4.0)
    taken.note(stats(1, ledger="b"), 6.0)
    assert taken.throughput() == [None, None, None]
    assert taken.waits() == [0.0, None, 0.0, 0.0]


def test_samples_stay_bounded() -> None:
    taken = Samples()
    for number in range(1_000):
        taken.note(stats(number), float(number))
    assert len(taken.waits()) == samples.KEPT


def test_a_sampler_looks_until_it_is_stopped_and_notes_outages() -> None:
    looks: list[int] = []

    def look() -> Stats:
        looks.append(1)
        if len(looks) == 2:
            raise Unavailable("gone")
        return stats(len(looks))

    taken = Samples()
    sampler = Sampler(look, taken, interval=0.001)
    eventually(lambda: len(looks) > 3)
    sampler.stop()
    count = len(looks)
    assert taken.waits()[:3] == [0.0, None, 0.0] and len(taken.waits()) == count
    assert len(looks) == count


def test_stopping_a_sampler_waits_for_the_look_that_is_under_way() -> None:
    looking, done = threading.Event(), threading.Event()

    def look() -> Stats:
        looking.set()
        done.wait(60)
        return stats(1)

    sampler = Sampler(look, Samples())
    assert looking.wait(60)
    stopper = threading.Thread(target=sampler.stop)
    stopper.start()
    stopper.join(0.05)
    assert stopper.is_alive()
    done.set()
    stopper.join(10)
    assert not stopper.is_alive()


@pytest.mark.parametrize(
    ("state", "age", "said"),
    [
        ("alive", 4.9, "alive"),
        ("alive", 5.1, "late"),
        ("lost", 60.0, "lost"),
        ("left", 9.0, "left"),
    ],
)
def test_a_worker_is_late_after_half_of_what_makes_it_lost(
    state: str, age: float, said: str
) -> None:
    worker = WorkerView("w", state, True, 1, 0, 0, 1, age, ())
    assert condition(worker, timeout=10.0) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (0.31, "0.31 s"), (1.04, "1.0 s"), (119, "119 s"), (121, "2 min"), (9e4, "25 h")],
)
def test_lengths_of_time_are_said_shortly(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_a_sparkline_of_one_value_can_be_seen() -> None:
    assert sparkline([3.0], least=1.0).line == "M240.0,2.0 L240.0,2.0"


def test_a_sparkline_ends_at_the_right_and_breaks_at_gaps() -> None:
    drawn = sparkline([1.0, None, 2.0, 4.0], least=1.0)
    assert drawn.line.count("M") == 2 and drawn.line.endswith("240.0,2.0")
    assert (drawn.last, drawn.highest) == (4.0, 4.0)
    assert drawn.area.endswith("L240.0,40 Z")


def test_a_sparkline_of_nothing_draws_nothing() -> None:
    for series in ([], [None], [None, None]):
        drawn = sparkline(series, least=1.0)
        assert (drawn.line, drawn.area, drawn.last, drawn.highest) == ("", "", None, 0.0)


def test_small_values_stay_low() -> None:
    low = sparkline([0.1, 0.1], least=1.0)
    assert float(low.line.rpartition(",")[2]) > 30.0
