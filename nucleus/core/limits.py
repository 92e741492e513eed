"""The settings of a ledger."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of a ledger; times in seconds."""

    worker_timeout: float = 10.0  # silence after which a worker is lost: three missed heartbeats
    frozen_after: float = 2.0  # between two ticks: the master itself stood still
    retry_delay: float = 1.0  # before the second attempt; doubles with each further one
    max_retry_delay: float = 60.0
    max_queued: int = 2_000_000  # jobs
    max_queued_size: int = 536_870_912  # characters of their payloads, all of them in memory
    max_workers: int = 10_000  # known, with those listed as lost; ten times what it is built for
    max_job_types: int = 10_000  # known; a hello may bring 5,000, so they end within 15,000
    gone_kept: float = 300.0  # how long a lost worker stays listed
