"""Who has no token, or the wrong one, gets nothing; who has it notices no difference."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import grpc
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import exposition as push_client

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.core.errors import InvalidArgument, Unauthenticated
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.access import Access
from nucleus.services.dashboard import Dashboard
from nucleus.services.master import Master
from nucleus.services.monitoring import Monitoring
from tests.cli_support import run
from tests.security_support import BEARER, TOKEN, WRONG, token_file
from tests.support import eventually, running_master, running_worker

METHODS = pb.DESCRIPTOR.services_by_name["JobQueueService"].methods
NAMES = sorted(METHODS, key=lambda method: method.name)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def master() -> Iterator[Master]:
    with running_master(token=TOKEN) as master:
        yield master


@pytest.fixture(scope="module")
def dashboard(master: Master) -> Iterator[str]:
    service = Dashboard(port=0, master=master.address, access=Access(TOKEN))
    service.start()
    yield service.url
    service.stop()


@pytest.fixture(scope="module")
def monitoring() -> Iterator[Monitoring]:
    service = Monitoring(push_port=0, scrape_port=0, token=TOKEN)
    service.start()
    yield service
    service.stop()


def push_url(monitoring: Monitoring) -> str:
    return f"http://127.0.0.1:{monitoring.push_port}"


# ---- gRPC -----------------------------------------------------------------------------


def call(channel: grpc.Channel, method: Any, token: str | None) -> object:
    """Call a method of the service with an empty request."""
    path = f"/{METHODS[0].containing_service.full_name}/{method.name}"
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    invoke: Callable[..., Any] = kind(path, request_serializer=lambda _: b"")
    metadata = None if token is None else (("authorization", f"Bearer {token}"),)
    answer = invoke(None, metadata=metadata, timeout=60)
    return next(answer) if method.server_streaming else answer


@pytest.mark.parametrize("token", [None, WRONG, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_every_call_without_the_token_is_unauthenticated(master: Master, token: str | None) -> None:
    with grpc.insecure_channel(master.address) as channel:
        for method in NAMES:
            with pytest.raises(grpc.RpcError) as refusal:
                call(channel, method, token)
            assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED, method.name
            said = refusal.value.details() or ""
            assert "token" in said and TOKEN not in said


def test_reflection_asks_for_the_token_and_health_does_not(master: Master) -> None:
    with grpc.insecure_channel(master.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflect: Any = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )
        with pytest.raises(grpc.RpcError) as refusal:
            list(reflect(iter([b""]), timeout=60))
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_refused_request_is_not_even_read(master: Master) -> None:
    with grpc.insecure_channel(master.address) as channel:
        send: Any = channel.unary_unary("/nucleus.rpc.JobQueueService/SendJob")
        with pytest.raises(grpc.RpcError) as refusal:
            send(b"x" * 50_000_000, timeout=60)
        # Read, it would have been RESOURCE_EXHAUSTED: far longer than a message may be.
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_with_the_token_everything_works(master: Master) -> None:
    with (
        running_worker(master.address, access=Access(TOKEN)) as worker,
        Client(master.address, token=TOKEN) as client,
    ):
        assert client.submit("Echo", "hello").result(60) == "hello"
        assert worker.name in {known.name for known in client.workers()}


@pytest.mark.filterwarnings("ignore:nucleus")
@pytest.mark.parametrize("token", ["", WRONG])
def test_a_client_says_at_once_that_its_token_is_no_good(master: Master, token: str) -> None:
    with Client(master.address, token=token) as client:
        with pytest.raises(Unauthenticated, match="token"):
            client.stats()

        def submit() -> bool:
            """Whether a submit fails: with the next one, or on a handle that was given out."""
            with pytest.raises(Unauthenticated, match="token"):
                client.submit("Echo", 1).result(60)
            return True

        assert eventually(submit)
    with Client(master.address, token=TOKEN) as other:
        assert other.stats().submitted == other.stats().jobs["COMPLETED"]


def test_a_worker_without_the_token_gives_up_and_is_not_listed(master: Master) -> None:
    reasons: list[str] = []
    with running_worker(master.address, "stranger", on_given_up=reasons.append):
        assert "token" in eventually(lambda: reasons)[0]
    with Client(master.address, token=TOKEN) as client:
        assert "stranger" not in {worker.name for worker in client.workers()}


def test_without_a_token_there_is_no_interceptor_and_any_header_is_fine() -> None:
    with running_master() as master, Client(master.address, token=TOKEN) as client:
        assert client.stats().epoch == 1


# ---- REST -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/stats"), ("GET", "/workers"), ("GET", "/get_all_jobs"),
        ("GET", "/jobs/x"), ("DELETE", "/jobs/x"), ("POST", "/jobs/x/retry"),
        ("POST", "/submit_job"), ("GET", "/openapi.json"), ("GET", "/nowhere"),
        ("GET", "/healthz/"), ("GET", "/healthz/../stats"), ("PUT", "/login"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Cookie": f"nucleus={TOKEN}"},
        {"Authorization": f"Bearer {WRONG}"},
        {"Authorization": f"Digest {TOKEN}"},
    ],
)
def test_rest_without_the_token_is_401(
    dashboard: str, method: str, path: str, shown: dict[str, str]
) -> None:
    answer = requests.request(method, dashboard + path, headers=shown, timeout=60)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["success"] is False
    assert TOKEN not in answer.text


def test_rest_with_the_token_works_and_health_needs_none(dashboard: str) -> None:
    assert requests.get(f"{dashboard}/stats", headers=BEARER, timeout=60).ok
    assert requests.get(f"{dashboard}/stats", auth=("anybody", TOKEN), timeout=60).ok
    assert requests.get(f"{dashboard}/healthz", timeout=60).ok
    described = requests.get(f"{dashboard}/openapi.json", headers=BEARER, timeout=60).json()
    assert described["security"] == [{"token": []}]
    assert "401" in described["paths"]["/stats"]["get"]["responses"]
    assert "401" not in described["paths"]["/healthz"]["get"]["responses"]


def test_a_link_with_the_token_logs_a_browser_in_and_hides_the_token(dashboard: str) -> None:
    with requests.Session() as browser:
        browser.headers.update(BROWSER)
        moved = browser.get(f"{dashboard}/?token={TOKEN}", timeout=60, allow_redirects=False)
        assert (moved.status_code, moved.headers["Location"]) == (303, "./")
        cookie = moved.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
        page = browser.get(f"{dashboard}/", timeout=60)
        assert page.status_code == 200 and page.url == f"{dashboard}/"
        assert browser.get(f"{dashboard}/stats", timeout=60).ok


@pytest.mark.parametrize(
    ("said", "secure"),
    [("https", True), ("HTTPS", True), ("https, http", True), ("http", False), (None, False)],
)
def test_behind_a_proxy_with_tls_the_cookie_never_travels_without(
    dashboard: str, said: str | None, secure: bool
) -> None:
    headers = {} if said is None else {"X-Forwarded-Proto": said}
    answer = requests.post(
        f"{dashboard}/login",
        data={"token": TOKEN},
        headers=headers,
        timeout=60,
        allow_redirects=False,
    )
    assert answer.status_code == 303
    assert ("; Secure" in answer.headers["Set-Cookie"]) == secure


def test_a_browser_without_a_cookie_sees_a_form_that_logs_it_in(dashboard: str) -> None:
    with requests.Session() as browser:
        browser.headers.update(BROWSER)
        form = browser.get(f"{dashboard}/", timeout=60)
        assert form.status_code == 401
        assert '<form method="post" action="./login">' in form.text
        wrong = browser.post(f"{dashboard}/login", data={"token": WRONG}, timeout=60)
        assert wrong.status_code == 401 and "This is not the token" in wrong.text
        assert not browser.cookies
        page = browser.post(f"{dashboard}/login", data={"token": TOKEN}, timeout=60)
        assert page.status_code == 200 and page.url == f"{dashboard}/"


def test_the_cookie_of_another_token_is_no_good(dashboard: str) -> None:
    from nucleus.services.dashboard.access import _cookie

    for name, value in (_cookie(WRONG), (_cookie(TOKEN)[0], _cookie(WRONG)[1])):
        answer = requests.get(f"{dashboard}/stats", cookies={name: value}, timeout=60)
        assert answer.status_code == 401


def test_a_dashboard_whose_own_token_is_wrong_says_so(master: Master) -> None:
    service = Dashboard(port=0, master=master.address, access=Access(WRONG))
    service.start()
    try:
        answer = requests.get(f"{service.url}/healthz", timeout=60)
        assert answer.status_code == 503
        assert "not the token of this master" in answer.json()["error"]
    finally:
        service.stop()


# ---- Monitoring -----------------------------------------------------------------------


def test_a_push_needs_the_token_and_a_scrape_does_not(monitoring: Monitoring) -> None:
    target = f"{push_url(monitoring)}/metrics/job/a"
    for shown in ({}, {"Authorization": f"Bearer {WRONG}"}, {"Authorization": "Basic 7"}):
        for method in ("PUT", "POST", "DELETE"):
            answer = requests.request(method, target, data="x 1\n", headers=shown, timeout=60)
            assert answer.status_code == 401
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    scrape = f"http://127.0.0.1:{monitoring.scrape_port}"
    assert "job=" not in requests.get(f"{scrape}/metrics", timeout=60).text
    assert requests.put(target, data="x 1\n", headers=BEARER, timeout=60).status_code == 200
    assert 'x{instance="",job="a"} 1' in requests.get(f"{scrape}/metrics", timeout=60).text
    for path in ("/healthz", "/-/healthy", "/-/ready"):
        assert requests.get(push_url(monitoring) + path, timeout=60).ok


@pytest.mark.parametrize(
    "shown", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_no_web_page_can_have_a_browser_push(monitoring: Monitoring, shown: dict[str, str]) -> None:
    target = f"{push_url(monitoring)}/metrics/job/a"
    answer = requests.post(target, data="x 1\n", headers=BEARER | shown, timeout=60)
    assert answer.status_code == 403


def test_the_handlers_of_push_to_gateway_work(monitoring: Monitoring) -> None:
    registry = CollectorRegistry()
    Gauge("from_a_script", "A number.", registry=registry).set(7)

    def basic(**request: Any) -> Callable[[], None]:
        return push_client.basic_auth_handler(**request, username="anybody", password=TOKEN)

    address = f"127.0.0.1:{monitoring.push_port}"
    push_client.push_to_gateway(address, job="script", registry=registry, handler=basic)
    with pytest.raises(HTTPError, match="401") as refusal:
        push_client.push_to_gateway(address, job="script", registry=registry)
    refusal.value.close()


def test_the_scrape_can_be_protected_too() -> None:
    service = Monitoring(push_port=0, scrape_port=0, token=TOKEN, protect_scrape=True)
    service.start()
    try:
        scrape = f"http://127.0.0.1:{service.scrape_port}/metrics"
        assert requests.get(scrape, timeout=60).status_code == 401
        assert requests.get(scrape, headers=BEARER, timeout=60).ok
    finally:
        service.stop()


# ---- where tokens come from -----------------------------------------------------------


def test_a_client_finds_the_token_in_the_environment(
    master: Master, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEUS_TOKEN", TOKEN)
    with Client(master.address) as client:
        assert client.stats().epoch == 1
    monkeypatch.setenv("NUCLEUS_TOKEN", WRONG)
    monkeypatch.setenv("NUCLEUS_TOKEN_FILE", token_file(tmp_path))  # a file goes first
    with Client(master.address) as client:
        assert client.stats().epoch == 1
    monkeypatch.setenv("NUCLEUS_TOKEN_FILE", "/nowhere/token")
    with pytest.raises(InvalidArgument, match="token file /nowhere/token: No such file"):
        Client(master.address)


def test_a_cluster_is_its_own_master_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NUCLEUS_TOKEN", WRONG)
    monkeypatch.setenv("NUCLEUS_TLS_CA", "/nowhere/ca.pem")
    with Cluster(1, executor="thread", token=TOKEN) as cluster:
        assert cluster.client.submit("Echo", 1).result(60) == 1
        assert requests.get(f"{cluster.dashboard_url}/stats", timeout=60).status_code == 401
        target = f"{cluster.push_url}/metrics/job/a"
        assert requests.put(target, data="x 1\n", timeout=60).status_code == 401


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "x" * 513, "naïve" * 5])
def test_a_token_that_is_none_is_refused_without_being_shown(token: str, tmp_path: Path) -> None:
    for make in (lambda: Client(token=token), lambda: Access.given(token, "")):
        with pytest.raises(InvalidArgument, match="a token is 16 to 512") as refusal:
            make()
        assert token not in str(refusal.value)
    assert TOKEN not in repr(Access(TOKEN))


def test_the_command_line_takes_a_file_or_the_environment_and_exits_with_2_otherwise(
    master: Master, tmp_path: Path
) -> None:
    stats = ["nucleus", "workers", "--master", master.address]
    assert run(*stats, "--token-file", token_file(tmp_path))[0] == 0
    assert run(*stats, env={"NUCLEUS_TOKEN_FILE": token_file(tmp_path)})[0] == 0
    assert run(*stats, env={"NUCLEUS_TOKEN": TOKEN})[0] == 0
    code, _, problem = run(*stats)
    assert code == 2 and "this master asks for a token" in problem
    code, _, problem = run(*stats, env={"NUCLEUS_TOKEN_FILE": "/nowhere/token"})
    assert code == 2 and "token file /nowhere/token: No such file or directory" in problem


@pytest.mark.parametrize("part", ["master", "worker", "monitoring", "dashboard"])
def test_a_part_whose_token_file_is_missing_does_not_start(part: str) -> None:
    module = f"nucleus.services.{part}"
    code, out, problem = run(module, env={"NUCLEUS_TOKEN_FILE": "/nowhere/token"})
    assert (code, out) == (2, "")
    assert "token file /nowhere/token: No such file or directory" in problem
    assert "Traceback" not in problem
