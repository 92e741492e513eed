"""How long the past is kept, as it is asked for on a command line."""

import sqlite3
from contextlib import closing
from math import inf
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nucleus.cluster import Cluster
from nucleus.core.retention import Retention
from nucleus.services.common.options import retention_arguments, retention_options, settings
from tests.support import eventually


@click.command(context_settings=settings("keeper"))
@retention_options
def keeper(retain: float, retain_jobs: int) -> None:
    """Print what it was asked to keep."""
    click.echo(f"{retain} {retain_jobs}")


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(keeper, arguments, env=env, prog_name="keeper")


def asked(*arguments: str, **env: str) -> Retention:
    result = run(*arguments, **env)
    assert result.exit_code == 0, result.output
    age, jobs = result.output.split()
    return Retention(float(age), int(jobs))


def test_a_command_line_that_says_nothing_asks_for_the_default() -> None:
    assert asked() == Retention()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45.0), ("30m", 1_800.0), ("12h", 43_200.0), ("7d", 604_800.0), ("forever", inf)],
)
def test_an_age_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert asked("--retain", text).age == seconds
    assert asked(NUCLEUS_KEEPER_RETAIN=text).age == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7w", "-1d", "1.5h", "7 d", "\u0663d", "never", "9" * 10]
)
def test_any_other_age_is_refused_with_what_is_allowed(text: str) -> None:
    result = run("--retain", text)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "a number and one of s, m, h, d, such as 7d, or forever" in said


def test_the_number_of_jobs_has_an_environment_twin() -> None:
    assert asked("--retain-jobs", "5").jobs == 5
    assert asked(NUCLEUS_KEEPER_RETAIN_JOBS="6").jobs == 6
    assert run("--retain-jobs", "-1").exit_code == 2


@pytest.mark.parametrize("retention", [Retention(), Retention(90.0, 7), Retention(age=inf)])
def test_the_arguments_for_a_child_process_ask_for_the_same(retention: Retention) -> None:
    assert asked(*retention_arguments(retention)) == retention


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_the_master_of_a_cluster_keeps_what_the_cluster_was_asked_to(
    tmp_path: Path, mode: str
) -> None:
    file = tmp_path / "ledger.db"
    alone = {"dashboard": False, "monitoring": False}
    cluster = Cluster(0, mode=mode, store=file, retention=Retention(jobs=2), name="kept", **alone)  # type: ignore[arg-type]
    with cluster:
        handles = cluster.client.submit_many("Echo", range(9))
        cluster.client.flush(10.0)
        for handle in handles:
            handle.cancel()
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
            count = "SELECT count(*) FROM jobs"
            eventually(lambda: reader.execute(count).fetchone() == (2,))
        assert cluster.client.stats().jobs["CANCELLED"] == 9
