"""TLS on gRPC: the authority of ``nucleus certs``; other authorities, and plain text."""

import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from nucleus.client import Client
from nucleus.cluster import Cluster
from nucleus.core.errors import InvalidArgument, Unavailable
from nucleus.rpc import job_queue_pb2 as pb
from nucleus.rpc.access import Access
from nucleus.rpc.guard import Identity
from nucleus.rpc.job_queue_pb2_grpc import JobQueueServiceStub
from nucleus.services.common.exposure import NO_TOKEN, warn_if_exposed
from nucleus.services.common.main import raise_descriptor_limit
from nucleus.services.master import Master
from tests.cli_support import run, running
from tests.security_support import TOKEN, jobs_finish, raw_connections
from tests.support import eventually, running_master, running_worker

HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"  # how a TLS connection begins, and no more of it
PATIENCE = 1.0  # seconds: the master is there, so whoever gets no answer now gets none at all


def make(folder: Path, *options: str) -> Path:
    """Run ``nucleus certs``."""
    code, out, problem = run("nucleus", "certs", str(folder), *options)
    assert (code, problem) == (0, ""), problem
    assert str(folder / "ca.pem") in out
    return folder


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("strange"))


@pytest.fixture(scope="module")
def master(certs: Path) -> Iterator[Master]:
    with running_master(token=TOKEN, identity=identity(certs)) as master:
        yield master


def identity(folder: Path) -> Identity:
    return Identity(str(folder / "master.pem"), str(folder / "master.key"))


def test_keys_are_for_their_owner_only(certs: Path) -> None:
    for name in ("ca.key", "master.key"):
        assert stat.S_IMODE((certs / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in certs.iterdir()) == [
        "ca.key", "ca.pem", "master.key", "master.pem"
    ]  # fmt: skip


def test_the_authority_is_used_again_and_vouches_for_more_masters(tmp_path: Path) -> None:
    before = (make(tmp_path) / "ca.pem").read_bytes(), (tmp_path / "master.pem").read_bytes()
    make(tmp_path, "--host", "lab.example", "--host", "10.1.2.3")
    assert (tmp_path / "ca.pem").read_bytes() == before[0]
    assert (tmp_path / "master.pem").read_bytes() != before[1]
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(InvalidArgument, match="KEY_VALUES_MISMATCH"):
        Identity(str(tmp_path / "master.pem"), str(tmp_path / "ca.key")).check()


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_passphrase(
    certs: Path, tmp_path: Path
) -> None:
    key = load_pem_private_key((certs / "master.key").read_bytes(), None)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
        )
    )
    certificate = str(certs / "master.pem")
    code, _, problem = run(
        "nucleus", "master", "--tls-cert", certificate, "--tls-key", str(encrypted)
    )
    assert code == 2 and f"{encrypted} is encrypted" in problem


@pytest.mark.parametrize("host", ["bücher", "a" * 300 + "é"])
def test_a_host_that_has_no_name_is_refused(tmp_path: Path, host: str) -> None:
    code, _, problem = run("nucleus", "certs", str(tmp_path), "--host", host)
    assert code == 2 and "is no name of a host" in problem


def test_clients_and_workers_that_trust_the_authority_notice_no_difference(
    master: Master, certs: Path
) -> None:
    authority = str(certs / "ca.pem")
    with (
        running_worker(master.address, access=Access(TOKEN, authority)),
        Client(master.address, token=TOKEN, tls_ca=authority) as client,
    ):
        jobs = client.submit_many("Echo", range(50))
        assert [job.result(60) for job in jobs] == list(range(50))
    assert "over TLS" in master.ready_line()


def no_answer(address: str, tls_ca: Path | str) -> str:
    """What a client is told that gets no answer."""
    with (
        Client(address, token=TOKEN, tls_ca=tls_ca, patience=PATIENCE) as client,
        pytest.raises(Unavailable) as failure,
    ):
        client.stats()
    return str(failure.value)


def test_a_wrong_authority_is_told_from_plain_text_in_words(
    master: Master, strange: Path, certs: Path
) -> None:
    assert "does not vouch for its certificate" in no_answer(master.address, strange / "ca.pem")
    assert "expects TLS" in no_answer(master.address, "")
    with running_master(token=TOKEN) as plain:
        assert "does not speak TLS" in no_answer(plain.address, certs / "ca.pem")


def test_a_master_that_is_gone_from_a_cluster_is_not_taken_for_one_with_tls() -> None:
    with Cluster(0, dashboard=False, monitoring=False) as cluster:
        address = cluster.connect("somebody")
        cluster.kill_part("master")
        assert no_answer(address, "").endswith("within 1 s")


def test_a_certificate_for_other_names_is_no_good(certs: Path) -> None:
    # Only this machine's own names are in it; 127.0.0.2 is this machine, too, by another name.
    with running_master(host="127.0.0.2", identity=identity(certs)) as master:
        assert "its certificate is for other names" in no_answer(master.address, certs / "ca.pem")


