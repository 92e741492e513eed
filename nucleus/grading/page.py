"""The verdict as HTML: a lesson for each part, in the colours of the page around it.

Colours are those of the page, light or dark, but for a thin mark at the side; no meaning hangs
on a colour alone. The picture is an image with its text beside it, so that everything can be
read aloud.
"""

import html
import re
from collections.abc import Iterator

from nucleus.grading.judge import Outcome
from nucleus.grading.verdict import PartVerdict, Verdict
from nucleus.pictures.space_time import draw_space_time
from nucleus.pictures.style import BLUE, ORANGE, VERMILION

COLOURS = {Outcome.PASS: BLUE, Outcome.FAIL: VERMILION, Outcome.UNKNOWN: ORANGE}
_PART = (
    '<section style="border-left:4px solid {colour};padding:2px 0 2px 12px;margin:10px 0">'
    '<p style="margin:0"><strong>{headline}</strong></p>{body}</section>'
)


def page(verdict: Verdict) -> str:
    """The whole verdict."""
    parts = "".join(map(_part, verdict.parts.values()))
    printed = _printed(verdict.printed) if verdict.printed else ""
    head = f'<p role="status"><strong>{html.escape(verdict.headline)}</strong></p>'
    return f'<div class="nucleus-verdict">{head}{parts}{printed}</div>'


def _part(part: PartVerdict) -> str:
    return _PART.format(
        colour=COLOURS[part.outcome],
        headline=html.escape(part.headline),
        body="".join(_body(part)),
    )


def _body(part: PartVerdict) -> Iterator[str]:
    yield from (f'<p style="margin:4px 0">{html.escape(line)}</p>' for line in part.explanation)
    if part.trace:
        lines = html.escape("\n".join(part.trace))
        yield f'<pre style="white-space:pre-wrap;margin:4px 0">{lines}</pre>'
    if part.report.story is not None:
        yield f'<p style="margin:4px 0">{html.escape(part.scale)}</p>'
        yield draw_space_time(part.report.story).html()
    if part.replay:
        yield f'<p style="margin:4px 0">Again: <code>{html.escape(part.replay)}</code></p>'
    if part.hints:
        hints = "".join(f"<li>{_with_code(hint)}</li>" for hint in part.hints)
        yield f"<details><summary>{part.hints_so_far}</summary><ul>{hints}</ul></details>"


def _with_code(text: str) -> str:
    """``text`` with what stands in it between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _printed(text: str) -> str:
    return (
        f"<details><summary>What it printed</summary>"
        f'<pre style="white-space:pre-wrap">{html.escape(text)}</pre></details>'
    )
