"""The documents between the daemon and an interpreter on a host, and how paths keep their meaning on the way.

A bundle mirrors the files of a case below ``files/`` under their absolute paths. So a path there is the path here with
something before it, and whatever the interpreter says of a file is put right by taking that away again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from actors.formats.reading import shown
from messages.faults import Fault
from messages.interpretation import Interpretation, InterpretCase

REQUEST = "request.json"
FILES = "files"
ANSWER = "answer.json"
INPUT = "input"

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("actors/interpreter", "actors/formats", "messages")
_LIBRARIES = ("numpy", "scipy", "pydicom")


@dataclass(frozen=True, slots=True)
class FarRequest:
    """``request.json``."""

    release: tuple[tuple[str, str], ...]
    request: InterpretCase
    """As it would be asked here."""


@dataclass(frozen=True, slots=True)
class FarAnswer:
    """``answer.json``: one of the two is set."""

    request: str
    """SHA-256 of the request document."""
    interpretation: Interpretation | None = None
    """As it would be answered here."""
    fault: Fault | None = None


_REQUEST: TypeAdapter[FarRequest] = TypeAdapter(FarRequest)
_ANSWER: TypeAdapter[FarAnswer] = TypeAdapter(FarAnswer)


def request_bytes(request: FarRequest) -> bytes:
    """The document. ValueError for a request that JSON cannot hold (a path that is no Unicode)."""
    document = json.dumps(_REQUEST.dump_python(request, mode="json")).encode()
    if request_of(document) != request:
        raise ValueError("the request holds what JSON does not")
    return document


def request_of(document: bytes) -> FarRequest:
    """Reverse of ``request_bytes``. ValueError."""
    return _REQUEST.validate_python(json.loads(document))


def answer_of(document: bytes) -> FarAnswer:
    """Reverse of ``answer_bytes``. ValueError."""
    return _ANSWER.validate_python(json.loads(document))


def answer_bytes(answer: FarAnswer, files: Path) -> bytes:
    """The document, with every path as it is here: ``files`` (of the mirror) is taken away wherever it stands."""
    tree = _ANSWER.dump_python(answer, mode="json")
    return json.dumps(_without(tree, (str(files), shown(files)))).encode()


def _without(tree: Any, prefixes: tuple[str, ...]) -> Any:
    match tree:
        case str():
            for prefix in prefixes:
                tree = tree.replace(prefix, "")
            return tree
        case list():
            return [_without(item, prefixes) for item in tree]
        case dict():
            return {key: _without(value, prefixes) for key, value in tree.items()}
    return tree


def mirrored(path: str | Path) -> str:
    """Where a file lies below ``files``: its absolute path. ValueError for one that climbs."""
    absolute = Path(path).absolute()
    if ".." in absolute.parts:
        raise ValueError(f"{path} climbs")
    return str(absolute).lstrip("/")


def relocated(request: InterpretCase, files: Path, target: Path) -> InterpretCase:
    """The same request for a case that lies below ``files``."""

    def there(path: str) -> str:
        return f"{files}/{mirrored(path)}"

    source = request.source
    deliveries = tuple(replace(one, path=there(one.path)) for one in source.deliveries)
    return replace(
        request,
        source=replace(source, path=there(source.path), plan_path=there(source.plan_path), deliveries=deliveries),
        calibrations=tuple((gantry, there(path)) for gantry, path in request.calibrations),
        target=str(target),
    )


def brought_home(interpretation: Interpretation, target: str) -> Interpretation:
    """Its beams lie below ``target``."""
    beams = tuple(replace(beam, directory=str(Path(target) / str(beam.number))) for beam in interpretation.beams)
    return replace(interpretation, beams=beams)


def settled(request: InterpretCase) -> InterpretCase:
    """The request with what a profile's ``{python}`` and ``{root}`` mean here."""
    return replace(request, python=request.python or sys.executable, root=request.root or str(_ROOT))


@cache
def release() -> tuple[tuple[str, str], ...]:
    """What decides the bytes of an interpretation: our sources and the libraries, as (name, version)."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    libraries = tuple((name, _version(name)) for name in _LIBRARIES)
    return (("this package", digest.hexdigest()[:16]), *libraries)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
