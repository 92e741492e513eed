"""A class, for the tests of grading one: what its students hand in for lab 5."""

from pathlib import Path

from tests.labs_support import ROOT

LAB = "05-fencing"
RIGHT = (ROOT / LAB / "right" / "reasons_to_refuse.py").read_text("utf-8")
WRONG = (ROOT / LAB / "wrong" / "the_lease_is_enough.py").read_text("utf-8")  # in part D
_HOSTILE = "import os\n{before}\n\ndef accept(job, report):\n    {body}\n    return True\n"


def hostile(body: str, before: str = "") -> str:
    """A solution that does ``body`` whenever it is asked, and ``before`` when it is read."""
    return _HOSTILE.format(body=body, before=before)


def enemies(precious: Path) -> dict[str, tuple[str, str]]:
    """Solutions that attack whoever runs them, each with the name of what is found.

    ``precious`` is a file that some of them try to destroy.
    """
    back_door = (
        "import _posixsubprocess, sys\n    while True:\n"
        "        _posixsubprocess.fork_exec([b'/bin/sleep', b'60'], [b'/bin/sleep'], True, (),"
        " None, None, -1, -1, -1, -1, -1, -1, *os.pipe(), True, True, -1, None, None, None, -1,"
        " None, False)"
    )
    return {
        "exits": (hostile("os._exit(0)"), "died"),
        "crashes": (hostile("import ctypes; ctypes.string_at(0)"), "died"),
        "loops": (hostile("while True: pass"), "too-long"),
        "loops_when_read": (hostile("pass", "while True: pass"), "too-long"),
        "forks": (hostile("\n    while True: os.fork()"), "forbidden"),
        "forks_by_the_back_door": (hostile(back_door), "raised"),
        "deletes": (hostile(f"os.remove({str(precious)!r})"), "forbidden"),
        "floods": (hostile("print('x' * 10**7)\n    os.write(1, b'x' * 10**7)"), "moves-are-legal"),
        "eats_memory": (hostile("x = [0] * 10**10"), "raised"),
        "kills_its_judge": (
            hostile(
                "import signal\n"
                "    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGKILL)"
            ),
            "raised",
        ),
    }
