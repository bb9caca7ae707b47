"""The interpreter on a host: ``python -m actors.interpreter REQUEST OUT``.

REQUEST is the request document of a bundle, the case's files beside it. OUT receives ``input/`` and, when that is
whole, ``answer.json``: the interpretation, or what is wrong with the case. Exit status 0 whenever there is an answer.
``python -m actors.interpreter --release`` prints what decides the bytes of an answer: ``release NAME = VERSION`` lines.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from actors.errors import MqiError
from actors.interpreter import far, interpret_case
from messages.faults import Blame, Fault


def main(request_path: Path, out: Path) -> None:
    """Answer the request. What is no fault of the case goes up: then there is no answer."""
    document = request_path.read_bytes()
    files = request_path.parent.absolute() / far.FILES
    out.mkdir(parents=True, exist_ok=True)
    answer = _answered(document, files, out.absolute() / far.INPUT)
    _write_whole(out / far.ANSWER, far.answer_bytes(answer, files))


def _answered(document: bytes, files: Path, target: Path) -> far.FarAnswer:
    digest = hashlib.sha256(document).hexdigest()
    asked = far.request_of(document)
    if asked.release != far.release():
        return far.FarAnswer(digest, fault=_other_release(asked.release))
    try:
        made = interpret_case(far.relocated(asked.request, files, target))
    except MqiError as error:
        return far.FarAnswer(digest, fault=error.fault)
    return far.FarAnswer(digest, far.brought_home(made, asked.request.target))


def _other_release(asked: tuple[tuple[str, str], ...]) -> Fault:
    """Another program or library may write other bytes: then it may not answer."""
    here = dict(far.release())
    other = [f"{name} {here.get(name, 'none')} instead of {want}" for name, want in asked if here.get(name) != want]
    return Fault(
        f"The host's interpreter is of another release: {', '.join(other)}.",
        sys.executable,
        "Install the daemon's release and libraries there, or mend the profile's host_python.",
        Blame.HOST,
        "interpreter-release",
    )


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


if __name__ == "__main__":
    if sys.argv[1:] == ["--release"]:
        print("".join(f"release {name} = {version}\n" for name, version in far.release()), end="")
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
