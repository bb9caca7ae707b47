"""``init``: writes the annotated configuration, and never over another."""

from __future__ import annotations

from pathlib import Path

from actors.cli.failures import CommandError, ExitCode
from actors.settings import template


def write_initial(folder: Path) -> Path:
    """``<folder>/mqi-actors.toml``. Raises CommandError when there is one already, or the folder cannot be written."""
    path = folder / "mqi-actors.toml"
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
