"""A recovery tidies up: it empties the file and writes what was good.

Part: D
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
            disk.truncate(0)
            disk.sync()
            for entry in self.kept:
                disk.write(json.dumps(entry).encode() + b"\n")
            disk.sync()

    def append(self, entry):
        self.disk.write(json.dumps(entry).encode() + b"\n")
        self.disk.sync()
        self.kept.append(entry)

    def entries(self):
        return list(self.kept)
