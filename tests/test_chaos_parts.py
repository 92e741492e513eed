"""The pieces of chaos: diaries that outlive their writers, new lives that remember, the report."""

from collections import Counter
from pathlib import Path

from rich.console import Console

from nucleus.cli.chaos import frame
from nucleus.cluster.chaos import Progress
from nucleus.cluster.chaos.client import remember
from nucleus.cluster.chaos.diary import Diary, Reader
from nucleus.cluster.chaos.report import fault_rows
from nucleus.core.events import Event, JobRequeued, MasterStarted, ResultRejected, WorkerLost
from nucleus.core.lifecycle import Status
from nucleus.core.news import Acknowledged, Ended
from nucleus.history import History
from nucleus.history.observations import (
    Committed,
    Fault,
    Observation,
    Submitted,
    Told,
    Unanswered,
)


def asked(seq: int, key: str = "", client: str = "a") -> Submitted:
    return Submitted(1.0, client, seq, "Echo", '{"n": 1}', priority=1, key=key)


def acknowledged(seq: int, client: str = "a") -> Told:
    return Told(2.0, client, seq, Acknowledged(seq, f"job-{seq}"))


def ended(seq: int, client: str = "a") -> Told:
    return Told(3.0, client, seq, Ended(seq, f"job-{seq}", Status.COMPLETED, "1"))


# ---- diaries --------------------------------------------------------------------------


def test_a_diary_is_read_while_it_is_written_each_line_once(tmp_path: Path) -> None:
    file = tmp_path / "diary"
    reader = Reader(file)
    assert reader.news() == []
    diary = Diary(file)
    seen: list[Observation] = [asked(1), acknowledged(1), ended(1)]
    diary.note(seen[0])
    assert reader.news() == seen[:1]
    diary.note(seen[1])
    diary.note(seen[2])
    assert reader.news() == seen[1:]
    assert reader.news() == []
    diary.close()


def test_a_line_that_was_cut_off_by_a_death_does_not_hide_the_next(tmp_path: Path) -> None:
    file = tmp_path / "diary"
    first = Diary(file)
    first.note(asked(1))
    first.close()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    reader = Reader(file)
    assert reader.news() == [asked(1)]
    second = Diary(file)
    second.note(asked(2))
    second.close()
    assert reader.news() == [asked(2)]


def test_a_new_life_asks_again_under_the_keys_that_were_not_answered() -> None:
    past = remember([asked(1, "k1"), asked(2, "k2"), asked(3), acknowledged(1)])
    options = {
        "priority": 1,
        "delay": 0.0,
        "max_attempts": 3,
        "timeout": None,
        "idempotency_key": "k2",
    }
    assert past.unanswered == [("Echo", {"n": 1}, options)]


def test_a_new_life_follows_the_jobs_whose_end_was_not_heard() -> None:
    diary = [asked(1), asked(2), asked(3), acknowledged(1), acknowledged(2), ended(1)]
    past = remember([*diary, Told(3.0, "a", 3, Unanswered(3, definite=True))])
    assert past.running == {("a", 2): "job-2"}


def test_a_new_life_knows_how_many_there_were_before() -> None:
    assert remember([]).lives == 0
    assert remember([asked(1), asked(2)]).lives == 1
    assert remember([asked(1), asked(1, client="b")]).lives == 2


# ---- the report -----------------------------------------------------------------------


def committed(event: Event) -> Committed:
    return Committed(event.at + 5.0, event)  # seen much later


def lost(at: float, worker: str) -> Committed:
    return committed(WorkerLost(1, at, worker, "i", "silence"))


def requeued(at: float, worker: str, reason: str) -> Committed:
    return committed(
        JobRequeued(
            seq=2,
            at=at,
            job_id="job",
            lease=1,
            worker=worker,
            reason=reason,
            error="",
            output="",
            attempts=1,
            not_before=at,
            front=True,
            suspect=True,
            run_seconds=0.0,
        )
    )


def rows(*observations: Observation) -> dict[tuple[str, str], dict[str, int]]:
    """The consequences of faults, without those that did not happen."""
    history = History(list(observations), settings={"worker_timeout": 2.0})
    return {
        (row.how, row.who): {name: n for name, n in row.consequences.items() if n}
        for row in fault_rows(history)
    }


def test_faults_of_one_kind_are_one_row() -> None:
    history = History([Fault(1.0, 2.5, "mute", "worker-1"), Fault(4.0, 5.0, "mute", "worker-3")])
    [row] = fault_rows(history)
    assert (row.how, row.who, row.times, row.seconds) == ("mute", "worker", 2, 2.5)


def test_a_consequence_belongs_to_the_last_fault_of_its_worker() -> None:
    found = rows(
        Fault(1.0, 2.0, "slow", "worker-1"),
        Fault(10.0, 13.0, "freeze", "worker-1"),
        Fault(10.5, 11.0, "mute", "worker-2"),
        lost(12.2, "worker-1"),
        requeued(12.2, "worker-1", "worker_lost"),
        committed(ResultRejected(3, 13.1, "job", 1, "worker-1", "stale_lease")),
    )
    consequences = {"workers lost": 1, "re-queued": 1, "late results refused": 1}
    assert found == {
        ("freeze", "worker"): consequences,
        ("mute", "worker"): {},
        ("slow", "worker"): {},
    }


def test_what_comes_long_afterwards_is_no_consequence_and_neither_is_a_failure() -> None:
    found = rows(
        Fault(1.0, 2.0, "slow", "worker-1"),
        requeued(1.5, "worker-1", "failed"),
        lost(60.0, "worker-1"),
    )
    assert found == {("slow", "worker"): {}}


def test_a_master_that_begins_is_a_consequence_of_the_death_of_the_one_before() -> None:
    found = rows(
        committed(MasterStarted(1, 0.5, 1)),
        Fault(1.0, 2.0, "crash", "master"),
        committed(MasterStarted(9, 1.9, 2)),
    )
    assert found == {("crash", "master"): {"masters begun": 1}}


def test_the_picture_says_how_far_it_is() -> None:
    progress = Progress("breaking", 75.0, Counter(crash=3, mute=12), acknowledged=1234, ended=1200)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(frame(progress))
    lines = [" ".join(line.split()) for line in captured.get().splitlines() if line.strip()]
    assert lines[0] == "breaking, 1 min 15 s left"
    assert lines[1] == "1,234 acknowledged · 1,200 ended · 34 on their way"
    assert lines[2] == "crash mute"
    assert lines[-1] == "3 12"
