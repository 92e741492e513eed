"""Runs a student's code in a process of its own, and lives to tell what came of it.

The process gets a session of its own, an empty environment and a temporary folder, which is
thrown away with everything in it. It puts itself into a cage (``nucleus.grading.cage``). What
it says is read as JSON, up to a limit, and believed only when it has the shape of a report.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO, Any

from nucleus.grading.code import Code
from nucleus.grading.judge import Report
from nucleus.grading.lab import Finding
from nucleus.grading.labs import LABS
from nucleus.grading.witness import DIED, NO_TIME, expected
from nucleus.history.codec import BadField, decode

# Seconds of the processor. On a slow machine the longest lab takes 0.04 s for a schedule.
LEAST = 120  # for the story of one that fails, however few there are
EACH = 0.25  # more for each schedule
PATIENCE = 2  # times as long by the clock on the wall, for a machine that has other work to do
MOST = 8_000_000  # bytes of answers
LOOK = 0.2  # seconds between two looks whether it is still there
CHUNK = 1 << 16


@dataclass(slots=True)
class Judgement:
    """What a process said before it ended."""

    reports: list[Report] = field(default_factory=list)
    ended: Finding | None = None  # why it did not come to its end
    printed: str = ""
    done: bool = False  # it came to its end


def judge_apart(
    lab: str,
    code: Code,
    parts: list[str] | None,
    schedules: int | None,
    seed: int,
    stop: Event | None = None,
) -> Judgement:
    """Judge ``code`` in a process of its own, which is ended when somebody sets ``stop``."""
    seconds = _seconds(lab, parts, schedules)
    request = {
        "lab": lab,
        "code": code.as_json(),
        "parts": parts,
        "schedules": schedules,
        "seed": seed,
        "seconds": seconds,
    }
    keeps = tempfile.TemporaryDirectory(prefix="nucleus-grading-", ignore_cleanup_errors=True)
    with keeps as folder, tempfile.TemporaryFile() as asked:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        patience = PATIENCE * seconds
        return _understand(*_run(asked, Path(folder), stop or Event(), patience))


def _seconds(lab: str, parts: list[str] | None, schedules: int | None) -> int:
    """How much of the processor's time it may take to judge so much."""
    asked = [part for part in LABS[lab].parts if parts is None or part.name in parts]
    return int(LEAST + EACH * sum(schedules or part.schedules for part in asked))


def _run(asked: IO[bytes], folder: Path, stop: Event, patience: float) -> tuple[bytes, int | None]:
    """Return what the process said, and its exit status; ``None`` when it was not waited for."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "nucleus.grading.child", str(writing)],
        stdin=asked,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writing,),
        start_new_session=True,
        cwd=folder,
        env=_environment(folder),
    )
    os.close(writing)
    with open(reading, "rb", buffering=0) as answers:
        try:
            said = _listen(process, answers, stop, time.monotonic() + patience)
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK)
            return said, process.poll()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it started
            process.wait()


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONHASHSEED": "0",  # or the order of a set would be another each time
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _listen(
    process: "subprocess.Popen[bytes]", answers: IO[bytes], stop: Event, deadline: float
) -> bytes:
    """Everything it says, until it ends, says too much, takes too long or is stopped."""
    said = bytearray()
    while len(said) < MOST and time.monotonic() < deadline and not stop.is_set():
        ended = process.poll() is not None  # looked at first, or its last words could be missed
        if select.select([answers], [], [], 0 if ended else LOOK)[0]:
            chunk = answers.read(CHUNK)
            if not chunk:
                break
            said += chunk
        elif ended:
            break
    return bytes(said)


def _understand(said: bytes, status: int | None) -> Judgement:
    judgement = Judgement()
    for line in said.splitlines():
        try:
            _take(judgement, json.loads(line))
        except (BadField, ValueError, RecursionError, AttributeError):
            judgement.ended = expected(DIED, "It wrote into the channel of whoever checks it.")
            return judgement
    if not judgement.done and judgement.ended is None:
        judgement.ended = _why(status)
    return judgement


def _take(judgement: Judgement, word: dict[str, Any]) -> None:
    if "report" in word:
        judgement.reports.append(decode(word["report"], {"Report": Report}))
    elif "ended" in word:
        judgement.ended = decode(word["ended"], {"Finding": Finding})
    else:
        judgement.done, judgement.printed = True, str(word.get("printed", ""))


def _why(status: int | None) -> Finding:
    if status is None or status in (-signal.SIGKILL, -signal.SIGXCPU):
        # Their code may be why, or a machine with too much to do: it ended before it could tell.
        return expected(NO_TIME, "It did not come to an end, or took more memory than there is.")
    if status < 0:
        return expected(DIED, f"The code crashed its process with signal {-status}.")
    return expected(DIED, f"The code ended its process, with exit code {status} (os._exit?).")
