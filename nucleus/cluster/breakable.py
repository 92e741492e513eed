"""The ways to break a running cluster on purpose, and to mend it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, get_args

from nucleus.cluster.assembly import Assembly
from nucleus.cluster.network import NETWORK_FAULTS, Network, NetworkFault
from nucleus.cluster.parts import Part
from nucleus.cluster.uninterrupted import uninterrupted
from nucleus.core.errors import FailedPrecondition, InvalidArgument
from nucleus.rpc.loop import LoopThread

Fault = Literal["crash", "pause", NetworkFault]
Service = Literal["master", "monitoring", "dashboard"]  # the parts that are no workers
Listener = Callable[[str, str, bool], object]  # kind of fault, its target, whether it is over

FAULTS = ("crash", "pause", *NETWORK_FAULTS)


class Breakable(ABC):
    """What a cluster inherits; it says which parts there are, and how they are made."""

    _assembly: Assembly
    _loop: LoopThread

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._worker_names: set[str] = set()  # of workers that have a network

    # ---- workers ----------------------------------------------------------------------

    def kill(self, worker: str, how: Fault = "crash") -> None:
        """Break a worker.

        ``crash``: SIGKILL, or silence for ever. ``pause``: SIGSTOP, or a frozen worker whose
        running job goes on; :meth:`resume` wakes it. For the others see :meth:`disturb`.
        """
        check_choice("how", how, FAULTS)
        part = self._worker(worker)
        if how == "crash":
            self._remove_worker(worker)
            self._tell("crash", worker)
        elif how == "pause":
            part.pause()
            self._tell("freeze", worker)
        else:
            self.disturb(worker, how)

    def resume(self, worker: str) -> None:
        """Wake a paused worker; it does not know how long it was away."""
        self._worker(worker).resume()
        self._tell("freeze", worker, over=True)

    def _remove_worker(self, name: str) -> None:
        """Crash it, as far as it was started, and close its way to the others."""
        with uninterrupted():
            self._assembly.crash(name)
            self._assembly.disconnect(name)
            self._worker_names.discard(name)

    # ---- networks ---------------------------------------------------------------------

    def disturb(self, name: str, how: NetworkFault) -> None:
        """Break the network of a worker, of the dashboard, or of what ``connect`` named.

        ``partition``: nothing gets through; ``mute``: nothing that it says does; ``deaf``:
        nothing that it would hear; ``slow``: everything arrives late; :meth:`heal` ends these.
        ``drop``: its connections break in the middle, and it may open others.
        """
        check_choice("how", how, NETWORK_FAULTS)
        self._loop.call(self._network(name).disturb, how)
        self._tell(how, name)
        if how == "drop":
            self._tell(how, name, over=True)

    def heal(self, name: str) -> None:
        """Let everything through to a part whose network was disturbed."""
        self._loop.call(self._network(name).heal)
        for how in NETWORK_FAULTS:
            self._tell(how, name, over=True)

    # ---- the other parts --------------------------------------------------------------

    def kill_part(self, name: str) -> None:
        """Crash a part that is no worker; :meth:`restart_part` brings a service back."""
        self._part(name)
        self._assembly.crash(name)
        self._tell("crash", name)

    def restart_part(self, name: Service) -> None:
        """Start a service again, at the same address and, for the master, on the same store."""
        self._check_running()
        check_choice("name", name, get_args(Service))
        if name in self._assembly.parts:
            raise FailedPrecondition(f"name: {name} is running; kill it first")
        self._assembly.launch(self._make(name))
        self._tell("crash", name, over=True)

    def pause_part(self, name: str) -> None:
        """Freeze a part that is no worker; only a process can be frozen."""
        part = self._part(name)
        if part.pid is None:
            raise FailedPrecondition(f"name: {name} is no process of its own")
        part.pause()
        self._tell("freeze", name)

    def resume_part(self, name: str) -> None:
        """Wake a frozen part."""
        self._part(name).resume()
        self._tell("freeze", name, over=True)

    def take_over(self) -> str:
        """Freeze the master, start another on the same file, and lead everybody to that.

        Return the name under which the earlier one is kept: :meth:`resume_part` wakes it, and
        it finds out that it was replaced. The address changes, and with it ``client``; those
        of ``connect`` stay. Raises ``NucleusError`` when the other cannot start, as when the
        master was frozen in the middle of a commit, which locks the file; it is awake then.
        """
        earlier = self._part("master")
        self.pause_part("master")  # which raises where there is no process to replace
        name = f"master-{earlier.pid}"
        self._assembly.rename("master", name)
        try:
            self._replace_master()
        except BaseException:
            self._assembly.crash("master")
            self._assembly.rename(name, "master")
            self.resume_part("master")
            raise
        self._tell("take-over", "master")
        return name

    def ask_to_stop(self, name: str) -> None:
        """Ask a process to end in peace; does not wait."""
        self._part(name).ask_to_stop()

    def await_end(self, name: str, timeout: float) -> int | None:
        """Wait until a process has ended by itself, or because it was asked to.

        Return its exit code, or ``None`` when it has not after ``timeout`` seconds.
        """
        code = self._part(name).exit_code(timeout)
        if code is not None:
            self._assembly.crash(name)
        return code

    # ---- telling ----------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` for each fault, when it begins and when it is over.

        A drop is over at once, and a take-over (of a frozen master) has no end.
        """
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Call ``listener`` no more."""
        self._listeners.remove(listener)

    def _tell(self, kind: str, target: str, *, over: bool = False) -> None:
        for listener in tuple(self._listeners):
            listener(kind, target, over)

    # ---- who is there -----------------------------------------------------------------

    def _worker(self, name: str) -> Part:
        self._check_running()
        check_choice("worker", name, tuple(self.workers))
        return self._assembly.parts[name]

    def _part(self, name: str) -> Part:
        self._check_running()
        others = tuple(n for n in self._assembly.parts if n not in self._worker_names)
        check_choice("name", name, others)
        return self._assembly.parts[name]

    def _network(self, name: str) -> Network:
        self._check_running()
        check_choice("name", name, tuple(self._assembly.networks))
        return self._assembly.networks[name]

    @property
    @abstractmethod
    def workers(self) -> list[str]:
        """The names of the workers that were started, without those that crashed."""

    @abstractmethod
    def _check_running(self) -> None:
        """Raise ``FailedPrecondition`` when nothing runs."""

    @abstractmethod
    def _make(self, name: Service) -> Part:
        """Make a service; do not start it."""

    @abstractmethod
    def _replace_master(self) -> None:
        """Start another master on the same store, at another address, and lead all there."""


def check_choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ``InvalidArgument`` for a value that is not among those allowed."""
    if value not in allowed:
        choices = ", ".join(allowed) or "none at the moment"
        raise InvalidArgument(f"{field}: {value!r} is not allowed; one of {choices}")
