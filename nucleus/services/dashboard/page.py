"""The web page: the cluster live, the list of jobs, the story of one, and a form to submit.

- Everything is rendered here, and works without a script: links, and forms that redirect.
- htmx asks for the page again every two seconds and morphs what changed into it; the forms,
  which somebody may be filling in, stay as they are (``hx-morph-skip``). Requests of htmx bear
  the header ``HX-Request``, and only they are answered in parts.
- Every address is relative, so that the page also works behind a proxy that adds a prefix.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response

from nucleus.client import JobView, Stats, WorkerView
from nucleus.core.errors import NotFound, NucleusError
from nucleus.core.job import make_job_id
from nucleus.core.lifecycle import TERMINAL
from nucleus.jobs import Registry
from nucleus.services.dashboard import form, query, words
from nucleus.services.dashboard.errors import message_of, status_of
from nucleus.services.dashboard.gateway import Gateway
from nucleus.services.dashboard.listing import Listing, Place, read_listing
from nucleus.services.dashboard.samples import Samples
from nucleus.services.dashboard.sparkline import sparkline
from nucleus.services.dashboard.story import Storyteller

Answer = Response | tuple[str, int] | tuple[str, int, dict[str, str]] | str
"""What Flask makes an answer of: with a status, with headers, or a page as it is."""

WORKERS = 40
"""Workers on the page; of more, those that have been silent for longest."""

ENDED = frozenset(status.name for status in TERMINAL)

FORMS = frozenset({"post_form", "cancel_on_page", "retry_on_page"})
"""Endpoints that take the body of a form."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page is made from."""

    gateway: Gateway
    registry: Registry
    samples: Samples
    stories: Storyteller


