"""What an engine left behind, and what was published."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache

from actors.interpreter import far, homecoming
from actors.results.published import verify_published
from actors.results.verify import verify_run
from messages.faults import Fault
from messages.files import FileProof
from messages.interpretation import TakeAnswer
from messages.results import VerifyRun
from tests.fuzz.reader import Reader
from tests.fuzz.readers.places import scratch
from tests.integration.results.run_maker import a_dose, collected_run, exit_json, interpretation

_SPLIT = b"\n--\n"


@cache
def _run() -> VerifyRun:
    return collected_run(scratch("dose"))


def _doses() -> list[bytes]:
    dose = a_dose(_run().beam.grid).astype("<f8").tobytes()
    return [exit_json(_run().key).encode() + _SPLIT + dose]


def _verify(data: bytes) -> object:
    """exit.json and the raw dose, with the hash of what lies there, as the transfer would have found it."""
    run = _run()
    ended, _, dose = data.partition(_SPLIT)
    folder = scratch("dose") / run.directory.rsplit("/", 1)[1]
    (folder / "exit.json").write_bytes(ended)
    name = next(proof.path for proof in run.collected if proof.path.startswith("out/"))
    (folder / name).write_bytes(dose)
    proofs = tuple(
        FileProof(name, len(dose), hashlib.sha256(dose).hexdigest()) if proof.path == name else proof
        for proof in run.collected
    )
    found = verify_run(replace(run, collected=proofs))
    assert found.maximum > 0
    assert found.total < float("inf")
    return found


# --- the interpreter on a host


@cache
def _order() -> TakeAnswer:
    folder = scratch("answer")
    (folder / "out" / far.INPUT).mkdir(parents=True)
    (folder / "engine.log").write_text("said\n")
    return TakeAnswer("gpu1", str(folder), str(folder / "target"), str(folder / "bundle"), "ab")


def _answers() -> list[bytes]:
    whole = far.FarAnswer("ab", interpretation=interpretation())
    return [
        far.answer_bytes(whole, scratch("answer")),
        far.answer_bytes(far.FarAnswer("ab", fault=Fault("Wrong.", "x", "y", kind="k")), scratch("answer")),
    ]


def _take(data: bytes) -> object:
    order = _order()
    with open(f"{order.directory}/out/{far.ANSWER}", "wb") as file:  # noqa: PTH123
        file.write(data)
    return homecoming.take(order)


# --- the manifest


def _manifests() -> list[bytes]:
    files = [{"path": "sum.dcm", "size": 3, "sha256": "ab" * 32}]
    return [json.dumps({"format": 1, "case": "published", "files": files}).encode()]


def _published(data: bytes) -> object:
    folder = scratch("manifest") / "published"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(data)
    found = verify_published(folder)
    assert all(sentence.strip() and len(sentence) < 1000 for sentence in found)
    return found


_JSON_WORDS = (
    b"1e400",
    b"NaN",
    b"Infinity",
    b"-1",
    b"null",
    b"true",
    b"[[[[",
    b'{"',
    b"\\ud800",
    b"\\u0000",
    b"9" * 30,
)

READERS = (
    Reader(
        "dose",
        "raw dose and exit.json of a collected run",
        _doses,
        _verify,
        ("actors.results", "actors.jobs", "json"),
        words=(*_JSON_WORDS, b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f", b"\xff" * 8, _SPLIT),
    ),
    Reader(
        "far-answer",
        "answer of an interpreter on a host",
        _answers,
        _take,
        ("actors.interpreter", "json"),
        words=_JSON_WORDS,
        longest=8192,
    ),
    Reader(
        "manifest",
        "manifest.json of a published case",
        _manifests,
        _published,
        ("actors.results", "json"),
        words=_JSON_WORDS,
    ),
)
