"""Histories as files: what was saved is what is loaded, and damage is named."""

import gzip
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nucleus.core.events import KINDS as EVENTS
from nucleus.core.events import Event, JobLeased
from nucleus.core.snapshot import Totals
from nucleus.history import BadHistory, History, Tables
from nucleus.history.observations import KINDS, Committed, Fault, Observation

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS: dict[Any, st.SearchStrategy[Any]] = {float: FLOATS, float | None: st.none() | FLOATS}


def facts(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Facts of one kind, with numbers that are equal to themselves."""
    hints = get_type_hints(kind).items()
    known = {name: NUMBERS[hint] for name, hint in hints if hint in NUMBERS}
    if kind is Committed:
        known["event"] = st.one_of([facts(event) for event in EVENTS.values()])
    return st.builds(kind, **known)


OBSERVATION: st.SearchStrategy[Observation] = st.one_of([facts(kind) for kind in KINDS.values()])
COUNTS = st.dictionaries(st.text(), st.integers())
TOTALS = st.builds(Totals, st.integers(), COUNTS, COUNTS, COUNTS)
ROW = st.fixed_dictionaries({"id": st.text(), "attempts": st.integers(), "timeout": st.none()})
TABLES = st.builds(Tables, st.lists(ROW).map(tuple), st.none() | TOTALS)
HISTORY = st.builds(
    History,
    st.lists(OBSERVATION),
    st.sampled_from(["simulation", "cluster", "lab"]),
    st.none() | st.integers(),
    st.dictionaries(st.text(), FLOATS | st.text() | st.lists(st.integers())),
    st.text(),
    st.none() | st.lists(st.integers()).map(tuple),
    st.booleans(),
    st.none() | TABLES,
)
LEASED = Committed(2.5, JobLeased(3, 2.0, "a-0000000001", "worker-1", "i1"), 1)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=HISTORY, suffix=st.sampled_from([".jsonl", ".jsonl.gz"]))
def test_what_was_saved_is_what_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, history: History, suffix: str
) -> None:
    file = tmp_path_factory.mktemp("history") / f"run{suffix}"
    history.save(file)
    assert History.load(file) == history


@pytest.mark.parametrize("kind", [*KINDS.values(), *EVENTS.values()], ids=lambda k: k.__name__)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_every_kind_can_be_saved(
    tmp_path_factory: pytest.TempPathFactory, kind: type[Any], data: st.DataObject
) -> None:
    seen = data.draw(facts(kind))
    history = History([Committed(1.0, seen) if isinstance(seen, Event) else seen])
    file = tmp_path_factory.mktemp("history") / "run.jsonl"
    history.save(file)
    assert History.load(file) == history


def test_a_file_whose_name_ends_in_gz_is_compressed(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl.gz"
    History([LEASED] * 100).save(file)
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    assert gzip.decompress(file.read_bytes()).count(b"\n") == 101


def test_the_file_is_one_object_to_a_line_in_plain_words(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    History([LEASED], seed=7).save(file)
    header, line = map(json.loads, file.read_text().splitlines())
    assert (header["version"], header["seed"]) == (1, 7)
    assert line["is"] == "Committed"
    assert line["event"]["worker"] == "worker-1"


def lines(*others: dict[str, Any], **header: Any) -> str:
    first = {"format": "nucleus-history", "version": 1, **header}
    return "".join(json.dumps(line) + "\n" for line in (first, *others))


BEAT = {"is": "Beat", "at": 1.0, "worker": "w", "incarnation": "i"}
LEASE = {"is": "JobLeased", "seq": 1, "at": 1.0, "job_id": "a", "worker": "w", "incarnation": "i"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: format: .* this is no history"),
        ('{"version": 1}\n', "line 1: format"),
        (lines(version=2), "line 1: version: 2 instead of 1"),
        (lines(seed="seven"), "line 1: seed: 'seven' is not allowed; int"),
        (lines() + "{\n", "line 2: not JSON"),
        (lines() + "[]\n", "line 2: list instead of an object"),
        (lines(BEAT, {"is": "Heartbeat"}), "line 3: is: 'Heartbeat' is not allowed; one of Comm"),
        (lines({**BEAT, "worker": 7}), "line 2: worker: 7 is not allowed; str"),
        (lines({**BEAT, "at": True}), "line 2: at: True is not allowed; a number"),
        (lines({**BEAT, "wroker": "w"}), "line 2: wroker: Beat has no such field"),
        (lines({"is": "Beat", "at": 1.0, "worker": "w"}), "line 2: incarnation: Beat needs this"),
        (
            lines({"is": "Committed", "at": 1.0, "event": {**LEASE, "seq": "one"}}),
            "line 2: event: seq: 'one' is not allowed; int",
        ),
        (lines({"is": "Tables", "rows": [{}], "totals": None}), "line 2: rows: .* an id"),
    ],
)
def test_damage_is_named_by_line_and_field(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(text)
    with pytest.raises(BadHistory, match=complaint):
        History.load(file)


def test_a_truncated_gz_file_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl.gz"
    History([LEASED] * 100).save(file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BadHistory, match="end-of-stream"):
        History.load(file)


def test_fields_with_a_default_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(
        lines(
            {
                "is": "Message",
                "at": 1,
                "received": None,
                "sender": "a",
                "receiver": "b",
                "what": "submit",
            }
        )
    )
    assert History.load(file).observations[0].at == 1.0


def test_observations_are_sorted_by_time_and_those_of_one_moment_stay() -> None:
    late, early, also = (
        Fault(2.0, None, "a", ""),
        Fault(1.0, None, "b", ""),
        Fault(1.0, None, "c", ""),
    )
    history = History([late, early, also])
    history.sort()
    assert history.observations == [early, also, late]
