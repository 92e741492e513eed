"""What the files of the lab environment promise, checked without an engine."""

import importlib.util
import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.containers_support import CHAOS_EVERY, CHAOS_MINUTES
from tests.support import missing

CHAOS = "labs/environments/chaos/chaos.py"
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = sorted((ROOT / "labs" / "environments").glob("*/compose.yml"))
WITHOUT_TOKEN = ("secrets", "links")  # they make it, and show it
PUBLISHED = {"dashboard", "grafana", "jupyter"}


def program(name: str) -> str:
    """Return a program that the development environment brings on Linux."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    return found or missing(f"{name} has no package for this kind of machine")


def composed(*overlays: Path) -> dict[str, Any]:
    """Return the lab as Compose understands it."""
    files = [f"--file={file}" for file in (ROOT / "docker-compose.yml", *overlays)]
    command = [program("docker-compose"), *files, "--profile=*", "config", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lab: dict[str, Any] = json.loads(done.stdout)
    return lab


def module(path: str) -> ModuleType:
    """Import a script that is in no package."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # dataclasses look for their module there
    spec.loader.exec_module(made)
    return made


# ---- Compose --------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", [None, *ENVIRONMENTS], ids=lambda o: o.parent.name if o else "")
def test_every_service_is_confined_limited_and_stops_in_five_seconds(overlay: Path | None) -> None:
    for name, service in composed(*([overlay] if overlay else []))["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["stop_grace_period"] == ("15s" if name == "jupyter" else "5s"), name
        assert "privileged" not in service, name
        assert "docker.sock" not in str(service.get("volumes")), name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name


@pytest.mark.parametrize("overlay", [None, *ENVIRONMENTS], ids=lambda o: o.parent.name if o else "")
def test_what_runs_for_ever_is_restarted_and_asked_for_its_health(overlay: Path | None) -> None:
    for name, service in composed(*([overlay] if overlay else []))["services"].items():
        if name in ("secrets", "links"):
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name


def test_only_three_services_are_published_and_only_on_this_machine() -> None:
    services = composed()["services"]
    assert {name for name, service in services.items() if "ports" in service} == PUBLISHED
    for name in PUBLISHED:
        assert [port["host_ip"] for port in services[name]["ports"]] == ["127.0.0.1"]


def test_grafana_asks_nobody_outside_for_anything() -> None:
    environment = composed()["services"]["grafana"]["environment"]
    for asks in ("REPORTING_ENABLED", "CHECK_FOR_UPDATES", "CHECK_FOR_PLUGIN_UPDATES"):
        assert environment[f"GF_ANALYTICS_{asks}"] == "false"
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


def test_no_secret_is_in_the_file_and_every_part_gets_the_token() -> None:
    services = composed()["services"]
    for name, service in services.items():
        environment = service.get("environment", {})
        for variable in environment:
            if re.search("TOKEN|PASSWORD|SECRET", variable):
                assert variable.endswith("_FILE"), (name, variable)
        if service["image"] == "nucleus-services" and name not in WITHOUT_TOKEN:
            assert environment["NUCLEUS_TOKEN_FILE"] == "/secrets/cluster/token"


def test_every_image_that_is_pulled_has_a_version_in_one_place() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    versions = yaml.safe_load(text)["x-versions"]
    pulled = {s["image"] for s in composed()["services"].values()} - {
        "nucleus-services",
        "nucleus-jupyter",
    }
    assert pulled == set(versions.values()) - {versions["python"]}
    for image in versions.values():
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+[\w.-]*", image), image
        assert text.count(image) == 1


def test_on_a_slow_network_docker_waits_longer_than_the_health_checks_through_it() -> None:
    services = composed(ROOT / "labs/environments/slow-network/compose.yml")["services"]
    for name in ("slow-network", "worker"):
        patience = float(services[name]["environment"]["NUCLEUS_HEALTH_PATIENCE"])
        # With the longest delay that the README promises, a second try needs six of them.
        assert patience > 6 * 2.0, name
        assert float(services[name]["healthcheck"]["timeout"].removesuffix("s")) > patience, name
        assert services[name]["healthcheck"]["test"][:3] == ["CMD", "nucleus", "health"], name


@pytest.mark.parametrize("overlay", ENVIRONMENTS, ids=lambda overlay: overlay.parent.name)
def test_every_environment_says_how_to_start_it_and_what_to_watch(overlay: Path) -> None:
    readme = overlay.with_name("README.md").read_text()
    path = overlay.relative_to(ROOT)
    assert f"docker compose -f docker-compose.yml -f {path} up -d" in readme
    assert "## What to watch in Grafana" in readme
    assert "## What should happen" in readme
    assert overlay.parent.name in (ROOT / "labs/environments/README.md").read_text()


def test_the_dockerfile_follows_the_rules_of_hadolint() -> None:
    command = [program("hadolint"), "--failure-threshold=info", str(ROOT / "docker/Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---- secrets --------------------------------------------------------------------------


def test_secrets_are_made_once_and_shown_as_links(tmp_path: Path) -> None:
    script = module("docker/lab_secrets.py")
    assert script.make(tmp_path) == list(script.FILES)
    before = script.links(tmp_path)
    assert script.make(tmp_path) == []
    assert script.links(tmp_path) == before
    secrets = [(tmp_path / name).read_text().strip() for name in script.FILES]
    assert len(set(secrets)) == 3
    for name, secret in zip(script.FILES, secrets, strict=True):
        assert len(secret) >= 32
        assert secret in before
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o444


def test_a_wrong_word_is_told_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert module("docker/lab_secrets.py").main(["show"]) == 2
    assert capsys.readouterr().err == "usage: lab-secrets make | links\n"


# ---- chaos ----------------------------------------------------------------------------


def test_a_seed_decides_what_chaos_breaks_when() -> None:
    chaos = module(CHAOS)
    first, again, other = (chaos.schedule(seed, 300.0) for seed in (7, 7, 8))
    assert first == again != other
    assert {fault.how for fault in first} == set(chaos.FAULTS)
    assert all(fault.at >= 0 and fault.at + fault.lasts <= 300.0 for fault in first)


def effects(chaos: ModuleType, minutes: float, every: float) -> set[tuple[str, str]]:
    """What the lab's own seed does to which service; what is broken already is not hit again."""
    broken: dict[str, float] = {}  # until when, for services with one container
    done = set()
    for fault in chaos.schedule(chaos.SEED, 60 * minutes, every):
        if broken.get(fault.service, 0.0) < fault.at:
            done.add((fault.how, fault.service))
            if fault.service != "worker":
                broken[fault.service] = fault.at + fault.lasts
    return done


def test_the_labs_own_chaos_hits_every_service_and_kills_the_master() -> None:
    chaos = module(CHAOS)
    done = effects(chaos, minutes=5, every=chaos.EVERY)
    assert {service for _, service in done} == set(chaos.TARGETS)
    assert ("kill", "master") in done and ("kill", "worker") in done
    readme = (ROOT / CHAOS).with_name("README.md").read_text()
    assert f"chaos.py --seed {chaos.SEED} --minutes 5" in readme
    assert f"chaos.py --seed {chaos.SEED} --minutes 5" in str(chaos.__doc__)


def test_the_chaos_that_the_tests_run_on_containers_has_every_kind_of_fault() -> None:
    chaos = module(CHAOS)
    done = effects(chaos, CHAOS_MINUTES, CHAOS_EVERY)
    assert {how for how, _ in done} == set(chaos.FAULTS)
    assert ("kill", "master") in done and ("kill", "worker") in done
