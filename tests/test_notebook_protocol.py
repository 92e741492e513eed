"""A lesson reads the protocol, and makes its stubs again."""

import pytest

from nucleus.core.errors import InvalidArgument
from nucleus.notebook.protocol import GENERATED, definition, regenerate


def test_a_message_is_shown_with_its_fields_and_nothing_else() -> None:
    lines = definition("SendJobReply").splitlines()
    assert lines[0] == "message SendJobReply {"
    assert lines[-1] == "}"
    assert [line.split(";")[0].strip() for line in lines[1:-1]] == [
        "string job_id = 1",
        "bool duplicate = 2",
        "string ledger_id = 3",
    ]


def test_a_call_is_one_line_under_what_is_said_about_it() -> None:
    assert (
        definition("SendJob") == "// Submit one job.\nrpc SendJob(JobSpec) returns (SendJobReply);"
    )


def test_a_comment_of_several_lines_belongs_to_what_it_stands_above() -> None:
    assert definition("Order").startswith("// Jobs that differ in their payload only.")


def test_an_empty_message_is_one_line() -> None:
    assert definition("GetClusterStateRequest") == "message GetClusterStateRequest {}"


def test_what_is_not_defined_is_named() -> None:
    with pytest.raises(InvalidArgument, match="'SendJo' is not defined"):
        definition("SendJo")


def test_the_stubs_come_out_as_they_are_in_the_package() -> None:
    made = regenerate()
    assert tuple(made) == GENERATED
    assert all(words.endswith("lines, the same as in the package") for words in made.values())
