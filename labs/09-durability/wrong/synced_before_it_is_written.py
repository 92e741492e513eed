"""Sync first, then write.

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
        self.disk.sync()
        self.disk.write(json.dumps(entry).encode() + b"\n")
        self.kept.append(entry)

    def entries(self):
        return list(self.kept)
