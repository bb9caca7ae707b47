"""``bin/test --fuzz``: every reader against many broken inputs, led by coverage, each in a process of its own.

Exit code 0 if no reader had a fault. Inputs that caused one are kept; their folder is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.reliability import record
from tests.fuzz.reader import Reader
from tests.fuzz.registry import READERS, group_of, reader

ROOT = Path(__file__).resolve().parents[2]
_SHARED_MEMORY = Path("/dev/shm")
_LAST_WORDS = 3000
_CHATTER = ("INFO:", "WARNING:", "#", "\tNEW_FUNC")


@dataclass(slots=True)
class Result:
    """One reader's run."""

    reader: Reader
    inputs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    peak_mb: int = 0
    guided: bool = False
    kinds: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def values(self) -> int:
        return self.kinds.get("value", 0)

    @property
    def refused(self) -> int:
        return self.inputs - self.values - self.kinds.get("fault", 0)


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    options = _options(words)
    chosen = [reader(name) for name in options.reader] or list(READERS)
    if options.list:
        for one in READERS:
            print(f"{one.name:16} {one.what}")
        return 0
    kept = Path(tempfile.mkdtemp(prefix="mqi-fuzz-faults-"))
    print(f"seed {options.seed}, {options.inputs} inputs for each of {len(chosen)} readers", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda one: _told(_run(one, options.inputs, options.seed, kept)), chosen))
    faults = sum(len(result.faults) for result in results)
    print(f"{sum(result.inputs for result in results)} inputs, {faults} faults", flush=True)
    if faults:
        print(f"inputs that caused a fault: {kept}")
    else:
        shutil.rmtree(kept)
    for result in results if options.write else ():
        record(f"fuzz {result.reader.name}", [_row(result)])  # each by itself: one may be run again alone
    return 1 if faults else 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/test --fuzz", description="Every reader against many broken inputs.")
    parser.add_argument("--reader", action="append", default=[], metavar="NAME", help="only this one (may be repeated)")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="inputs for each reader")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument(
        "--jobs", type=int, default=max(1, (os.cpu_count() or 1)), metavar="N", help="readers at a time"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into README's reliability table")
    parser.add_argument("--list", action="store_true", help="name the readers and end")
    return parser.parse_args(words)


def _run(one: Reader, inputs: int, seed: int, kept: Path) -> Result:
    base = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=f"mqi-fuzz-{one.name}-", dir=base) as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        environment = os.environ | {
            "TMPDIR": str(folder / "tmp"),
            "MQI_FUZZ_GROUP": group_of(one.name),
            "MQI_FUZZ_GUIDE": json.dumps(one.guide),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("COVERAGE_PROCESS_START", None)
        began = time.monotonic()
        done = subprocess.run(
            ["nice", sys.executable, "-m", "tests.fuzz.guided", one.name, str(inputs), str(seed), str(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        result = _result(one, folder, time.monotonic() - began)
        if done.returncode != 0:
            said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith(_CHATTER))
            result.faults.append(f"the process ended with {done.returncode}: {said[-_LAST_WORDS:]}")
        if result.peak_mb > one.memory_mb:
            result.faults.append(f"needed {result.peak_mb} MB of memory, more than {one.memory_mb}")
        if result.faults and (folder / "faults").is_dir():
            shutil.copytree(folder / "faults", kept / one.name)
        return result


def _result(one: Reader, folder: Path, seconds: float) -> Result:
    try:
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return Result(one, seconds=seconds, faults=["it said nothing"])
    faults = [f"{fault['text']} ({fault['times']} times; input {fault['input']})" for fault in report["faults"]]
    return Result(
        one,
        report["inputs"],
        report["seconds"],
        report["slowest_s"],
        report["peak_mb"],
        report["guided"],
        report["kinds"],
        faults,
    )


def _told(result: Result) -> Result:
    how = "led by coverage" if result.guided else "edited blindly"
    pace = f"{result.inputs:>8} inputs {result.seconds:>7.1f} s  slowest {result.slowest_s * 1000:6.1f} ms"
    found = f"values {result.values:>7}  refused {result.refused:>7} in {len(result.kinds):>2} kinds"
    print(f"{result.reader.name:16} {pace}  peak {result.peak_mb:>4} MB  {found}  faults {len(result.faults)}  ({how})")
    for fault in result.faults:
        print(f"    FAULT {fault[:_LAST_WORDS]}")
    sys.stdout.flush()
    return result


def _row(result: Result) -> tuple[str, str, str]:
    outcome = f"{result.values:,} read, {result.refused:,} refused with a reason, {len(result.faults)} faults"
    bounds = f"slowest {result.slowest_s * 1000:.0f} ms, {result.peak_mb} MB"
    return (
        f"{result.reader.what}: broken",
        f"{result.inputs:,} inputs in {result.seconds:.0f} s",
        f"{outcome}; {bounds}",
    )


if __name__ == "__main__":
    sys.exit(main())
