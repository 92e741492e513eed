"""The master: owns the job ledger."""

from nucleus.services.master.service import Master

__all__ = ["Master"]