def add_pages(app: Flask, gateway: Gateway, registry: Registry, samples: Samples) -> None:
    """Add the page to the app."""
    app.jinja_env.filters.update(words.FILTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(SIGNS=words.SIGNS, STATUSES=query.STATUSES, ENDED=ENDED)
    sources = Sources(gateway, registry, samples, Storyteller(gateway))
    _add_overview(app, sources)
    _add_form(app, sources)
    _add_job(app, sources)


# ---- the overview ---------------------------------------------------------------------


def _add_overview(app: Flask, sources: Sources) -> None:
    @app.get("/")
    def get_page() -> Answer:
        return _overview(sources)

    @app.get("/find")
    def find_job() -> Answer:
        typed = request.args.get("job", "").strip()
        try:
            job = sources.gateway.job(_job_id(sources, typed))
        except NotFound:
            return _overview(sources, missing=typed)
        except NucleusError as error:
            return _problem(sources, error)
        return redirect(f"page/jobs/{quote(job.id, safe='')}", 303)


def _job_id(sources: Sources, typed: str) -> str:
    """The id that was typed, or that of the job whose number was."""
    if typed.isascii() and typed.isdigit() and len(typed) < 19:
        return make_job_id(sources.gateway.stats().ledger_id, int(typed))
    return typed


def _overview(
    sources: Sources, typed: form.Form | None = None, missing: str | None = None
) -> Answer:
    """The page, also without a master; then its status is 503, unless it was only refreshed."""
    place = Place(
        status=query.read_status(),
        job_type=query.read_job_type(),
        token=query.read_page_token(),
        newest_first=query.read_newest_first(unless_told=True),
    )
    try:
        stats = sources.gateway.stats()
        listing = read_listing(sources.gateway, place)
    except NotFound as error:  # a page of another ledger
        return _problem(sources, error)
    except NucleusError as error:
        return _without_master(sources, place, typed, error)
    types = form.job_types(sources.registry, stats)
    return _render(
        "overview.html",
        sources,
        stats=stats,
        workers=_shown(stats),
        listing=listing,
        place=place,
        missing=missing,
        links=_links(place, listing),
        form=typed or form.empty_form(sources.registry, types, place.job_type),
        poll=_here(place),
    )


def _without_master(
    sources: Sources, place: Place, typed: form.Form | None, error: NucleusError
) -> Answer:
    types = form.job_types(sources.registry, None)
    shown = typed or form.empty_form(sources.registry, types, place.job_type)
    body = _render(
        "overview.html", sources, down=str(error), place=place, form=shown, poll=_here(place)
    )
    return _down(body)


def _down(body: str) -> Answer:
    """Of a page that is open already only the banner is exchanged: what it shows stays."""
    if _is_htmx():
        return body, 200, {"HX-Retarget": "#link", "HX-Reselect": "#link"}
    return body, 503


def _shown(stats: Stats) -> list[WorkerView]:
    """The workers to show, worker-2 before worker-10."""
    silent = sorted(stats.workers, key=lambda worker: -worker.heartbeat_age)
    return sorted(silent[:WORKERS], key=lambda worker: (len(worker.name), worker.name))


def _links(place: Place, listing: Listing) -> dict[str, str | None]:
    """Where the four links of the list lead; ``None`` where there is nothing more."""
    newest, oldest = _query(place), _query(place, order="oldest")
    newer = _query(place, order="oldest", page_token=listing.newer) if listing.newer else None
    older = _query(place, page_token=listing.older) if listing.older else None
    return {
        "Newest": newest if newer else None,
        "Newer": newer,
        "Older": older,
        "Oldest": oldest if older else None,
    }


def _here(place: Place) -> str:
    return _query(place, page_token=place.token, order="" if place.newest_first else "oldest")


def _query(place: Place, **more: str) -> str:
    asked = {"status": place.status, "job_type": place.job_type, **more}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


# ---- the form -------------------------------------------------------------------------


def _add_form(app: Flask, sources: Sources) -> None:
    @app.get("/submit")
    def get_form() -> Answer:
        if not _is_htmx():
            return _overview(sources)  # with the form for that type
        return _render("form.html", sources, form=_empty(sources, query.read_job_type()))

    @app.post("/submit")
    def post_form() -> Answer:
        types = form.job_types(sources.registry, _stats(sources))
        filled = form.submit(sources.gateway, types, request.form)
        if not _is_htmx():
            if filled.job_id:
                return redirect(f"page/jobs/{quote(filled.job_id, safe='')}", 303)
            return _overview(sources, filled)
        headers = {}
        if filled.job_id:
            note = f"Job {words.number(filled.job_id)} is in the queue."
            headers = _tell(note, filled.job_id)
        return _render("form.html", sources, form=filled), 200, headers


def _empty(sources: Sources, job_type: str) -> form.Form:
    types = form.job_types(sources.registry, _stats(sources))
    return form.empty_form(sources.registry, types, job_type)


def _stats(sources: Sources) -> Stats | None:
    try:
        return sources.gateway.glance()
    except NucleusError:
        return None


# ---- one job --------------------------------------------------------------------------


def _add_job(app: Flask, sources: Sources) -> None:
    @app.get("/page/jobs/<job_id>")
    def get_job_page(job_id: str) -> Answer:
        try:
            return _job_page(sources, job_id)
        except NucleusError as error:
            return _problem(sources, error)

    @app.post("/page/jobs/<job_id>/cancel")
    def cancel_on_page(job_id: str) -> Answer:
        try:
            sources.gateway.cancel(job_id)
        except NucleusError as error:
            return _problem(sources, error)
        return _done(f"Job {words.number(job_id)} is cancelled.", job_id)

    @app.post("/page/jobs/<job_id>/retry")
    def retry_on_page(job_id: str) -> Answer:
        try:
            retried = sources.gateway.retry(job_id)
        except NucleusError as error:
            return _problem(sources, error)
        new, old = words.number(retried), words.number(job_id)
        return _done(f"Job {new} tries job {old} again.", retried)


def _job_page(sources: Sources, job_id: str) -> str:
    # In this order: the history then has all that the job shows.
    job: JobView = sources.gateway.job(job_id)
    stats = sources.gateway.stats()
    story = sources.stories.tell(job, stats.next_seq)
    return _render("job.html", sources, stats=stats, job=job, story=story)


def _done(note: str, job_id: str) -> Answer:
    """Tell the open page what was done, or else lead to the job."""
    if _is_htmx():
        return "", 204, _tell(note, job_id)
    return redirect(f"../{quote(job_id, safe='')}", 303)


# ---- how it is answered ---------------------------------------------------------------


def _is_htmx() -> bool:
    return "HX-Request" in request.headers


def _tell(note: str, job_id: str = "") -> dict[str, str]:
    """Headers that have ``page.js`` say something, and the page look again."""
    return {"HX-Trigger": json.dumps({"note": {"words": note, "job": job_id}, "look": {}})}


def _problem(sources: Sources, error: NucleusError) -> Answer:
    """A page that says what is wrong; an open one says it without losing its place."""
    message, status = message_of(error), status_of(error)
    if _is_htmx() and request.method == "POST":
        return "", 204, _tell(message)
    if status == 503:
        return _down(_render("problem.html", sources, down=message))
    return _render("problem.html", sources, problem=message), status


def _render(template: str, sources: Sources, **values: Any) -> str:
    # How far up the root is, from the page that is shown: behind a proxy there is no other way.
    root = "../" * (request.path.count("/") - 1) or "./"
    throughput, waits = sources.samples.throughput(), sources.samples.waits()
    return render_template(
        template,
        root=root,
        master=sources.gateway.master,
        throughput=sparkline(throughput, least=1.0),
        waits=sparkline(waits, least=1.0),
        **values,
    )
