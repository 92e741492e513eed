"""What a widget leaves behind where no widget can be shown.

nbconvert without the widgets' state, GitHub and a console cannot run a widget. They take the
best that is in its bundle instead, so every panel puts a page and words beside its widget.
"""

from collections.abc import Mapping
from typing import Any

Bundle = tuple[dict[str, Any], dict[str, Any]]  # data by type, and metadata


def bundle(box: Any, options: Mapping[str, Any], words: str, page: str) -> Bundle:
    """The bundle of the widget ``box``, and for what cannot show it ``words`` and an HTML ``page``.

    ``options`` are those that IPython handed to ``_repr_mimebundle_``.
    """
    data = box._repr_mimebundle_(**options) or {}
    return {**data, "text/plain": words, "text/html": page}, {}
