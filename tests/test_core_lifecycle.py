"""The life of a job as a table: what is not in it cannot happen, and all of it does."""

from typing import Any

import pytest

from nucleus.core import events
from nucleus.core.events import KINDS, Event, JobCompleted, JobLeased, JobSubmitted
from nucleus.core.job import JOB_FIELDS, evolve, job_from_row, job_number, make_job_id, new_job
from nucleus.core.lifecycle import TERMINAL, TRANSITIONS, IllegalMove, Status, next_status
from tests.core_support import Queue, checked_queue, replay

queue = checked_queue

JOB_EVENTS = sorted({kind for _, kind in TRANSITIONS}, key=lambda kind: kind.__name__)
LEGAL = list(TRANSITIONS)
ILLEGAL = [
    (status, kind)
    for status in (None, *Status)
    for kind in JOB_EVENTS
    if (status, kind) not in TRANSITIONS
]


def an(kind: type[Event]) -> Any:
    """An event of this kind, with something in each field."""
    values = {name: 7 for name in kind.__dataclass_fields__}
    return kind(**values)


def name(value: object) -> str:
    return value.name if isinstance(value, Status) else getattr(value, "__name__", "nothing")


@pytest.mark.parametrize(("status", "kind"), ILLEGAL, ids=name)
def test_an_illegal_move_raises_and_names_itself(status: Status | None, kind: type[Event]) -> None:
    with pytest.raises(IllegalMove) as raised:
        next_status(status, an(kind))
    assert ("no job" if status is None else status.name) in str(raised.value)
    assert kind.__name__ in str(raised.value)


@pytest.mark.parametrize(("status", "kind"), LEGAL, ids=name)
def test_a_legal_move_ends_where_the_table_says(status: Status | None, kind: type[Event]) -> None:
    assert next_status(status, an(kind)) is TRANSITIONS[status, kind]


def test_terminal_is_never_left() -> None:
    assert not TERMINAL & {status for status, _ in TRANSITIONS}
    assert set(TRANSITIONS.values()) == set(Status)


def test_an_illegal_move_leaves_the_job_as_it_was(queue: Queue) -> None:
    job_id = queue.submit()
    job = queue.job(job_id)
    before = job.row()
    with pytest.raises(IllegalMove):
        evolve(job, an(JobCompleted))
    assert job.row() == before


def test_every_entry_of_the_table_is_reached(queue: Queue) -> None:
    queue.join("w", slots=9)
    cancelled = queue.submit()
    queue.cancel(cancelled)
    done, failed, stopped = queue.submit_many(3, max_attempts=2)
    queue.settle()
    queue.finish(done)
    queue.fail(failed)
    queue.cancel(stopped)
    queue.wait(1, beating=["w"])
    queue.settle()
    queue.fail(failed)
    queue.settle()
    assert moves(queue.history) == TRANSITIONS


def moves(history: list[Event]) -> dict[tuple[Status | None, type[Event]], Status]:
    """What happened to jobs in a history, in the shape of the table."""
    seen: dict[tuple[Status | None, type[Event]], Status] = {}
    for place, event in enumerate(history):
        job_id = getattr(event, "job_id", None)
        if job_id is not None and type(event) in JOB_EVENTS:
            before = replay(history[:place]).get(job_id)
            after = replay(history[: place + 1])[job_id]
            seen[before.status if before else None, type(event)] = after.status
    return seen


def test_a_diagram_can_be_drawn_from_the_table() -> None:
    """Every status is reached from the beginning, and every end is a terminal one."""
    arrows = {(before, after) for (before, _), after in TRANSITIONS.items()}
    reached: set[Status | None] = {None}
    while more := {after for before, after in arrows if before in reached} - reached:
        reached |= more
    assert reached == {None, *Status}
    assert set(Status) - {before for before, _ in arrows} == TERMINAL


def test_every_kind_of_event_is_listed_by_its_name() -> None:
    kinds = {name: kind for name, kind in vars(events).items() if is_event(kind)}
    assert kinds == {"Event": Event, **KINDS}


def is_event(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Event)


def test_events_are_facts_that_can_be_compared_and_counted() -> None:
    """That nobody changes one is the type checker's to say: it would miss a needless ignore."""
    for kind in KINDS.values():
        event = an(kind)
        assert event == an(kind) and len({event, an(kind)}) == 1
        with pytest.raises(AttributeError):
            event.other = 8
    JobLeased(99, 5.0, "job", "w", "i1").seq = 8  # type: ignore[misc]


def test_a_row_is_a_snapshot_from_which_the_job_comes_back(queue: Queue) -> None:
    job = queue.job(queue.submit(priority=3, timeout=1.5, key="k", client="c", client_seq=2))
    before = job.row()
    assert len(before) == len(JOB_FIELDS)
    evolve(new := new_job(submitted_event(queue)), JobLeased(99, 5.0, job.id, "w", "i1"))
    assert job.row() == before
    assert job_from_row(new.row()) == new
    stored = tuple(int(v) if isinstance(v, bool | Status) else v for v in new.row())
    assert job_from_row(stored) == new, "numbers stand in for status and booleans"
    assert job_from_row(stored).status is Status.RUNNING


def submitted_event(queue: Queue) -> JobSubmitted:
    queue.settle()
    [event] = queue.happened(JobSubmitted)
    assert isinstance(event, JobSubmitted)
    return event


@pytest.mark.parametrize("seq", [1, 9_999_999_999])
def test_a_job_id_tells_its_number(seq: int) -> None:
    assert job_number(make_job_id("some-ledger", seq)) == seq


@pytest.mark.parametrize("text", ["", "x", "-", "ledger-12", "ledger-00000000x1", "l-²²²²²²²²²²"])
def test_what_is_no_job_id_has_no_number(text: str) -> None:
    assert job_number(text) == 0


def test_the_numbers_of_the_statuses_are_those_of_the_protocol() -> None:
    assert [(status.name, int(status)) for status in Status] == [
        ("QUEUED", 1),
        ("RUNNING", 2),
        ("COMPLETED", 3),
        ("FAILED", 4),
        ("CANCELLED", 5),
    ]
