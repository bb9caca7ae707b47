"""The engine, the calibrations and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.cli.daemon.engine import engine_program, engine_version, expanded, find_program
from actors.cli.daemon.preflight import read_profile
from actors.cli.doctor.finding import Finding
from actors.formats import read_calibration
from actors.ledger import Reader
from actors.settings import Settings

_BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""The program did not exist before: a clock that says so is wrong."""


def check_engine(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The profile loads and its program is there."""
    profile = read_profile(settings)
    yield Finding(
        "engine profile", ok=True, text=f"{profile.name} version {profile.version}, {settings.engine.profile}"
    )
    program = engine_program(profile)
    for word in dict.fromkeys((expanded(profile.command)[0], program)):
        if find_program(word) is None:
            remedy = f"install it, or correct `command` in {settings.engine.profile}"
            yield Finding("engine", ok=False, text=f"there is no program {word}", remedy=remedy)
            return
    version = engine_version(profile)
    if version.startswith("unknown"):
        remedy = f"do what it says, or correct version_command in {settings.engine.profile}"
        yield Finding("engine", ok=False, text=f"its version is {version}", remedy=remedy)
    else:
        dose = "dose is calibrated" if profile.calibrated else "dose is not calibrated: results are RELATIVE"
        yield Finding("engine", ok=True, text=f"{program}, {version}; {dose}")


def check_calibrations(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """Every calibration file can be read."""
    files = settings.machines.files
    for gantry, path in files:
        read_calibration(gantry, path)
        yield Finding(f"calibration {gantry}", ok=True, text=path)
    if not files:
        remedy = 'name them: [machines] calibrations = { G1 = "…" }'
        yield Finding("calibrations", ok=False, text="there are none", remedy=remedy)


def check_clock(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The clock is not obviously wrong: after the program was made, and not before what the ledger has seen."""
    now = datetime.now(UTC)
    newest = max((row.seen for row in Reader(settings.ledger_path).known_cases()), default=_BUILT)
    remedy = "set it (timedatectl), and keep it with NTP or chrony"
    if now < _BUILT:
        yield Finding("clock", ok=False, text=f"it says {now:%Y-%m-%d}", remedy=remedy)
    elif now + timedelta(minutes=1) < newest:
        text = f"it says {now:%Y-%m-%d %H:%M}, but the ledger has a case of {newest:%Y-%m-%d %H:%M}"
        yield Finding("clock", ok=False, text=text, remedy=remedy)
    else:
        local = datetime.now().astimezone()
        yield Finding(
            "clock",
            ok=True,
            text=f"{local.isoformat(timespec='seconds')} ({time.tzname[0]}), site zone {settings.site.zone}",
        )
