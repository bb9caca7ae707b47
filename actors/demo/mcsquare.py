"""The demo on MCsquare: installs the engine where it is not, and asks it for little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from actors.mcsquare.errors import DriverError
from actors.mcsquare.installation import DIRECTORY, installed

NAME = "mcsquare"
_INSTALL = Path(__file__).resolve().parents[2] / "bin" / "install-mcsquare"
_QUICK = {
    'value = "1e7"': 'value = "1e5"',
    "noise_limit = 0.01 ": "noise_limit = 0.1 ",
}
"""The shipped profile's statistics and the demo's: seconds a beam instead of minutes, and the noise of that."""


class NoEngineError(Exception):
    """MCsquare is not here, and cannot be had."""


def ready_profile(shipped: Path, folder: Path) -> Path:
    """A copy of the shipped profile in ``folder`` with the demo's statistics; the engine is there. NoEngineError."""
    try:
        installed()
    except DriverError as error:
        if os.environ.get(DIRECTORY):
            raise NoEngineError(str(error)) from None
        _install()
    text = shipped.read_text(encoding="utf-8")
    for said, quick in _QUICK.items():
        if text.count(said) != 1:
            raise ValueError(f"{shipped} does not say {said!r} once")
        text = text.replace(said, quick)
    path = folder / shipped.name
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _install() -> None:
    environment = os.environ | {"MQI_VENV": sys.prefix}
    if subprocess.run([_INSTALL], env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise NoEngineError("MCsquare is not installed, and bin/install-mcsquare could not install it.")
