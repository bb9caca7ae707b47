"""From the process's arguments to its exit code: every error in one to three lines, on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.cli.app import app
from actors.cli.failures import ExitCode, ReaderLeftError, code_of, tell


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    import typer

    words = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of folders need not be Unicode
    try:
        code = typer.main.get_command(app).main(words, prog_name="mqi-actors", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, ReaderLeftError):
        # what is still buffered must not complain at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        return _failed(error, words)
    return code if isinstance(code, int) else ExitCode.DONE


def _open_closed_streams() -> None:
    """Whoever called may have closed them: what is printed then must not go into the next file that is opened."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process


def _failed(error: Any, words: Sequence[str]) -> int:
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # wrong usage, as the parser saw it
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "mqi-actors"
        print(f"mqi-actors: {error.format_message()}\n  {path} --help says what there is.", file=sys.stderr)
        return ExitCode.USAGE
    tell(error, as_json="--json" in words, debug="--debug" in words)
    return code_of(error)
