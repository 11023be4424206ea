"""The examples for Prometheus and Grafana ask for what there is; promtool and Prometheus have run them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes import FakeClock
from tests.unit.test_metrics import Bench, Samples, serving
from wallbox2mqtt.catalogue.reasons import CODES

EXAMPLES = Path(__file__).parents[2] / "examples"
METRIC = re.compile(r"\bwallbox2mqtt_[a-z0-9_]+")
SELECTOR = re.compile(r"\b(wallbox2mqtt_[a-z0-9_]+)\{([^}]*)\}")
CONDITION = re.compile(r'(\w+)\s*(=~|!=|=)\s*"([^"]*)"')


def read(name: str) -> Any:  # noqa: ANN401 - whatever the file has
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def alerts() -> dict[str, dict[str, Any]]:
    (group,) = read("prometheus/rules.yml")["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in read("grafana/dashboard.json")["panels"] if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """All that the examples ask for, by where it stands."""
    found = {f"alert {name}": rule["expr"] for name, rule in alerts().items()}
    for panel in panels():
        found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    for variable in read("grafana/dashboard.json")["templating"]["list"]:
        if variable["type"] == "query":
            found[f"variable {variable['name']}"] = variable["definition"]
    return found


QUERIES = queries()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    """All that a bridge tells which has met everything: sessions, months, a battery, a fault."""
    with serving(FakeClock(), tmp_path_factory.mktemp("state")) as bench:
        yield everything(bench)


def everything(bench: Bench) -> Samples:
    for key in ("energy_total", "energy_green_total", "energy_discharged_total", "state_of_charge", "basic/wifiSignal"):
        bench.parts.states.show(101, key, 50)
    for key in ("energy", "cost", "sessions"):
        for month in ("this_month", "last_month"):
            bench.parts.states.show(101, f"history/{month}/{key}", 12)
    return bench.read()


def test_each_metric_is_told(told: Samples) -> None:
    for where, query in QUERIES.items():
        names = {name.removeprefix("wallbox2mqtt_") for name in METRIC.findall(query)}
        assert names or where == "alert WallboxBridgeDown"
        assert names <= told.keys(), where


def test_each_label_is_told(told: Samples) -> None:
    for name, conditions in SELECTOR.findall("\n".join(QUERIES.values())):
        known = [dict(one) for one in told[name.removeprefix("wallbox2mqtt_")]]
        for label, _, value in CONDITION.findall(conditions):
            assert all(label in one for one in known), f"{name} has no label {label}"
            if label == "code":
                assert set(value.split("|")) <= set(CODES)
            elif label == "status":
                assert set(value.split("|")) <= {one["status"] for one in known}


def test_every_metric_is_used_or_told_of_in_the_guide(told: Samples) -> None:
    guide = (EXAMPLES.parent / "docs" / "monitoring.md").read_text(encoding="utf-8")
    named = {name.removeprefix("wallbox2mqtt_") for name in METRIC.findall(guide)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told}
    assert families == named - {"charger"}


def test_each_alert_is_tried() -> None:
    tried = {test["alertname"] for one in read("prometheus/rules_test.yml")["tests"] for test in one["alert_rule_test"]}
    assert tried == alerts().keys()


def test_the_configuration_names_the_example_s_rules_and_port() -> None:
    config = read("prometheus/prometheus.yml")
    assert config["rule_files"] == ["rules.yml"]
    ((job,), text) = config["scrape_configs"], (EXAMPLES.parent / "config.example.yaml").read_text(encoding="utf-8")
    assert job["job_name"] == "wallbox2mqtt"
    (target,) = job["static_configs"][0]["targets"]
    assert target in text


def test_the_dashboard_is_whole() -> None:
    dashboard = read("grafana/dashboard.json")
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert all(panel["datasource"] == source for panel in panels())
    assert all(target["datasource"] == source for panel in panels() for target in panel["targets"])
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another one"
        assert at["x"] + at["w"] <= 24
        taken |= cells
