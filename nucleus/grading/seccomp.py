"""Seccomp: system calls that the kernel refuses this process from now on.

The audit hook of the interpreter refuses other processes, signals and sockets by name, but not
every way to them goes through it. A filter of system calls cannot be walked around
(https://docs.kernel.org/userspace-api/seccomp_filter.html): a fork bomb gets no second process,
and whoever grades a class, and its neighbours, get no signal.
"""

import ctypes
import errno
import os
import struct
import sys

# Numbers of system calls. They differ from one architecture to another.
_X86_64 = {
    "clone": 56,
    "fork": 57,
    "vfork": 58,
    "execve": 59,
    "kill": 62,
    "socket": 41,
    "ptrace": 101,
    "rt_sigqueueinfo": 129,
    "tkill": 200,
    "tgkill": 234,
    "rt_tgsigqueueinfo": 297,
    "prlimit64": 302,
    "process_vm_writev": 311,
    "execveat": 322,
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "clone3": 435,
}
_AARCH64 = {
    "kill": 129,
    "tkill": 130,
    "tgkill": 131,
    "ptrace": 117,
    "rt_sigqueueinfo": 138,
    "socket": 198,
    "clone": 220,
    "execve": 221,
    "rt_tgsigqueueinfo": 240,
    "prlimit64": 261,
    "process_vm_writev": 271,
    "execveat": 281,
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "clone3": 435,
}
REFUSED = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
"""By machine: its number in the kernel's audit, and what is refused."""

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of the filter
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in what the filter sees of a call
_X32 = 0x40000000  # a second way to call the same, on x86-64
_DEATH_SIGNAL, _SECCOMP, _NO_NEW_PRIVS = 1, 22, 38  # options of prctl
_FILTER, _SIGKILL = 2, 9


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def bind() -> bool:
    """From now on, refuse :data:`REFUSED`, and end when whoever started this process ends.

    Return whether the kernel refuses; on another system than Linux nothing changes.
    """
    known = REFUSED.get(os.uname().machine)
    if sys.platform != "linux" or known is None:
        return False
    prctl = ctypes.CDLL(None).prctl
    prctl(_DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
    text = b"".join(struct.pack("=HBBI", *step) for step in _steps(*known))
    buffer = ctypes.create_string_buffer(text, len(text))
    program = _Program(len(text) // 8, ctypes.addressof(buffer))
    if prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _steps(architecture: int, calls: dict[str, int]) -> list[tuple[int, int, int, int]]:
    """The filter: instruction, steps to skip if so, steps to skip if not, and a number."""
    refuse = len(calls) + 1  # steps from the first comparison to the refusal
    numbers = list(calls.values())
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, refuse, 0, _X32),
        *((_IF_EQUAL, refuse - 1 - n, 0, number) for n, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR),
    ]
