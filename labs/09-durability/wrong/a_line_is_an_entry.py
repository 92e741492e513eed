"""An entry is a line of text.

Part: A
Caught by: what-is-written-is-read
"""


class Log:
    def __init__(self, disk):
        self.disk = disk

    def append(self, entry):
        self.disk.write(entry.encode() + b"\n")
        self.disk.sync()

    def entries(self):
        return self.disk.read().decode().split("\n")[:-1]
