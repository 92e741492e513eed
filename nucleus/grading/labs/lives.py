"""The lives of a log: what lab 9 does to it, and what must be in it afterwards."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nucleus.grading.facade import Facade
from nucleus.grading.lab import Finding, Thing
from nucleus.grading.labs.disk import Disk, Kept, PowerCut
from nucleus.grading.witness import Witness
from nucleus.history.diagram import Arrow, Diagram, Mark

READ_BACK = "what-is-written-is-read"
KEPT = "acknowledged-is-kept"
INVENTED = "nothing-invented"
PROMISES = {
    READ_BACK: "The log holds what was appended, all of it, in that order.",
    KEPT: "What append has returned for is in the log, whatever happens afterwards.",
    INVENTED: "The log holds nothing but what was appended: whole, once, and in order.",
}
CALL = 0.001  # seconds, simulated
CLIENT, LOG, DISK = "client", "log", "disk"


@dataclass(slots=True)
class Tape:
    """What happened in one run, as a picture needs it."""

    now: float = 0.0  # seconds, simulated
    arrows: list[Arrow] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def send(self, sender: str, receiver: str, what: str, seconds: float = CALL) -> None:
        """A call, or its answer."""
        self.arrows.append(Arrow(self.now, self.now + seconds, sender, receiver, what))
        self.now += seconds

    def mark(self, lifeline: str, what: str, *, fault: bool = False) -> None:
        """Something happened to one of them."""
        self.marks.append(Mark(self.now, lifeline, what, fault=fault))
        self.now += CALL

    def diagram(self) -> Diagram:
        """The picture."""
        return Diagram((CLIENT, LOG, DISK), tuple(self.arrows), tuple(self.marks))


class Lives:
    """The lives of one log, one after the other, on what is left of the disk each time."""

    def __init__(self, thing: Thing, witness: Witness, luck: random.Random) -> None:
        self._thing, self._witness, self._luck = thing, witness, luck
        self.tape = Tape()
        self.finding: Finding | None = None
        self.disk = Disk()
        self._log: Any = None
        self._sure: list[str] = []  # what has to be in the log
        self._perhaps: list[str] = []  # what may be: its append was cut short
        self._powered_off = False  # at some time

    @property
    def alive(self) -> bool:
        """Whether the power is on and nothing was found."""
        return not self.disk.dead and self.finding is None and not self._witness.findings

    def start(self, content: bytes = b"", cut: int | None = None) -> None:
        """Start the log on a disk with this content."""
        self.disk = Disk(content, cut, lambda what, s: self.tape.send(LOG, DISK, what, s))
        self.tape.mark(LOG, "starts")
        self._call("Log", self._made)

    def _made(self) -> None:
        disk = Facade(self.disk, "read", "write", "truncate", "sync")
        self._log = self._thing(disk)  # not an answer: how it prints depends on its address

    def append(self, *entries: str) -> None:
        """Append, while the power is on."""
        for entry in entries:
            if self.alive:
                self._append(entry)

    def _append(self, entry: str) -> None:
        self.tape.send(CLIENT, LOG, f"append {entry.split()[0]}")
        self._call("Log.append", lambda text: self._log.append(text), entry)
        if self.disk.dead:
            self._perhaps = [entry]
        else:
            self.tape.send(LOG, CLIENT, "done")
            self._sure.append(entry)

    def look(self) -> None:
        """Ask for the entries, and compare."""
        if not self.alive:
            return
        self.tape.send(CLIENT, LOG, "entries")
        got = self._call("Log.entries", lambda: self._log.entries())
        if type(got) is not list or any(type(entry) is not str for entry in got):
            if self.alive:
                self._witness.wrong(f"entries returned {self._witness.said:.80}, not a list of str")
            return
        self.tape.send(LOG, CLIENT, f"{len(got)} entr{'y' if len(got) == 1 else 'ies'}")
        if got in (self._sure, self._sure + self._perhaps):
            self._sure, self._perhaps = got, []
            self._witness.seen["read back"] += bool(got)
        else:
            self._differs(got)

    def _differs(self, got: list[str]) -> None:
        lost = next((entry for entry in self._sure if entry not in got), None)
        if lost is not None:
            name, what = KEPT, f"append({lost!r}) had returned, and it is not in the log."
        else:
            strange = [entry for entry in got if entry not in self._sure + self._perhaps]
            why = f"Nobody appended {strange[0]!r:.60}" if strange else "That is not the order"
            holds, appended = _numbers(got), _numbers(self._sure)
            name, what = INVENTED, f"{why}: the log holds {holds}; appended were {appended}."
        if not self._powered_off:
            name = READ_BACK
        self.finding = Finding(name, PROMISES[name], what, self.tape.now)
        self.tape.mark(LOG, "here the promise breaks", fault=True)

    def restart(self, kept: Kept, cut: int | None = None) -> None:
        """The power goes, if it is not gone already; then the log starts on what is left."""
        if self.finding is not None or self._witness.findings:
            return
        left, all_of_it = (self.disk.after(what, self._luck) for what in (kept, Kept.ALL))
        self._powered_off = True
        self._witness.seen[kept.value] += left != all_of_it
        self.tape.mark(DISK, f"power cut: {_kept(left, all_of_it)}", fault=True)
        self.start(left, cut)

    def stop_and_start(self) -> None:
        """In all peace; everything is kept."""
        if self.alive:
            self.tape.mark(LOG, "ends")
            self.start(self.disk.after(Kept.ALL, self._luck))

    def _call(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """What their code answers, until the power goes; ``name`` is what a finding calls it."""

        def until_the_power_goes(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except BaseException as error:
                if isinstance(error, PowerCut) or self.disk.dead:
                    return None  # what it makes of a dead disk does not matter
                raise

        self._witness.entry = name
        return self._witness.ask(until_the_power_goes, *arguments)


def _kept(left: bytes, all_of_it: bytes) -> str:
    """What is left, in words that fit into a picture."""
    zeros = len(left) - len(left.rstrip(b"\0"))
    if zeros and left != all_of_it:
        return f"{len(left)} bytes, {zeros} zeros"
    return f"{len(left)} of {len(all_of_it)} bytes"


def _numbers(entries: list[str]) -> str:
    """The entries by number, in words; what has none as it is."""
    words = (entry.split(" ")[0] if entry[:1].isdigit() else repr(entry)[:20] for entry in entries)
    return ", ".join(words) or "nothing"
