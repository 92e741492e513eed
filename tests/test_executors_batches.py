"""Tasks are sent to a child ahead, and taken back when that would do harm."""

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nucleus.services.worker.executors.slots as slots_module
from nucleus.core.clock import ManualClock
from nucleus.jobs import JobType
from nucleus.jobs.wire import NONSENSE, Unpacker
from nucleus.services.worker.executors.slots import AHEAD, OVERHEAD, Slot
from tests.executors_support import Jobs, one_slot, process_jobs, task
from tests.support import eventually

jobs = process_jobs
single = one_slot


def wait_for(path: str) -> str:
    """A job that goes on until the file exists, and tells that it has begun."""
    Path(path + ".began").touch()
    eventually(Path(path).exists)
    return path


def note(line: list[str]) -> None:
    """A job that writes down that it ran."""
    with open(line[0], "a") as file:
        file.write(line[1])


class Gate:
    """What ``wait_for`` waits for."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "gate")

    def began(self) -> bool:
        return Path(self.path + ".began").exists()

    def open(self) -> None:
        Path(self.path).touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def in_child(jobs: Jobs) -> list[int]:
    """How many tasks each child has."""
    return [len(slot.tasks) for slot in jobs.executor._slots]


def test_quick_jobs_are_sent_ahead_and_answered_in_order(single: Jobs) -> None:
    single.warm_up()
    most = 0
    leases = single.submit_many("Echo", list(range(2000)))
    ended = []
    for _ in leases:
        ended.append(single.ended())
        most = max(most, *in_child(single))
    assert [report.lease for report in ended] == leases
    assert [report.result for report in ended] == [str(n) for n in range(2000)]
    assert 1 < most <= AHEAD / OVERHEAD


def test_slow_jobs_are_sent_one_by_one(single: Jobs) -> None:
    leases = single.submit_many("Sleep", [0.03] * 5)
    for lease in leases:
        assert single.ended().lease == lease
        assert max(in_child(single)) <= 1


def test_what_waits_behind_a_slow_job_is_done_by_the_other_child(jobs: Jobs, gate: Gate) -> None:
    eventually(lambda: all(slot.warm for slot in jobs.executor._slots))
    jobs.warm_up()
    [slow] = jobs.submit_many(wait_for, [gate.path])
    quick = jobs.submit_many("Echo", list(range(200)))
    assert sorted(jobs.ended().lease for _ in quick) == quick
    assert jobs.executor.running == (slow,)
    gate.open()
    assert jobs.ended().lease == slow


def test_what_is_taken_back_runs_in_the_order_received(single: Jobs, tmp_path: Path) -> None:
    single.registry.get("Echo")
    path, gate = str(tmp_path / "lines"), Gate(tmp_path)
    single.run(note, [path, ""])
    single.warm_up()
    slow = single.submit(wait_for, gate.path)
    single.submit_many(note, [[path, f"{n} "] for n in range(30)])
    eventually(gate.began)
    eventually(lambda: in_child(single) == [1])
    single.submit_many(note, [[path, f"{n} "] for n in range(30, 40)])
    gate.open()
    assert [single.ended().lease for _ in range(41)] == list(range(slow, slow + 41))
    assert Path(path).read_text().split() == [str(n) for n in range(40)]


def test_a_child_that_dies_is_charged_with_the_job_that_it_ran(
    single: Jobs, tmp_path: Path
) -> None:
    def die(_: Any) -> None:
        os._exit(3)

    path = str(tmp_path / "lines")
    single.run(note, [path, ""])
    single.warm_up()
    before = single.submit_many("Echo", list(range(5)))
    killer = single.submit(die)
    after = single.submit_many(note, [[path, f"{n} "] for n in range(20)])
    ended = [single.ended() for _ in range(26)]
    assert [report.lease for report in ended] == [*before, killer, *after]
    assert [report.lease for report in ended if report.error] == [killer]
    assert Path(path).read_text().split() == [str(n) for n in range(20)]


def test_a_timeout_counts_from_when_the_job_itself_begins(single: Jobs) -> None:
    single.warm_up()
    leases = single.submit_many("Sleep", [0.12] * 4, timeout=0.4)
    ended = [single.ended() for _ in leases]
    assert [report.error for report in ended] == [None] * 4


def test_a_timeout_kills_nobody_but_the_job_that_took_too_long(single: Jobs) -> None:
    single.warm_up()
    overdue = single.submit("Sleep", 60, timeout=0.2)
    others = single.submit_many("Echo", list(range(20)))
    ended = [single.ended() for _ in range(21)]
    assert [report.lease for report in ended] == [overdue, *others]
    assert [report.lease for report in ended if report.error] == [overdue]


def test_a_task_that_waits_in_a_child_can_be_cancelled_and_nobody_is_killed(
    single: Jobs, tmp_path: Path
) -> None:
    path, gate = str(tmp_path / "lines"), Gate(tmp_path)
    single.run(note, [path, ""])
    single.warm_up()
    pids = single.executor.pids
    slow = single.submit(wait_for, gate.path)
    leases = single.submit_many(note, [[path, f"{n} "] for n in range(10)])
    assert single.executor.cancel(leases[4])
    gate.open()
    others = [slow, *leases[:4], *leases[5:]]
    assert [single.ended().lease for _ in others] == others
    assert single.no_report_comes()
    assert Path(path).read_text().split() == [str(n) for n in range(10) if n != 4]
    assert single.executor.pids == pids


def test_cancelling_what_runs_costs_those_behind_it_nothing(single: Jobs, gate: Gate) -> None:
    single.warm_up()
    slow = single.submit(wait_for, gate.path)
    leases = single.submit_many("Echo", list(range(10)))
    eventually(gate.began)
    assert single.executor.cancel(slow)
    ended = [single.ended() for _ in leases]
    assert [(report.lease, report.error) for report in ended] == [(n, None) for n in leases]
    assert single.no_report_comes()


def test_what_has_not_begun_can_be_withdrawn(single: Jobs, gate: Gate) -> None:
    single.warm_up()
    slow = single.submit(wait_for, gate.path)
    leases = single.submit_many("Echo", list(range(300)))
    withdrawn = single.executor.withdraw()
    assert withdrawn in (leases, [slow, *leases]), "it may have begun by now, and nothing else"
    assert single.executor.withdraw() == []
    gate.open()
    assert slow in withdrawn or single.ended().lease == slow
    assert single.no_report_comes()


def test_every_task_ends_once_however_often_others_are_cancelled(single: Jobs) -> None:
    single.warm_up()
    leases = single.submit_many("Echo", list(range(600)))
    cancelled = {lease for lease in leases[::7] if single.executor.cancel(lease)}
    expected = [lease for lease in leases if lease not in cancelled]
    assert [single.ended().lease for _ in expected] == expected
    assert single.no_report_comes()


def test_what_a_job_of_many_prints_is_its_own(single: Jobs) -> None:
    def speak(number: int) -> None:
        if number % 3 == 0:
            os.write(1, f"number {number}\n".encode() * 50)

    single.run(speak, 1)
    single.warm_up()
    leases = single.submit_many(speak, list(range(100)))
    ended = [single.ended() for _ in leases]
    expected = [f"number {n}\n" * 50 if n % 3 == 0 else "" for n in range(100)]
    assert [report.output for report in ended] == expected


def test_what_a_slow_job_of_many_prints_is_its_own(single: Jobs) -> None:
    def speak_slowly(number: int) -> None:
        if number == 20:
            for _ in range(3):
                os.write(1, b"slowly\n")
                time.sleep(0.03)  # the slow work itself: longer than what counts as quick

    single.run(speak_slowly, 1)
    single.warm_up()
    leases = single.submit_many(speak_slowly, list(range(60)))
    ended = [single.ended() for _ in leases]
    assert [report.lease for report in ended] == leases
    assert {n: report.output for n, report in enumerate(ended) if report.output} == {
        20: "slowly\n" * 3
    }


class StubChild:
    """A child that takes everything and says nothing."""

    ready, killed = True, False

    def run(self, tasks: list[Any]) -> None: ...

    def drain(self) -> bytes:
        return b""


def test_a_timeout_of_a_task_sent_ahead_does_not_run_while_another_job_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Slot()
    monkeypatch.setattr(slot, "child", StubChild())
    clock = ManualClock(100.0)
    monkeypatch.setattr(slots_module, "time", SimpleNamespace(monotonic=clock.now))
    slot.give([task(1, "Echo", "1", 5.0), task(2, "Echo", "2", 7.0)])
    assert slot.timeout_at == 105.0
    clock.advance(4.0)
    [report], _ = slot.hear([[1, 3.5, "1", None, "", False]])
    assert (report.lease, report.run_seconds, slot.timeout_at) == (1, 3.5, 111.0)


@pytest.mark.parametrize(
    "nonsense",
    [
        5,
        None,
        {},
        [],
        [3, 0.1, "1", None, "", False],  # not the next one
        [2, "long", "1", None, "", False],
        [2, 0.1, 1, None, "", False],
        [2, 0.1, "1", None, None, False],
        [2, 0.1, "1", None, ""],
    ],
)
def test_good_answers_count_although_nonsense_follows(
    monkeypatch: pytest.MonkeyPatch, nonsense: Any
) -> None:
    slot = Slot()
    monkeypatch.setattr(slot, "child", StubChild())
    slot.give([task(n, "Echo", str(n)) for n in (1, 2, 3)])
    first, second = ([n, 0.1, str(n), None, "", False] for n in (1, 2))
    reports, sane = slot.hear([first, nonsense, second])
    assert ([report.lease for report in reports], sane) == ([1], False)
    assert [waiting.lease for waiting in slot.tasks] == [2, 3]


def test_a_line_that_is_no_json_hides_no_other_line() -> None:
    unpacker = Unpacker()
    assert unpacker.feed(b"[1]\n[2") == [[1]]
    assert unpacker.feed(b", 3]\noops\n\n[4]\n") == [[2, 3], NONSENSE, NONSENSE, [4]]


def test_answers_that_come_with_nonsense_are_reported(single: Jobs) -> None:
    """The jobs before the one that meddled have ended, and are not charged with its death."""

    def meddle(_: None) -> None:
        channel = int(sys.argv[1])
        os.write(channel, b"oops\n")
        signal.pause()  # until it is killed

    single.registry.register(JobType("meddle", meddle))
    single.warm_up()
    quick = [task(single.lease + n, "Echo", str(n)) for n in range(1, 6)]
    meddler = task(single.lease + 6, "meddle", "null")
    single.executor.submit([*quick, meddler])
    ended = [single.ended() for _ in range(6)]
    assert [report.error for report in ended[:5]] == [None] * 5
    assert (ended[5].lease, ended[5].error) == (
        meddler.lease,
        "the process running the job died (SIGKILL)",
    )


def test_a_slot_without_a_child_has_no_room() -> None:
    slot = Slot()
    assert (slot.room, slot.warm, slot.take_back(), slot.timeout_at) == (0, False, [], float("inf"))
