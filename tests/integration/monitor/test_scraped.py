"""A real Prometheus scrapes the real daemon and evaluates the rules that we ship: targets are up, rules are healthy."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from actors.demo.site import make_site
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile
from tests.kit.sshd import free_port

ROOT = Path(__file__).resolve().parents[3]


def ask(port: int, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def test_prometheus_reads_all_of_it_and_every_rule_can_be_evaluated(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    folder, ours, theirs = tmp_path / "site", free_port(), free_port()
    folder.mkdir()
    more = f'[console]\nlisten = "127.0.0.1:{ours}"\n'
    site = make_site(folder, gpus=1, profile=quick_profile(folder), more=more)
    shutil.copy(ROOT / "conf" / "prometheus-alerts.yml", tmp_path)
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [prometheus-alerts.yml]\n"
        f'scrape_configs: [{{job_name: mqi-actors, static_configs: [{{targets: ["127.0.0.1:{ours}"]}}]}}]\n'
    )
    order = [
        program,
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{theirs}",
        "--log.level=error",
    ]
    with Daemon(site), (tmp_path / "said").open("wb") as said:
        prometheus = subprocess.Popen(order, stdout=said, stderr=said)
        try:

            def target() -> Any:
                found = (ask(theirs, "/api/v1/targets") or {}).get("activeTargets", [])
                return found[0] if found and found[0]["health"] != "unknown" else None

            seen = until(target, 40, f"a scrape; {(tmp_path / 'said').read_text()}")
            assert seen["health"] == "up", seen["lastError"]

            def evaluated() -> Any:
                groups = (ask(theirs, "/api/v1/rules") or {}).get("groups", [])
                rules = [rule for group in groups for rule in group["rules"]]
                return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None

            rules = until(evaluated, 40, "the rules are evaluated")
            assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]
            found = until(lambda: ask(theirs, "/api/v1/query?query=mqi_start_number")["result"], 20, "a sample")
            assert found[0]["value"][1] == "1"
            assert found[0]["metric"]["job"] == "mqi-actors"
        finally:
            prometheus.terminate()
            prometheus.wait(20)
