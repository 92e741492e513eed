"""Recordings of runs, and the checker that judges them."""

from nucleus.history.history import BadHistory, History, Tables

__all__ = ["BadHistory", "History", "Tables"]
