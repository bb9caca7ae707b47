"""All checks in their order; one that itself fails is a failure, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from actors.cli.doctor.alarms import check_alarms
from actors.cli.doctor.finding import Finding
from actors.cli.doctor.folders import check_disks, check_folders, check_ledger, check_roots
from actors.cli.doctor.hosts import check_gpus, check_hosts
from actors.cli.doctor.machine import check_calibrations, check_clock, check_engine
from actors.cli.doctor.nodes import check_nodes
from actors.cli.doctor.supervisors import check_supervisors
from actors.errors import MqiError
from actors.settings import Settings, SettingsError, load

Check = Callable[[Settings, Path], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    check_folders,
    check_roots,
    check_disks,
    check_ledger,
    check_hosts,
    check_gpus,
    check_engine,
    check_calibrations,
    check_clock,
    check_alarms,
    check_nodes,
    check_supervisors,
)


def examine(conf: Path, environ: Mapping[str, str], checks: tuple[Check, ...] = CHECKS) -> Iterator[Finding]:
    """The findings, as they are found. A configuration that is refused ends it: nothing else can be judged."""
    try:
        settings = load(conf, environ)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("configuration", ok=False, text=problem, remedy="correct it; nothing starts before")
        return
    yield Finding("configuration", ok=True, text=f"{conf} is right")
    gpus: dict[str, str] = {}
    for check in checks:
        for finding in _shielded(check, settings, conf):
            yield finding
            if finding.gpu:
                yield from _offered_twice(finding, gpus.setdefault(finding.gpu, finding.name))


def _offered_twice(finding: Finding, first: str) -> Iterator[Finding]:
    """One machine by two names of the settings has each of its GPUs twice."""
    if finding.name != first:
        remedy = "leave it out of the gpus of one of the hosts, or that host out: beams get it by one name only"
        yield Finding(finding.name, ok=False, text=f"{finding.gpu} is offered as {first} already", remedy=remedy)


def _shielded(check: Check, settings: Settings, conf: Path) -> Iterator[Finding]:
    try:
        yield from check(settings, conf)
    except MqiError as error:
        fault = error.fault
        where = f" ({fault.where})" if fault.where else ""
        yield Finding(_name(check), ok=False, text=f"{fault.what}{where}", remedy=fault.remedy or "see the manual")
    except OSError as error:
        yield Finding(
            _name(check), ok=False, text=f"it cannot be examined: {error}", remedy="mend that, and check again"
        )


def _name(check: Check) -> str:
    return check.__name__.removeprefix("check_")
