"""What the commands do, apart from reading their arguments."""

from __future__ import annotations

import codecs
import faulthandler
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.cli.failures import CommandError, ExitCode, ReaderLeftError
from actors.cli.site import Site, find_conf

if TYPE_CHECKING:
    from actors.console.client import Client
    from messages.operators import Holder

STOPPED_WITHIN_S = 15.0


def say(document: Any, text: str, *, as_json: bool) -> None:
    """The answer of a command: one JSON document, or words."""
    _write(json.dumps(document) if as_json else text, end="\n")


def _write(text: str, end: str = "") -> None:
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError as error:  # told apart here, for the parser of arguments would make it a failure
        raise ReaderLeftError from error


def start(conf: Path | None, *, debug: bool) -> int:
    """Run the daemon; its exit code."""
    from actors.cli.daemon.run import run_daemon

    faulthandler.enable()  # a crash of the interpreter itself leaves the stack of every thread on stderr
    return run_daemon(find_conf(conf, os.environ), os.environ, debug=debug)


def check(conf: Path | None, *, as_json: bool, tell: bool = False) -> int:
    """Print the findings as they come; 1 if one of them failed. ``tell``: also tell a trial as alarms are told."""
    from actors.cli.doctor import CHECKS, check_telling, examine

    findings = []
    checks = (*CHECKS, check_telling) if tell else CHECKS
    for finding in examine(find_conf(conf, os.environ), os.environ, checks):
        findings.append(finding)
        if not as_json:
            _write(finding.line(), end="\n")
    ok = all(finding.ok for finding in findings)
    if as_json:
        rows = [{"name": f.name, "ok": f.ok, "text": f.text, "remedy": f.remedy} for f in findings]
        say({"ok": ok, "checks": rows}, "", as_json=True)
    return ExitCode.DONE if ok else ExitCode.FAILED


def stop(conf: Path | None, *, as_json: bool) -> None:
    """Ask the daemon to stop, and wait until it has let the state folder go."""
    site = Site(conf, os.environ)
    holder = site.daemon()
    _ask_or_signal(site, holder, lambda client: client.stop(), signal.SIGTERM)
    deadline = time.monotonic() + STOPPED_WITHIN_S
    while (now := site.holder) is not None and now.pid == holder.pid:
        if time.monotonic() > deadline:
            what = f"The daemon (pid {holder.pid}) was told to stop and still runs after {STOPPED_WITHIN_S:.0f} s."
            raise CommandError(ExitCode.FAILED, what, str(site.settings.daemon.log_dir), "Read its log.", "not-stopped")
        time.sleep(0.05)
    say({"stopped": True, "pid": holder.pid}, f"stopped: pid {holder.pid}; engines go on", as_json=as_json)


def reload(conf: Path | None, *, as_json: bool) -> int:
    """Have the configuration read again, and say what of it is in force."""
    site = Site(conf, os.environ)
    holder = site.daemon()
    done = site.client(holder).reload()
    if done["errors"]:
        text = "refused, nothing changed:\n" + "\n".join(f"  {problem}" for problem in done["errors"])
    else:
        text = f"in force now: {', '.join(done['changed']) or 'nothing new'}"
        if done["needs_restart"]:
            text += f"\nat the next start: {', '.join(done['needs_restart'])}"
    say(done, text, as_json=as_json)
    return ExitCode.USAGE if done["errors"] else ExitCode.DONE


def submit(conf: Path | None, path: Path, *, partial: bool, as_json: bool) -> int:
    """Have a case folder taken now; while no daemon runs, or none answers, as soon as one does."""
    from actors.cli.ordering import order
    from actors.console.client import ConsoleSilentError

    site = Site(conf, os.environ)
    holder = site.holder
    folder = Path(os.path.normpath(path.absolute()))
    if not folder.is_dir():
        what, remedy = "There is no such folder.", "Name the folder that holds the RT Ion Plan."
        raise CommandError(ExitCode.NOT_FOUND, what, str(folder), remedy, "no-folder")
    if holder is not None:
        with suppress(ConsoleSilentError):
            taken = site.client(holder).submit(folder, partial=partial)
            told = [f"taken: {case}" for case in taken["cases"]] + taken["sentences"]
            say(taken, "\n".join(told) or f"no case was found in {folder}", as_json=as_json)
            return ExitCode.DONE if taken["cases"] else ExitCode.NOT_FOUND
    return order(conf, "submit", str(folder), "partial" if partial else "", as_json=as_json)


def status(conf: Path | None, *, as_json: bool) -> None:
    """Everything at a glance, from the daemon if it answers, else from the ledger."""
    from actors.cli.views import status_view
    from actors.documents import status_document

    site = Site(conf, os.environ)
    holder = site.holder
    reader = site.reader
    if holder is None:
        reader.check()  # a daemon looks at the file itself, and would not run on a damaged one
    boot = reader.meta().get("boot")
    document = status_document(
        holder,
        _live(site, holder),
        counts=reader.counts(),
        planned=reader.planned_counts(),
        configured=[(host.name, host.kind) for host in site.settings.hosts],
        hosts=reader.hosts(),
        gpus=reader.gpus(),
        alarms=reader.alarms(),
        boot=int(boot) if boot else None,
        halts=reader.halts(),
        orders=reader.orders(),
    )
    say(document, status_view(document), as_json=as_json)


def cases(conf: Path | None, state: str | None, *, as_json: bool) -> None:
    """All cases, or those in one state."""
    from actors.cli.views import cases_view
    from actors.documents import case_document, look_around
    from messages.states import CaseState

    site = Site(conf, os.environ)
    if state is not None and state not in list(CaseState):
        what = f'There is no state "{state}".'
        raise CommandError(ExitCode.USAGE, what, "", f"There are: {', '.join(CaseState)}.", "no-state")
    now = datetime.now().astimezone()
    rows = site.reader.cases(CaseState(state) if state else None)
    around = look_around(site.reader, now, site.settings.retry.attempts)
    documents = [case_document(row, now, around) for row in rows]
    say(documents, cases_view(documents), as_json=as_json)


