"""Cuts nothing off: each record begins anew, and what cannot be read is stepped over."""

import base64
import zlib


class Log:
    def __init__(self, disk):
        self.disk = disk

    def append(self, entry):
        body = base64.b64encode(entry.encode())
        self.disk.write(b"\n%d %s\n" % (zlib.crc32(body), body))
        self.disk.sync()

    def entries(self):
        lines = self.disk.read().split(b"\n")
        return [entry for entry in map(read, lines) if entry is not None]


def read(line):
    check, _, body = line.partition(b" ")
    if check != b"%d" % zlib.crc32(body):
        return None
    return base64.b64decode(body).decode()
