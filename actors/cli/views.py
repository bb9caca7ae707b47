"""The same documents for people: short tables of plain text, which also read well in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned by blanks; the last one is not padded."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def cases_view(cases: Sequence[dict[str, Any]]) -> str:
    """One line per case."""
    if not cases:
        return "no cases"
    rows = [
        (
            case["case"],
            case["state"],
            f"{case['progress']:.0%}",
            " ".join(f"{beam['number']}:{beam['state']}" for beam in case["beams"]),
            _ready(case),
            short(case["reason"], 80),
        )
        for case in cases
    ]
    return table(("case", "state", "done", "beams", "ready", "reason"), rows)


def show_view(case: dict[str, Any]) -> str:
    """One case with beams, attempts and history."""
    head = [
        f"{case['case']}  {case['state']}  {case['progress']:.0%}{'  ' + case['reason'] if case['reason'] else ''}",
        f"path {case['path']}",
        *(("PLANNED spots, computed to compare deliveries with: no fraction",) if case["kind"] == "planned" else ()),
        f"plan {case['plan_uid']}  priority {case['priority']}",
        (
            f"seen {_time(case['seen'])}  started {_time(case['started'])}  ended {_time(case['ended'])}"
            f"  ready {_ready(case)}"
        ),
    ]
    beams = table(
        ("beam", "name", "state", "attempt", "where", "done", "reason"),
        [
            (
                str(beam["number"]),
                beam["name"],
                beam["state"],
                str(beam["attempt"]),
                f"{beam['host']}/{beam['gpu']}" if beam["host"] else "",
                f"{beam['progress']:.0%}",
                beam["reason"],
            )
            for beam in case["beams"]
        ],
    )
    attempts = table(
        ("attempt", "where", "launched", "ended", "outcome", "evidence"),
        [
            (
                f"{attempt['beam']}/{attempt['attempt']}",
                f"{attempt['host']}/{attempt['gpu']}",
                attempt["launched"] or "",
                attempt["ended"] or "",
                attempt["outcome"],
                short(_evidence(attempt["evidence"]), 100),
            )
            for attempt in case["attempts"]
        ],
    )
    events = "\n".join(
        f"{event['at']}  {event['what']}  {short(_evidence(event['detail']), 160)}".rstrip() for event in case["events"]
    )
    verdict = "\n".join(
        line for line in (_verdict(case["result"]), *_versions(case), *_reviews(case), *_sendings(case)) if line
    )
    return "\n\n".join(part for part in ("\n".join(head), verdict, beams, attempts, events) if part)


def _evidence(text: str) -> str:
    """What is kept as JSON, in words; anything else as it is."""
    said = text
    with suppress(ValueError):
        match json.loads(text):
            case {"what": str(words)} | {"verdict": str(words)}:
                said = words
            case {"maximum": float(maximum), "notes": list(notes)}:
                said = "; ".join([f"dose of at most {maximum:.4g} Gy", *map(str, notes)])
            case {"exit_code": code, "signal": number}:
                said = f"exit code {code}" if number is None else f"signal {number}"
            case [{"path": _}, *_] as files:
                said = ", ".join(str(file["path"]) for file in files)
    return said


def _sendings(case: dict[str, Any]) -> Iterable[str]:
    """Where the result is sent, one line for each node."""
    for one in case.get("sendings", ()):
        whose = f", ordered by {one['ordered_by']}" if one["ordered_by"] else ""
        tried = f", {one['tries']} tries" if one["state"] in ("due", "stored") and one["tries"] else ""
        yield f"{one['state']} at {one['node']}{whose}{tried}  {one['reason']}".rstrip()


def _versions(case: dict[str, Any]) -> Iterable[str]:
    """What it follows, and what follows it."""
    again = case.get("recalculation")
    if case.get("supersedes"):
        why = f", recalculated by {again['by']}: {again['because']}" if again else ""
        yield f"supersedes {case['supersedes']}{why}"
    if case.get("superseded_by"):
        yield f"there is a newer version: {case['superseded_by']}"


def _reviews(case: dict[str, Any]) -> Iterable[str]:
    """Who said what of the result."""
    if case.get("review") == "computed":
        yield "nobody has reviewed it"
    for one in case.get("reviews", ()):
        yield f"{one['state']} by {one['user']} at {_time(one['at'])}{_because(one['reason'])}"


def _verdict(verdict: Any) -> str:
    if not isinstance(verdict, dict):
        return f"verdict {verdict}" if verdict else ""
    word = f"verdict {verdict.get('verdict')}{', uncommissioned engine' if verdict.get('uncommissioned') else ''}"
    return "\n".join([word, *(f"  {reason}" for reason in verdict.get("reasons", ()))])


def status_view(status: dict[str, Any]) -> str:
    """Daemon, cases, hosts, disks, alarms."""
    daemon = status["daemon"]
    if daemon["state"] == "stopped":
        lines = ["daemon   stopped; mqi-actors start runs it"]
    else:
        answers = "" if daemon["answers"] else "; it does not answer at its control socket: read the log"
        more = f", {daemon['memory_mb']:.0f} MB, {daemon['restarts']} restarts" if "memory_mb" in daemon else ""
        lines = [
            f"daemon   running: pid {daemon['pid']}, start {daemon['boot']}, since {daemon['since']}{more}{answers}",
            f"socket   {daemon['socket']}",
        ]
    lines.append("cases    " + (", ".join(f"{n} {state}" for state, n in status["cases"].items() if n) or "none"))
    for host in status["hosts"]:
        lines.append(f"host     {host['name']} ({host['kind']}): {host['state']}{_because(host['reason'])}")
        lines += [
            f"  gpu {gpu['index']}  {gpu['state']}{_because(gpu['reason'])}{'  ' + gpu['beam'] if gpu['beam'] else ''}"
            for gpu in host["gpus"]
        ]
    if status.get("paused"):
        lines.append(f"intake   paused {status['paused']}: no further case is begun; mqi-actors unpause")
    lines += [
        f"order    {order['kind']} {order['subject']} {order['argument']}".rstrip()
        + f" by {order['user']}: to be carried out"
        for order in status.get("orders", ())
    ]
    for disk in status.get("disks", ()):
        free = "does not answer" if disk["free_gb"] is None else f"{disk['free_gb']:.1f} GB free"
        low = "  LOW: no new work starts" if disk["low"] else ""
        lines.append(f"disk     {disk['label']}: {free} at {disk['path']}{low}")
    lines += [f"ALARM    {alarm['since']}  {alarm['text']}" for alarm in status["alarms"]] or ["alarms   none"]
    return "\n".join(lines)


def short(text: str, length: int) -> str:
    """The text in one line, cut where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _ready(case: dict[str, Any]) -> str:
    """When it is done, and by when in nine cases of ten."""
    if case["ended"] or not case["eta"]:
        return "-"
    eta, bound = _time(case["eta"]), _time(case["eta_bound"])
    return f"{eta} ({bound[11:16]})" if bound[:10] == eta[:10] else f"{eta} ({bound})"


def _time(at: str | None) -> str:
    return at.replace("T", " ")[:19] if at else "-"
