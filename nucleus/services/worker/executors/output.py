"""The end of what a job printed: the last 16 KiB, and how much came before them."""

MAX_OUTPUT_BYTES = 16 * 1024


class BoundedOutput:
    """Takes any number of bytes, and keeps the last ``MAX_OUTPUT_BYTES``."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._dropped = 0  # bytes

    def add(self, data: bytes) -> None:
        """Append ``data``."""
        self._kept += data
        excess = len(self._kept) - MAX_OUTPUT_BYTES
        if excess > 0:
            del self._kept[:excess]
            self._dropped += excess

    def text(self) -> str:
        """Return what was kept, after a line that says how much was dropped, if any was."""
        kept = self._kept.decode("utf-8", "replace")
        if not self._dropped:
            return kept
        return f"[{self._dropped:,} earlier bytes dropped]\n{kept}"


def bounded(traceback: str) -> str:
    """Return the text that is kept of a job's ``traceback``, when it printed nothing else."""
    if not traceback:
        return ""
    output = BoundedOutput()
    output.add(traceback.encode())
    return output.text()
