"""What can go wrong, by name: the table that ``--faults`` chooses from.

A *spell* is in force for a while and hits each message, commit or run with some chance. A
*blow* happens at one moment. *Standing* faults are part of how a seed's cluster is made.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nucleus.core.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    name: str
    group: str
    text: str  # what happens, in words
    rate: float = 0.0  # of a spell: the highest chance each time; 0 for others
    weight: int = 0  # of a blow: how often, beside the others; 0 for others


KINDS = (
    Kind("delay", "network", "a message takes long", rate=0.2),
    Kind("lost-request", "network", "a message to the master is lost", rate=0.3),
    Kind("lost-reply", "network", "a message from the master is lost", rate=0.3),
    Kind("duplicate", "network", "a request arrives twice", rate=0.4),
    Kind("reorder", "network", "a message is overtaken by a later one", rate=0.4),
    Kind("broken-stream", "network", "a connection breaks while a stream is written", rate=0.2),
    Kind("partition", "network", "nothing passes between a part and the master", weight=3),
    Kind("one-way", "network", "nothing passes in one direction", weight=3),
    Kind("worker-crash", "workers", "a worker dies at once", weight=3),
    Kind("worker-pause", "workers", "a worker stands still, for less than the timeout", weight=2),
    Kind("zombie", "workers", "a worker stands still until it was given up, and returns", weight=2),
    Kind("replaced", "workers", "a worker is started again while its old self lives", weight=1),
    Kind("dismissed", "workers", "a worker drains and says goodbye", weight=3),
    Kind("slow-worker", "workers", "runs take several times as long", rate=0.9),
    Kind("killer-job", "workers", "a job takes its worker down"),
    Kind("stray-report", "workers", "a worker reports a lease that is another's", weight=2),
    Kind("worker-clock", "workers", "a worker's clock is up to an hour off"),
    Kind("master-crash", "master", "the master dies; what is not on the disk is lost", weight=2),
    Kind("master-stop", "master", "the master stops cleanly, and is started again", weight=1),
    Kind("master-pause", "master", "the master stands still", weight=2),
    Kind("take-over", "master", "a second master leads, and the first believes it does", weight=2),
    Kind("master-clock", "master", "a restarted master's clock is off"),
    Kind("slow-store", "store", "the disk takes seconds", rate=0.2),
    Kind("refused-commit", "store", "the disk refuses, before COMMIT", rate=0.04),
    Kind("failed-commit", "store", "COMMIT fails, and may have happened", rate=0.04),
    Kind("failed-read", "store", "what is on the disk cannot be read", rate=0.2),
    Kind("retention", "store", "the past is trimmed while people still look at it"),
    Kind("client-crash", "clients", "a client dies, and another begins", weight=2),
    Kind("slow-client", "clients", "a client stands still, and its watch falls behind", weight=2),
)
BY_NAME = {kind.name: kind for kind in KINDS}
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS))
SHORT = {"loss": ("lost-request", "lost-reply")}  # what people call several at once
ALL = frozenset(BY_NAME)


def choose(text: str) -> frozenset[str]:
    """The names in ``text``: kinds, groups, ``loss``, ``all`` or ``none``, with commas between.

    Raises ``InvalidArgument`` for a word that names none.
    """
    chosen: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        chosen.update(_named(word))
    return frozenset(chosen)


def _named(word: str) -> Iterable[str]:
    if word == "all":
        return ALL
    if word == "none":
        return ()
    if word in BY_NAME:
        return (word,)
    if word in SHORT:
        return SHORT[word]
    if word in GROUPS:
        return (kind.name for kind in KINDS if kind.group == word)
    allowed = ", ".join(("all", "none", *GROUPS, *SHORT, *BY_NAME))
    raise InvalidArgument(f"faults: {word!r} is not allowed; known are {allowed}")
