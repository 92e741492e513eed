"""A panel that submits jobs and shows what became of them.

Button callbacks must not block (the kernel may be busy, or they may run on a thread beside
it): the button submits from a thread of its own, and the results arrive by callback.
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
from nucleus.notebook.actions import in_background
from nucleus.notebook.fallback import Bundle, bundle
from nucleus.notebook.later import Later
from nucleus.notebook.submit import MAX_COUNT, submit_text, submittable
from nucleus.notebook.subshell import hear_beside_cells, why_buttons_wait

SHOWN = 8  # jobs in the table
REFRESH = 0.2  # seconds between two updates
FIRST = "Fibonacci"  # the type that is chosen at first
PAYLOAD = 27  # for it: some hundredths of a second of work
MAX_RESULT = 60  # characters of a result in the table
LIMIT = 2**31 - 1  # of a priority, as in the protocol
ALARM = "#D55E00"  # the vermillion of Okabe and Ito: readable on white and on black


class SubmitPanel:
    """Job type, payload, count, priority, Submit; progress, and a table of the last jobs.

    ``handles`` are those of all jobs that it submitted; ``box`` is the widget.
    """

    def __init__(self, client: Client, registry: Registry | None = None) -> None:
        self._client = client
        self._types = {t.name: t for t in submittable(registry or default_registry())}
        self._lock = threading.Lock()  # guards the handles: callbacks come from several threads
        self.handles: list[JobHandle] = []
        self._ended = 0
        self._show_soon = Later(REFRESH, self._show)
        self._make_inputs()
        self.button = widgets.Button(description="Submit", button_style="primary")
        self.button.on_click(self._click)
        self.allowed = widgets.HTML()
        self.said = widgets.HTML()
        self.progress = widgets.IntProgress(description="Ended", max=1, bar_style="success")
        self.progress_text = widgets.HTML()
        self.table = widgets.HTML()
        self.note = widgets.HTML(_note(why_buttons_wait()))
        self.box = self._make_box()
        hear_beside_cells(self.box)
        self._choose()
        self._show()

    def _make_inputs(self) -> None:
        first = FIRST if FIRST in self._types else next(iter(self._types), None)
        self.job_type = widgets.Dropdown(
            options=list(self._types), value=first, description="Job type"
        )
        self.payload = widgets.Text(description="Payload", continuous_update=True)
        self.count = widgets.BoundedIntText(1, min=1, max=MAX_COUNT, description="Count")
        self.priority = widgets.BoundedIntText(
            0, min=-LIMIT, max=LIMIT, description="Priority", tooltip="A higher one runs first"
        )
        self.job_type.observe(lambda _: self._choose(), names="value")

    def _make_box(self) -> widgets.VBox:
        what = widgets.HBox([self.job_type, self.payload])
        how = widgets.HBox([self.count, self.priority, self.button])
        progress = widgets.HBox([self.progress, self.progress_text])
        return widgets.VBox([what, self.allowed, how, self.said, progress, self.table, self.note])

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        words = f"A form that submits jobs, in a kernel that runs. Ended: {self._ended_of_all()}."
        return bundle(self.box, options, words, f"<p>{words}</p>{self.table.value}")

    # ---- submitting -------------------------------------------------------------------

    def submit(self) -> list[JobHandle]:
        """Submit what the panel says, as the button does; nothing when it is not allowed."""
        try:
            return self._submit()
        except NucleusError as error:
            self._say(str(error), False)
            return []

    def _click(self, _: object) -> None:
        self.note.value = _note(why_buttons_wait(in_callback=True))
        in_background(lambda: f"Submitted: {len(self._submit()):,}.", self._say)

    def _submit(self) -> list[JobHandle]:
        handles = submit_text(
            self._client,
            self.job_type.value,
            self.payload.value,
            self.count.value,
            self.priority.value,
        )
        with self._lock:
            self.handles += handles
        for handle in handles:
            handle.add_done_callback(self._one_ended)
        self._show_soon.ask()
        return handles

    def _one_ended(self, _: Future[Any]) -> None:
        with self._lock:
            self._ended += 1
        self._show_soon.ask()

    # ---- showing ----------------------------------------------------------------------

    def _choose(self) -> None:
        """A type was chosen: offer a payload that it takes."""
        chosen = self._types.get(self.job_type.value)
        if chosen is not None:
            example = PAYLOAD if chosen.name == FIRST else chosen.example
            self.payload.value = json.dumps(example)
            self.allowed.value = _note(f"{chosen.name} takes {chosen.allowed}.")
            self.said.value = ""

    def _say(self, text: str, good: bool) -> None:
        self.said.value = _note(text, good=good)

    def _ended_of_all(self) -> str:
        return f"{self._ended:,} of {len(self.handles):,} jobs"

    def _show(self) -> None:
        with self._lock:
            total, ended = len(self.handles), self._ended
            last = self.handles[: -SHOWN - 1 : -1]
        self.progress.max, self.progress.value = max(1, total), ended
        self.progress_text.value = _note(self._ended_of_all())
        self.table.value = _table(last) if last else _note("Nothing submitted yet.")


def _note(text: str, *, good: bool = True) -> str:
    if good:
        return f"<span>{html.escape(text)}</span>"
    return f'<span style="color:{ALARM}" role="alert">✗ {html.escape(text)}</span>'


def _table(handles: list[JobHandle]) -> str:
    names = ("job", "payload", "status", "result")
    head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in names)
    rows = "".join(f"<tr>{_cells(handle)}</tr>" for handle in handles)
    return f'<table style="border-spacing:1em 0"><tr>{head}</tr>{rows}</table>'


def _cells(handle: JobHandle) -> str:
    status, result = _outcome(handle)
    cells = (handle.job_type, json.dumps(handle.payload), status, result)
    return "".join(f"<td>{html.escape(_short(text))}</td>" for text in cells)


def _short(text: str) -> str:
    return text if len(text) <= MAX_RESULT else f"{text[:MAX_RESULT]}…"


def _outcome(handle: JobHandle) -> tuple[str, str]:
    if handle.cancelled():
        return "– cancelled", ""
    if not handle.done():
        return "… under way", ""
    error = handle.exception()
    if error is not None:
        return "✗ failed", str(error)
    return "✓ completed", json.dumps(handle.result())
