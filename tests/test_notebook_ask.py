"""Plain SQL on a store file, for reading only."""

import sqlite3
from pathlib import Path

import pytest

from nucleus.client import Client
from nucleus.notebook.ask import ask
from nucleus.notebook.rows import Rows
from tests.support import running_master, running_worker


def test_a_running_masters_file_can_be_asked_and_not_changed(tmp_path: Path) -> None:
    store = tmp_path / "jobs #1.db"
    with running_master(str(store)) as master, running_worker(master.address):
        with Client(master.address) as client:
            assert client.submit("Echo", "hello").result(60) == "hello"
        rows = ask(store, "SELECT payload, status FROM jobs")
        assert rows == Rows(("payload", "status"), (('"hello"', 3),))
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ask(store, "DELETE FROM submits")
    assert ask(store, "SELECT count(*) FROM jobs").value == 1


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        ask(tmp_path / "none.db", "SELECT 1")
    assert list(tmp_path.iterdir()) == []