def show(conf: Path | None, case: str, *, as_json: bool) -> None:
    """One case in full."""
    from actors.cli.views import show_view
    from actors.documents import look_around, show_document

    site = Site(conf, os.environ)
    row = site.case(case)
    now = datetime.now().astimezone()
    around = look_around(site.reader, now, site.settings.retry.attempts)
    reader = site.reader
    document = show_document(
        row,
        reader.attempts(row.case),
        reader.events(row.case),
        now,
        around,
        reviews=reader.reviews(row.case),
        sendings=reader.sendings(row.case),
    )
    say(document, show_view(document), as_json=as_json)


def explain(conf: Path | None, subject: str, *, as_json: bool) -> None:
    """Why a case, a host or a GPU is as it is."""
    from actors.documents import halting, look_around, why

    site = Site(conf, os.environ)
    if _is_place(site, subject):
        _explain_place(site, subject, as_json=as_json)
        return
    row, holder = site.case(subject), site.holder
    sentence = why(
        row,
        running=holder is not None,
        results=site.settings.results.dir,
        halted=halting(_alarms(site, _live(site, holder)), row.case),
        around=look_around(
            site.reader,
            datetime.now().astimezone(),
            site.settings.retry.attempts,
            site.settings.daemon.active_cases,
            tuple(host.name for host in site.settings.hosts),
        ),
        attempts=site.reader.attempts(row.case),
        sendings=site.reader.sendings(row.case),
    )
    say({"case": row.case, "state": str(row.state), "why": sentence}, f"{row.case}: {sentence}", as_json=as_json)


def _is_place(site: Site, subject: str) -> bool:
    """A host, or one GPU of it; cases have names that no host has."""
    host, slash, _ = subject.partition("/")
    return bool(slash) or any(known.name == host for known in site.settings.hosts)


def _explain_place(site: Site, subject: str, *, as_json: bool) -> None:
    from actors.cli.ordering import place_name
    from actors.documents import look_around, why_gpu, why_host
    from messages.states import BeamState

    place = place_name(site, subject)
    host, _, index = place.partition("/")
    reader, running = site.reader, site.holder is not None
    around = look_around(reader, datetime.now().astimezone(), site.settings.retry.attempts)
    gpus = [row for row in around.gpus if row.host == host]
    if index:
        row = next((gpu for gpu in gpus if str(gpu.index) == index), None)
        waiting = sum(beam.state is BeamState.INTERPRETED for case in reader.open_cases() for beam in case.beams)
        sentence = (
            f"{place} was never seen." if row is None else why_gpu(row, running=running, around=around, waiting=waiting)
        )
    else:
        known = next((row for row in reader.hosts() if row.host == host), None)
        sentence = why_host(host, known, gpus, running=running, around=around)
    say({"place": place, "why": sentence}, sentence, as_json=as_json)


def tail(conf: Path | None, case: str | None, *, follow: bool, lines: int, engine: int | None, as_json: bool) -> None:
    """The log for people, its JSON twin, or an engine's own."""
    from actors.cli import tailing

    site = Site(conf, os.environ)
    name = site.case(case).case if case else ""
    if as_json and (follow or engine is not None):
        remedy = "Leave out --json, or follow events.jsonl in the log folder."
        raise CommandError(
            ExitCode.USAGE, "--json prints one document: it goes neither with -f nor with --engine.", "", remedy
        )
    log_dir = site.settings.daemon.log_dir
    if as_json:
        say(tailing.events_of(log_dir / "events.jsonl", name, lines), "", as_json=True)
        return
    if engine is not None and not name:
        raise CommandError(ExitCode.USAGE, "--engine needs a case.", "", "mqi-actors tail CASE --engine BEAM")
    if engine is not None:
        path, opened = tailing.engine_log(site, name, engine)
    else:
        path, opened = log_dir / "cases" / f"{name}.log" if name else log_dir / "operators.log", tailing.plainly
    _copy(tailing.follow(path, lines, opened) if follow else iter(tailing.last_lines(path, lines, opened)))


def _copy(pieces: Iterator[bytes]) -> None:
    decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
    for piece in pieces:
        _write(decode(piece))


def _alarms(site: Site, live: dict[str, Any] | None) -> list[tuple[str, str]]:
    """(id, text) of those that stand; a full disk may keep the newest out of the ledger."""
    if live is not None and live.get("alarms") is not None:
        return [(alarm["id"], alarm["text"]) for alarm in live["alarms"]]
    return [(alarm.alarm, alarm.text) for alarm in site.reader.alarms()]


def _live(site: Site, holder: Holder | None) -> dict[str, Any] | None:
    """What the daemon says of itself; None when there is none or it does not answer."""
    from actors.console.client import ConsoleSilentError

    if holder is None:
        return None
    with suppress(ConsoleSilentError):
        return site.client(holder).status()
    return None


def _ask_or_signal(site: Site, holder: Holder, ask: Callable[[Client], object], number: signal.Signals) -> None:
    """By the control socket; a daemon whose console is down still knows its signals."""
    from actors.console.client import ConsoleSilentError

    try:
        ask(site.client(holder))
    except ConsoleSilentError:
        if site.holder is None:
            return
        try:
            os.kill(holder.pid, number)
        except OSError as error:
            what = f"The daemon (pid {holder.pid}) cannot be reached: {error.strerror}."
            raise CommandError(ExitCode.FAILED, what, holder.socket, "Run this as the daemon's user.") from error
