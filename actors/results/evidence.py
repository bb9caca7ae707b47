"""exit.json as evidence that this attempt, and no other, ended well."""

from __future__ import annotations

from pathlib import Path

from actors.errors import MqiError
from actors.jobs import parse_exit
from messages.faults import Blame, Fault
from messages.jobs import JobExit
from messages.results import VerifyRun

_MEANINGS = {
    134: "it aborted (an exception or an assertion)",
    137: "it was killed (out of memory, or by hand)",
    139: "segmentation fault",
    255: "a CUDA error",
}
"""Exit codes of the engines of this family (FORMATS.md 3) and what shells make of signals."""
_CUDA_ERROR = 255
_LAST_WORDS = 300
"""Characters of the engine's last line that an operator gets to read."""


def accepted_exit(run: VerifyRun, directory: Path) -> JobExit:
    """The end of this very attempt if it is exit status 0 without signal, time limit or cancel; else MqiError."""
    ended = _read(run, directory / "exit.json")
    if ended.epoch != run.epoch:
        what = f"exit.json was written under epoch {ended.epoch}; the ledger has {run.epoch} for this attempt."
        raise engine_error(run, what, "exit-foreign", directory / "exit.json")
    last = last_words(directory / "engine.log")
    if ended.timed_out:
        what = f"The engine did not end within {run.beam.wall_limit_s} s and was stopped{last}."
        raise engine_error(run, what, "exit-timeout", directory)
    if ended.cancelled:
        raise engine_error(run, "The run was cancelled.", "exit-cancelled", directory)
    if ended.signal is not None:
        raise engine_error(run, f"The engine died of signal {ended.signal}{last}.", "exit-signal", directory)
    if ended.exit_code != 0:
        meaning = _MEANINGS.get(ended.exit_code or 0)
        what = f"The engine ended with exit code {ended.exit_code}{f', {meaning}' if meaning else ''}{last}."
        blame = Blame.GPU if ended.exit_code == _CUDA_ERROR else Blame.ENGINE
        raise engine_error(run, what, "exit-code", directory, blame)
    return ended


def _read(run: VerifyRun, path: Path) -> JobExit:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        what = "The run left no exit.json: nothing proves that the engine ended."
        raise engine_error(run, what, "exit-missing", path) from None
    try:
        return parse_exit(text, run.key)
    except MqiError as error:
        raise engine_error(run, error.fault.what, error.fault.kind, path) from None


def last_words(log: Path) -> str:
    """The last line of the engine's log, as the tail of a sentence; empty when there is none."""
    try:
        with log.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - 4096))
            lines = handle.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    shown = "".join(letter if letter.isprintable() else " " for letter in words)[:_LAST_WORDS]
    return f"; its last words: {shown}" if shown else ""


def engine_error(run: VerifyRun, what: str, kind: str, where: Path, blame: Blame = Blame.ENGINE) -> MqiError:
    """The error of one failed attempt, naming beam and attempt."""
    sentence = f"Beam {run.beam.number}, attempt {run.key.rpartition('/')[2]}: {what}"
    return MqiError(
        Fault(
            what=sentence,
            where=str(where),
            remedy="Another attempt follows while its budget lasts; the engine's log says more.",
            blame=blame,
            kind=kind,
        )
    )
