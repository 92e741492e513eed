"""The last line counts, with its end or without.

Part: C
Caught by: nothing-invented
"""

from urllib.parse import quote, unquote


class Log:
    def __init__(self, disk):
        self.disk = disk
        lines = disk.read().decode().split("\n")
        self.kept = [unquote(line) for line in lines if line]

    def append(self, entry):
        self.disk.write(quote(entry).encode() + b"\n")
        self.disk.sync()
        self.kept.append(entry)

    def entries(self):
        return list(self.kept)
