"""``init --service``: the units of systemd and supervisord for this installation, written once and then checked."""

from __future__ import annotations

import configparser
import pwd
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.cli.doctor.supervisors import supervisor_problems
from actors.cli.failures import CommandError, ExitCode
from actors.settings import SHIPPED

SYSTEMD, SUPERVISORD = "mqi-actors.service", "supervisord.conf"
DECIDING = frozenset({"ExecStart", "WorkingDirectory", "User", "Environment"}) | frozenset(
    {"command", "directory", "user", "environment"}
)
"""A unit that differs in one of these runs something else, as somebody else, or elsewhere."""
_UNFIT = re.compile(r"[\x00-\x1f\x7f\"\\]|\s[;#]")


@dataclass(frozen=True, slots=True)
class Place:
    """What the units of one installation say."""

    root: Path
    """The release; best by a link that an upgrade moves, such as ``…/current``."""
    conf: Path
    user: str
    venv: str = ""
    """``MQI_VENV``; empty: the release's own."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One file, written now or found and compared."""

    path: Path
    written: bool
    problems: tuple[str, ...] = ()
    """What would run something else, or harm engines."""
    notes: tuple[str, ...] = ()
    """What else differs from a unit that is written now."""


def release_folder(root: Path) -> Path:
    """``<parent>/current`` where that is a link to this release, so that a unit outlives an upgrade; else ``root``."""
    link = root.parent / "current"
    return link if link.is_symlink() and link.resolve() == root.resolve() else root


def units(place: Place) -> Mapping[str, str]:
    """name → text, from the shipped units. Raises CommandError for a path or user that a unit cannot carry. Pure."""
    for what, value in (("folder", str(place.root)), ("configuration", str(place.conf)), ("user", place.user)):
        _fit(what, value)
    _fit("MQI_VENV", place.venv)
    program = str(place.root / "bin" / "mqi-actors")
    words = (program, "start", "--conf", str(place.conf))
    systemd = {
        "User": place.user,
        "WorkingDirectory": _percent(str(place.root)),
        "ExecStart": " ".join(_systemd_word(word) for word in words),
    }
    supervisord = {
        "command": _percent(shlex.join(words)),
        "user": place.user,
        "directory": _percent(str(place.root)),
    }
    after = {SYSTEMD: "", SUPERVISORD: ""}
    if place.venv:
        after[SYSTEMD] = f'Environment="MQI_VENV={_percent(place.venv)}"\n'
        after[SUPERVISORD] = f'environment=MQI_VENV="{_percent(place.venv)}"\n'
    return {
        name: _with((SHIPPED / name).read_text(encoding="utf-8"), keys, after[name])
        for name, keys in ((SYSTEMD, systemd), (SUPERVISORD, supervisord))
    }


def make_units(folder: Path, place: Place) -> Iterator[Unit]:
    """Write the units that are missing in ``folder``, and compare those that are there: none is ever written over."""
    for name, text in units(place).items():
        path = folder / name
        try:
            yield _made_or_compared(path, text)
        except OSError as error:
            what = f"The unit cannot be written or read: {error.strerror or error}."
            raise CommandError(ExitCode.USAGE, what, str(path), "Name a folder that you may write to.") from error


def _made_or_compared(path: Path, text: str) -> Unit:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return compare(path, text)
    return Unit(path, written=True)


def compare(path: Path, wanted: str) -> Unit:
    """A unit that is there against the one that would be written."""
    found = path.read_text(encoding="utf-8", errors="replace")
    problems = [f"{problem}: {remedy}" for problem, remedy in supervisor_problems(path.name, found)]
    if problems and "cannot be read" in problems[0]:
        return Unit(path, written=False, problems=tuple(problems))
    notes: list[str] = []
    there, here = _keys(found), _keys(wanted)
    for key in dict.fromkeys((*here, *(key for key in there if key in DECIDING))):
        if there.get(key) != here.get(key):
            said = f"{_shown(key, there.get(key))}; here it would be {_shown(key, here.get(key))}"
            (problems if key in DECIDING else notes).append(said)
    return Unit(path, written=False, problems=tuple(problems), notes=tuple(notes))


def user_exists(name: str) -> bool:
    """Whether this machine knows the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _shown(key: str, value: str | None) -> str:
    return f"no {key}" if value is None else f"{key}={value}"


def _keys(text: str) -> dict[str, str | None]:
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, allow_no_value=True, inline_comment_prefixes=(";",)
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    mine = [name for name in parser.sections() if name in ("Unit", "Service", "Install", "program:mqi-actors")]
    return {key: value for name in mine for key, value in parser.items(name)}


def _fit(what: str, value: str) -> None:
    if _UNFIT.search(value):
        remedy = "Install where the path has no quotes, backslashes, line ends, and no space before ; or #."
        raise CommandError(ExitCode.USAGE, f"The {what} cannot stand in a unit.", repr(value), remedy)


def _percent(value: str) -> str:
    """Both read ``%`` as the beginning of something of theirs."""
    return value.replace("%", "%%")


def _systemd_word(word: str) -> str:
    word = _percent(word).replace("$", "$$")
    return f'"{word}"' if re.search(r"[\s';]", word) else word


def _with(text: str, keys: Mapping[str, str], after: str) -> str:
    """``text`` with these keys, and ``after`` behind the first of them."""
    for key, value in keys.items():
        line = f"{key}={value}".replace("\\", r"\\")
        text, times = re.subn(rf"(?m)^{key}=.*$", line, text)
        assert times == 1, key
    first = next(iter(keys))
    return re.sub(rf"(?m)^{first}=.*\n", lambda found: found[0] + after, text)
