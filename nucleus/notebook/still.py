"""A still of a scene as HTML: what time travel shows of one moment.

It needs no script, takes its ink from the page, so that it is readable in every theme, and
says in words what its colours say.
"""

import html
from collections.abc import Iterable

from nucleus.notebook.scene import View
from nucleus.pictures.attempts import short_name
from nucleus.pictures.style import COMPLETED, FAILED, FAINT, ORANGE, RUNNING, VERMILION

BAR = 120  # pixels: a silence as long as the timeout

_CHIP = (
    '<span style="display:inline-block;margin:1px 3px;padding:0 5px;border-radius:3px;'
    'border:{width}px solid {colour};white-space:nowrap" title="{title}">{text}</span>'
)
_AGE = (
    '<span style="display:inline-block;width:{whole}px;height:.7em;border:1px solid;'
    'border-radius:3px;opacity:.9"><span style="display:block;width:{part}px;height:100%;'
    'background:{colour}"></span></span> {age:.1f} s'
)
_ENDED = {"completed": COMPLETED, "failed": FAILED, "cancelled": FAINT}
_MARKS = {  # what a card is marked with: a sign behind its number, and what it means
    "front": (" ↩", "re-queued to the front"),
    "suspect": (" ⚠", "may have taken a worker down"),
    "delayed": (" …", "waits for its time"),
    "completed": (" ✓", "completed"),
    "failed": (" ✗", "failed"),
    "cancelled": (" –", "cancelled"),
}


def still(view: View, chosen: str = "") -> str:
    """``view`` as HTML, with the job whose id is ``chosen`` framed boldly."""
    counts = view["counts"]
    totals = ", ".join(
        f"{counts.get(name, 0):,} {name}"
        for name in ("queued", "running", "completed", "failed", "cancelled")
    )
    queue = _chips(view["queue"], chosen, ORANGE)
    more = counts.get("queued", 0) - len(view["queue"])
    queue += f" … and {more:,} more" if more > 0 else ""
    ended = "".join(_chips([card], chosen, _ENDED[card["status"]]) for card in view["ended"][-8:])
    refused = _chips(view["refused"], chosen, VERMILION)
    rows = "".join(_row(worker, view["worker_timeout"], chosen) for worker in view["workers"])
    if view["more_workers"]:
        rows += f'<tr><td colspan="4">and {view["more_workers"]} more workers</td></tr>'
    return (
        f'<div style="line-height:1.6"><b>Jobs:</b> {totals}<br>'
        f"<b>Queue</b>, next first: {queue or 'empty'}"
        f'<table style="border-spacing:.8em 0;text-align:left"><tr><th>worker</th><th>state</th>'
        f"<th>silent for</th><th>holds</th></tr>{rows}</table>"
        f"<b>Ended</b>, latest last: {ended or 'none'}"
        + (f"<br><b>Refused</b> late results: {refused}" if refused else "")
        + "</div>"
    )


def _row(worker: View, timeout: float, chosen: str) -> str:
    share = min(1.0, worker["age"] / timeout)
    colour = VERMILION if share >= 1 else ORANGE if share > 0.5 else COMPLETED
    age = _AGE.format(whole=BAR, part=round(share * BAR), colour=colour, age=worker["age"])
    jobs = _chips(worker["jobs"], chosen, RUNNING)
    more = worker["held"] - len(worker["jobs"])
    cells = (
        html.escape(worker["name"]),
        {"lost": "given up on"}.get(worker["state"], worker["state"]),
        age if worker["state"] != "left" else "",
        jobs + (f" … and {more:,} more" if more > 0 else ""),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _chips(cards: Iterable[View], chosen: str, colour: str) -> str:
    return "".join(_chip(card, 4 if card["id"] == chosen else 2, colour) for card in cards)


def _chip(card: View, width: int, colour: str) -> str:
    sign, meaning = _MARKS.get(card.get("status") or card["mark"], ("", ""))
    title = f"{card['id']}: {card['what']}{f', {meaning}' if meaning else ''}"
    return _CHIP.format(
        width=width,
        colour=colour,
        title=html.escape(title, quote=True),
        text=html.escape(short_name(card["id"])) + sign,
    )
