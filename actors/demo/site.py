"""A whole site in one folder on this machine: where cases arrive, state, results, logs, and a configuration for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

SHIPPED_PROFILES = Path(__file__).resolve().parents[2] / "conf" / "engines"


@dataclass(frozen=True, slots=True)
class DemoSite:
    """Folders of one site below ``folder``; made by ``make_site``."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "mqi-actors.toml"

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.sqlite"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def log(self) -> Path:
        return self.folder / "log" / "operators.log"


def make_site(
    folder: Path,
    *,
    gpus: int = 2,
    profile: Path | str = "reference",
    interval_s: float = 1.0,
    quiet_s: float = 0.5,
    attempts: int = 3,
    more: str = "",
) -> DemoSite:
    """Make the folders and write the configuration.

    ``gpus`` counts slots on this machine (no GPU is asked). ``more`` is TOML appended as it is. A folder that holds a
    site already is taken over: its configuration is written anew, everything else is kept.
    """
    site = DemoSite(folder.resolve())
    for made in (site.incoming, site.state, site.results, site.workspace):
        made.mkdir(parents=True, exist_ok=True)
    engine = profile if isinstance(profile, Path) else SHIPPED_PROFILES / f"{profile}.toml"
    quoted = {name: json.dumps(str(path), ensure_ascii=False) for name, path in _places(site, engine).items()}
    text = f"""\
# One site on this machine, made by the demo. An annotated configuration is written by `mqi-actors init`.
[daemon]
state_dir = {quoted["state"]}
log_dir = {quoted["log"]}
[site]
zone = "Asia/Seoul"
[scan]
roots = [{quoted["incoming"]}]
interval_s = {float(interval_s)}
quiet_s = {float(quiet_s)}
[results]
dir = {quoted["results"]}
min_free_gb = 0.1
[engine]
profile = {quoted["engine"]}
[[hosts]]
name = "this"
kind = "local"
workspace = {quoted["workspace"]}
gpus = {gpus}
[retry]
attempts = {attempts}
[monitor]
state_min_free_gb = 0.1
workspace_min_free_gb = 0.1
"""
    site.conf.write_text(text + more, encoding="utf-8")
    return site


def _places(site: DemoSite, engine: Path) -> dict[str, Path]:
    return {
        "state": site.state,
        "log": site.log.parent,
        "incoming": site.incoming,
        "results": site.results,
        "engine": engine,
        "workspace": site.workspace,
    }
