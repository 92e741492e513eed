"""Taking a port, or saying why not."""

import errno
import os
import socket

from nucleus.core.errors import InvalidArgument, PortTaken


def listen(
    host: str, port: int, port_option: str = "--port", host_option: str = "--host"
) -> socket.socket:
    """Return a listening TCP socket that no other program can share.

    The options are those that an error recommends; one that holds both may be given twice.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # On POSIX this only skips the wait after a restart; elsewhere it would share the port.
        # SO_REUSEPORT stays off: with it, two programs would split the calls between them.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as reason:
        listener.close()
        raise _refusal(reason, host, port, (host_option, port_option)) from None
    return listener


def _refusal(reason: Exception, host: str, port: int, options: tuple[str, str]) -> Exception:
    if isinstance(reason, OSError) and reason.errno == errno.EADDRINUSE:
        return PortTaken(
            f"port {port} on {host} is taken; "
            f"stop the other program or choose another with {options[1]}"
        )
    return InvalidArgument(
        f"cannot listen on host {host!r}, port {port}: {reason}; "
        f"choose another address with {' and '.join(dict.fromkeys(options))}"
    )
