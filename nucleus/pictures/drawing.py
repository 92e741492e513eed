"""A figure that can also be read: :class:`Drawing`.

It is made without pyplot, so nothing keeps it alive, nothing shows it a second time at the end
of a cell, and any thread may draw one. It brings its own representations: an image with its
alternative text and a fold-out "In words" where HTML is shown, and the words alone in a
terminal.
"""

import html
from base64 import b64encode
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from nucleus.pictures.style import PAPER

DPI = 100  # dots per inch on the page
FINE = 1.6  # times as many in the image, for screens that can show them


class Drawing(Figure):
    """A matplotlib figure; ``words`` says what it shows."""

    def __init__(self, width: float, height: float, words: str) -> None:
        super().__init__(
            figsize=(width, height), dpi=DPI, facecolor=PAPER, edgecolor=PAPER, layout="constrained"
        )
        self.words = words

    def png(self) -> bytes:
        """The picture as a PNG file."""
        file = BytesIO()
        self.savefig(file, format="png", dpi=DPI * FINE, facecolor=PAPER)
        return file.getvalue()

    def html(self) -> str:
        """The picture as HTML that needs no other file."""
        return self._page(b64encode(self.png()).decode())

    def _page(self, image: str) -> str:
        return _PAGE.format(
            words=html.escape(self.words, quote=True),
            image=image,
            width=round(self.get_figwidth() * DPI),
        )

    def __str__(self) -> str:
        return self.words

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        image = b64encode(self.png()).decode()  # once, for the page and for what prints
        return {"text/html": self._page(image), "image/png": image, "text/plain": self.words}


_PAGE = """<figure style="margin:0">
<img alt="{words}" width="{width}" style="max-width:100%;height:auto"
 src="data:image/png;base64,{image}">
<details><summary>In words</summary><p>{words}</p></details>
</figure>"""
