"""Which engine is configured: its program, and what version of it every result will name."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from messages.engine import EngineProfile

VERSION_LIMIT_S = 20.0
_ROOT = Path(__file__).resolve().parents[3]
_WRAPPERS = {"stdbuf", "nice", "ionice", "env", "taskset", "numactl", "setarch", "timeout"}


def engine_program(profile: EngineProfile) -> str:
    """The engine's own program in the command: what stands behind wrappers such as ``stdbuf -oL``."""
    for word in expanded(profile.command):
        if Path(word).name not in _WRAPPERS and not word.startswith("-") and "=" not in word:
            return word
    return profile.command[0]


def find_program(program: str) -> Path | None:
    """The program's file; None: there is no such program, or it cannot be run."""
    found = shutil.which(program)
    return Path(found) if found else None


def engine_version(profile: EngineProfile) -> str:
    """What ``version_command`` prints in the run's environment, or ``sha256:…`` of the program; else ``unknown: …``."""
    if profile.version_command:
        said = {line.key: expanded((line.value,))[0] for line in profile.environment}
        return _asked(expanded(profile.version_command), os.environ | said)
    program = find_program(engine_program(profile))
    if program is None:
        return f"unknown: there is no program {engine_program(profile)}"
    try:
        with program.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unknown: {program} cannot be read: {error.strerror}"


def expanded(command: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a command with {python} and {root} filled in."""
    return tuple(word.replace("{python}", sys.executable).replace("{root}", str(_ROOT)) for word in command)


def _asked(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"unknown: {command[0]} did not answer in {VERSION_LIMIT_S:.0f} s"
    except OSError as error:
        return f"unknown: {command[0]}: {error.strerror}"
    said = " ".join((done.stdout or done.stderr).split())[:400]
    return (
        said if done.returncode == 0 and said else f"unknown: {command[0]} ended with {done.returncode} {said}".strip()
    )
