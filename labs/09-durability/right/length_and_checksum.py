"""Length and checksum before each entry; the checksum covers the length, so zeros do not fit."""

import struct
import zlib

HEAD = struct.Struct("<II")


class Log:
    def __init__(self, disk):
        self.disk = disk
        self.records, good = scan(disk.read())
        if good != len(disk.read()):
            disk.truncate(good)

    def append(self, entry):
        body = entry.encode()
        self.disk.write(HEAD.pack(len(body), check_of(body)))
        self.disk.write(body)
        self.disk.sync()
        self.records.append(entry)

    def entries(self):
        return self.records[:]


def scan(data):
    records, at = [], 0
    while at + HEAD.size <= len(data):
        length, check = HEAD.unpack_from(data, at)
        body = data[at + HEAD.size : at + HEAD.size + length]
        if len(body) < length or check_of(body) != check:
            break
        records.append(body.decode())
        at += HEAD.size + length
    return records, at


def check_of(body):
    return zlib.crc32(b"%d:%s" % (len(body), body))
