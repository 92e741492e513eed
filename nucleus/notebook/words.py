"""The picture for those who cannot see it move: in words, and as an HTML table.

A plain-text front end prints :func:`describe`, nbconvert keeps :func:`table`, and a screen
reader is read :func:`describe` while the picture moves.
"""

import html

from nucleus.notebook.scene import View

COLUMNS = ("worker", "state", "last heard of", "slots", "holds", "ended")


def describe(view: View) -> str:
    """The scene in a few sentences."""
    sentences = [_link(view), _queue(view), _workers(view), _troubles(view)]
    return " ".join(sentence for sentence in sentences if sentence)


def _link(view: View) -> str:
    if view["link"] == "closed":
        return "The cluster is stopped; this is how it was."
    return "The master does not answer." if view["link"] == "waiting" else ""


def _queue(view: View) -> str:
    counts = view["counts"]
    words = ", ".join(
        f"{counts[status]:,} {status}" for status in ("queued", "running", "completed")
    )
    more = [f"{counts[s]:,} {s}" for s in ("failed", "cancelled") if counts[s]]
    return f"Jobs: {', '.join([words, *more])}; {view['rate']:g} a second end."


def _workers(view: View) -> str:
    alive = [worker for worker in view["workers"] if worker["state"] == "alive"]
    held = sum(worker["held"] for worker in alive)
    count = len(alive) + view["more_workers"]
    jobs = f"{held:,} {'job' if held == 1 else 'jobs'}"
    if count == 1:
        return f"1 worker is alive and holds {jobs}."
    return f"{count} workers are alive and hold {jobs}."


def _troubles(view: View) -> str:
    limit = view["worker_timeout"]
    silent = [
        f"{worker['name']} has been silent for {worker['age']:.0f} s"
        for worker in view["workers"]
        if worker["state"] == "alive" and worker["age"] > limit / 2
    ]
    lost = [w["name"] for w in view["workers"] if w["state"] == "lost"]
    counts = view["counts"]
    return " ".join(
        sentence
        for sentence in (
            f"{'; '.join(silent)}." if silent else "",
            f"Given up on: {', '.join(lost)}." if lost else "",
            f"Re-queued: {counts['requeued']:,}." if counts["requeued"] else "",
            f"Late results refused: {counts['refused']:,}." if counts["refused"] else "",
        )
        if sentence
    )


def table(view: View) -> str:
    """The scene as an HTML table under a sentence, for what shows no widgets."""
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _cells(worker))}</tr>"
        for worker in view["workers"]
    )
    if view["more_workers"]:
        rows += f'<tr><td colspan="{len(COLUMNS)}">and {view["more_workers"]} more</td></tr>'
    style = 'style="border-spacing:1em 0;text-align:left"'
    caption = f'<caption style="text-align:left">{html.escape(describe(view))}</caption>'
    return f"<table {style}>{caption}<tr>{head}</tr>{rows}</table>"


def _cells(worker: View) -> tuple[str, ...]:
    heard = f"{worker['age']:.1f} s ago"
    numbers = (str(worker[key]) for key in ("slots", "held", "ended"))
    return worker["name"], worker["state"], heard, *numbers
