"""The demo's two commands."""

from __future__ import annotations

from pathlib import Path

from actors.cli.commands import say
from actors.cli.failures import CommandError, ExitCode


def whole_demo(keep: Path | None, *, cases: int, gpus: int, ssh: bool, engine: str, as_json: bool) -> int:
    """Cases, daemon, results; the exit code."""
    from actors.demo.run import run_demo

    return run_demo(keep=keep, cases=cases, gpus=gpus, ssh=ssh, engine=engine, as_json=as_json)


def one_case(
    folder: Path,
    *,
    beams: int,
    layers: int,
    spots: int,
    seed: int,
    ct: bool,
    planning_dose: bool,
    fault: str | None,
    size: str,
    as_json: bool,
) -> None:
    """One case into a folder."""
    from actors.demo.factory import write_demo_case

    try:
        made = write_demo_case(
            folder,
            beams=beams,
            layers=layers,
            spots=spots,
            seed=seed,
            ct=ct,
            planning_dose=planning_dose,
            fault=fault,
            size=size,
        )
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"The case cannot be made: {error}.") from error
    except OSError as error:
        what = f"The case cannot be written: {error.strerror or error}."
        raise CommandError(ExitCode.USAGE, what, str(folder), "Name a folder that you may write to.") from error
    files = len(made.files)
    document = {"path": str(folder.absolute()), "files": files, "fault": fault}
    say(document, f"written: {folder}, {files} files{f', wrong on purpose: {fault}' if fault else ''}", as_json=as_json)
