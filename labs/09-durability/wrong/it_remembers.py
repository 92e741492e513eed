"""What is in a list is kept.

Part: A
Caught by: what-is-written-is-read
"""


class Log:
    def __init__(self, disk):
        self.all = []

    def append(self, entry):
        self.all.append(entry)

    def entries(self):
        return list(self.all)
