"""The living picture without a browser: what it sends, what it does, and that it lets go."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from nucleus.cluster import Cluster
from nucleus.notebook.feed import feed_of
from nucleus.notebook.picture import Picture, picture_of
from nucleus.notebook.scene import View
from tests.support import eventually


class Told(Picture):
    """A picture that keeps what it says to its views."""

    def __init__(self, *args: Any) -> None:
        self.said: list[dict[str, Any]] = []
        super().__init__(*args)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.said.append(content)

    def asked(self, **content: Any) -> str:
        """Ask, and return what is said when it is done."""
        question = f"view {len(self.said)}"
        self.hear({**content, "question": question})
        eventually(lambda: len(self.answers(question)) == 2)
        heard, done = self.answers(question)
        assert heard["heard"]
        said: str = done["said"]
        return said

    def answers(self, question: str) -> list[dict[str, Any]]:
        return [answer for answer in self.said if answer["question"] == question]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    options: dict[str, Any] = {"monitoring": False, "dashboard": False, "executor": "thread"}
    with Cluster(workers=2, **options) as running:
        yield running


@pytest.fixture
def picture(cluster: Cluster) -> Told:
    told = Told(cluster.client, cluster)
    told.hear({"do": "open", "view": "view"})
    eventually(lambda: told.frame and frame(told)["link"] == "live")
    return told


def frame(picture: Picture) -> View:
    view: View = json.loads(picture.frame)
    return view


def worker(picture: Picture, name: str) -> View:
    return next(worker for worker in frame(picture)["workers"] if worker["name"] == name)


def threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return sorted(name for name in names if name.startswith(("nucleus-picture", "nucleus-action")))


def test_frames_follow_the_jobs(cluster: Cluster, picture: Told) -> None:
    handles = cluster.client.submit_many("Sleep", [0.3] * 4)
    eventually(lambda: [w["jobs"] for w in frame(picture)["workers"] if w["jobs"]])
    for handle in handles:
        handle.result(60)
    eventually(lambda: frame(picture)["counts"]["completed"] == 4)
    view = frame(picture)
    assert [card["what"] for card in view["ended"]] == ["Sleep(0.3)"] * 4
    assert view["link"] == "live"


def test_a_picture_that_begins_late_knows_what_is_there(cluster: Cluster) -> None:
    jobs = cluster.client.submit_many("Sleep", [1] * 5)
    jobs[-1].acknowledged(60)
    eventually(lambda: cluster.stats().jobs["RUNNING"] == 2)
    late = Told(cluster.client, cluster)
    late.hear({"do": "open", "view": "view"})
    eventually(lambda: late.frame and frame(late)["link"] == "live")
    view = frame(late)
    assert [card["what"] for card in view["queue"]] == ["Sleep(1)"] * 3
    assert [len(w["jobs"]) for w in view["workers"]] == [1, 1]
    assert view["worker_timeout"] == cluster.stats().worker_timeout


def test_the_menu_breaks_and_mends_a_worker(cluster: Cluster, picture: Told) -> None:
    def faults() -> list[str]:
        found: list[str] = worker(picture, "worker-1")["faults"]
        return found

    for action in ("pause", "partition", "slow"):
        assert "worker-1" in picture.asked(do=action, worker="worker-1")
    eventually(lambda: faults() == ["freeze", "partition", "slow"])
    picture.asked(do="resume", worker="worker-1")
    picture.asked(do="heal", worker="worker-1")
    eventually(lambda: faults() == [])
    assert "crashed" in picture.asked(do="crash", worker="worker-1")
    assert cluster.workers == ["worker-2"]
    eventually(lambda: faults() == ["crash"])
    assert worker(picture, "worker-1")["breakable"] is False


def test_what_was_done_in_a_cell_is_seen_too(cluster: Cluster, picture: Told) -> None:
    cluster.kill("worker-2", "pause")
    eventually(lambda: worker(picture, "worker-2")["faults"] == ["freeze"])


def test_a_worker_is_added(cluster: Cluster, picture: Told) -> None:
    assert picture.asked(do="add") == "worker-3 was added."
    eventually(lambda: len(frame(picture)["workers"]) == 3)


def test_jobs_are_submitted(cluster: Cluster, picture: Told) -> None:
    said = picture.asked(do="submit", job_type="Echo", payload="[1]", count=3)
    assert said == "Echo([1]) was submitted 3 times."
    eventually(lambda: frame(picture)["counts"]["completed"] == 3)


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"do": "submit", "job_type": "Sleep", "payload": "-1", "count": 1}, "-1 is not allowed"),
    ({"do": "submit", "job_type": "Sleep", "payload": "one", "count": 1}, "is not JSON"),
    ({"do": "submit", "job_type": "Echo", "payload": "1", "count": 0}, "0 is not allowed"),
    ({"do": "crash", "worker": "nobody"}, "'nobody' is not allowed"),
    ({"do": "explode", "worker": "worker-1"}, "cannot be done here"),
    ({"do": "crash"}, "cannot be done here"),
)


def test_what_cannot_be_done_is_said(picture: Told) -> None:
    for question, answer in REFUSED:
        assert answer in picture.asked(**question)
        assert picture.said[-1]["good"] is False


def test_without_a_cluster_nothing_can_be_broken(cluster: Cluster) -> None:
    picture = Told(cluster.client)
    assert picture.can_break is False
    assert "cannot be done here" in picture.asked(do="crash", worker="worker-1")


def test_a_cluster_has_one_picture_and_two_threads(cluster: Cluster) -> None:
    pictures = [picture_of(cluster) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture._repr_mimebundle_()
        picture.hear({"do": "open", "view": str(number)})
    Told(cluster.client).hear({"do": "open", "view": "of the client"})
    assert pictures[0] is pictures[1] is pictures[2]
    assert threads() == ["nucleus-picture-painter", "nucleus-picture-reader"]


def test_nothing_is_watched_when_the_last_view_is_closed(cluster: Cluster, picture: Told) -> None:
    picture.hear({"do": "open", "view": "another"})
    picture.hear({"do": "close", "view": "view"})
    cluster.client.submit("Echo", 1).result(60)
    eventually(lambda: frame(picture)["counts"]["completed"] == 1)
    picture.hear({"do": "close", "view": "another"})
    eventually(lambda: cluster.client.submit("Echo", 1).result(60) and threads() == [])
    picture.hear({"do": "open", "view": "view"})
    eventually(lambda: frame(picture)["counts"]["completed"] == cluster.stats().jobs["COMPLETED"])


def test_a_page_that_was_reloaded_says_no_goodbye_for_its_views(
    cluster: Cluster, picture: Told
) -> None:
    picture.hear({"do": "page"})
    picture.hear({"do": "open", "view": "new"})
    picture.hear({"do": "close", "view": "new"})
    eventually(lambda: cluster.client.submit("Echo", 1).result(60) and threads() == [])


def test_when_the_cluster_stops_the_picture_says_so_and_no_thread_is_left(
    cluster: Cluster, picture: Told
) -> None:
    cluster.stop()
    eventually(lambda: threads() == [])
    assert frame(picture)["link"] == "closed"
    assert "stopped" in picture.summary
    picture.hear({"do": "open", "view": "another"})
    eventually(lambda: threads() == [])


def test_a_cluster_that_is_started_again_gets_another_picture(cluster: Cluster) -> None:
    first = picture_of(cluster)
    first._repr_mimebundle_()
    cluster.stop()
    cluster.start()
    assert picture_of(cluster) is not first
    assert first.closed


@pytest.mark.parametrize("durable", [True, False])
def test_the_picture_goes_on_with_the_next_master(durable: bool, tmp_path: Path) -> None:
    store = str(tmp_path / "ledger.db") if durable else "memory"
    options: dict[str, Any] = {"monitoring": False, "dashboard": False, "executor": "thread"}
    with Cluster(workers=1, store=store, **options) as cluster:
        picture = Told(cluster.client, cluster)
        picture.hear({"do": "open", "view": "view"})
        cluster.client.submit("Echo", 1).result(60)
        eventually(lambda: picture.frame and frame(picture)["counts"]["completed"] == 1)
        cluster.kill_part("master")
        cluster.restart_part("master")
        eventually(
            lambda: (
                frame(picture)["epoch"] == (2 if durable else 1)
                and frame(picture)["counts"]["completed"] == (1 if durable else 0)
            ),
            timeout=60,
        )
        cluster.client.submit("Echo", 1).result(60)
        eventually(lambda: frame(picture)["counts"]["completed"] == (2 if durable else 1))


def test_a_feed_shows_some_views_a_second_however_much_happens(cluster: Cluster) -> None:
    views: list[View] = []
    feed_of(cluster.client).listen(views.append)
    handles = cluster.client.submit_many("Echo", range(3000))
    for handle in handles:
        handle.result(60)
    eventually(lambda: views[-1]["counts"]["completed"] == 3000)
    seconds = views[-1]["at"] - views[0]["at"]
    assert len(views) <= 9 * seconds + 2
    assert max(len(json.dumps(view)) for view in views) < 10_000


CELLS = (
    "import nucleus\ncluster = nucleus.Cluster(workers=2, dashboard=False, monitoring=False)",
    "cluster",
    "cluster.start()",
    "cluster",
    "cluster.stop()\ncluster",
)


def test_a_notebook_shows_a_running_cluster_as_a_widget_and_a_stopped_one_in_words() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[0] == []
    shown = [cell[-1].data for cell in outputs[1:]]
    assert [sorted(data) for data in (shown[0], shown[3])] == [["text/plain"]] * 2
    widget = "application/vnd.jupyter.widget-view+json"
    assert shown[1][widget]["model_id"] == shown[2][widget]["model_id"]
    assert "2 workers are alive" in shown[2]["text/plain"]
    assert "<td>worker-1</td>" in shown[2]["text/html"]
    assert not [o for cell in outputs for o in cell if o.output_type == "stream"]
