"""A whole site in one folder on this machine: where cases arrive, state, results, logs, and a configuration for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from actors.demo.loopback import Loopback

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
    door: Loopback | None = None,
    reports: bool = False,
    more: str = "",
) -> DemoSite:
    """Make the folders and write the configuration.

    ``reports``: with the physicist's report of each case.
    ``gpus`` counts slots on this machine (no GPU is asked), reached over SSH where there is a ``door``. ``more`` is
    TOML appended as it is, such as another ``[[hosts]]``. A folder that holds a site already is taken over: its
    configuration is written anew, everything else is kept.
    """
    site = DemoSite(folder.resolve())
    for made in (site.incoming, site.state, site.results, site.workspace):
        made.mkdir(parents=True, exist_ok=True)
    engine = profile if isinstance(profile, Path) else SHIPPED_PROFILES / f"{profile}.toml"
    quoted = {name: _quoted(path) for name, path in _places(site, engine).items()}
    host = local_host(site.workspace, gpus) if door is None else ssh_host(door, site.workspace, gpus)
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
[retry]
attempts = {attempts}
[report]
enabled = {str(reports).lower()}
[monitor]
state_min_free_gb = 0.1
workspace_min_free_gb = 0.1
{host}"""
    site.conf.write_text(text + more, encoding="utf-8")
    return site


def _places(site: DemoSite, engine: Path) -> dict[str, Path]:
    return {
        "state": site.state,
        "log": site.log.parent,
        "incoming": site.incoming,
        "results": site.results,
        "engine": engine,
    }


def local_host(workspace: Path, gpus: int, name: str = "this") -> str:
    """A ``[[hosts]]`` table for slots on this machine."""
    return f"""\
[[hosts]]
name = "{name}"
kind = "local"
workspace = {_quoted(workspace)}
gpus = {gpus}
"""


def ssh_host(door: Loopback, workspace: Path, gpus: int, name: str = "loopback") -> str:
    """A ``[[hosts]]`` table for slots behind an SSH server on loopback."""
    return f"""\
[[hosts]]
name = "{name}"
kind = "ssh"
address = "127.0.0.1"
port = {door.port}
user = {_quoted(door.user)}
key_file = {_quoted(door.key_file)}
known_hosts = {_quoted(door.known_hosts)}
workspace = {_quoted(workspace)}
gpus = {gpus}
"""


def _quoted(value: Path | str) -> str:
    """As a TOML string: JSON's escapes are TOML's."""
    return json.dumps(str(value), ensure_ascii=False)
