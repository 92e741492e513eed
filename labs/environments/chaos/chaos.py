#!/usr/bin/env python3
"""Breaks the containers of the lab on purpose, from the host, on a schedule that a seed decides.

    python labs/environments/chaos/chaos.py --seed 10 --minutes 5

Kills, pauses and disconnects containers with the ``docker`` command of whoever runs it; no
container gets the Docker socket. Everything that it broke is mended when its time has come, at
the end, and on Ctrl-C. Needs Python 3.11 and nothing else.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

PROJECT = "nucleus"
SEED = 10  # within its five minutes every service is hit, and the master is killed
EVERY = 12.0  # seconds between two faults, on average
LASTS = (4.0, 25.0)  # seconds: some shorter, some longer than the 10 s of the failure detector
# How often which service is hit, and in which ways.
TARGETS = {"worker": 8, "master": 1, "monitoring": 1, "dashboard": 1}
FAULTS = ("kill", "pause", "disconnect")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks, and for how long. Times in seconds from the start."""

    at: float
    lasts: float
    how: str
    service: str
    which: float  # of the service's containers: from 0 to 1, because their number may change


def schedule(seed: int, seconds: float, every: float = EVERY) -> list[Fault]:
    """Return what breaks when: the same for the same arguments."""
    rng = random.Random(seed)
    faults: list[Fault] = []
    at = rng.expovariate(1 / every)
    while at < seconds:
        lasts = min(rng.uniform(*LASTS), seconds - at)
        (service,) = rng.choices(list(TARGETS), weights=list(TARGETS.values()))
        faults.append(Fault(at, lasts, rng.choice(FAULTS), service, rng.random()))
        at += rng.expovariate(1 / every)
    return faults


def docker(*arguments: str) -> str:
    """Run ``docker``; return what it printed. Raises ``CalledProcessError``."""
    command = ["docker", *arguments]
    # In a session of its own: Ctrl-C is for this script, which mends what it broke.
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, start_new_session=True
    )
    return done.stdout.strip()


class Containers:
    """The containers of one Compose project, and what is broken of them."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.broken: dict[str, tuple[str, ...]] = {}  # the command that mends it, by container

    def of(self, service: str) -> list[str]:
        """Return the names of a service's containers that run, in order."""
        labels = (f"project={self.project}", f"service={service}")
        filters = [f"--filter=label=com.docker.compose.{label}" for label in labels]
        names = docker("ps", *filters, "--filter=status=running", "--format={{.Names}}")
        return sorted(names.split())

    def break_one(self, fault: Fault) -> str | None:
        """Carry out a fault; return the container's name, or None if there is none to break."""
        names = [name for name in self.of(fault.service) if name not in self.broken]
        if not names:
            return None
        name = names[int(fault.which * len(names))]
        harm, repair = self._commands(fault, name)
        self.broken[name] = repair  # first: whoever interrupts the next line wants it mended
        docker(*harm)
        return name

    def mend(self, name: str) -> None:
        """Undo what was done to a container, if anything was. Raises ``CalledProcessError``."""
        if repair := self.broken.get(name):
            docker(*repair)
            del self.broken[name]

    def mend_all(self) -> None:
        """Undo everything that can be; ``broken`` has the rest. Ctrl-C does not stop it."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for name in list(self.broken):
                with suppress(subprocess.CalledProcessError):
                    self.mend(name)
        finally:
            signal.signal(signal.SIGINT, before)

    def _commands(self, fault: Fault, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The command that breaks a container, and the one that mends it."""
        network = f"{self.project}_default"
        # Connected again under the name by which the others look for it.
        alias = ("--alias", fault.service)
        return {
            "kill": (("kill", name), ("start", name)),
            "pause": (("pause", name), ("unpause", name)),
            "disconnect": (
                ("network", "disconnect", network, name),
                ("network", "connect", *alias, network, name),
            ),
        }[fault.how]


def run(containers: Containers, faults: Sequence[Fault], say: Callable[[str], None]) -> int:
    """Carry out a schedule; return how many faults there were. Mends everything in any case."""
    began, fired = time.monotonic(), 0
    # What to do when; the mending of a fault is added when the fault has happened.
    agenda: list[tuple[float, Fault, str | None]] = [(fault.at, fault, None) for fault in faults]
    try:
        while agenda:
            agenda.sort(key=lambda entry: entry[0])
            at, fault, broken = agenda.pop(0)
            time.sleep(max(0.0, began + at - time.monotonic()))
            if broken:
                with suppress(subprocess.CalledProcessError):  # it is tried again at the end
                    containers.mend(broken)
                    say(f"{at:6.1f} s  mended      {broken}")
            elif name := containers.break_one(fault):
                fired += 1
                say(f"{at:6.1f} s  {fault.how:<10}  {name}, for {fault.lasts:.0f} s")
                agenda.append((at + fault.lasts, fault, name))
    finally:
        containers.mend_all()
    return fired


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from a command line; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED, help=f"decides what breaks when ({SEED})")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between faults (12)")
    parser.add_argument("--project", default=PROJECT, help="name of the Compose project (nucleus)")
    chosen = parser.parse_args(arguments)
    containers = Containers(chosen.project)
    if not containers.of("master"):
        print(f"project: {chosen.project!r} runs no master; start it first", file=sys.stderr)
        return 2
    faults = schedule(chosen.seed, 60 * chosen.minutes, chosen.every)
    print(f"seed {chosen.seed}: {len(faults)} faults in {chosen.minutes:g} min; Ctrl-C mends all")
    code = 0
    try:
        print(f"{run(containers, faults, print)} faults")
    except KeyboardInterrupt:
        code = 130
    if containers.broken:
        commands = "; ".join(f"docker {' '.join(words)}" for words in containers.broken.values())
        print(f"not mended, try: {commands}", file=sys.stderr)
        return code or 1
    print("everything mended")
    return code


if __name__ == "__main__":
    sys.exit(main())
