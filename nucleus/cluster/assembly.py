"""What runs of a cluster at the moment: parts, and the networks in front of them, by name."""

import threading

from nucleus.cluster import leftovers
from nucleus.cluster.network import Network
from nucleus.cluster.parts import Part
from nucleus.cluster.uninterrupted import uninterrupted
from nucleus.core.errors import FailedPrecondition
from nucleus.rpc.loop import LoopThread

ANSWERING = ("master", "monitoring")  # the parts that others ask; they are stopped last


class Assembly:
    """Starts and ends parts; what it runs is on record until it is stopped.

    ``name`` is that of the run, for the record. Networks live on ``loop``.
    """

    def __init__(self, name: str, loop: LoopThread) -> None:
        self._name = name
        self._loop = loop
        self.parts: dict[str, Part] = {}
        self.networks: dict[str, Network] = {}  # by who is behind it
        # Faults, and what mends them, may come from several threads, and so may the end.
        self._recording = threading.Lock()
        self._starting = threading.Lock()
        self._ended = False

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the parts that have a process of their own."""
        parts = tuple(self.parts.items())
        return {name: pid for name, part in parts if (pid := part.pid) is not None}

    def network(self, name: str, master_port: int, push_port: int) -> Network:
        """What lies between this part and the others, made when it is first asked for.

        Raises ``FailedPrecondition`` after the end, when nobody would close it any more.
        """
        with uninterrupted(), self._starting:
            self._check_going_on()
            if name not in self.networks:
                network = Network(master_port, push_port)
                self._loop.run(network.start())
                self.networks[name] = network
            return self.networks[name]

    def lead_to(self, master_port: int) -> None:
        """Let all networks lead to another master."""
        for network in tuple(self.networks.values()):
            self._loop.call(network.lead_to, master_port)

    def launch(self, *parts: Part) -> None:
        """Start parts side by side: any order works, each waits for what it needs.

        Raises ``FailedPrecondition`` after the end, so that nothing outlives it.
        """
        for part in parts:
            with uninterrupted(), self._starting:
                self._check_going_on()
                self.parts[part.name] = part
                part.launch()
        for part in parts:
            part.wait_ready()
        self._record()

    def rename(self, name: str, other: str) -> None:
        """Give a part another name, so that its own is free."""
        part = self.parts.pop(name)
        part.name = other
        self.parts[other] = part

    def crash(self, name: str) -> None:
        """End a part without a word, as far as it was started."""
        with uninterrupted():
            if part := self.parts.pop(name, None):
                part.crash()
            self._record()

    def disconnect(self, name: str) -> None:
        """Close the way from a part to the others."""
        if network := self.networks.pop(name, None):
            self._loop.run(network.stop())

    def stop(self) -> list[str]:
        """Stop those who ask before those who answer.

        Return the names of jobs that run on, because a thread cannot be stopped.
        """
        still_running: list[str] = []
        asking = [name for name in self.parts if name not in ANSWERING]
        for names in (asking, ANSWERING):
            parts = [self.parts.pop(name) for name in names if name in self.parts]
            for part in parts:
                part.ask_to_stop()
            for part in parts:
                still_running += part.wait_stopped()
        self.end()
        return still_running

    def end(self) -> None:
        """Kill what still runs, close all networks, and take the run off the record."""
        with self._starting:
            self._ended = True
        while self.parts:
            _, part = self.parts.popitem()
            part.crash()
        for name in tuple(self.networks):
            self.disconnect(name)
        leftovers.forget(self._name)

    def _check_going_on(self) -> None:
        if self._ended:
            raise FailedPrecondition("the cluster was stopped meanwhile")

    def _record(self) -> None:
        with self._recording:
            if self.pids:
                leftovers.record(self._name, self.pids)
