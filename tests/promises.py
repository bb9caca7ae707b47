"""The promises of the system, and which tests keep them.

A test says what it keeps with ``@pytest.mark.promise("P7")``, several names or several marks for several promises; a
module may say it for all its tests with ``pytestmark``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PROMISES = {
    "P1": "A layer's log goes to the beam and layer that PlanInfo and PlanRange name, checked against the energy.",
    "P2": "A missing, extra, truncated or doubled layer file stops the case and is named; nothing shifts.",
    "P3": "An interrupted and resumed delivery is merged by layer.",
    "P4": "Beam-off rows never become spots; their counts are reported and their share is checked.",
    "P5": "Zero-weight control points pair with their spots; positions and weights are read as float32.",
    "P6": "Unknown gantry, range code, energy, machine: an error, never a default.",
    "P7": "What the engine reads is what we wrote, by the engine's own rules.",
    "P8": "One beam per run directory; setup beams, gaps in numbers, ten or more beams, odd names change nothing.",
    "P9": "Every result names what made it: inputs, plan, calibration, profile, engine, GPU, attempt.",
    "P10": "A case starts only when complete, or as an explicit partial; the same rule at start-up and later.",
    "P11": "An incomplete case is visible with what is missing, alarmed in time, and still starts later.",
    "P12": "A case is found within one scan interval, whatever events the file system loses.",
    "P13": "The same delivery is never run twice; another plan or fraction is another case.",
    "P14": "Hostile names, links, devices, vanishing folders: no crash, no injection, no write outside, one log line.",
    "P15": "kill -9 of the daemon at any instant: every case ends as it would have, no engine is launched again.",
    "P16": "A cut link at any instant of any remote operation: the same.",
    "P17": "A running engine survives the daemon's and the link's death and is picked up again, with its progress.",
    "P18": "A failed beam is retried within its budget, elsewhere if possible; done beams are never redone.",
    "P19": "No status that the table of transitions forbids; progress never goes back.",
    "P20": "Full disk: new work stops with an alarm, running work is kept, all goes on when there is room.",
    "P21": "Host rebooted, clock jumped, power lost: the same promises.",
    "P22": "One daemon per state folder; a stale lock of a dead process never blocks.",
    "P23": "A damaged ledger is refused with the way back; backups are scheduled and restorable.",
    "P24": "Success is exit status and a verified result, never a log line or a mere file.",
    "P25": "Inputs and results are SHA-256 verified and appear under their final name only when whole.",
    "P26": "A wall-clock limit ends an endless run; its process group is gone before its GPU is used again.",
    "P27": "A half-written, truncated, zero, NaN, negative, stale or wrong-grid dose is a failed attempt, so named.",
    "P28": "A GPU is given to one beam at a time by a lease that ends only with proof.",
    "P29": "'Cannot tell' is not 'idle': no new work there, no release of what runs.",
    "P30": "A stranger, a sick or hot GPU, too little memory: the beam waits or goes elsewhere, it does not fail.",
    "P31": "An unreachable host suspends its own work only, without a storm, and resumes by itself.",
    "P32": "Host keys are verified; no secret in a log, a process list, a ledger or a page.",
    "P33": "Whatever waits says why, in one sentence.",
    "P34": "Orders work while the daemon is busy, and when given while it is down take effect at the next start.",
    "P35": "A crash in any actor is one log line, is restarted, and disturbs no other case.",
    "P36": "Unknown or mistyped configuration keys are errors, all at once; nothing starts half-configured.",
    "P37": "Logs can be tailed: one line per event, rotation without loss, a JSON twin, no patient names.",
    "P38": "SIGTERM stops within 10 s without hurting engines; SIGHUP reloads what it can and says what it cannot.",
    "P39": "What the engine would silently get wrong is refused by name.",
    "P40": "Axes, signs and scale are proven, not assumed.",
    "P41": "Meterset, fractions, RBE and units are applied once and stated.",
}

LATER: frozenset[str] = frozenset()
"""Promises whose capability is not there yet; every other one needs a test."""


def kept(folder: Path) -> dict[str, list[str]]:
    """Promise → ``file::test`` of each test below the folder that is marked with it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for test, promise in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            found[promise].append(f"{path.relative_to(folder)}::{test}")
    return dict(found)


def broken(found: Mapping[str, Iterable[str]]) -> list[str]:
    """One sentence per promise that should have a test and has none, and per mark that names no promise."""
    untested = [f"{name} has no test: {text}" for name, text in PROMISES.items() if name not in LATER | found.keys()]
    unknown = [f"{name} is no promise: {', '.join(tests)}" for name, tests in found.items() if name not in PROMISES]
    return untested + unknown


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    """(test, promise) of every mark in a module: on functions, on classes, or for the module by ``pytestmark``."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name, decorator_list=marks) | ast.ClassDef(name=name, decorator_list=marks):
                yield from ((name, promise) for mark in marks for promise in _promises(mark))
            case ast.Assign(targets=[ast.Name(id="pytestmark")], value=value):
                yield from (("*", promise) for promise in _promises(value))


def _promises(mark: ast.expr) -> Iterator[str]:
    """Arguments of ``pytest.mark.promise(...)``, also inside a list of marks or another mark's arguments."""
    for node in ast.walk(mark):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "promise":
            yield from (
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )
