"""Splits a list so that each message stays well below the message limit."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_ITEMS = 1_000
MAX_SIZE = 2_000_000  # bytes of items in one message; a single item may exceed it


def size_of(text: str) -> int:
    """The bytes that ``text`` takes in a message."""
    return len(text) if text.isascii() else len(text.encode())


def chunks(
    items: Sequence[T], bytes_of: Callable[[T], int], max_items: int = MAX_ITEMS
) -> Iterator[list[T]]:
    """Yield ``items`` in order, in lists of bounded length and size; none is empty."""
    sizes = list(map(bytes_of, items))
    if items and len(items) <= max_items and sum(sizes) <= MAX_SIZE:  # as nearly always
        yield list(items)
        return
    chunk: list[T] = []
    size = 0
    for item, weight in zip(items, sizes, strict=True):
        if chunk and (len(chunk) == max_items or size + weight > MAX_SIZE):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += weight
    if chunk:
        yield chunk
