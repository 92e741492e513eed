"""``check`` as a student calls it: code in a process of its own, whatever the code does."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nucleus.core.errors import InvalidArgument
from nucleus.grading import check, isolation, require
from nucleus.grading.checking import MOST, verdict_on
from nucleus.grading.code import Code
from nucleus.grading.errors import NotPassed
from nucleus.grading.isolation import judge_apart
from nucleus.grading.judge import Outcome
from nucleus.grading.labs import LABS
from nucleus.grading.verdict import Verdict

RIGHT = """
def accept(job, report):
    holder = job.worker, job.incarnation
    return report.lease == job.lease and holder == (report.worker, report.incarnation)
"""


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., Verdict]:
    """Check the source of ``accept``, with few schedules of part A."""

    def check_source(source: str, part: str = "A", schedules: int = 1, seed: int = 0) -> Verdict:
        path = tmp_path / "mine.py"
        path.write_text(source)
        return check(path, part, lab="05-fencing", schedules=schedules, seed=seed)

    return check_source


def test_right_code_gets_its_points(submit: Callable[..., Verdict]) -> None:
    verdict = submit(RIGHT, schedules=3)
    assert verdict.passed
    assert (verdict.points, verdict.max_points) == (2, 2)


def test_wrong_code_is_shown_the_promise_the_story_and_how_to_play_it_again(
    submit: Callable[..., Verdict],
) -> None:
    verdict = submit("def accept(job, report):\n    return True\n", "B", 2)
    assert (verdict.passed, verdict.points, verdict.max_points) == (False, 0, 3)
    text = " ".join(repr(verdict).split())
    assert "Only the current lease of a job can end an attempt." in text
    assert "re-queued: worker_lost" in text
    assert 'mine.py", lab="05-fencing", part="B", seed=0, schedules=1)' in text
    assert "Traceback" not in text


OPEN = "[n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{{n}}')]"
HOSTILE = [
    ("died", "import os; os._exit(0)"),
    ("died", f"import os; [os.write(n, b'junk\\n') for n in {OPEN}]"),
    ("too-long", "while True: pass"),
    ("forbidden", "import os; os.remove({precious!r})"),
    ("forbidden", "import socket; socket.getaddrinfo('localhost', 80)"),
]


def test_what_is_said_of_an_attempt_is_the_same_in_every_run(
    submit: Callable[..., Verdict],
) -> None:
    text = repr(
        submit("import os\n\n\ndef accept(job, report):\n    os.mkdir(os.getcwd() + '/x')\n")
    )
    assert "make the folder 'x'" in text


@pytest.mark.parametrize(("name", "attack"), HOSTILE)
def test_code_that_attacks_its_process_is_told_so_and_harms_nothing(
    name: str, attack: str, submit: Callable[..., Verdict], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("here")
    body = attack.format(precious=str(precious))
    source = f"def accept(job, report):\n    try:\n        {body}\n    except BaseException: pass\n"
    verdict = submit(source)
    finding = verdict.parts["A"].report.finding
    assert finding is not None
    assert finding.name == name
    assert verdict.points == 0
    assert "Traceback" not in repr(verdict)
    assert precious.read_text() == "here"
    if name != "died":
        assert "mine.py, line 3, in accept" in repr(verdict)


PRINTS = RIGHT.replace("holder =", "print('x' * 100_000)\n    holder =", 1)


def test_what_is_printed_is_shown_and_cut_off(submit: Callable[..., Verdict]) -> None:
    verdict = submit(PRINTS)
    assert verdict.passed
    assert verdict.printed == "x" * 1000 + "…"


def test_memory_is_limited(submit: Callable[..., Verdict]) -> None:
    finding = (
        submit("def accept(job, report):\n    return [0] * 10**10\n").parts["A"].report.finding
    )
    assert finding is not None
    assert "MemoryError" in finding.what


BUSY = """
import time


def accept(job, report):
    enough = time.process_time() + 0.2
    while time.process_time() < enough:
        pass
    return (job.lease, job.status) == (report.lease, "RUNNING")
