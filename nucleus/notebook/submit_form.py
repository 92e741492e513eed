"""A form that submits jobs and shows what became of them.

Button callbacks must not block (the kernel may be busy, or they may run on a thread beside
it): this one submits, which returns at once, and the results arrive by callback.
"""

import html
import json
import threading
from concurrent.futures import Future
from typing import Any

import ipywidgets as widgets

from nucleus.client import Client, JobHandle
from nucleus.core.errors import NucleusError
from nucleus.jobs import Registry, default_registry

SHOWN = 8  # jobs in the table


class SubmitForm:
    """Job type, payload, Submit, and a table of the last jobs; ``box`` is the widget."""

    def __init__(self, client: Client, registry: Registry | None = None) -> None:
        self._client = client
        self._registry = registry or default_registry()
        self._lock = threading.Lock()  # callbacks come from several threads
        self.handles: list[JobHandle] = []
        names = [n for n in self._registry.names() if not self._registry.get(n).kills_process]
        self.job_type = widgets.Dropdown(options=names, value="Fibonacci", description="Job type")
        self.payload = widgets.Text(value="27", description="Payload")
        self.allowed = widgets.HTML()
        self.button = widgets.Button(description="Submit", button_style="primary")
        self.table = widgets.HTML()
        self.job_type.observe(self._show_allowed, names="value")
        self.button.on_click(lambda _: self.submit())
        self._show_allowed()
        self._show()
        row = widgets.HBox([self.job_type, self.payload, self.button])
        self.box = widgets.VBox([row, self.allowed, self.table])

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)

    def submit(self) -> JobHandle | None:
        """Submit what the form says, as the button does; ``None`` when it is not allowed."""
        try:
            payload = json.loads(self.payload.value)
            handle = self._client.submit(self.job_type.value, payload)
        except (ValueError, NucleusError) as error:
            self.allowed.value = _note(str(error), "#D55E00")
            return None
        with self._lock:
            self.handles.append(handle)
        self._show_allowed()
        handle.add_done_callback(self._ended)
        self._show()
        return handle

    def _ended(self, _: Future[Any]) -> None:
        self._show()

    def _show_allowed(self, _: object = None) -> None:
        allowed = self._registry.get(self.job_type.value).allowed
        self.allowed.value = _note(f"{self.job_type.value} takes {allowed}.", "inherit")

    def _show(self) -> None:
        with self._lock:
            last = self.handles[: -SHOWN - 1 : -1]
            self.table.value = _table(last) if last else _note("Nothing submitted yet.", "inherit")


def _note(text: str, colour: str) -> str:
    return f'<span style="color:{colour}">{html.escape(text)}</span>'


def _table(handles: list[JobHandle]) -> str:
    rows = "".join(f"<tr>{_cells(handle)}</tr>" for handle in handles)
    head = "<tr><th>job</th><th>payload</th><th>status</th><th>result</th></tr>"
    return f'<table style="border-spacing:1em 0;text-align:left">{head}{rows}</table>'


def _cells(handle: JobHandle) -> str:
    status, result = _outcome(handle)
    cells = (handle.job_type, json.dumps(handle.payload), status, result)
    return "".join(f"<td>{html.escape(text)}</td>" for text in cells)


def _outcome(handle: JobHandle) -> tuple[str, str]:
    if handle.cancelled():
        return "cancelled", ""
    if not handle.done():
        return "under way", ""
    error = handle.exception()
    return ("completed", json.dumps(handle.result())) if error is None else ("failed", str(error))
