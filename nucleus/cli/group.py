"""The command ``nucleus``: a table of contents, and what all commands have in common.

- ``SECTIONS`` lists every command, with the module that holds it and its line of help.
- Errors of Nucleus become one line on stderr and an exit code; Ctrl-C becomes 130.

To add a command, write a module with a click command of that name, and add it to ``SECTIONS``.
"""

import importlib
from typing import Any, NamedTuple

import click

from nucleus.core.errors import NucleusError
from nucleus.services.common.main import Exit, complain


class Entry(NamedTuple):
    """A command: the module that holds it, and its line of help."""

    module: str
    help: str
    function: str = ""  # where it cannot have the command's name


SECTIONS: dict[str, dict[str, Entry]] = {
    "Start here": {
        "demo": Entry("nucleus.cli.demo", "See a worker die under load, and nothing get lost."),
        "lab": Entry("nucleus.cli.lab", "Open the lessons in JupyterLab."),
        "up": Entry("nucleus.cli.up", "Run all parts on this machine, until Ctrl-C."),
    },
    "Use a running queue": {
        "submit": Entry("nucleus.cli.submit", "Submit a job, or many."),
        "jobs": Entry("nucleus.cli.jobs", "List jobs and their results."),
        "workers": Entry("nucleus.cli.workers", "List workers and their heartbeats."),
        "top": Entry("nucleus.cli.top", "Watch the queue and the workers, live."),
        "cancel": Entry("nucleus.cli.jobs", "Cancel a job that has not ended."),
        "retry": Entry("nucleus.cli.jobs", "Run a job that has ended once more."),
    },
    "Run one part": {
        "master": Entry("nucleus.services.master.command", "Owns the job queue."),
        "worker": Entry("nucleus.services.worker.command", "Takes jobs and runs them."),
        "monitoring": Entry("nucleus.services.monitoring.command", "Collects metrics."),
        "dashboard": Entry("nucleus.services.dashboard.command", "Web page and REST interface."),
    },
    "Teach with it": {
        "class": Entry(
            "nucleus.cli.classroom", "Release the labs to a class, and grade them.", "classroom"
        ),
    },
    "Look after it": {
        "health": Entry("nucleus.cli.health", "Ask a part whether it is well."),
        "bench": Entry("nucleus.cli.bench", "Measure jobs per second and latency."),
        "chaos": Entry("nucleus.cli.chaos", "Break a cluster under load, and judge it."),
        "proxy": Entry("nucleus.cli.proxy", "Put a slow network between two parts."),
        "sim": Entry("nucleus.cli.sim", "Break thousands of simulated worlds, and judge them."),
        "certs": Entry("nucleus.cli.certs", "Make certificates, for TLS between the parts."),
        "clean": Entry("nucleus.cli.clean", "End what an interrupted run left behind."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

EXIT_CODES = """\b
Exit codes:
  0    done
  1    a job failed or was cancelled, or something else went wrong
  2    bad usage or input, a port that is taken, a store or a token that will not do
  3    no answer from the master
  130  stopped by Ctrl-C (but 'nucleus top' is meant to be left that way)

Every option is an environment variable, too: 'nucleus COMMAND --help' names them."""


class Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(entry.module)
        command: click.Command = getattr(module, entry.function or cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing any command."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; end with its exit code."""
        try:
            return super().invoke(ctx)
        except NucleusError as error:
            ctx.exit(complain(error))
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)


@click.group(
    "nucleus",
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"auto_envvar_prefix": "NUCLEUS", "max_content_width": 100},
)
@click.version_option(package_name="nucleus", message="%(prog)s %(version)s")
def main() -> None:
    """Nucleus: a distributed job queue that you can hold in your hand.

    \b
    Try it, in two terminals:
      nucleus up --workers 2
      nucleus submit Fibonacci 30 --wait
    """
