"""The configuration, the recording rules and the alerts of Prometheus, judged by promtool."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.observability_support import PROMETHEUS, ROOT
from tests.support import require

RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "rule-tests").glob("*.yml"))
MONITORING_DOC = ROOT / "docs" / "monitoring.md"


def promtool(*arguments: object) -> None:
    """Run promtool, and fail with what it says if it finds something."""
    command = [require("promtool", "prometheus"), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def read(name: str) -> Any:
    return yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))


def alerts() -> list[dict[str, Any]]:
    rules = [rule for group in read("rules/alerts.yml")["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule]


@pytest.mark.parametrize("name", ["prometheus.yml", "local.yml"])
def test_promtool_finds_nothing_wrong_with_the_configuration(name: str) -> None:
    promtool("check", "config", PROMETHEUS / name)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool("check", "rules", "--lint-fatal", *RULES)


def test_the_rules_say_of_known_series_what_they_should() -> None:
    promtool("test", "rules", *RULE_TESTS)


def test_monitoring_is_scraped_every_five_seconds_and_speaks_for_the_parts() -> None:
    config = read("prometheus.yml")
    (scrape,) = config["scrape_configs"]
    assert config["global"]["scrape_interval"] == "5s"
    assert scrape["honor_labels"] is True
    assert scrape["static_configs"] == [{"targets": ["monitoring:8001"]}]


def test_the_configuration_for_this_machine_differs_in_the_address_only() -> None:
    here, there = read("local.yml"), read("prometheus.yml")
    assert here["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8001"]}]
    for config in (here, there):
        del config["scrape_configs"][0]["static_configs"]
    assert here == there


def test_every_alert_is_seen_to_fire_and_seen_to_be_silent() -> None:
    cases = read("rule-tests/alerts.yml")["tests"]
    silent = {
        check["alertname"]
        for case in cases
        for check in case.get("alert_rule_test", ())
        if not check.get("exp_alerts")
    }
    fires = {
        name
        for case in cases
        for check in case.get("promql_expr_test", ())
        for name in re.findall(r'alertname="(\w+)", alertstate="firing"', check["expr"])
        if check.get("exp_samples")
    }
    names = {alert["alert"] for alert in alerts()}
    assert fires == silent == names


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_every_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    said = alert["annotations"]
    assert said.keys() == {"summary", "description", "action", "runbook"}
    assert alert["labels"]["severity"] in ("warning", "critical")
    page, _, section = said["runbook"].partition("#")
    assert ROOT / page == MONITORING_DOC
    assert section == alert["alert"].lower()
    assert f"\n### {alert['alert']}\n" in MONITORING_DOC.read_text("utf-8")
