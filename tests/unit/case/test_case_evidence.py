"""What the ledger keeps as JSON comes back as it was; what cannot be read is never taken for a success."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from actors.case import evidence
from actors.case.files import inputs_whole, remove
from messages.faults import Blame
from messages.files import FileProof
from messages.results import PublishedCase
from tests.unit.case.case_world import DOSE, ENGINE, an_interpretation


def test_values_come_back_as_they_were() -> None:
    interpretation = an_interpretation(1, 3)
    assert evidence.interpretation_of(evidence.interpretation_json(interpretation)) == interpretation
    assert evidence.dose_of(evidence.dose_json(DOSE)) == DOSE
    assert evidence.fault_of(evidence.fault_json(ENGINE)) == ENGINE


def test_what_cannot_be_read() -> None:
    assert evidence.interpretation_of("") is None
    assert evidence.interpretation_of('{"of": "another release"}') is None
    assert evidence.dose_of("a sentence") is None
    assert evidence.proofs_of("a sentence") == ()
    assert evidence.output_dir_of("") == ""
    assert evidence.fault_of("a sentence").blame is Blame.ENGINE
    assert evidence.fault_of("").what == "the attempt failed"


def test_the_verdict_names_word_reasons_and_hash() -> None:
    published = PublishedCase("/results/a", "ab" * 32, (), "review", ("off counts over 0.1 %",), uncommissioned=True)
    assert json.loads(evidence.verdict_json(published)) == {
        "verdict": "review",
        "reasons": ["off counts over 0.1 %"],
        "uncommissioned": True,
        "gray": None,
        "phantom": None,
        "path": "/results/a",
        "manifest_sha256": "ab" * 32,
    }


def test_inputs_are_whole_only_if_every_file_is_there_with_its_size(tmp_path: Path) -> None:
    made = an_interpretation(1)
    made = replace(made, beams=(replace(made.beams[0], directory=str(tmp_path), files=(FileProof("a", 3, ""),)),))
    assert not inputs_whole(made)
    (tmp_path / "a").write_text("1234")
    assert not inputs_whole(made)
    (tmp_path / "a").write_text("123")
    assert inputs_whole(made)
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert not inputs_whole(made)


def test_removing_what_is_not_there_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "deep").mkdir(parents=True)
    assert remove(folder)
    assert not folder.exists()
    assert remove(folder)
