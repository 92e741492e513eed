"""A panel that breaks the workers of a cluster: what the menus of the picture do, as buttons."""

import html
from functools import partial
from typing import Any

import ipywidgets as widgets

from nucleus.cluster import Cluster
from nucleus.notebook.actions import ACTIONS, in_background, perform
from nucleus.notebook.fallback import Bundle, bundle
from nucleus.notebook.feed import feed_of
from nucleus.notebook.scene import View
from nucleus.notebook.subshell import hear_beside_cells, why_buttons_wait
from nucleus.notebook.words import describe, table

BREAKS = "Buttons that break a worker, in a kernel that runs."


class FaultPanel:
    """A worker to choose, and a button for each thing that can be done to it.

    It follows the cluster until that stops; ``box`` is the widget.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.worker = widgets.Dropdown(options=cluster.workers, description="Worker")
        self.buttons = {
            action: widgets.Button(description=action.capitalize()) for action in (*ACTIONS, "add")
        }
        self.buttons["add"].description = "Add a worker"
        for action, button in self.buttons.items():
            button.on_click(partial(self._click, action))
        self.state = widgets.HTML()
        self.said = widgets.HTML()
        self.note = widgets.HTML(html.escape(why_buttons_wait()))
        rows = (
            widgets.HBox([self.worker, self.state]),
            widgets.HBox([self.buttons[action] for action in ACTIONS[:3]]),
            widgets.HBox([self.buttons[action] for action in ACTIONS[3:]]),
            self.buttons["add"],
            self.said,
            self.note,
        )
        self.box = widgets.VBox(rows)
        hear_beside_cells(self.box)
        self._feed = feed_of(cluster.client)
        self._feed.listen(self._show)

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        view = self._feed.first_view()
        words = f"{BREAKS} {describe(view)}"
        return bundle(self.box, options, words, f"<p>{BREAKS}</p>{table(view)}")

    def act(self, action: str) -> None:
        """Do it to the chosen worker, as the button does; returns at once."""
        worker = self.worker.value or ""
        in_background(lambda: perform(self._cluster, action, worker), self._answer)

    def _click(self, action: str, _: object) -> None:
        self.note.value = html.escape(why_buttons_wait(in_callback=True))
        self.said.value = "under way …"
        self.act(action)

    def _answer(self, said: str, good: bool) -> None:
        self.said.value = html.escape(said if good else f"✗ {said}")

    def _show(self, view: View) -> None:
        names = tuple(sorted(self._cluster.workers, key=lambda name: (len(name), name)))
        if names != tuple(self.worker.options):
            chosen = self.worker.value
            self.worker.options = names
            if chosen in names:
                self.worker.value = chosen
        states = [w for w in view["workers"] if w["name"] == self.worker.value]
        text = f"{states[0]['state']}, heard of {states[0]['age']:.0f} s ago" if states else ""
        self.state.value = "the cluster is stopped" if view["link"] == "closed" else text
        for button in self.buttons.values():
            button.disabled = view["link"] == "closed"
