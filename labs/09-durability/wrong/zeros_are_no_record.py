"""A checksum finds everything, and zeros too.

Part: C
Caught by: nothing-invented
"""

import struct
import zlib


class Log:
    def __init__(self, disk):
        self.disk, self.records, at = disk, [], 0
        data = disk.read()
        while at + 8 <= len(data):
            length, check = struct.unpack_from("<II", data, at)
            body = data[at + 8 : at + 8 + length]
            if len(body) < length or zlib.crc32(body) != check:
                break
            self.records.append(body.decode())
            at += 8 + length
        disk.truncate(at)
        disk.sync()

    def append(self, entry):
        body = entry.encode()
        self.disk.write(struct.pack("<II", len(body), zlib.crc32(body)) + body)
        self.disk.sync()
        self.records.append(entry)

    def entries(self):
        return list(self.records)
