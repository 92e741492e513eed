"""What a student gets back: the verdict as a page of its own, with its pictures.

What is drawn was told by the process that ran the student's code. It may be anything, so a
story that is too large, or is none, is left out rather than drawn.
"""

import html
from dataclasses import replace
from math import isfinite

from nucleus.grading.judge import Report
from nucleus.grading.submissions import LINE_END
from nucleus.grading.verdict import PartVerdict, Verdict
from nucleus.history.diagram import Diagram

MOST_DRAWN = 500  # arrows and marks; a real story has some dozens
MOST_LIFELINES = 30
LONGEST = 300  # characters of a word in the picture

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem }}
pre {{ overflow-wrap: anywhere; overflow-x: auto }}
</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def feedback(verdict: Verdict | None, title: str, trouble: str = "", code: str = "") -> str:
    """A page that needs no other file; it says ``trouble`` where there is no verdict.

    All hints are on it, for who reads it has handed in, and the ``code`` that was judged, with
    the numbers of the lines that the verdict names.
    """
    if verdict is None:
        body = f"<p><strong>Not graded:</strong> {html.escape(trouble)}.</p>"
    else:
        body = _body(replace(verdict, parts={k: _told(p) for k, p in verdict.parts.items()}))
        body += _listing(f"{verdict.lab.name}.py", code)
    return _PAGE.format(title=html.escape(title), body=body)


def _listing(file: str, code: str) -> str:
    """The code with its lines numbered, "" for none."""
    if not code.strip():
        return ""
    lines = LINE_END.split(code.rstrip())
    width = len(str(len(lines)))
    numbered = "\n".join(f"{number:>{width}}  {line}" for number, line in enumerate(lines, 1))
    return (
        f"<details><summary>The code that was judged, {html.escape(file)}</summary>"
        f"<pre>{html.escape(numbered)}</pre></details>"
    )


def _body(verdict: Verdict) -> str:
    from nucleus.grading.page import page

    try:
        return page(verdict)
    except Exception:  # a picture of something that nobody has thought of
        return page(replace(verdict, parts={k: _undrawn(p) for k, p in verdict.parts.items()}))


def _told(part: PartVerdict) -> PartVerdict:
    hints = part.part.hints if part.could_be_helped else ()
    part = replace(part, hints=hints)
    story = part.report.story
    return part if story is None or _can_be_drawn(story) else _undrawn(part)


def _undrawn(part: PartVerdict) -> PartVerdict:
    report: Report = replace(part.report, story=None)
    return replace(part, report=report)


def _can_be_drawn(story: Diagram) -> bool:
    times = [time for a in story.arrows for time in (a.sent, a.received)]
    times += [time for m in story.marks for time in (m.at, m.until)]
    words = [*story.lifelines, *(a.what for a in story.arrows), *(m.what for m in story.marks)]
    return (
        0 < len(story.lifelines) <= MOST_LIFELINES
        and len(story.arrows) + len(story.marks) <= MOST_DRAWN
        and all(time is None or isfinite(time) for time in times)
        and all(len(word) <= LONGEST for word in words)
    )
