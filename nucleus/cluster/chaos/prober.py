"""Reads the numbers that the dashboard and Monitoring show, while these are being killed."""

import threading
import time
from collections.abc import Mapping

import requests
from prometheus_client.parser import text_string_to_metric_families

from nucleus.cluster.cluster import Cluster
from nucleus.cluster.recorded import Note
from nucleus.cluster.recorder import counted
from nucleus.history.observations import Raised

INTERVAL = 1.0  # seconds
TIMEOUT = 5.0  # seconds for an answer


class Prober:
    """Asks again and again what a person would look at, and notes what does not add up."""

    def __init__(self, cluster: Cluster, note: Note) -> None:
        self._cluster = cluster
        self._note = note
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-prober", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        dashboard = self._cluster.dashboard_url
        while not self._over.wait(INTERVAL):
            if (metrics := self._get("monitoring", self._cluster.scrape_url)) is not None:
                self._read_metrics(metrics.text)
            if (stats := self._get("dashboard", f"{dashboard}/stats")) is not None:
                numbers = stats.json()["stats"]
                self._count("dashboard", numbers["submitted"], numbers["jobs"])
            self._get("dashboard", f"{dashboard}/get_all_jobs?limit=5")

    def _get(self, part: str, url: str) -> requests.Response | None:
        """The answer, if there is one. That the master does not answer is a good answer, too."""
        try:
            answer = requests.get(url, timeout=TIMEOUT)
        except requests.RequestException:
            return None  # it was killed
        if not answer.ok and answer.status_code != requests.codes.service_unavailable:
            self._note(Raised(time.time(), part, f"{url} answers {answer.status_code}"))
        return answer if answer.ok else None

    def _read_metrics(self, text: str) -> None:
        jobs: dict[str, int] = {}
        submitted = None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "nucleus_jobs":
                    jobs[sample.labels["status"].upper()] = int(sample.value)
                elif sample.name == "nucleus_jobs_submitted_total":
                    submitted = int(sample.value)
        if submitted is not None:  # else Monitoring has just begun, and no master has pushed
            self._count("metrics", submitted, jobs)

    def _count(self, source: str, submitted: int, jobs: Mapping[str, int]) -> None:
        self._note(counted(source, time.time(), submitted, jobs))
