"""Where configured names and paths point: resolved against the configuration file, once, when it is read."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationInfo

from actors.settings.nearest import did_you_mean

SHIPPED = Path(__file__).resolve().parents[2] / "conf"
"""The project's own conf folder: engine profiles, calibrations, the annotated configuration."""


def base_of(info: ValidationInfo) -> Path:
    """The folder of the configuration file; the working directory where there is no file."""
    context = info.context or {}
    base = context.get("base")
    return base if isinstance(base, Path) else Path.cwd()


def placed(value: object, info: ValidationInfo) -> Path | None:
    """``value`` as an absolute path: ``~`` expanded, relative to the configuration file; symbolic links kept."""
    if value is None or isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("must be a path in quotes")
    try:
        return Path(os.path.normpath(base_of(info) / Path(value).expanduser()))
    except RuntimeError as error:  # ~somebody, of whom the machine knows no home
        raise ValueError(f'"{value}" names a home folder that there is not') from error


def placed_or_none(value: object, info: ValidationInfo) -> Path | None:
    """As ``placed``; empty text means that nothing was named."""
    return None if value == "" else placed(value, info)


def is_file(path: Path) -> bool:
    """False also where the name is longer than any may be, or may not be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def profile_file(value: object, info: ValidationInfo) -> Path:
    """The file of an engine profile, given by name (beside the configuration, then shipped) or by path."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the name of an engine profile or a path")
    if "/" in value or value.endswith(".toml"):
        path = placed(value, info)
        if path is None or not is_file(path):
            raise ValueError(f"no such file: {path}")
        return path
    folders = (base_of(info) / "engines", SHIPPED / "engines")
    for folder in folders:
        if is_file(path := folder / f"{value}.toml"):
            return path
    known = sorted({p.stem for folder in folders for p in folder.glob("*.toml")})
    raise ValueError(f'no engine profile "{value}" in {" or ".join(map(str, folders))}{did_you_mean(value, known)}')


def calibration_files(value: object, info: ValidationInfo) -> tuple[tuple[str, Path], ...]:
    """The table ``gantry = file`` (or a list of files) as pairs; files that are not there are errors."""
    if isinstance(value, tuple):
        return value
    if not isinstance(value, dict):
        raise ValueError('must be a table such as G1 = "calibrations/g1.txt"')
    pairs: list[tuple[str, Path]] = []
    for gantry, files in value.items():
        for name in files if isinstance(files, list) else [files]:
            path = placed(name, info)
            if path is None or not is_file(path):
                raise ValueError(f"{gantry}: no such file: {path}")
            pairs.append((gantry, path))
    return tuple(pairs)


def shipped_calibrations() -> tuple[tuple[str, Path], ...]:
    """(gantry, file) of the calibrations that come with the program: ``conf/calibrations/<gantry>.txt``."""
    return tuple((path.stem.upper(), path) for path in sorted((SHIPPED / "calibrations").glob("*.txt")))


def listen_address(value: str) -> str:
    """``host:port`` with a port that can be, or nothing."""
    if not value:
        return value
    _, _, port = value.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError('must be like "127.0.0.1:8080"')
    return value


def is_loopback(listen: str) -> bool:
    """Whether a ``host:port`` can be reached from this machine only."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def webhook_address(value: str) -> str:
    """An http or https address; what is wrong with it is said without repeating it, for it may hold a secret."""
    try:
        parts = urlsplit(value)
        good = not value or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good or any(character.isspace() or not character.isascii() for character in value):
        raise ValueError('must be an address such as "https://chat.example.org/hooks/…", in plain characters')
    return value
