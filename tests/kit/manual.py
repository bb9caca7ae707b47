"""docs/operations.md as a test reads it: the frames of a mend, run by a shell as an operator would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
_FRAME = re.compile(r"<!-- try: (?P<mend>[^,]+), (?P<step>[a-z]+) -->\n```sh\n(?P<lines>.*?)```", re.DOTALL)


def frames() -> dict[tuple[str, str], str]:
    """(mend, step) → its lines."""
    return {(found["mend"], found["step"]): found["lines"] for found in _FRAME.finditer(TEXT)}


def follow(folder: Path, conf: Path, mend: str, step: str, given: Mapping[str, object]) -> str:
    """Run a frame line by line, with ``given`` in the place of the names at its head; what the commands said.

    AssertionError with all of it when a line fails.
    """
    lines = frames()[mend, step]
    for name, value in given.items():
        lines = re.sub(rf"(?m)^{name}=.*$", lambda _, n=name, v=value: f"{n}={shlex.quote(str(v))}", lines)
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    command = programs / "mqi-actors"
    command.write_text(
        f'#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexec {shlex.quote(sys.executable)} -m actors.cli "$@"\n'
    )
    command.chmod(0o755)
    before = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in given.items())
    done = subprocess.run(
        ["sh", "-eu", "-c", before + lines],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "MQI_CONF": str(conf)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{mend}, {step}: ended with {done.returncode}\n{lines}\n{said}"
    return said
