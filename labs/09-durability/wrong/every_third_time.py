"""Syncing is slow, so every third time is enough.

Part: B
Caught by: acknowledged-is-kept
"""

import json


class Log:
    def __init__(self, disk):
        self.disk, self.kept = disk, []
        size = 0
        for line in disk.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self.kept.append(json.loads(line))
            size += len(line)
        if size < len(disk.read()):
            disk.truncate(size)
            disk.sync()

    def append(self, entry):
        self.disk.write(json.dumps(entry).encode() + b"\n")
        self.kept.append(entry)
        if len(self.kept) % 3 == 0:
            self.disk.sync()

    def entries(self):
        return list(self.kept)
