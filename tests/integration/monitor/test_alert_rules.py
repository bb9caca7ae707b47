"""The alert rules and the dashboard ask for what the daemon tells; the rules fire when they should, and only then."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.monitor.catalogue import sample_names
from messages.states import AttemptState, BeamState, CaseState

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "conf" / "prometheus-alerts.yml"
TOLD = Path(__file__).with_name("alerts-told.yml")
DASHBOARD = json.loads((ROOT / "conf" / "grafana-dashboard.json").read_text(encoding="utf-8"))
OF_CLIENT_LIBRARY = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def promtool(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run(["promtool", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def expressions(node: Any) -> list[str]:
    """Every ``expr`` of the dashboard, wherever it stands."""
    if isinstance(node, dict):
        here = [node["expr"]] if isinstance(node.get("expr"), str) else []
        return here + [found for value in node.values() for found in expressions(value)]
    return [found for value in node for found in expressions(value)] if isinstance(node, list) else []


def test_the_rules_fire_on_recorded_series_and_on_nothing_else(tmp_path: Path) -> None:
    for file in (RULES, TOLD):
        shutil.copy(file, tmp_path)
    checked = promtool("check", "rules", RULES.name, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = promtool("test", "rules", TOLD.name, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested_both_ways() -> None:
    firing, silent = set(), set()
    for group in yaml.safe_load(TOLD.read_text(encoding="utf-8"))["tests"]:
        for case in group["alert_rule_test"]:
            (firing if case["exp_alerts"] else silent).add(case["alertname"])
    assert {rule["alert"] for rule in alerts()} == firing == silent


def test_a_rule_that_is_wrong_does_not_pass(tmp_path: Path) -> None:
    """The recorded series can fail: with one threshold moved, they do."""
    text = RULES.read_text(encoding="utf-8").replace("mqi_disk_low == 1", "mqi_disk_low == 2")
    (tmp_path / RULES.name).write_text(text, encoding="utf-8")
    story = yaml.safe_load(TOLD.read_text(encoding="utf-8"))
    story["tests"] = [test for test in story["tests"] if "MqiDiskLow" in str(test) and len(str(test)) < 2000]
    (tmp_path / TOLD.name).write_text(yaml.safe_dump(story), encoding="utf-8")
    assert promtool("test", "rules", TOLD.name, cwd=tmp_path).returncode != 0


def test_rules_and_dashboard_ask_for_what_the_daemon_tells() -> None:
    asked = [rule["expr"] for rule in alerts()] + expressions(DASHBOARD)
    assert len(asked) > 50
    names = {name for expression in asked for name in re.findall(r"\b(?:mqi|process)_\w+", expression)}
    assert names - sample_names() - OF_CLIENT_LIBRARY == set()


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for expression in expressions(DASHBOARD) for name in re.findall(r"\bmqi_\w+", expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in sample_names()}
    hidden = families - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    only_for_alerts = {
        "mqi_actors",
        "mqi_alarm_push_waiting",
        "mqi_clock_timestamp_seconds",
        "mqi_disk_least_bytes",
        "mqi_disk_low",
        "mqi_ledger_events",
        "mqi_ledger_read_timestamp_seconds",
        "mqi_orders_total",
        "mqi_beam_transitions_total",
    }
    assert hidden == only_for_alerts


def test_states_that_are_asked_for_exist() -> None:
    states = {*CaseState, *BeamState, *AttemptState, "idle", "busy", "quarantined"}
    asked = [rule["expr"] for rule in alerts()] + expressions(DASHBOARD)
    for expression in asked:
        for words in re.findall(r'state[=!]~?"([^"]+)"', expression):
            assert set(words.split("|")) <= states, expression


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    records = [
        {"record": f"shown:{number}", "expr": expression.replace("$instance", ".*")}
        for number, expression in enumerate(expressions(DASHBOARD))
    ]
    rules = {"groups": [{"name": "dashboard", "rules": records}]}
    (tmp_path / "dashboard.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    checked = promtool("check", "rules", "dashboard.yml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
