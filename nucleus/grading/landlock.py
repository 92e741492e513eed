"""Landlock: what this process, and all that it starts, may still write to is one folder.

A process may bind itself so on Linux 5.13 or newer, without being root
(https://docs.kernel.org/userspace-api/landlock.html). glibc has no functions for the three
system calls, so they are made by number; the numbers are the same on every architecture.
"""

import ctypes
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls
_PATH_BENEATH = 1  # kind of rule
_NO_NEW_PRIVS = 38  # option of prctl
_FILES_WRITTEN = 1 << 1
_CHANGES = sum(1 << bit for bit in range(4, 13)) | _FILES_WRITTEN  # remove and make anything
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # of versions 2 and 3


def confine(folder: Path) -> bool:
    """From now on, let this thread and what it starts change nothing outside ``folder``.

    Return whether the kernel does so; without Landlock everything stays as it is.
    """
    if sys.platform != "linux":
        return False  # the numbers would be those of something else
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = call(_CREATE, None, 0, 1)
    if version < 1:
        return False
    rights = _CHANGES | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
    wanted = ctypes.create_string_buffer(struct.pack("=Q", rights))
    rules = call(_CREATE, wanted, 8, 0)
    if rules < 0:
        return False
    with suppress(OSError):
        _allow(call, rules, folder, rights)
        _allow(call, rules, Path(os.devnull), _FILES_WRITTEN)
    alone = ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    bound = alone and call(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(bound)


def _allow(call: "ctypes._NamedFuncPointer", rules: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, handle))
    call(_ADD, rules, _PATH_BENEATH, rule, 0)
    os.close(handle)
