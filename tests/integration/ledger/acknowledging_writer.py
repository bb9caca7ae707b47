"""A process that writes through the ledger's actor and prints each acknowledged event, until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from actors.ledger import Ledger
from actors.supervision import Spec, System
from messages.ledger import NoteEvent, Write

AT_ONCE = 20


class Teller:
    """Prints what was acknowledged, and keeps some writes under way."""

    id = "teller"

    def __init__(self, system: System, epoch: int) -> None:
        self.ledger = system.address("ledger")
        self.epoch = epoch
        self.next = 0

    def send(self) -> None:
        name = f"{self.epoch}-{self.next}"
        self.next += 1
        self.ledger.tell(Write(name, self, self.id, self.epoch, (NoteEvent("", name),)))

    def tell(self, message: object) -> bool:
        os.write(1, f"{message.request_id}\n".encode())  # type: ignore[attr-defined]
        self.send()
        return True


def main(path: Path, round_number: int) -> None:
    spec = Spec("ledger", Ledger, {"path": path, "backups": path.parent / "backups", "backup_hours": 0.0})
    system = System(spec, boot=round_number + 1)
    system.start()
    teller = Teller(system, round_number + 1)
    for _ in range(AT_ONCE):
        teller.send()
    system.wait(60)


main(Path(sys.argv[1]), int(sys.argv[2]))
