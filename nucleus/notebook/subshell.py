"""Whether buttons answer while a cell runs, and if not, why.

Messages from the page wait for the running cell, unless the kernel has subshells (ipykernel
7) and the page uses them (JupyterLab 4.4): then they are handled on a thread beside it. What
they call must be quick, and safe on any thread.
"""

import sys
import threading
from typing import Any

NO_KERNEL = "No notebook is attached: buttons do nothing here."
NO_SUBSHELLS = (
    "Buttons answer when no cell is running: this kernel has no subshells (ipykernel 7 has)."
)
NOT_USED = (
    "Buttons answer when no cell is running: this page does not use the kernel's subshells"
    " (JupyterLab 4.4 and later do)."
)


def hear_beside_cells(widget: Any) -> None:
    """Let messages to ``widget``, and to those inside it, be handled where the page asks for.

    ipykernel 7.4 sends them to the shell that wrote to the widget last, which as a rule is the
    main one, where the cell runs. That is for cells that wait for a widget; ours do not.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, asked_for: asked_for
    for child in getattr(widget, "children", ()):
        hear_beside_cells(child)


def why_buttons_wait(*, in_callback: bool = False) -> str:
    """Why a button has to wait for the running cell, in words; "" when it does not.

    Only a callback that is just running (``in_callback``) shows whether the page uses
    subshells: it then runs beside the main thread.
    """
    kernel = _kernel()
    if kernel is None:
        return NO_KERNEL
    if not getattr(kernel, "_supports_kernel_subshells", False):
        return NO_SUBSHELLS
    on_main = threading.current_thread() is threading.main_thread()
    return NOT_USED if in_callback and on_main else ""


def _kernel() -> Any:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)
