"""Templates to HTML; every value is escaped unless a template says otherwise, and none does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from actors.console.caseview import evidence
from actors.console.words import Words
from actors.documents.orders import HIGHEST

HERE = Path(__file__).parent
ASSETS: Mapping[str, str] = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
SECTIONS = ("top", "alarms", "counts", "running", "fleet", "today")
"""Parts of the page that are made from the overview alone."""
STATES = ("running", "queued", "incoming", "held", "incomplete", "failed", "cancelled", "done")
"""In the order in which they matter."""
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "beam_state": {
        "pending": "incoming",
        "interpreted": "queued",
        "staged": "queued",
        "ended": "running",
        "collected": "running",
    },
    "gpu_state": {"busy": "running", "quarantined": "incomplete", "draining": "held", "drained": "held"},
    "host_state": {"suspended": "incomplete", "draining": "held", "drained": "held"},
    "attempt_state": {
        "intended": "incoming",
        "staged": "queued",
        "launching": "queued",
        "ended": "running",
        "collected": "running",
        "verified": "done",
        "withdrawn": "cancelled",
    },
}
_KNOWN = frozenset(
    {"incoming", "queued", "running", "held", "done", "failed", "cancelled", "incomplete", "idle", "unknown", "up"}
)


def render(template: str, words: Words, values: Mapping[str, Any]) -> str:
    """One template with its values, in a language."""
    from jinja2 import Environment  # noqa: PLC0415 - a daemon without a page does without it

    environment = _environment()
    assert isinstance(environment, Environment)
    return environment.get_template(template).render({**values, "w": words})


def sections(words: Words, overview: Mapping[str, Any], hot_c: float) -> dict[str, str]:
    """Every part of the page that is made from the overview, by name."""
    values = {"doc": Overview(overview), "hot_c": hot_c}
    return {name: render(f"_{name}.html", words, values) for name in SECTIONS}


@cache
def _environment() -> object:
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415 - as above

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(HERE / "templates"),
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        asset=asset,
        clock=clock,
        percent=percent,
        gigabytes=gigabytes,
        share=share,
        apart=apart,
        shape=shape,
        evidence=evidence,
        highest=HIGHEST,
        order_of_states=STATES,
    )
    return environment


class Overview(dict[str, Any]):
    """The overview, in which what is missing (the ledger cannot be read) is None."""

    def __missing__(self, key: str) -> None:
        return None


@cache
def asset(name: str) -> str:
    """Where a browser finds one of our files: the address changes with the content, so it may be kept for ever."""
    return f"/assets/{hashlib.sha256(asset_bytes(name)).hexdigest()[:12]}/{name}"


@cache
def asset_bytes(name: str) -> bytes:
    """A file of ours. KeyError for any other name."""
    if name not in ASSETS:
        raise KeyError(name)
    return (HERE / "assets" / name).read_bytes()


def clock(at: str | None) -> str:
    """Time of day on this machine's clock; with the date where it is another day's."""
    if not at:
        return ""
    try:
        moment = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return at
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%m-%d %H:%M}"


def percent(part: float) -> str:
    """Whole percents; 100 only when it is all."""
    return f"{int(part * 100)} %"


def gigabytes(megabytes: float | None) -> str:
    return "?" if megabytes is None else f"{megabytes / 1024:.1f}"


def apart(early: str | None, late: str | None) -> float:
    """Seconds between two times; 0 where one is not known."""
    return (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds() if early and late else 0.0


def share(part: float | None, whole: float | None) -> float:
    return min(max((part or 0) / whole, 0.0), 1.0) if whole else 0.0


def shape(kind: str, word: str) -> str:
    """Name of the symbol that stands beside a state's word."""
    found = _SHAPES.get(kind, {}).get(word, word)
    return found if found in _KNOWN else "unknown"
