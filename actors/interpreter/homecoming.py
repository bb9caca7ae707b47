"""What an interpreter on a host answered becomes what an interpretation here would have been."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from actors.crash_points import effect
from actors.errors import CaseError, MqiError
from actors.interpreter import far
from messages.faults import Blame, Fault
from messages.interpretation import Interpretation, TakeAnswer

_SAID = 2000
"""Bytes of the end of engine.log that are looked at for its last line."""


def take(order: TakeAnswer) -> Interpretation:
    """The Interpretation, its files below ``order.target``, which appears whole or not at all.

    Raises CaseError with the host's fault of the case; MqiError (blame HOST or OURS) when there is no whole answer.
    """
    with effect("interpret.clear"):
        shutil.rmtree(order.bundle, ignore_errors=True)
    answer = _answer(order)
    if answer.fault is not None:
        raise CaseError(answer.fault) if answer.fault.blame is Blame.INPUT else MqiError(answer.fault)
    if answer.interpretation is None:
        raise _without_answer(order, "its answer is empty")
    _check(order, answer.interpretation)
    try:
        _place(Path(order.directory) / "out" / far.INPUT, Path(order.target))
    except OSError as error:
        raise MqiError(
            Fault(
                f"The interpretation cannot be written: {error.strerror or error}.",
                order.target,
                "Make room, or check the state folder's disk and rights.",
                Blame.OURS,
                "disk",
            )
        ) from error
    return answer.interpretation


def _answer(order: TakeAnswer) -> far.FarAnswer:
    """The document that decides; how the process ended is told where there is none."""
    try:
        answer = far.answer_of((Path(order.directory) / "out" / far.ANSWER).read_bytes())
    except OSError:
        raise _without_answer(order, order.ended or "it left no answer") from None
    except (ValueError, RecursionError):
        raise _without_answer(order, "its answer cannot be read") from None
    if order.ended:
        raise _without_answer(order, order.ended)
    if answer.request != order.request_sha256:
        raise _without_answer(order, "its answer is to another request")
    return answer


def _check(order: TakeAnswer, interpretation: Interpretation) -> None:
    """Every file of every beam is what the interpreter says that it wrote."""
    for beam in interpretation.beams:
        for proof in beam.files:
            path = Path(order.directory) / "out" / far.INPUT / str(beam.number) / proof.path
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != proof.sha256:
                raise _without_answer(order, f"{proof.path} of beam {beam.number} is not what it wrote")


def _place(made: Path, target: Path) -> None:
    """By links: what was fetched stays as it is, so that the same answer can be taken again."""
    folder, old = (target.with_name(f".{target.name}.{kind}") for kind in ("partial", "old"))
    for leftover in (folder, old):
        if leftover.exists():
            with effect("interpret.clear"):
                shutil.rmtree(leftover)
    with effect("take.copy"):
        shutil.copytree(made, folder, copy_function=os.link)
    if target.exists():
        with effect("interpret.aside"):
            target.rename(old)
    with effect("take.rename"):
        folder.rename(target)
    with effect("interpret.clear"):
        shutil.rmtree(old, ignore_errors=True)


def _without_answer(order: TakeAnswer, why: str) -> MqiError:
    said = _last_line(Path(order.directory) / "engine.log")
    return MqiError(
        Fault(
            f"The interpreter on {order.host} gave no answer: {why}." + (f" It said: {said}" if said else ""),
            order.host,
            "Check the profile's host_python there; the case is interpreted again.",
            Blame.HOST,
            "interpreter-silent",
        )
    )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_bytes()[-_SAID:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
