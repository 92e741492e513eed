"""The cage: what a student's code cannot do, and what it may."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFINED = """
import os, sys
from pathlib import Path
from nucleus.grading.landlock import confine
if not confine(Path.cwd()):
    sys.exit(77)
Path("mine").write_text("x")
assert Path(sys.argv[1]).read_text() == "here"
for attempt in (os.unlink, os.truncate, os.rename, lambda path, *_: open(path, "w"), os.mkdir):
    arguments = {os.truncate: (sys.argv[1], 0), os.rename: (sys.argv[1], sys.argv[1] + "2"),
                 os.mkdir: (sys.argv[1] + "3",)}
    try:
        attempt(*arguments.get(attempt, (sys.argv[1],)))
    except PermissionError:
        continue
    sys.exit(f"{attempt} went through")
"""

FENCED = """
import os, sys
from nucleus.grading.cage import Fence, Forbidden
noted = []
Fence(lambda what, frame: noted.append(what)).close()
try:
    {body}
except Forbidden:
    print(*noted)
"""


def run(source: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", source, *arguments]
    here = str(Path(__file__).resolve().parents[1])
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={"PYTHONPATH": here}
    )


def test_landlock_lets_nothing_change_outside_of_a_folder(tmp_path: Path) -> None:
    inside, precious = tmp_path / "inside", tmp_path / "precious"
    inside.mkdir()
    precious.write_text("here")
    done = run(CONFINED, str(precious), cwd=inside)
    if done.returncode == 77:
        pytest.skip("this kernel has no Landlock")
    assert done.returncode == 0, done.stderr
    assert precious.read_text() == "here"


@pytest.mark.parametrize(
    ("body", "noted"),
    [
        ("os.remove('a')", "delete the file 'a'"),
        ("__import__('shutil').rmtree('a')", "delete the folder 'a'"),
        ("open('a', 'w')", "write to the file 'a'"),
        ("os.open('a', os.O_RDWR)", "write to the file 'a'"),
        ("os.system('true')", "run the command b'true'"),
        ("__import__('subprocess').run(['true'])", "start the program 'true'"),
        ("os.fork()", "start another process"),
        ("os.kill(1, 9)", "send a signal to process 1"),
        ("__import__('socket').socket()", "use the network"),
        ("__import__('ctypes').CDLL(None)", "load the library None"),
    ],
)
def test_what_a_solution_has_no_use_for_is_refused_and_named(
    body: str, noted: str, tmp_path: Path
) -> None:
    done = run(FENCED.format(body=body), cwd=tmp_path)
    assert done.stdout.strip() == noted, done.stderr


def test_reading_and_importing_are_allowed(tmp_path: Path) -> None:
    done = run(FENCED.format(body="import decimal; open(decimal.__file__).read()"), cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
