"""Which ports a cluster takes."""

import random
import socket
from dataclasses import dataclass

# Below the range from which systems take ports for outgoing connections, so that a port
# does not go to somebody else between being chosen and being used.
FIRST, LAST = 20_000, 30_000


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the services."""

    push: int = 8000
    scrape: int = 8001
    master: int = 50051
    dashboard: int = 5000


def choose_ports(*, standard: bool) -> Ports:
    """The standard ports, or free ones."""
    return Ports() if standard else Ports(*_free_ports(4))


def free_port() -> int:
    """A free port."""
    return _free_ports(1)[0]


def _free_ports(count: int) -> list[int]:
    candidates = random.sample(range(FIRST, LAST), LAST - FIRST)
    free = (port for port in candidates if _is_free(port))
    return [next(free) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
