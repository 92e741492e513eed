"""The worker: receives jobs, runs them, reports results."""

from nucleus.services.worker.service import Worker, default_name

__all__ = ["Worker", "default_name"]
