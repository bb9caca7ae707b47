"""The console actor with probes around it, on sockets of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.console import Console
from actors.ledger import Reader
from actors.settings import Settings, parse
from actors.supervision import Context
from messages.ledger import NoteEvent, Write
from messages.operators import SettingsReloaded
from tests.kit import Probe, running, wait_until


class Around:
    """The actors around the console. ``more``: TOML of its configuration's ``[console]``."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.path = folder / "control.sock"
        self.pictures = folder / "pictures"
        self.settings = site(folder, more)
        self.ledger, self.scanner, self.monitor = Probe("root/ledger"), Probe("root/scanner"), Probe("root/monitor")
        self.orders, self.compute = Probe("root/orders"), Probe("root/compute")
        self.consoles: list[Console] = []
        """Every incarnation."""
        self.stopped = threading.Event()
        self.reloaded: Any = SettingsReloaded("", ("scan.quiet_s",), (), ())

    @contextmanager
    def console(self) -> Iterator[Any]:
        def make(context: Context, **given: Any) -> Console:
            self.consoles.append(Console(context, **given))
            return self.consoles[-1]

        with running(
            make,
            boot=9,
            socket=self.path,
            settings=self.settings,
            version="1.2.3",
            reader=Reader(self.settings.ledger_path),
            pictures=self.pictures,
            ledger=self.ledger,
            scanner=self.scanner,
            monitor=self.monitor,
            orders=self.orders,
            compute=self.compute,
            stop=self.stopped.set,
            reload=lambda: self.reloaded,
        ) as actor:
            wait_until(self.path.exists)
            yield actor

    def notes(self) -> list[NoteEvent]:
        return [record for write in self.ledger.all(Write) for record in write.records if isinstance(record, NoteEvent)]


def site(folder: Path, more: str = "") -> Settings:
    text = f"""
[daemon]
state_dir = "{folder}/state"
log_dir = "{folder}/log"
[scan]
roots = ["{folder}/in"]
[results]
dir = "{folder}/results"
[engine]
profile = "reference"
[[hosts]]
name = "gpu1"
kind = "local"
workspace = "{folder}/work"
gpus = 2
[console]
{more}
"""
    return parse(text, folder / "mqi.toml", {})


def free_port() -> int:
    """A TCP port of loopback that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def in_background(work: Any) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found
