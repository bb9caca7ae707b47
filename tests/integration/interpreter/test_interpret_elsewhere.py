"""A case interpreted elsewhere: packed, moved, answered, taken. What comes of it is what would have come of it here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from case_requests import REFERENCE, fault_of, interpreted, request_of

from actors.demo.factory import write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.errors import CaseError, MqiError
from actors.formats.profile import load_profile
from actors.interpreter import far, pack_case, take_answer
from actors.interpreter.__main__ import main
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.interpretation import Interpretation, InterpretCase, PackCase, PackedCase, TakeAnswer

RECIPE = CaseRecipe(beams=1, layers=2, spots=12)
ROOT = Path(__file__).resolve().parents[3]


def packed(request: InterpretCase, folder: Path) -> PackedCase:
    made = pack_case(PackCase(request, str(folder / "bundle")))
    assert isinstance(made, PackedCase)
    return made


def moved(bundle: PackedCase, host: Path) -> Path:
    """Exactly what the manifest names, as a lane would; the run directory."""
    for proof in bundle.files:
        there = host / "run" / "in" / proof.path
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(bundle.directory) / proof.path, there)
    return host / "run"


def order_of(bundle: PackedCase, run: Path, target: str, ended: str = "") -> TakeAnswer:
    asked = next(proof.sha256 for proof in bundle.files if proof.path == bundle.request)
    return TakeAnswer("gpu1", str(run), target, bundle.directory, asked, ended)


def elsewhere(request: InterpretCase, folder: Path) -> Interpretation:
    """The whole way."""
    bundle = packed(request, folder)
    run = moved(bundle, folder / "host")
    main(run / "in" / bundle.request, run / "out")
    return take_answer(order_of(bundle, run, request.target))


def files_of(interpretation: Interpretation) -> list[tuple[FileProof, bytes]]:
    return [
        (proof, (Path(beam.directory) / proof.path).read_bytes())
        for beam in interpretation.beams
        for proof in beam.files
    ]


@pytest.mark.parametrize("profile", ["reference", "moqui"])
def test_interpretation_and_staged_bytes_are_the_same(tmp_path: Path, profile: str) -> None:
    recipe = replace(RECIPE, beams=2, ct=profile == "moqui")
    case = write_case(recipe, tmp_path / "case")
    request = request_of(case, tmp_path / "input", load_profile(profile, ROOT / "conf" / "engines"))
    here = interpreted(case, tmp_path / "input", request.profile)
    files = files_of(here)
    shutil.rmtree(tmp_path / "input")
    there = elsewhere(request, tmp_path)
    assert there == here
    assert not (tmp_path / "bundle").exists(), "it holds the patient's identity"
    assert files_of(there) == files
    assert elsewhere(request, tmp_path) == here, "and again, in place of the first"


@pytest.mark.parametrize("fault", list(CaseFault))
def test_a_wrong_case_is_refused_in_the_same_words(tmp_path: Path, fault: CaseFault) -> None:
    case = write_case(replace(RECIPE, layers=3, fault=fault, ct=True), tmp_path / "case")
    request = request_of(case, tmp_path / "input")
    try:
        here: object = interpreted(case, tmp_path / "input")
    except MqiError as error:
        here = error.fault
    try:
        there: object = elsewhere(request, tmp_path)
    except MqiError as error:
        assert isinstance(error, CaseError)
        there = error.fault
    assert there == here
    assert isinstance(here, Interpretation) or here.blame is Blame.INPUT  # type: ignore[attr-defined]


def test_a_name_that_is_no_text_is_sent_as_it_is(tmp_path: Path) -> None:
    case = write_case(RECIPE, Path(os.fsdecode(os.fsencode(tmp_path) + b"/case\xff")))
    here = interpreted(case, tmp_path / "input")
    assert elsewhere(request_of(case, tmp_path / "input"), tmp_path) == here


@pytest.mark.parametrize("odd", ["link", "missing plan"])
def test_a_case_that_cannot_be_sent_as_it_is_is_judged_here(tmp_path: Path, odd: str) -> None:
    case = write_case(RECIPE, tmp_path / "case")
    request = request_of(case, tmp_path / "input")
    if odd == "link":
        layer = sorted(case.deliveries[0].path.glob("*.ptn"))[0]
        layer.rename(tmp_path / "layer")
        layer.symlink_to(tmp_path / "layer")
    else:
        case.plan_path.unlink()
    with pytest.raises(CaseError) as refusal:
        pack_case(PackCase(request, str(tmp_path / "bundle")))
    assert refusal.value.fault == fault_of(request)


def test_a_bundle_holds_what_is_read_and_is_the_same_for_the_same_case(tmp_path: Path) -> None:
    case = write_case(RECIPE, tmp_path / "case")
    (case.path / "notes.pdf").write_bytes(b"of no interest")
    request = request_of(case, tmp_path / "input")
    first = packed(request, tmp_path)
    assert not [proof for proof in first.files if proof.path.endswith("notes.pdf")]
    assert packed(request, tmp_path) == first
    (tmp_path / "bundle" / "left").write_bytes(b"over")
    packed(request, tmp_path)
    assert not (tmp_path / "bundle" / "left").exists()
    assert packed(replace(request, zone="UTC"), tmp_path).digest != first.digest


def test_a_bundle_that_cannot_be_written_is_a_fault_of_ours(tmp_path: Path) -> None:
    case = write_case(RECIPE, tmp_path / "case")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MqiError) as refusal:
        pack_case(PackCase(request_of(case, tmp_path / "input"), str(tmp_path / "file" / "bundle")))
    assert refusal.value.fault.blame is Blame.OURS


def test_as_a_program_it_answers_and_exits_with_nothing_else_on_its_path(tmp_path: Path) -> None:
    case = write_case(RECIPE, tmp_path / "case")
    request = request_of(case, tmp_path / "input")
    bundle = packed(request, tmp_path)
    run = moved(bundle, tmp_path / "host")
    shutil.rmtree(case.path)
    order = [sys.executable, "-m", "actors.interpreter", f"in/{bundle.request}", "out"]
    subprocess.run(order, cwd=run, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    assert take_answer(order_of(bundle, run, request.target)).profile == f"{REFERENCE.name}/{REFERENCE.version}"


def test_another_release_may_not_answer(tmp_path: Path) -> None:
    request = request_of(write_case(RECIPE, tmp_path / "case"), tmp_path / "input")
    bundle = packed(request, tmp_path)
    run = moved(bundle, tmp_path / "host")
    document = json.loads((run / "in" / bundle.request).read_text())
    document["release"] = [["numpy", "0.1"]]
    (run / "in" / bundle.request).write_text(json.dumps(document))
    main(run / "in" / bundle.request, run / "out")
    digest = hashlib.sha256((run / "in" / bundle.request).read_bytes()).hexdigest()
    with pytest.raises(MqiError) as refusal:
        take_answer(replace(order_of(bundle, run, request.target), request_sha256=digest))
    fault = refusal.value.fault
    assert (fault.blame, fault.kind) == (Blame.HOST, "interpreter-release")
    assert "instead of 0.1" in fault.what


@pytest.mark.parametrize(
    ("ended", "spoil", "words"),
    [
        ("exit code 1", lambda out: None, "exit code 1. It said: No module named actors"),
        ("exit code 1", lambda out: (out / far.ANSWER).unlink(), "exit code 1"),
        ("", lambda out: (out / far.ANSWER).unlink(), "it left no answer"),
        ("", lambda out: (out / far.ANSWER).write_bytes(b'{"req'), "cannot be read"),
        ("", lambda out: (out / far.ANSWER).write_bytes(b'{"request": "00"}'), "another request"),
        ("", lambda out: next((out / far.INPUT).rglob("*.csv")).write_bytes(b"1"), "is not what it wrote"),
    ],
)
def test_what_is_no_whole_answer_is_none(tmp_path: Path, ended: str, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    request = request_of(write_case(RECIPE, tmp_path / "case"), tmp_path / "input")
    bundle = packed(request, tmp_path)
    run = moved(bundle, tmp_path / "host")
    main(run / "in" / bundle.request, run / "out")
    (run / "engine.log").write_text("Traceback\nNo module named actors\n")
    spoil(run / "out")
    with pytest.raises(MqiError) as refusal:
        take_answer(order_of(bundle, run, request.target, ended))
    fault: Fault = refusal.value.fault
    assert words in fault.what
    assert (fault.blame, fault.where) == (Blame.HOST, "gpu1")
    assert not (tmp_path / "input").exists()


def test_an_answer_without_content_and_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    request = request_of(write_case(RECIPE, tmp_path / "case"), tmp_path / "file" / "input")
    (tmp_path / "file").write_bytes(b"")
    bundle = packed(request, tmp_path)
    run = moved(bundle, tmp_path / "host")
    main(run / "in" / bundle.request, run / "out")
    order = order_of(bundle, run, request.target)
    with pytest.raises(MqiError) as refusal:
        take_answer(order)
    assert refusal.value.fault.blame is Blame.OURS
    (run / "out" / far.ANSWER).write_text(json.dumps({"request": order.request_sha256}))
    with pytest.raises(MqiError, match="its answer is empty"):
        take_answer(order)


def test_a_path_that_climbs_is_not_mirrored() -> None:
    with pytest.raises(ValueError, match="climbs"):
        far.mirrored("/a/../b")
