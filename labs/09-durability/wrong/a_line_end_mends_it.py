"""A line end after what is broken, and all is well.

Part: D
Caught by: acknowledged-is-kept
"""

import json


class Log:
    def __init__(self, disk):
        self.disk, self.kept = disk, []
        for line in disk.read().splitlines():
            try:
                self.kept.append(json.loads(line))
            except ValueError:
                disk.write(b"\n")
                disk.sync()
                break

    def append(self, entry):
        self.disk.write(json.dumps(entry).encode() + b"\n")
        self.disk.sync()
        self.kept.append(entry)

    def entries(self):
        return list(self.kept)
