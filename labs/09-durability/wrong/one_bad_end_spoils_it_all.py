"""A log with a mistake in it is worth nothing.

Part: C
Caught by: acknowledged-is-kept
"""

import json


class Log:
    def __init__(self, disk):
        self.disk = disk
        try:
            self.kept = [json.loads(line) for line in disk.read().splitlines()]
        except ValueError:
            self.kept = []
            disk.truncate(0)

    def append(self, entry):
        self.disk.write(json.dumps(entry).encode() + b"\n")
        self.disk.sync()
        self.kept.append(entry)

    def entries(self):
        return list(self.kept)
