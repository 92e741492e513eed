"""The living picture: a widget that shows a cluster while it works, and breaks it on request.

Evaluating a running ``Cluster`` in a notebook shows it. The frames come from a ``Feed``; what
they look like is in ``static/picture.js`` and ``.css``, which are part of the package.
"""

import json
import time
import weakref
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.jobs import Registry, default_registry
from nucleus.notebook.actions import ACTIONS, in_background, perform
from nucleus.notebook.feed import feed_of
from nucleus.notebook.scene import View
from nucleus.notebook.submit import submit_text, submittable
from nucleus.notebook.subshell import hear_beside_cells, why_buttons_wait
from nucleus.notebook.words import describe, table

STATIC = Path(__file__).parent / "static"
SUMMARY_INTERVAL = 3.0  # seconds; a screen reader has to read it out
ACKNOWLEDGED = 10.0  # seconds that a submitted job may take to be durable
BUSY = "The kernel is busy with a cell, and hears this when the cell has ended."


class Picture(anywidget.AnyWidget):
    """Shows what a client's master does; with a ``cluster``, also breaks its workers.

    Several views of it, on one page or several, show the same. Nothing is watched while there
    is no view, nor when the client is closed: the picture then says so and stays as it was.
    """

    _esm = STATIC / "picture.js"
    _css = STATIC / "picture.css"

    frame = traitlets.Unicode().tag(sync=True)  # JSON text: as a tree it would cost ten times more
    summary = traitlets.Unicode().tag(sync=True)
    job_types: traitlets.List[Any] = traitlets.List().tag(sync=True)
    can_break = traitlets.Bool().tag(sync=True)
    why_wait = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, client: Client, cluster: Cluster | None = None, registry: Registry | None = None
    ) -> None:
        types = [
            {"name": t.name, "allowed": t.allowed, "example": json.dumps(t.example)}
            for t in submittable(registry or default_registry())
        ]
        super().__init__(
            job_types=types, can_break=cluster is not None, why_wait=why_buttons_wait() or BUSY
        )
        self._client = weakref.ref(client)
        self._cluster = weakref.ref(cluster) if cluster is not None else None
        self._feed = feed_of(client)
        self._views: set[str] = set()  # front ends that show it
        self._faults: defaultdict[str, list[str]] = defaultdict(list)  # by worker
        self._summary_at = 0.0
        self.on_msg(lambda _, content, __: self.hear(content))
        hear_beside_cells(self)
        if cluster is not None:
            cluster.listen(self._hear_fault)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget; for what cannot show it a table, and words."""
        self._feed.listen(self._draw)
        view = self._feed.first_view()
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "text/plain": describe(view), "text/html": table(view)}, metadata

    @property
    def closed(self) -> bool:
        """Whether it has shown its last frame."""
        return self._feed.closed

    # ---- frames -----------------------------------------------------------------------

    def _draw(self, view: View) -> None:
        """Show a view; called on a thread of the feed."""
        cluster = self._cluster() if self._cluster is not None else None
        names = set(cluster.workers) if cluster is not None else set()
        for worker in view["workers"]:
            worker["faults"] = self._faults.get(worker["name"], [])
            worker["breakable"] = worker["name"] in names
        self.frame = json.dumps(view, separators=(",", ":"))
        now = time.monotonic()
        if now - self._summary_at > SUMMARY_INTERVAL or view["link"] == "closed":
            self.summary, self._summary_at = describe(view), now

    def _hear_fault(self, kind: str, worker: str, over: bool) -> None:
        faults = [fault for fault in self._faults[worker] if fault != kind]
        self._faults[worker] = faults if over else [*faults, kind]

    # ---- what views say ---------------------------------------------------------------

    def hear(self, content: Mapping[str, Any]) -> None:
        """Take a message of a view; returns at once, because it may be in the way of a cell.

        Each question is answered twice: ``heard``, and when it is done what was ``said``.
        """
        match content:
            case {"do": "page"}:
                self._views.clear()
            case {"do": "open", "view": str(view)}:
                self._views.add(view)
                self._feed.listen(self._draw)
            case {"do": "close", "view": str(view)}:
                self._views.discard(view)
                if not self._views:
                    self._feed.leave(self._draw)
            case {"do": str(), "question": str(question)}:
                self.why_wait = why_buttons_wait(in_callback=True) or BUSY
                self.send({"question": question, "heard": True})
                in_background(partial(self._act, content), partial(self._answer, question))

    def _act(self, content: Mapping[str, Any]) -> str:
        cluster = self._cluster() if self._cluster is not None else None
        match content:
            case {
                "do": "submit",
                "job_type": str(job_type),
                "payload": str(payload),
                "count": int(count),
            }:
                return self._submit(job_type, payload, count)
            case {"do": "add"} if cluster is not None:
                return perform(cluster, "add")
            case {"do": str(action), "worker": str(worker)} if cluster and action in ACTIONS:
                return perform(cluster, action, worker)
        raise ValueError(f"this cannot be done here: {dict(content)}")

    def _submit(self, job_type: str, payload: str, count: int) -> str:
        client = self._client()
        if client is None:
            raise ValueError("the client is gone")
        handles = submit_text(client, job_type, payload, count)
        for handle in handles:
            handle.add_done_callback(lambda _: None)  # somebody looks: the picture shows it
        handles[-1].acknowledged(ACKNOWLEDGED)
        many = f" {count:,} times" if count > 1 else ""
        return f"{job_type}({payload}) was submitted{many}."

    def _answer(self, question: str, said: str, good: bool) -> None:
        self.send({"question": question, "said": said, "good": good})


_pictures: "weakref.WeakKeyDictionary[Cluster, Picture]" = weakref.WeakKeyDictionary()


def picture_of(cluster: Cluster) -> Picture:
    """The picture of a running cluster; the same one each time, until it stops."""
    picture = _pictures.get(cluster)
    if picture is None or picture.closed:
        picture = _pictures[cluster] = Picture(cluster.client, cluster)
    return picture
