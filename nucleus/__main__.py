"""``python -m nucleus``: the same as ``nucleus``."""

from nucleus.cli import main

main()
