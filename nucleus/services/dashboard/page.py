"""The web page: the cluster at a glance, rendered here, with nothing loaded from elsewhere.

Every address in it is relative, so that it also works behind a proxy that adds a prefix.
"""

import json
from datetime import UTC, datetime

from flask import Response, render_template_string

from nucleus.client import JobView
from nucleus.core.errors import Unavailable
from nucleus.jobs.payload import shorten
from nucleus.services.dashboard.gateway import Gateway

SHOWN = 20
"""Jobs on the page."""

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Nucleus</title>
<style>
body { font-family: sans-serif; margin: 2rem; max-width: 70rem; }
table { border-collapse: collapse; margin-bottom: 2rem; }
caption, th, td { text-align: left; padding: .2rem .8rem .2rem 0; }
caption { font-weight: bold; }
</style>
</head>
<body>
<h1>Nucleus</h1>
<p>Master: {{ master }}. As of {{ now }}; reload to look again.
The REST interface is described in <a href="openapi.json">openapi.json</a>.</p>
{% if problem %}
<p role="alert">{{ problem }}</p>
{% else %}
<table>
<caption>Jobs</caption>
<tr>{% for status in stats.jobs %}<th scope="col">{{ status }}</th>{% endfor %}</tr>
<tr>{% for count in stats.jobs.values() %}<td>{{ count }}</td>{% endfor %}</tr>
</table>
<table>
<caption>Workers</caption>
<tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Slots</th>
<th scope="col">Running</th><th scope="col">Last heartbeat</th></tr>
{% for worker in stats.workers %}
<tr><td>{{ worker.name }}</td><td>{{ worker.state }}</td><td>{{ worker.slots }}</td>
<td>{{ worker.running }}</td><td>{{ "%.1f" | format(worker.heartbeat_age) }} s ago</td></tr>
{% else %}
<tr><td colspan="5">none yet</td></tr>
{% endfor %}
</table>
<table>
<caption>The last jobs, newest first</caption>
<tr><th scope="col">Job</th><th scope="col">Type</th><th scope="col">Payload</th>
<th scope="col">Status</th><th scope="col">Result or error</th><th scope="col">Worker</th></tr>
{% for job in jobs %}
<tr><td><a href="jobs/{{ job.id | urlencode }}">{{ job.id }}</a></td><td>{{ job.job_type }}</td>
<td>{{ short(job.payload) }}</td><td>{{ job.status }}</td>
<td>{{ outcome(job) }}</td><td>{{ job.worker }}</td></tr>
{% else %}
<tr><td colspan="6">none yet</td></tr>
{% endfor %}
</table>
{% endif %}
</body>
</html>
"""


def respond(gateway: Gateway) -> Response:
    """Answer the page; under 503, with the reason, when the master does not answer."""
    try:
        stats = gateway.stats()
        jobs, _ = gateway.page("", SHOWN, newest_first=True)
    except Unavailable as error:
        return _html(503, master=gateway.master, problem=str(error))
    return _html(200, master=gateway.master, stats=stats, jobs=jobs)


def _html(status: int, **values: object) -> Response:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = render_template_string(_TEMPLATE, now=now, outcome=_outcome, short=_short, **values)
    response = Response(text, status=status, mimetype="text/html")
    # Whatever a job has in its payload: the browser runs and loads nothing.
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _outcome(job: JobView) -> str:
    if job.status == "COMPLETED":
        return _short(job.result)
    return shorten(job.error)


def _short(value: object) -> str:
    """The value as JSON text: a browser's own numbers would lose digits."""
    return shorten(json.dumps(value, ensure_ascii=False))