"""
WAITS = "import select\n\n\ndef accept(job, report):\n    select.select([], [], [])\n"


@pytest.fixture
def judged_in_a_second(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """Judge a source of ``accept`` with more schedules than any machine plays in a second."""
    monkeypatch.setattr(isolation, "LEAST", 1)
    monkeypatch.setattr(isolation, "EACH", 0)

    def judge(source: str, patience: float) -> Verdict:
        monkeypatch.setattr(isolation, "PATIENCE", patience)
        lab = LABS["05-fencing"]
        return verdict_on(lab, Code("accept", source.encode(), "a.py"), lab.parts, MOST)

    return judge


@pytest.mark.parametrize(("source", "patience"), [(RIGHT, 1_000), (WAITS, 1)])
def test_no_time_left_is_no_failure(
    source: str, patience: float, judged_in_a_second: Callable[..., Verdict]
) -> None:
    verdict = judged_in_a_second(source, patience)
    assert [part.outcome for part in verdict.parts.values()] == [Outcome.UNKNOWN] * 4
    assert "Run it again." in repr(verdict)


def test_code_that_takes_the_time_itself_is_told_so(
    judged_in_a_second: Callable[..., Verdict],
) -> None:
    part = judged_in_a_second(BUSY, 1_000).parts["A"]
    assert part.outcome is Outcome.FAIL
    assert part.report.finding is not None
    assert part.report.finding.name == "too-long"


def test_the_same_code_gets_an_equal_verdict_and_one_more_hint_for_each_new_version(
    submit: Callable[..., Verdict],
) -> None:
    hopeless = "def accept(job, report):\n    return False{}\n"
    first, again = submit(hopeless.format("")), submit(hopeless.format(""))
    other = submit(hopeless.format("  # I thought about it"))
    assert first == again
    assert repr(first) == repr(again)
    hints = [len(verdict.parts["A"].hints) for verdict in (first, again, other)]
    assert hints == [hints[0], hints[0], hints[0] + 1]


def test_code_typed_in_a_notebook_is_carried_with_what_it_uses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notebook: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def same(a, b):\n    return a == b\n", "cell-1", "exec"), notebook)
    source = RIGHT.replace("holder == ", "same(holder, ").rstrip() + ")"
    exec(compile(source, "cell-2", "exec"), notebook)
    assert check(notebook["accept"], "A", schedules=1).passed


@pytest.mark.parametrize("module", ["nucleus.core.checks", "nucleus.grading.labs.fencing"])
def test_calling_the_package_for_the_answer_is_no_solution(module: str) -> None:
    notebook: dict[str, Any] = {"__name__": "__main__"}
    source = f"from {module} import refuse_report\ndef accept(job, report):\n"
    exec(source + "    return refuse_report(job, report, report) is None", notebook)
    finding = check(notebook["accept"], "A", schedules=1).parts["A"].report.finding
    assert finding is not None
    assert finding.name == "borrowed-solution"


def test_code_that_cannot_be_carried_is_refused_in_words() -> None:
    notebook: dict[str, Any] = {"__name__": "__main__", "alive": threading.Lock()}
    exec("def accept(job, report):\n    return alive", notebook)
    with pytest.raises(InvalidArgument, match="accept cannot be carried"):
        check(notebook["accept"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"thing": len}, "no lab asks for 'len'"),
        ({"thing": 7}, "no lab asks for '7'"),
        ({"thing": "mine.py"}, "lab: name the lab"),
        ({"thing": "mine.py", "lab": "02-queue"}, "mine.py cannot be read: No such file"),
        ({"thing": "mine.py", "lab": "99"}, "lab: '99' is not allowed"),
        ({"thing": "mine.py", "lab": "02-queue", "part": "Z"}, "part: 'Z' is not allowed"),
        ({"thing": "mine.py", "lab": "02-queue", "schedules": 0}, "schedules: 0 is not allowed"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        check(**arguments)


TYPED = """
import threading
from nucleus.grading import Live, check
alive = threading.Lock()
def accept(job, report): return alive
def accpet(job, report): return True
"""


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("check('nope.py', lab='05-fencing')", "thing: nope.py cannot be read: No such file or"),
        ("check(accept)", "accept cannot be carried to the process that checks it: "),
        ("check(accpet)", "thing: no lab asks for 'accpet'; they ask for first_jobs, "),
        ("Live(accpet)", "thing: no lab asks for 'accpet'; they ask for first_jobs, "),
    ],
)
def test_a_notebook_shows_the_words_of_a_refusal_and_no_stack_trace(
    cell: str, words: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", TYPED + cell]
    environment = os.environ | {"IPYTHONDIR": str(tmp_path)}
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert shown.stdout.decode().startswith(words)
    assert "Traceback" not in shown.stdout.decode()


def test_a_grader_requires_that_all_verdicts_pass(submit: Callable[..., Verdict]) -> None:
    passed, failed = submit(RIGHT), submit("def accept(job, report):\n    return False\n")
    require(passed, passed)
    with pytest.raises(NotPassed) as raised:
        require(passed, failed)
    assert raised.value._render_traceback_() == [repr(failed)]


def test_nothing_is_left_of_a_judgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    judgement = judge_apart("05-fencing", Code("accept", RIGHT.encode(), "a.py"), ["A"], 1, 0)
    assert judgement.done
    assert list(tmp_path.iterdir()) == []


def test_the_words_of_a_verdict_need_no_drawing_library() -> None:
    asks = "import nucleus.grading.checking, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0
