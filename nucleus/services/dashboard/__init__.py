"""The dashboard: a REST gateway and a web page in front of the master.

- ``Dashboard`` (service): one HTTP server around one client.
- ``app``: what each URL does. ``gateway``: the client, with bounded waiting.
- ``body``, ``query``: what comes in, read strictly. ``models``: requests and answers.
- ``errors``: which error is which HTTP status. ``openapi``: the description of all this.
- ``page``: the web page. ``listing``, ``story``, ``samples``, ``sparkline``, ``form`` and
  ``words`` are its parts; ``safety`` is what keeps other sites' pages out.
- ``jupyter``: the page in JupyterLab's launcher.
"""

from nucleus.services.dashboard.service import Dashboard

__all__ = ["Dashboard"]
