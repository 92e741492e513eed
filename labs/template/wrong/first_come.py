"""Whoever came first goes first.

Part: A
Caught by: shortest-first
"""


def pick(waiting):
    return waiting[0]
