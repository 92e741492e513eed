"""Whoever knows the length needs no checksum.

Part: C
Caught by: nothing-invented
"""

import struct


class Log:
    def __init__(self, disk):
        self.disk, self.records, at = disk, [], 0
        data = disk.read()
        while at + 4 <= len(data):
            (length,) = struct.unpack_from("<I", data, at)
            body = data[at + 4 : at + 4 + length]
            if len(body) < length:
                break
            self.records.append(body.decode())
            at += 4 + length
        disk.truncate(at)
        disk.sync()

    def append(self, entry):
        body = entry.encode()
        self.disk.write(struct.pack("<I", len(body)) + body)
        self.disk.sync()
        self.records.append(entry)

    def entries(self):
        return list(self.records)
