"""The cluster that chaos breaks: all parts are the real ones, and the workers keep diaries."""

from pathlib import Path
from typing import Any

from nucleus.cluster.cluster import Cluster
from nucleus.cluster.makers import ProcessMaker, Settings
from nucleus.cluster.network import Network
from nucleus.cluster.parts import Part


def diary_of(folder: Path, name: str) -> Path:
    """Where the part called ``name`` writes down what it sees."""
    return folder / f"{name}.jsonl"


class ChaosMaker(ProcessMaker):
    """Makes workers that write what they see into ``diaries``."""

    def __init__(self, settings: Settings, folder: Path, diaries: Path) -> None:
        super().__init__(settings, folder)
        self._diaries = diaries

    def worker(self, name: str, network: Network) -> Part:
        """A worker behind a network of its own."""
        settings = self._settings
        options = ["--master", network.address, "--monitoring", network.push_url]
        options += ["--name", name, "--slots", str(settings.slots)]
        options += ["--heartbeat-interval", str(settings.heartbeat_interval)]
        options += ["--diary", str(diary_of(self._diaries, name))]
        return self.part(name, "nucleus.cluster.chaos.worker", options)


class ChaosCluster(Cluster):
    """A cluster of processes on a file in ``folder``, where diaries are as well."""

    def __init__(self, workers: int, folder: Path, **options: Any) -> None:
        super().__init__(
            workers, mode="processes", store=folder / "ledger.db", name="chaos", **options
        )
        self.diaries = folder

    @property
    def _maker(self) -> ProcessMaker:
        return ChaosMaker(self._settings, self._folder, self.diaries)
