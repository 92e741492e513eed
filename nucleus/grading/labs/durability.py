"""Lab 9: a write-ahead log that loses nothing when the power goes.

The student's ``Log`` keeps its entries on a simulated disk (``disk``). A schedule is a list of
entries. It is run again and again, and each time the power goes in another operation of the
disk; then the log is started on what is left, and asked for what it holds (``lives``).
"""

import random
from collections.abc import Callable, Collection, Iterator
from itertools import product

from nucleus.grading.lab import Lab, Part, Play, PlayIt, Thing
from nucleus.grading.labs.disk import Kept
from nucleus.grading.labs.lives import Lives
from nucleus.grading.witness import Witness

MORE = ("7 submitted after it", "8 completed")  # appended after a recovery, by part D
MOST = 200  # operations in which the power goes; a solution has some dozen

_ODD = ("42", "", "two\nlines", '"quoted"', "Grüße ✓", "a,b;c|d\te", "\x00\x00", " x ", "[1, 2]")
_WORDS = ("submitted", "leased", "completed")


def entries_of(seed: int) -> list[str]:
    """What is appended in the schedule of this number: facts of a ledger, payloads and all."""
    luck = random.Random(f"{seed}/log")
    count = luck.randint(3, 6)
    return [f"{n} {luck.choice(_WORDS)} {luck.choice(_ODD)}" for n in range(1, count + 1)]


# ---- the parts ------------------------------------------------------------------------

New = Callable[[], Lives]
Stories = Callable[[New, list[str], random.Random], Iterator[Lives]]
"""Each story is told with a new log, and judged at its end."""


def _peace(new: New, entries: list[str], luck: random.Random) -> Iterator[Lives]:
    for _ in range(2):  # another log knows nothing of the first
        lives = new()
        lives.start()
        lives.look()
        lives.append(*entries)
        lives.look()
        for _ in range(2):
            lives.stop_and_start()
            lives.look()
        yield lives


def _power_cuts(*ways: Kept) -> Stories:
    """The power goes in each operation of the disk, and each time this is kept."""

    def stories(new: New, entries: list[str], luck: random.Random) -> Iterator[Lives]:
        for cut, kept in product(range(MOST), ways):
            lives = new()
            lives.start(cut=cut)
            lives.append(*entries)
            if not lives.disk.dead:  # there are no more operations
                yield lives
                return
            lives.restart(kept)
            lives.look()
            yield lives

    return stories


def _recoveries(new: New, entries: list[str], luck: random.Random) -> Iterator[Lives]:
    """The power goes in each operation, and then in each operation of the start after it."""
    for cut, kept in product(range(MOST), Kept):
        for again in range(MOST):
            lives = new()
            lives.start(cut=cut)
            lives.append(*entries)
            if not lives.disk.dead:
                yield lives
                return
            lives.restart(kept, again)
            cut_short = lives.disk.dead
            _go_on(lives, luck)
            yield lives
            if not cut_short:
                break


def _go_on(lives: Lives, luck: random.Random) -> None:
    """The log works again, and is started twice more."""
    if lives.disk.dead:
        lives.restart(luck.choice((Kept.NOTHING, Kept.ALL)))
    lives.disk.cut = None
    lives.look()
    lives.append(*MORE)
    lives.restart(Kept.NOTHING)
    lives.look()
    lives.stop_and_start()
    lives.look()


def _playing(stories: Stories) -> PlayIt:
    """One schedule: all stories of a part, until one breaks a promise."""

    def play(thing: Thing, witness: Witness, seed: int, kept: Collection[int] | None) -> Play:
        entries = [e for n, e in enumerate(entries_of(seed)) if kept is None or n in kept]
        luck = random.Random(f"{seed}/power")
        for lives in stories(lambda: Lives(thing, witness, luck), entries, luck):
            found = (lives.finding,) if lives.finding else tuple(witness.findings)
            if found:
                return Play(found, witness.seen, lives.tape.diagram)
        return Play((), witness.seen)

    return play


def _size(seed: int) -> int:
    return len(entries_of(seed))


LAB = Lab(
    "09-durability",
    "Durability",
    "Log",
    (
        Part(
            "A",
            "Written is read",
            2,
            "A log that is ended and started again holds what was appended, in that order.",
            _playing(_peace),
            _size,
            {"read back": "the log held an entry"},
            (
                "Nothing outlives a process but what is on the disk: read it when you start.",
                "An entry may hold anything, line ends among it. Where does yours end?",
                "json.dumps makes one line of any text, and json.loads the text again.",
            ),
        ),
        Part(
            "B",
            "Power cuts",
            3,
            "What append has returned for is there when the power is back, wherever it went.",
            _playing(_power_cuts(Kept.NOTHING, Kept.ALL)),
            _size,
            {Kept.NOTHING.value: "the power went while something was not synced yet"},
            (
                "What is written waits in a cache. When is it on the disk?",
                "When append returns, somebody relies on it. What has to have returned before?",
            ),
        ),
        Part(
            "C",
            "Torn writes",
            3,
            "Of an append that the power cut short, the log holds all or nothing, and what came"
            " before is unharmed.",
            _playing(_power_cuts(Kept.TORN, Kept.ZEROS)),
            _size,
            {
                Kept.TORN.value: "a write was torn",
                Kept.ZEROS.value: "there were zeros where a write should have been",
            },
            (
                "Print disk.read() when you start. What is at its end?",
                "How does a reader know that a record was written to its last byte?",
                "A checksum that is all zeros, of a record that is all zeros: does it fit?",
            ),
        ),
        Part(
            "D",
            "Again and again",
            2,
            "After a recovery the log works as before, and a recovery that is cut short itself is"
            " harmless.",
            _playing(_recoveries),
            _size,
            {Kept.TORN.value: "a write was torn"},
            (
                "Where is the next entry written, when there is half a record at the end?",
                "disk.truncate cuts off what is of no use. Is there a moment in which what is of"
                " use is nowhere on the disk?",
            ),
        ),
    ),
)
