"""How commands show times, and tables on a narrow terminal."""

import pytest
from rich.console import Console

from nucleus.cli.output import age, duration, jobs_table
from nucleus.client import JobView

JOB = JobView(
    id="abc123-0000000017",
    job_type="AJobTypeWithALongName",
    payload={"text": "[bold]a long payload[/bold] " * 20},
    status="COMPLETED",
    result=["one line\nand another"] * 20,
    error="",
    output="",
    worker="a-machine-with-a-very-long-name.example.org-12345",
    attempts=1,
    max_attempts=3,
    priority=0,
    submitted_at=1.0,
    started_at=2.0,
    finished_at=3.5,
    retry_of="",
)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_job_is_one_line_with_its_id_and_status_whole(width: int) -> None:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(jobs_table([JOB]))
    _, _, *rows = captured.get().splitlines()
    assert len(rows) == 1
    assert len(rows[0]) <= width
    assert JOB.id in rows[0]
    assert "COMPLETED" in rows[0]
    assert " 1/3 " in rows[0]
    assert " 1.5 s " in rows[0]


def test_what_a_job_says_is_never_markup() -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(jobs_table([JOB]))
    assert "[bold]a long payload[/bold]" in captured.get()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.012, "12 ms"),
        (0.9999, "1.0 s"),
        (3.44, "3.4 s"),
        (59.96, "1 min 0 s"),
        (310, "5 min 10 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_told_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_ages_are_told_in_seconds_as_long_as_that_is_short() -> None:
    assert (age(0.04), age(9.96), age(75)) == ("0.0 s", "10.0 s", "1 min 15 s")
