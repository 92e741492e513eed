"""What is in a global variable outlives the process.

Part: A
Caught by: what-is-written-is-read
"""

EVERYTHING = []


class Log:
    def __init__(self, disk):
        self.everything = EVERYTHING

    def append(self, entry):
        self.everything.append(entry)

    def entries(self):
        return list(self.everything)
