"""The command line: ``nucleus``.

* ``group``    the table of all commands; errors become exit codes
* ``options``  what the commands that talk to a master share
* ``output``   tables, words for times, JSON
* the rest     one module for each command, or for a few that belong together

A command is imported when it is run, so that ``nucleus --help`` is quick.
"""

from nucleus.cli.group import main

__all__ = ["main"]
