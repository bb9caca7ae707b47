"""``init``: writes the annotated configuration and the units that start the daemon, and never over another."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from actors.cli.commands import say
from actors.cli.failures import CommandError, ExitCode
from actors.cli.units import Place, Unit, make_units, release_folder, user_exists
from actors.settings import SHIPPED, template

NAME = "mqi-actors.toml"


def write_initial(folder: Path) -> Path:
    """``<folder>/mqi-actors.toml``. Raises CommandError when there is one already, or the folder cannot be written."""
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError as error:
        remedy = "Name another folder, or move it away first."
        raise CommandError(ExitCode.USAGE, "There is a configuration already.", str(path), remedy) from error
    except OSError as error:
        what = f"The configuration cannot be written: {error.strerror or error}."
        raise CommandError(ExitCode.USAGE, what, str(path), "Name a folder that you may write to.") from error
    return path


def write_service(folder: Path, user: str, *, as_json: bool) -> int:
    """The units beside the configuration (which is written if it is missing, and kept if it is there).

    Units that are there are compared with what would be written; 1 if one of them would run something else.
    """
    conf = folder.absolute() / NAME
    written = not conf.exists()
    if written:
        write_initial(folder)
    who = user or getpass.getuser()
    place = Place(release_folder(SHIPPED.parent), conf, who, os.environ.get("MQI_VENV", ""))
    made = tuple(make_units(folder.absolute(), place))
    good = not any(unit.problems for unit in made)
    rows = [
        {"path": str(u.path), "written": u.written, "problems": list(u.problems), "notes": list(u.notes)} for u in made
    ]
    document = {"path": str(conf), "written": written, "user": who, "units": rows}
    say(document, "\n".join(_told(conf, made, who, written=written)), as_json=as_json)
    return ExitCode.DONE if good else ExitCode.FAILED


def _told(conf: Path, made: Sequence[Unit], user: str, *, written: bool) -> Iterator[str]:
    yield f"written: {conf}; edit it, then: mqi-actors check --conf {conf}" if written else f"kept: {conf}"
    for unit in made:
        if unit.written:
            yield f"written: {unit.path}"
        elif not unit.problems:
            yield f"good: {unit.path}"
        yield from (f"WRONG: {unit.path}: {problem}" for problem in unit.problems)
        yield from (f"differs: {unit.path}: {note}" for note in unit.notes)
    if not user_exists(user):
        yield f"there is no user {user} on this machine: useradd --system --create-home {user}"
