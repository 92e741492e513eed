"""One of several processes that submit side by side: ``KEY SERVER JOBS``.

It says ``ready``, waits for a line, runs the jobs, and says ``done``.
"""

import sys

from benchmarks.adapter import Way
from benchmarks.adapters import load
from benchmarks.figures import run_jobs


def main(key: str, server: str, jobs: str) -> None:
    """Connect, wait for the start, submit."""
    adapter = load(key)
    adapter.connect(server)
    submit = adapter.ways[Way.EACH]
    run_jobs(adapter, submit, range(20))
    print("ready", flush=True)
    sys.stdin.readline()
    run_jobs(adapter, submit, range(int(jobs)))
    print("done", flush=True)
    adapter.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
