"""The disk of lab 9 loses what a real one may lose, and nothing else; and the log for real."""

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from nucleus.core.events import MasterStarted
from nucleus.grading.code import Code
from nucleus.grading.labs.disk import Disk, Kept, PowerCut
from nucleus.grading.labs.durability import LAB
from nucleus.grading.labs.real_log import RealLog, facts
from nucleus.history.history import History
from nucleus.history.observations import Committed
from tests.labs_support import Solution, name_of, solutions

RIGHT = [s for s in solutions("right") if s.lab is LAB]


def cut_in(operation: int) -> Disk:
    """A disk with 'old' on it, and the power gone in an operation of four."""
    disk = Disk(b"old", operation)
    with suppress(PowerCut):
        disk.write(b"abc")
        disk.sync()
        disk.write(b"def")
        disk.truncate(5)
        disk.sync()
    return disk


def left(operation: int, kept: Kept) -> Iterator[bytes]:
    disk = cut_in(operation)
    return (disk.after(kept, random.Random(seed)) for seed in range(200))


def test_what_was_synced_is_kept_whatever_happens() -> None:
    for operation in range(5):
        for kept in Kept:
            for content in left(operation, kept):
                assert content.startswith(b"old" if operation < 2 else b"oldab")


@pytest.mark.parametrize(
    ("operation", "kept", "expected"),
    [
        (1, Kept.NOTHING, {b"old"}),
        (1, Kept.ALL, {b"oldabc"}),
        (1, Kept.TORN, {b"old", b"olda", b"oldab", b"oldabc"}),
        (1, Kept.ZEROS, {b"old\0\0\0", b"olda\0\0", b"oldab\0", b"oldabc"}),
        (3, Kept.NOTHING, {b"oldabc"}),
        (3, Kept.ALL, {b"oldab"}),
        (3, Kept.TORN, {b"oldabc", b"oldabcd", b"oldabcde", b"oldabcdef"}),
    ],
)
def test_what_was_not_synced_is_kept_or_lost_or_torn(
    operation: int, kept: Kept, expected: set[bytes]
) -> None:
    assert set(left(operation, kept)) == expected


def test_after_the_power_cut_nothing_happens_any_more() -> None:
    disk = cut_in(0)
    for operation in (disk.read, disk.sync, lambda: disk.write(b"x"), lambda: disk.truncate(0)):
        with pytest.raises(PowerCut):
            operation()
    assert disk.after(Kept.ALL, random.Random(0)).startswith(b"oldabc")


def test_a_disk_takes_bytes_and_sizes_that_make_sense() -> None:
    disk = Disk(b"old")
    with pytest.raises(TypeError, match="takes bytes, not str"):
        disk.write("text")  # type: ignore[arg-type]
    for size in (-1, 4, True):
        with pytest.raises(ValueError, match="a file of 3 bytes cannot be cut to"):
            disk.truncate(size)


# ---- for real -------------------------------------------------------------------------


def history() -> History:
    events = (MasterStarted(seq, float(seq), seq) for seq in range(1, 6))
    return History([Committed(event.at, event) for event in events])


@pytest.mark.parametrize("solution", RIGHT, ids=name_of)
def test_a_real_log_loses_what_was_torn_off_and_goes_on(solution: Solution) -> None:
    real = RealLog(solution.code.make())
    told = facts(history())
    real.append(*told)
    assert repr(real) == "5 entries were appended. The log holds 5."
    real.tear(3)
    real.append("and more")
    assert real.entries == [*told[:4], "and more"]
    assert repr(real).endswith("3 bytes were torn off its end. The log holds 5.")


def test_a_real_log_says_what_is_wrong_and_does_not_raise() -> None:
    code = Code("Log", b"class Log:\n    def __init__(self, disk):\n        1 / 0\n", "log.py")
    real = RealLog(code.make())
    real.append("1")
    real.tear(1)
    assert "ZeroDivisionError" in repr(real)


def test_a_grader_does_not_ask_a_real_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    asked: list[object] = []
    real = RealLog(asked.append)  # it would be asked for a log
    real.append("1")
    assert asked == []
    assert repr(real).startswith("Log was not asked")
