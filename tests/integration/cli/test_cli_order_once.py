"""An order whose answer does not come is written by the command itself, and is one order all the same."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.cli.ordering import place
from actors.cli.site import Site
from actors.console.client import Client, ConsoleSilentError
from actors.demo.site import make_site
from actors.ledger import Reader
from actors.ledger.placing import place_order
from messages.faults import Fault
from messages.ledger import OrderCommand
from messages.operators import Holder, OrderKind


class Late(Client):
    """A daemon that writes the order down and answers too late."""

    def __init__(self, ledger: Path) -> None:
        super().__init__(ledger.with_name("control.sock"))
        self.ledger = ledger

    def order(self, kind: str, subject: str = "", argument: str = "", name: str = "") -> dict[str, Any]:
        command = OrderCommand(name or "console-9-1", OrderKind(kind), subject, argument, "daemon")
        place_order(self.ledger, self.ledger.parent / "backups", command, alone=True)
        raise ConsoleSilentError(Fault("timed out"))


class Before(Site):
    """A site whose daemon is a late one."""

    @property
    def holder(self) -> Holder | None:
        return Holder(os.getpid(), datetime.now(UTC).isoformat(), 1, "")

    def client(self, holder: Holder) -> Client:
        return Late(self.settings.ledger_path)


@pytest.mark.promise("P34")
def test_an_order_that_was_answered_too_late_is_not_a_second_one(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    made.ledger.parent.mkdir(parents=True, exist_ok=True)
    site = Before(made.conf, {})
    command = OrderCommand("pause-0123456789ab", OrderKind.PAUSE, "", "", "operator")
    assert place(site, command) == (command.order, True)
    assert [row.order for row in Reader(made.ledger).orders()] == [command.order]
