"""Write the dashboards as JSON: ``python docker/grafana/build.py [FOLDER]``.

Without a folder it rewrites ``docker/grafana/dashboards``, which Grafana reads. Change the code
in ``boards``, build, and commit both.
"""

import sys
from pathlib import Path

from boards.job_types import job_types
from boards.overview import overview
from boards.workers import workers
from grafana_foundation_sdk.cog.encoder import JSONEncoder

BOARDS = {"overview": overview, "workers": workers, "job-types": job_types}


def main(folder: Path) -> None:
    """Write a file for each dashboard into ``folder``."""
    for name, make in BOARDS.items():
        text = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(make())
        Path(folder, f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards")
