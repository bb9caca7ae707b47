"""A small disk of its own, so that a test can fill one without harm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size_kb: int) -> Iterator[Path]:
    """A file system of so many KiB at ``folder``; the test is skipped where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    order = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(order, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room that is left; remove the file to give it back."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written, not even by root; the test is skipped where that cannot be had."""
    bind = ["mount", "--bind", str(folder), str(folder)]
    again = ["mount", "-o", "remount,bind,ro", str(folder)]
    if os.geteuid() != 0 or subprocess.run(bind, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may make a folder read-only for everybody")
    try:
        subprocess.run(again, capture_output=True, check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
