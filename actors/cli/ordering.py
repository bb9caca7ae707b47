"""Operators' orders: named, placed so that they are durable before the command returns, and what became of them."""

from __future__ import annotations

import difflib
import os
import pwd
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.cli.commands import say
from actors.cli.failures import CommandError, ExitCode
from actors.cli.site import Site
from actors.documents.orders import OF_CASES, OF_PLACES, check_order, order_sentence, refused
from messages.ledger import OrderCommand
from messages.operators import OrderKind

if TYPE_CHECKING:
    from messages.operators import Holder

SETTLED_WITHIN_S = 5.0
"""How long a command waits for the daemon to carry its order out, before it says that it will be."""
LOCK_TRIES = 40
LOCK_PAUSE_S = 0.05


def order(conf: Path | None, kind: str, subject: str = "", argument: str = "", *, as_json: bool) -> int:
    """Place one order, wait a moment for its outcome, say it; 1 when it was refused."""
    known = check_order(kind, subject, argument)
    site = Site(conf, os.environ)
    subject = _named(site, known, subject, argument)
    command = OrderCommand(f"{known}-{uuid.uuid4().hex[:12]}", known, subject, argument, _user())
    name, running = place(site, command)
    outcome = _outcome(site, name) if running else ""
    text = order_sentence(known, subject, argument, outcome, running=running)
    document: dict[str, Any] = {
        "order": name,
        "kind": str(known),
        "subject": subject,
        "argument": argument,
        "outcome": outcome or None,
        "text": text,
    }
    say(document, text, as_json=as_json)
    return ExitCode.FAILED if refused(outcome) else ExitCode.DONE


def place(site: Site, command: OrderCommand) -> tuple[str, bool]:
    """The order is in the ledger: its id, and whether a daemon is there to carry it out.

    A daemon is asked by its control socket. Where none runs, or none answers, the order is written into the ledger
    from here; a daemon looks for such orders all the time.
    """
    for _ in range(LOCK_TRIES):
        holder = site.holder
        if holder is not None:
            return _place_with(site, holder, command), True
        if _place_alone(site, command):
            return command.order, False
        time.sleep(LOCK_PAUSE_S)  # a daemon begins this moment, or another command places an order
    what, remedy = "The state folder is held by another command.", "Try again."
    raise CommandError(ExitCode.LOCKED, what, str(site.settings.daemon.state_dir), remedy, "state-locked")


def _place_alone(site: Site, command: OrderCommand) -> bool:
    """False: somebody else holds the state folder now."""
    from actors.cli.daemon.lock import StateLock

    state_dir = site.settings.daemon.state_dir
    state_dir.mkdir(parents=True, exist_ok=True)
    try:
        with StateLock(state_dir, Path(), command=True):
            _write(site, command, alone=True)
    except CommandError as error:
        if error.code is not ExitCode.LOCKED:
            raise
        return False
    return True


def _place_with(site: Site, holder: Holder, command: OrderCommand) -> str:
    from actors.console.client import ConsoleSilentError

    try:
        answer = site.client(holder).order(command.kind, command.subject, command.argument, command.order)
    except ConsoleSilentError:  # it may have the order all the same: by the same id it stays one
        _write(site, command, alone=False)
        return command.order
    return str(answer["order"])


def _write(site: Site, command: OrderCommand, *, alone: bool) -> None:
    from actors.ledger.placing import place_order

    place_order(site.settings.ledger_path, site.settings.backups_dir, command, alone=alone)


def _user() -> str:
    """Who gives the order, as the operating system has it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _outcome(site: Site, name: str) -> str:
    """What became of it; empty: nothing yet."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while time.monotonic() < deadline:
        row = site.reader.order(name)
        if row is not None and row.outcome:
            return row.outcome
        time.sleep(0.02)
    return ""


def _named(site: Site, kind: OrderKind, subject: str, argument: str) -> str:
    """The subject in full. Raises CommandError (NOT_FOUND) when there is no such case, beam, host or GPU."""
    if kind in OF_CASES:
        row = site.case(subject)
        if kind is OrderKind.RETRY and argument and int(argument) not in {beam.number for beam in row.beams}:
            there = ", ".join(str(beam.number) for beam in row.beams) or "none yet"
            what = f"Case {row.case} has no beam {argument}."
            raise CommandError(ExitCode.NOT_FOUND, what, "", f"Its beams: {there}.", "no-beam")
        return row.case
    return place_name(site, subject) if kind in OF_PLACES else subject


def place_name(site: Site, subject: str) -> str:
    """``HOST`` or ``HOST/<index>`` of a host in the configuration; a GPU also by its UUID."""
    name, _, gpu = subject.partition("/")
    hosts = [host.name for host in site.settings.hosts]
    if name not in hosts:
        raise _nobody("host", name, hosts)
    if not gpu:
        return name
    rows = [row for row in site.reader.gpus() if row.host == name]
    index = gpu.removeprefix("gpu-")
    for row in rows:
        if index == str(row.index) or gpu == row.uuid:
            return f"{name}/{row.index}"
    if not rows and index.isdigit():
        return f"{name}/{int(index)}"  # no daemon has asked the host for its GPUs yet
    raise _nobody("GPU", subject, [f"{name}/{row.index}" for row in rows])


def _nobody(what: str, name: str, there: Iterable[str]) -> CommandError:
    known = list(there)
    near = difflib.get_close_matches(name, known, 3, 0.5)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known) or 'none'}."
    return CommandError(ExitCode.NOT_FOUND, f'There is no {what} "{name}".', "", remedy, f"no-{what.lower()}")
