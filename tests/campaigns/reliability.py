"""The reliability table in README: what each campaign tried, how often, with what outcome. Only campaigns write it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- reliability -->", "<!-- /reliability -->"
HEAD = ("| campaign | what was tried | how often | outcome | run on |", "| --- | --- | --- | --- | --- |")


def record(
    campaign: str, rows: Sequence[tuple[str, str, str]], *, readme: Path = README, on: date | None = None
) -> None:
    """Put these rows (what was tried, how often, outcome) in place of the campaign's, with the day of the run (UTC).

    Campaigns stand in the order of their names, whichever ran first; the rows of the others stay as they are, byte for
    byte. Raises ValueError where the markers are missing or the campaign's name would break the table.
    """
    if not campaign or "|" in campaign or "\n" in campaign:
        raise ValueError(f"{campaign!r} names no campaign")
    day = (on or datetime.now(UTC).date()).isoformat()
    with readme.open("r+", encoding="utf-8", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two campaigns may end at the same time
        text = _replaced(file.read(), campaign, [_line(campaign, *row, day) for row in rows])
        file.seek(0)
        file.write(text)
        file.truncate()


def mark() -> str:
    """`` *`` behind figures of time that were taken while the machine had other work; README explains it."""
    return " *" if os.getloadavg()[1] > 2.0 * (os.cpu_count() or 1) else ""


def _replaced(text: str, campaign: str, lines: list[str]) -> str:
    before, begin, rest = text.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no table between {BEGIN} and {END}")
    others = [line for line in inside.splitlines() if _is_row(line) and _campaign(line) != campaign]
    table = [*HEAD, *sorted([*others, *lines], key=_campaign)]  # stable: rows of one campaign keep their order
    return "\n".join([f"{before}{begin}", "", *table, "", f"{end}{after}"])


def _is_row(line: str) -> bool:
    return line.startswith("|") and line not in HEAD


def _campaign(line: str) -> str:
    return line.split("|", 2)[1].strip()


def _line(*cells: str) -> str:
    told = (" ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(told)} |"
