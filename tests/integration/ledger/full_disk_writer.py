"""Writes until a small disk is full, makes room, writes on; says whether every acknowledged write was kept."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from actors.ledger import Ledger, Reader
from messages.ledger import NoteEvent, Write, WriteRefused, Written
from messages.operators import AlarmCleared, AlarmRaised
from tests.kit.probe import Probe
from tests.kit.running import running


def main(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * 400_000)
    path, probe, monitor = folder / "ledger.sqlite", Probe(), Probe("monitor")
    acknowledged = []
    with running(
        Ledger, name="ledger", path=path, backups=folder / "backups", backup_hours=0.0, monitor=monitor
    ) as ledger:
        for number in range(1000):
            name = f"event-{number}"
            ledger.tell(Write(name, probe, "w", 1, (NoteEvent("", name, "x" * 4000),)))
            answer = probe.expect(object)
            if isinstance(answer, WriteRefused):
                print("refused", answer.fault)
                break
            acknowledged.append(name)
        monitor.expect(AlarmRaised)
        ballast.unlink()
        ledger.tell(Write("after", probe, "w", 1, (NoteEvent("", "after"),)))
        assert probe.expect(Written).request_id == "after"
        monitor.expect(AlarmCleared)
        kept = [event.what for event in Reader(path).events("")]
    print("kept all" if kept == [*acknowledged, "after"] else f"lost: {set(acknowledged) ^ set(kept)}")


main(Path(sys.argv[1]))
