"""The program's own version: part of every result's provenance."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def program_version() -> str:
    """As the checkout says, or the installed package; ``unknown`` where neither does."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    try:
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, ValueError, KeyError):
        pass
    try:
        return version("mqi-communicator")
    except PackageNotFoundError:
        return "unknown"
