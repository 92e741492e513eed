"""Everything over one clock: Gantt chart, queue depth and heartbeats, with a cursor.

The cursor is not part of the picture. It is laid over the image by whoever shows it, at
:meth:`Overview.place`, so that moving it redraws nothing.
"""

from nucleus.history import History
from nucleus.pictures.attempts import attempts_of
from nucleus.pictures.drawing import Drawing
from nucleus.pictures.gantt import draw_gantt, workers_of
from nucleus.pictures.heartbeats import draw_heartbeats, heard_of
from nucleus.pictures.queue import draw_depth, flow_of
from nucleus.pictures.style import WIDTH, legend, rows_height
from nucleus.pictures.time_axis import LABEL, TimeAxis

TALLEST, DEPTH = 3.0, 1.7  # inches: of a view with rows, and of the queue


class Overview(Drawing):
    """Three views of one history above each other, over the same seconds."""

    def __init__(self, history: History) -> None:
        time, attempts, heard = TimeAxis.of(history), attempts_of(history), heard_of(history)
        flow = flow_of(history, time)
        high, higher = (
            min(TALLEST, rows_height(rows)) for rows in (len(workers_of(attempts)), len(heard))
        )
        words = f"Who ran which job, how many waited, and who was heard, in {time.length:.0f} s."
        super().__init__(WIDTH, high + DEPTH + higher + 1.9, words + time.words())
        self._time = time
        chart, depth, beats = self.subplots(3, 1, sharex=True, height_ratios=[high, DEPTH, higher])
        draw_gantt(chart, history, time, attempts, high)
        draw_depth(depth, flow, time)
        draw_heartbeats(beats, history, time, heard, higher)
        beats.set_xlabel(LABEL)
        legend(self)

    def place(self, at: float) -> float:
        """Where ``at`` (Unix seconds) is in the image, from 0 at its left to 1 at its right.

        Known once the picture has been drawn.
        """
        pixels, _ = self.axes[0].transData.transform((self._time(at), 0))
        return float(pixels / self.bbox.width)

    @property
    def band(self) -> tuple[float, float]:
        """Where the views begin and end in the image, from 0 at its top to 1 at its bottom."""
        return 1 - self.axes[0].get_position().y1, 1 - self.axes[-1].get_position().y0


def overview(history: History) -> Overview:
    """Draw who ran what, how many jobs waited, and who was heard."""
    return Overview(history)
