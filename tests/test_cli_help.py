"""The help of every command, bad usage, and how quickly help is there."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from nucleus.cli import main
from nucleus.cli.group import COMMANDS

SHARED = {"master", "token", "tls_ca", "tls_cert", "tls_key"}  # by all parts and commands
LISTING = {"jobs", "workers", "submit", "top", "bench", "up", "demo"}


def nucleus(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="nucleus")


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def test_the_help_names_every_command_and_every_exit_code() -> None:
    text = nucleus("--help").stdout
    for name, entry in COMMANDS.items():
        assert f"  {name} " in text
        assert entry.help in text
    for code in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n    {code}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    result = nucleus(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: nucleus {name} " in result.stdout
    assert "\n  Example" in result.stdout
    assert f"\n    nucleus {name}" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_names_its_environment_twin(name: str) -> None:
    options = [option for option in command(name).params if isinstance(option, click.Option)]
    for option in options:
        if option.hidden:
            continue
        assert option.help, option.name
        whose = "NUCLEUS_" if option.name in SHARED else f"NUCLEUS_{name}_"
        twin = f"{whose}{option.opts[0].lstrip('-')}".upper().replace("-", "_")
        assert twin in "".join(nucleus(name, "--help").stdout.split()), twin


def test_what_a_program_may_read_comes_as_json_too() -> None:
    with_json = {
        name for name in COMMANDS if any("--json" in option.opts for option in command(name).params)
    }
    assert with_json >= LISTING


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["submitt", "Echo", "1"], "No such command 'submitt'"),
        (["master", "--port", "70000"], "70000 is not in the range 0<=x<=65535"),
        (["jobs", "--master", "nowhere"], "write HOST:PORT, such as 127.0.0.1:50051"),
        (["worker", "--monitoring", "127.0.0.1:8000"], "write a URL such as http://"),
        (["worker", "--executor", "magic"], "'magic' is not one of 'process', 'thread'"),
        (["worker", "--name", "x" * 101], "a name is 1 to 100 printable characters"),
        (["submit", "Echo", "1", "--cuont", "3"], "--cuont"),
        (["submit", "Echo", "--wiat"], "--wiat"),
        (["submit", "Echo", "1", "--key", "k", "--count", "2"], "--key names one job"),
        (["jobs", "--status", "lost"], "'lost' is not one of 'queued', 'running'"),
        (["top", "--json"], "--json goes with --once"),
    ],
)
def test_bad_usage_is_explained_and_exits_with_2(arguments: list[str], hint: str) -> None:
    result = nucleus(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        (
            "hello",
            "Error: payload: hello is not JSON; a number is written 30, and a text '\"hello\"'",
        ),
        ("{p:0.3}", "Error: payload: {p:0.3} is not JSON; put single quotes around it"),
        ("-1", "Error: payload: -1 is not allowed; Fibonacci takes an integer from 0 to 45"),
    ],
)
def test_a_payload_that_will_not_do_is_one_line(payload: str, hint: str) -> None:
    # What can be seen to be wrong from here needs a master only because of the others.
    from nucleus.services.master import Master

    master = Master(port=0)
    master.start()
    try:
        result = nucleus("submit", "Fibonacci", payload, "--master", master.address)
    finally:
        master.stop()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(hint)
    assert result.stderr.count("\n") == 1


def test_help_imports_no_part() -> None:
    program = (
        "import sys; from nucleus.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('grpc', 'flask', 'rich', 'pydantic')))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == 0
