"""What the tree is built from, and where its actors are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from actors.settings import Settings
from messages.engine import EngineProfile
from messages.operators import SettingsReloaded

MONITOR = "root/monitor"
NOTIFIER = "root/notifier"
PIPELINE = "root/pipeline"
LEDGER = f"{PIPELINE}/ledger"
COMPUTE = f"{PIPELINE}/compute"
HOSTS = f"{PIPELINE}/hosts"
SCHEDULER = f"{PIPELINE}/scheduler"
CASES = f"{PIPELINE}/cases"
ADMISSION = f"{CASES}/admission"
SCANNER = f"{PIPELINE}/scanner"
ORDERS = f"{PIPELINE}/orders"


@dataclass(frozen=True, slots=True)
class Site:
    """What the tree is built from: settings, and what was read and asked before anything started."""

    settings: Settings
    profile: EngineProfile
    engine_version: str
    daemon_version: str
    socket: Path
    """Of the console."""
    stop: Callable[[], None]
    """Ask the process to stop in order; returns at once."""
    reload: Callable[[], SettingsReloaded]
    results_mount: str = ""
    """Where the share of the results is mounted; empty: not known."""
    open_gpus: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Host → index and UUID of its GPUs on which the ledger had open attempts before anything started."""
