"""The overview as a screen of text. Pure: an overview and a size in, something that rich can draw out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STATES = ("running", "queued", "incoming", "held", "incomplete", "failed", "cancelled", "done")
_SIGNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "running": ("▶", "bold blue"),
        "busy": ("▶", "bold blue"),
        "queued": ("◷", "cyan"),
        "interpreted": ("◷", "cyan"),
        "staged": ("◷", "cyan"),
        "incoming": ("◌", "cyan"),
        "pending": ("◌", "cyan"),
        "ended": ("▷", "magenta"),
        "collected": ("▷", "magenta"),
        "held": ("‖", "yellow"),
        "draining": ("‖", "yellow"),
        "drained": ("‖", "yellow"),
        "incomplete": ("!", "yellow"),
        "quarantined": ("!", "bold red"),
        "suspended": ("!", "bold red"),
        "failed": ("✕", "bold red"),
        "cancelled": ("⊘", "dim"),
        "done": ("✓", "green"),
        "up": ("●", "green"),
        "idle": ("○", ""),
    }
)
_BAR = 20
_HEAD_LINES = 8
"""Of the screen, for all but the tables."""


def screen(overview: Mapping[str, Any], width: int, height: int) -> RenderableType:
    """Everything at a glance, cut to ``height`` lines."""
    if "cases" not in overview:
        return Panel(Text(str(overview.get("fault") or "Nothing has been looked at yet.")), title="MQI Communicator")
    parts: list[RenderableType] = [_head(overview), *_alarms(overview), _counts(overview), Text()]
    room = max(height - _HEAD_LINES - len(overview["alarms"]), 6)
    running, fleet = _running(overview, room), _fleet(overview, room)
    if width >= 120:
        both = Table.grid(padding=(0, 3), expand=True)
        both.add_column(ratio=3)
        both.add_column(ratio=2)
        both.add_row(running, fleet)
        parts.append(both)
    else:
        parts += [running, Text(), fleet]
    return Group(*parts, Text(), _today(overview), Text("q quits", style="dim"))


def sign(word: str) -> Text:
    """A state with its mark: no colour says anything alone."""
    mark, style = _SIGNS.get(word, ("?", "yellow"))
    return Text(f"{mark} {word}", style=style, no_wrap=True)


def clock(at: str | None) -> str:
    """Time of day on this machine's clock; with the date where it is another day's."""
    if not at:
        return ""
    moment = datetime.fromisoformat(at).astimezone()
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%m-%d %H:%M}"


def bar(share: float) -> Text:
    """A bar of eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    full, rest = divmod(eighths, 8)
    body = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text(body.ljust(_BAR), style="blue on grey19" if share < 1 else "green on grey19", no_wrap=True)


def _head(overview: Mapping[str, Any]) -> Text:
    daemon, head = overview["daemon"], Text("MQI Communicator  ", style="bold")
    if daemon["state"] == "stopped":
        head.append("! no daemon is running: mqi-actors start", style="bold red")
    elif not daemon.get("answers", True):
        head.append(f"! pid {daemon['pid']} does not answer; from the ledger", style="bold yellow")
    else:
        head.append(f"pid {daemon['pid']}, since {clock(daemon['since'])}", style="green")
    head.append(f"  {clock(overview['at'])}", style="dim")
    return head


def _alarms(overview: Mapping[str, Any]) -> Iterator[Text]:
    if overview.get("paused"):
        yield Text("‖ intake is paused: mqi-actors unpause", style="bold yellow")
    for alarm in overview["alarms"]:
        yield Text(f"! {clock(alarm['since'])}  {alarm['text']}", style="bold white on red", overflow="ellipsis")


def _counts(overview: Mapping[str, Any]) -> Text:
    line = Text()
    for word in STATES:
        n = overview["cases"].get(word, 0)
        line.append(f"{n} ", style="bold" if n else "dim").append_text(sign(word) if n else Text(word, style="dim"))
        line.append("   ")
    return line


def _table(**columns: int) -> Table:
    """Columns and the least width of each; the last one takes what is left, and is cut first."""
    table = Table(box=None, padding=(0, 1), header_style="dim", expand=True)
    for name, least in columns.items():
        last = name == [*columns][-1]
        table.add_column(name.strip("_"), no_wrap=True, overflow="ellipsis", min_width=least, ratio=1 if last else None)
    return table


def _running(overview: Mapping[str, Any], room: int) -> RenderableType:
    table = _table(case=24, beam=7, state=13, _=_BAR, __=4, ready=11)
    rows = [(case, beam) for case in overview["running"] for beam in case["beams"]]
    for case, beam in rows[:room]:
        first = beam is case["beams"][0]
        share = 1.0 if beam["state"] == "done" else beam["progress"]
        table.add_row(
            Text(case["case"] if first else "", style="bold"),
            Text(f"{beam['number']} {beam['name']}"),
            sign(beam["state"]),
            bar(share),
            Text(f"{share:4.0%}"),
            Text(clock(case["eta"]) if first else "", style="dim"),
        )
    more = len(rows) - room
    rest = Text(f"… and {more} beams more", style="dim") if more > 0 else Text()
    return Group(table, rest) if rows else Text("Nothing is running.", style="dim")


def _fleet(overview: Mapping[str, Any], room: int) -> RenderableType:
    table = _table(GPU=6, state=13, heat=4, memory=9, use=8)
    for host in overview["hosts"][:room]:
        facts = Text(host["reason"] or "", style="dim", overflow="ellipsis")
        table.add_row(Text(host["name"], style="bold"), sign(host["state"]), "", "", facts)
        for gpu in host["gpus"]:
            table.add_row(Text(f"  {gpu['index']}"), sign(gpu["state"]), *_reading(gpu))
    return table


def _reading(gpu: Mapping[str, Any]) -> Sequence[Text]:
    warmth = gpu.get("temperature_c")
    used, total = gpu.get("used_mb"), gpu.get("total_mb")
    memory = f"{(used or 0) / 1024:.0f}/{total / 1024:.0f} GB" if total else ""
    strangers = [f"{user['name']} ({user['pid']})" for user in gpu.get("users", ()) if not user["attempt"]]
    who = gpu["beam"] or ", ".join(strangers) or (gpu["reason"] if gpu["state"] not in ("idle", "busy") else "")
    return Text("" if warmth is None else str(warmth)), Text(memory), Text(who, overflow="ellipsis")


def _today(overview: Mapping[str, Any]) -> Text:
    today, text = overview["today"], Text("today  ", style="dim")
    text.append(f"{today['cases']} cases, {today['beams']} beams done", style="bold")
    if today["failed"]:
        text.append(f", {today['failed']} failed", style="bold red")
    top = max(today["hours"], default=0) or 1
    text.append("   " + "".join(" ▁▂▃▄▅▆▇█"[round(8 * n / top)] for n in today["hours"]), style="blue")
    last = [f"{case['case']} {case['state']}" for case in overview["last"][:3]]
    if last:
        text.append(f"   last: {', '.join(last)}", style="dim")
    return text
