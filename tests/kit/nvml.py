"""A GPU driver of our own making under the real bindings: what it says is written into a file."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pynvml
import pytest

SOURCE = Path(__file__).with_name("nvml_standin.c")
GIB = 1 << 30


def build(folder: Path) -> Path:
    """Compile the stand-in into ``folder``; skips the test, saying so, where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the stand-in GPU driver: apt-get install gcc libc6-dev")
    library = folder / "libnvidia-ml.so.1"
    order = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run([*order, "-Wl,-soname,libnvidia-ml.so.1"], check=True)
    return library


class Driver:
    """The stand-in as this process sees it from now on; ``say`` changes its mind."""

    def __init__(self, library: Path, script: Path) -> None:
        self.library = library
        self.script = script
        self._words: dict[str, object] = {}

    def say(self, **words: object) -> None:
        """Keys as in the C file, ``__`` for a dot, a ``g`` before a GPU's number; None takes one back."""
        for key, value in words.items():
            name = key.removeprefix("g").replace("__", ".") if key[1:2].isdigit() else key.replace("__", ".")
            self._words[name] = value
        lines = (f"{key} {value}\n" for key, value in self._words.items() if value is not None)
        part = self.script.with_suffix(".part")
        part.write_text("".join(lines))
        part.replace(self.script)

    def gpu(self, index: int, **words: object) -> None:
        """A healthy GPU, but for ``words``."""
        healthy = {
            "uuid": f"GPU-{index:08d}-aaaa-bbbb-cccc-dddddddddddd",
            "name": "Stand-in 80GB",
            "total": 80 * GIB,
            "used": GIB,
            "temperature": 40,
            "utilization": 0,
            "clock": 1410,
            "ecc": 0,
        }
        self.say(count=index + 1, **{f"g{index}__{key}": value for key, value in {**healthy, **words}.items()})


def put_under_bindings(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bindings of this process take the stand-in for the driver until the test ends."""
    monkeypatch.setenv("NVML_STANDIN", str(driver.script))
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(driver.library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})


def take_driver_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no library at all until the test ends."""

    def absent(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(pynvml, "CDLL", absent)
