"""Plain SQL on a store file, for reading only."""

import sqlite3
from pathlib import Path

import pytest

from nucleus.client import Client
from nucleus.notebook.ask import Rows, ask
from tests.support import running_master, running_worker


def test_a_running_masters_file_can_be_asked_and_not_changed(tmp_path: Path) -> None:
    store = tmp_path / "jobs #1.db"
    with running_master(str(store)) as master, running_worker(master.address):
        with Client(master.address) as client:
            assert client.submit("Echo", "hello").result(20) == "hello"
        rows = ask(store, "SELECT payload, status FROM jobs")
        assert rows == Rows(("payload", "status"), (('"hello"', 3),))
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ask(store, "DELETE FROM jobs")
    assert ask(store, "SELECT count(*) FROM jobs").value == 1


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        ask(tmp_path / "none.db", "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_rows_are_shown_as_a_table_in_text_and_in_html() -> None:
    rows = Rows(("kind", "at"), (("JobSubmitted", 1.5), ("<b>", None)))
    assert repr(rows).splitlines() == ["kind          at", "JobSubmitted  1.500", "<b>"]
    assert "<td>&lt;b&gt;</td><td></td>" in rows._repr_html_()


def test_a_long_answer_says_how_much_is_not_shown() -> None:
    rows = Rows(("n",), tuple((n,) for n in range(1_025)))
    assert repr(rows).splitlines()[-1] == "and 1,005 more"
    assert "<p>and 1,005 more</p>" in rows._repr_html_()