def test_plain_text_to_the_tls_port_learns_nothing_and_disturbs_nobody(
    master: Master, certs: Path
) -> None:
    with grpc.insecure_channel(master.address) as channel:
        stub = JobQueueServiceStub(channel)
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        with pytest.raises(grpc.RpcError) as failure:
            stub.SendJob(pb.JobSpec(job_type="Echo", payload="1"), metadata=metadata, timeout=60)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    with Client(master.address, token=TOKEN, tls_ca=certs / "ca.pem") as client:
        assert client.stats().submitted == client.stats().jobs["COMPLETED"]


def test_jobs_run_on_while_strangers_knock_at_the_tls_port(
    master: Master, certs: Path, strange: Path
) -> None:
    raise_descriptor_limit()
    access = Access(TOKEN, str(certs / "ca.pem"))
    with (
        running_worker(master.address, access=access),
        Client(master.address, token=TOKEN, tls_ca=access.tls_ca) as client,
    ):
        eventually(client.workers)
        with (
            jobs_finish(client),
            raw_connections(master.port, 500),
            raw_connections(master.port, 500, HALF_A_HELLO),
        ):
            assert "does not vouch for its certificate" in no_answer(
                master.address, strange / "ca.pem"
            )
            assert "expects TLS" in no_answer(master.address, "")


@pytest.mark.parametrize("name", ["nowhere.pem", "master.key"])
def test_an_authority_that_is_none_is_refused(certs: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="TLS authority"):
        Client(tls_ca=certs / name)


def test_the_command_line_speaks_tls(certs: Path, tmp_path: Path) -> None:
    pair = {
        "NUCLEUS_TLS_CERT": str(certs / "master.pem"),
        "NUCLEUS_TLS_KEY": str(certs / "master.key"),
    }
    with running("nucleus", "master", "--port", "0", env=pair) as child:
        address = child.line().split("over TLS on ")[1].split(",")[0]
        listing = ["nucleus", "workers", "--master", address]
        assert run(*listing, "--tls-ca", str(certs / "ca.pem"))[:2] == (
            0, "no workers; start one with: nucleus worker\n"
        )  # fmt: skip
        code, _, problem = run(*listing)
        assert code == 3 and "expects TLS" in problem
    code, _, problem = run("nucleus", "master", "--tls-cert", pair["NUCLEUS_TLS_CERT"])
    assert code == 2 and "--tls-cert and --tls-key go together" in problem


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("127.0.0.1", False), ("127.9.9.9", False), ("::1", False), ("localhost", False),
        ("0.0.0.0", True), ("::", True), ("", True), ("192.0.2.1", True),
    ],
)  # fmt: skip
def test_only_an_address_that_others_reach_is_warned_of(
    host: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_exposed("dashboard", host, NO_TOKEN)
    out, problem = capsys.readouterr()
    assert (out, bool(problem)) == ("", warned)
    assert problem.count("\n") == warned


def test_a_part_that_others_reach_says_what_it_lacks_in_one_line(certs: Path) -> None:
    pair = ["--tls-cert", str(certs / "master.pem"), "--tls-key", str(certs / "master.key")]
    protected = {"NUCLEUS_TOKEN": TOKEN}

    def said(*command: str, env: dict[str, str] | None = None) -> list[str]:
        """The warnings of a part that was started with these options."""
        with running("nucleus", *command, env=env) as child:
            child.line()
            child.process.terminate()
            _, _, log = child.end()
        return [line for line in log.splitlines() if line.startswith("Warning: ")]

    master = ["master", "--port", "0", "--host", "0.0.0.0"]
    [line] = said(*master)
    assert "the master listens on 0.0.0.0, without a token" in line and "without TLS" in line
    assert said(*master, *pair, env=protected) == []
    [line] = said("dashboard", "--port", "0", "--host", "0.0.0.0")
    assert "the dashboard listens on 0.0.0.0, without a token" in line


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["dashboard", "--host"], ["without HTTPS"]),
        (["monitoring", "--host"], ["without HTTPS", "without asking for the token where it is"]),
        (["monitoring", "--protect-scrape", "--host"], ["without HTTPS"]),
        (["proxy", "--listen"], ["and whoever reaches it reaches 127.0.0.1:50051"]),
    ],
)
def test_what_else_a_part_lacks_that_has_a_token(command: list[str], missing: list[str]) -> None:
    # An address of no machine: it is warned of, and then refused.
    host = "192.0.2.1" + ":50052" * (command[0] == "proxy")
    code, _, problem = run("nucleus", *command, host, env={"NUCLEUS_TOKEN": TOKEN})
    warning, error = problem.splitlines()
    assert code == 2 and "cannot listen on host '192.0.2.1'" in error
    start = f"Warning: the {command[0]} listens on 192.0.2.1, "
    assert warning.startswith(start)
    lacks = warning.removeprefix(start).split(", and ")
    assert all(map(str.startswith, lacks, missing)) and len(lacks) == len(missing), warning
