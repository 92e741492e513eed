"""Small tables, and the one that shows jobs."""

from nucleus.notebook.rows import Rows, job_table
from tests.notebook_support import a_job


def test_rows_are_shown_as_a_table_in_text_and_in_html() -> None:
    rows = Rows(("kind", "at"), (("JobSubmitted", 1.5), ("<b>", None)))
    assert repr(rows).splitlines() == ["kind          at", "JobSubmitted  1.500", "<b>"]
    assert "<td>&lt;b&gt;</td><td></td>" in rows._repr_html_()


def test_a_long_answer_says_how_much_is_not_shown() -> None:
    rows = Rows(("n",), tuple((n,) for n in range(1_025)))
    assert repr(rows).splitlines()[-1] == "and 1,005 more"
    assert "<p>and 1,005 more</p>" in rows._repr_html_()


def test_a_job_is_a_row_with_what_was_asked_and_what_came_of_it() -> None:
    table = job_table([a_job(payload={"p": 1}, result="é", submitted_at=100.0, started_at=101.5)])
    assert table.rows == (("1", "Sleep", '{"p": 1}', "COMPLETED", '"é"', "worker-1", 1, 1.5, 0.5),)
    assert repr(table).splitlines()[0].endswith("attempts  waited s  ran s")


def test_a_job_that_has_no_result_shows_its_error_and_no_times_that_it_does_not_have() -> None:
    waiting = a_job(status="QUEUED", worker="", result=None, started_at=None, finished_at=None)
    failed = a_job(status="FAILED", result=None, error="no luck")
    assert [row[4] for row in job_table([waiting, failed]).rows] == ["", "no luck"]
    assert job_table([waiting]).rows[0][-2:] == (None, None)


def test_a_long_payload_is_cut() -> None:
    [row] = job_table([a_job(payload="x" * 100)]).rows
    assert len(row[2]) == 40
    assert row[2].endswith("…")
