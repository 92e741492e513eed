"""Time travel: step through a recorded run and see the cluster as it was.

:class:`Moments` knows what was at each step, without a widget; :class:`TimeTravel` shows it.
"""

import base64
import html
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from nucleus.core.events import JobRequeued, WorkerHeartbeat
from nucleus.history import History
from nucleus.history.checkpoints import EVERY, Checkpoints
from nucleus.history.observations import Beat, Committed, Observation
from nucleus.notebook.fallback import Bundle, bundle
from nucleus.notebook.scene import Scene, View
from nucleus.notebook.still import still
from nucleus.pictures import Overview
from nucleus.pictures.story import find_job, jobs_of, sentence, story_of
from nucleus.pictures.style import VERMILION

STORY_SHOWN = 500  # lines of a job's story
STORY_ROWS = 10


class Moments:
    """The cluster after each step of a history; step 0 is before everything.

    Going back is quick, however long the history is: see ``Checkpoints``. Raises
    ``ValueError`` when nothing was observed.
    """

    def __init__(self, history: History, every: int = EVERY) -> None:
        if not history.observations:
            raise ValueError("history: nothing was observed, so there is nowhere to travel")
        self.history = history
        self._scenes = Checkpoints(
            history.observations, lambda: Scene(history.worker_timeout), _fold, every
        )

    def __len__(self) -> int:
        return len(self.history.observations)

    def at(self, step: int) -> float:
        """When the step was, in Unix seconds."""
        return self.history.observations[max(0, step - 1)].at

    def view(self, step: int) -> View:
        """The cluster after ``step`` observations, as a scene shows it."""
        return self._scenes.after(step).view(self.at(step))

    def words(self, step: int) -> str:
        """What happened at this step."""
        if step == 0:
            return "Nothing has happened yet."
        seconds = self.at(step) - self.at(0)
        happened = sentence(self.history.observations[step - 1])
        return f"Step {step:,} of {len(self):,}, at {seconds:.3f} s: {happened}"


def _fold(scene: Scene, seen: Observation) -> None:
    """Let the scene see what the master did and heard, by the clock of the history."""
    match seen:
        case Committed(at=at, event=event):
            scene.fold(event if event.at == at else replace(event, at=at))
        case Beat(at=at, worker=worker, incarnation=incarnation):
            scene.fold(WorkerHeartbeat(0, at, worker, incarnation, 0, ()))


def most_eventful(history: History) -> str:
    """The job that was re-queued most often, else the first; "" when there is none."""
    requeued = Counter(
        seen.event.job_id for seen in history.events() if isinstance(seen.event, JobRequeued)
    )
    jobs = jobs_of(history)
    return requeued.most_common(1)[0][0] if requeued else jobs[0] if jobs else ""


class TimeTravel:
    """A slider through a history; ``box`` is the widget.

    Below it stand the cluster as it was, one cursor over who ran what, how many jobs waited
    and who was heard, and the story of a job, whose lines lead to their moments. Callbacks may
    come from several threads.
    """

    def __init__(self, history: History) -> None:
        self._lock = threading.RLock()
        self.moments = Moments(history)
        self.overview = Overview(history)
        self._job = ""
        self.slider = widgets.IntSlider(
            min=0,
            max=len(self.moments),
            description="Step",
            readout=False,
            layout=widgets.Layout(width="60%"),
        )
        self.play = widgets.Play(min=0, max=len(self.moments), interval=250)
        self.back = _button("arrow-left", "One step back")
        self.forward = _button("arrow-right", "One step on")
        self.where = widgets.HTML()
        self.scene = widgets.HTML()
        self.cursor = widgets.HTML(layout=_LAYER)
        self.job = widgets.Text(description="Job", continuous_update=False)
        self.story = widgets.Select(
            rows=STORY_ROWS, description="Story", layout=widgets.Layout(width="95%")
        )
        self.box = widgets.VBox(self._children())
        self._connect()
        self.job.value = most_eventful(history)
        self._show()

    def _children(self) -> list[Any]:
        image = widgets.HTML(_image(self.overview), layout=_LAYER)
        views = widgets.Box(
            [image, self.cursor],
            layout=widgets.Layout(display="grid", max_width=f"{_width(self.overview)}px"),
        )
        steps = widgets.HBox([self.play, self.back, self.forward, self.slider])
        return [steps, self.where, self.scene, views, self.job, self.story]

    def _connect(self) -> None:
        widgets.link((self.play, "value"), (self.slider, "value"))
        self.slider.observe(lambda _: self._show(), names="value")
        self.back.on_click(lambda _: self.go(self.slider.value - 1))
        self.forward.on_click(lambda _: self.go(self.slider.value + 1))
        self.job.observe(lambda _: self._tell(), names="value")
        self.story.observe(self._jump, names="value")

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        words = self.moments.words(self.slider.value)
        page = f"<p>{html.escape(words)}</p>{self.scene.value}{self.overview.html()}"
        return bundle(self.box, options, words, page)

    def go(self, step: int) -> None:
        """Show the cluster after ``step`` observations, or as near to it as there is one."""
        self.slider.value = min(max(0, step), len(self.moments))

    def choose(self, job: str) -> None:
        """Tell the story of a job, by its id or its number."""
        self.job.value = job

    # ---- showing ----------------------------------------------------------------------

    def _show(self) -> None:
        with self._lock:
            step = self.slider.value
            self.where.value = f"<p>{html.escape(self.moments.words(step))}</p>"
            self.scene.value = still(self.moments.view(step), self._job)
            self.cursor.value = _line(self.overview, self.moments.at(step))

    def _tell(self) -> None:
        with self._lock:
            try:
                self._job = find_job(self.moments.history, self.job.value.strip())
                lines = story_of(self.moments.history, self._job)[:STORY_SHOWN]
            except KeyError as error:
                self._job, lines = "", [(-1, 0.0, str(error.args[0]))]
            options = [(f"{at:10.3f} s  {said}", place + 1) for place, at, said in lines]
            self.story.options = [("choose a line to travel to it", -1), *options]
            self._show()

    def _jump(self, change: Any) -> None:
        if change["new"] is not None and change["new"] > 0:
            self.go(change["new"])


_LAYER = widgets.Layout(grid_area="1 / 1 / 2 / 2", width="100%", margin="0")


def _button(icon: str, tooltip: str) -> Any:
    return widgets.Button(icon=icon, tooltip=tooltip, layout=widgets.Layout(width="3em"))


def _width(overview: Overview) -> int:
    return round(overview.get_figwidth() * overview.dpi)


def _image(overview: Overview) -> str:
    source = base64.b64encode(overview.png()).decode()
    return (
        f'<img alt="{html.escape(overview.words, quote=True)}" style="width:100%;display:block"'
        f' src="data:image/png;base64,{source}">'
    )


def _line(overview: Overview, at: float) -> str:
    """The cursor: a line over the image, which is not drawn again."""
    top, bottom = overview.band
    width, height = overview.get_size_inches()
    return (
        f'<div style="position:relative;width:100%;aspect-ratio:{width}/{height};'
        f'pointer-events:none"><div style="position:absolute;left:{overview.place(at):.4%};'
        f"top:{top:.2%};height:{bottom - top:.2%};border-left:2px solid {VERMILION}"
        '"></div></div>'
    )
