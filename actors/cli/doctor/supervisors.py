"""Process supervisors' settings that would take running engines down with the daemon."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

from actors.cli.doctor.finding import Finding
from actors.settings import SHIPPED, Settings

PLACES = ("/etc/systemd/system", "/etc/supervisor/conf.d", "/etc/supervisor", "/etc/supervisord.d")


def check_supervisors(_settings: Settings, conf: Path) -> Iterator[Finding]:
    """Every unit or program file that starts us, beside the configuration and where systems keep them."""
    seen = set()
    for folder in dict.fromkeys((conf.absolute().parent, SHIPPED, *map(Path, PLACES))):
        for path in sorted((*folder.glob("*.service"), *folder.glob("*supervisor*.conf"), *folder.glob("mqi*.conf"))):
            text = path.read_text(errors="replace") if path.is_file() else ""
            if path in seen or "mqi-actors" not in text:
                continue
            seen.add(path)
            problems = supervisor_problems(path.name, text)
            said = "; ".join(problem for problem, _ in problems) or "leaves engines alone"
            remedy = "; ".join(remedy for _, remedy in problems)
            yield Finding(f"supervisor {path}", not problems, said, remedy)


def supervisor_problems(name: str, text: str) -> list[tuple[str, str]]:
    """(what is wrong, remedy) of a systemd unit or a supervisord file. Pure."""
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, allow_no_value=True, inline_comment_prefixes=(";",)
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # systemd's keys have capitals
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return [(f"it cannot be read: {error.message}", "correct it")]
    return _systemd(parser) if name.endswith(".service") else _supervisord(parser)


def _systemd(parser: configparser.ConfigParser) -> list[tuple[str, str]]:
    mode = parser.get("Service", "KillMode", fallback="control-group")
    if mode == "process":
        return []
    return [(f"KillMode={mode}: a restart of the daemon kills running engines", "set KillMode=process")]


def _supervisord(parser: configparser.ConfigParser) -> list[tuple[str, str]]:
    problems = []
    for section in parser.sections():
        if not section.startswith("program:") or "mqi-actors" not in (
            parser.get(section, "command", fallback="") or ""
        ):
            continue
        for key in ("stopasgroup", "killasgroup"):
            value = (parser.get(section, key, fallback="") or "").strip().lower()
            if value not in ("", "false", "0", "no", "off"):
                problems.append((f"{key}={value}: stopping the daemon signals its engines too", f"set {key}=false"))
    return problems
