"""What each URL does, as a Flask app around a gateway."""

import json
from collections.abc import Iterable, Iterator

from flask import Flask, Response, request
from pydantic import BaseModel

from nucleus.client import JobView
from nucleus.core.errors import Unavailable
from nucleus.jobs import Registry
from nucleus.services.dashboard import access, models, page, query
from nucleus.services.dashboard.body import check_length, read_json, refuse_body
from nucleus.services.dashboard.errors import answer_errors
from nucleus.services.dashboard.gateway import Gateway
from nucleus.services.dashboard.openapi import document
from nucleus.services.dashboard.safety import protect
from nucleus.services.dashboard.samples import Samples


def dashboard_app(
    gateway: Gateway, registry: Registry, token: str = "", samples: Samples | None = None
) -> Flask:
    """Return the app; ``registry`` holds the job types that the OpenAPI document describes.

    ``token`` is what a request has to show, "" for nothing. ``samples`` are what the page's
    sparklines show; without them these stay empty.
    """
    app = Flask(__name__)
    app.url_map.merge_slashes = False  # a double slash is another path, not a redirect
    answer_errors(app)
    protect(app)
    access.guard(app, token)
    app.before_request(_check)
    _add_jobs(app, gateway)
    _add_job(app, gateway)
    _add_cluster(app, gateway)
    _add_openapi(app, gateway, registry, token)
    page.add_pages(app, gateway, registry, samples or Samples())
    return app


def _check() -> None:
    if request.url_rule is None:
        return  # the path or the method does not exist, which says more
    query.check_query()
    if request.endpoint in page.FORMS:
        check_length()
    elif request.endpoint != "submit_job":
        refuse_body()


def _answer(model: BaseModel) -> Response:
    return _json(json.dumps(model.model_dump()) + "\n")


def _json(body: str | Iterable[str]) -> Response:
    return Response(body, mimetype="application/json")


def _add_jobs(app: Flask, gateway: Gateway) -> None:
    @app.post("/submit_job")
    def submit_job() -> Response:
        asked = models.read_submit(read_json())
        return _answer(models.Submitted(job_id=gateway.submit(**dict(asked))))

    @app.get("/get_all_jobs")
    def get_all_jobs() -> Response:
        status, limit, token = query.read_status(), query.read_limit(), query.read_page_token()
        newest_first = query.read_newest_first()
        if limit is None:
            return _json(_stream(gateway.pages(status, token, newest_first=newest_first)))
        jobs, next_token = gateway.page(status, limit, token, newest_first=newest_first)
        shown = {job.id: models.show(models.Job, job) for job in jobs}
        return _answer(models.Page(jobs=shown, next_page_token=next_token or None))


def _stream(pages: Iterator[list[JobView]]) -> Iterator[str]:
    """Write ``models.Jobs`` page by page.

    When the master goes away in the middle, the connection breaks: a client must not take
    half a listing for a whole one.
    """
    start = '{"success": true, "jobs": {'
    for jobs in pages:
        if jobs:
            yield start + ", ".join(map(_member, jobs))
            start = ", "
    yield "}}\n" if start == ", " else start + "}}\n"


def _member(job: JobView) -> str:
    return f"{json.dumps(job.id)}: {json.dumps(models.show(models.Job, job).model_dump())}"


def _add_job(app: Flask, gateway: Gateway) -> None:
    @app.get("/jobs/<job_id>")
    def get_job(job_id: str) -> Response:
        job = gateway.job(job_id)
        return _answer(models.OneJob(job_id=job.id, job=models.show(models.JobDetail, job)))

    @app.delete("/jobs/<job_id>")
    def cancel_job(job_id: str) -> Response:
        gateway.cancel(job_id)
        return _answer(models.Cancelled(job_id=job_id))

    @app.post("/jobs/<job_id>/retry")
    def retry_job(job_id: str) -> Response:
        return _answer(models.Submitted(job_id=gateway.retry(job_id)))


def _add_cluster(app: Flask, gateway: Gateway) -> None:
    @app.get("/workers")
    def get_workers() -> Response:
        workers = gateway.stats().workers
        shown = [models.show(models.Worker, worker) for worker in workers]
        return _answer(models.Workers(workers=shown))

    @app.get("/stats")
    def get_stats() -> Response:
        numbers = models.show(models.Numbers, gateway.stats())
        return _answer(models.StatsAnswer(stats=numbers))

    @app.get("/healthz")
    def get_health() -> Response:
        epoch = gateway.glance().epoch
        return _answer(models.Health(master=gateway.master, epoch=epoch))


def _add_openapi(app: Flask, gateway: Gateway, registry: Registry, token: str) -> None:
    @app.get("/openapi.json")
    def get_openapi() -> Response:
        described = document(registry, _brought(gateway, registry))
        return _json(json.dumps(access.describe(described) if token else described) + "\n")


def _brought(gateway: Gateway, registry: Registry) -> list[str]:
    """The job types that are known only because workers brought them."""
    try:
        known = gateway.glance().job_types
    except Unavailable:
        return []  # nobody can submit one now anyway
    return sorted(name for name in known if name not in registry)
