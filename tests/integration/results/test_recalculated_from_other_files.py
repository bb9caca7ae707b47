"""A recalculation whose files changed while it waited is suspect, and says which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from actors.results import publish_case, verify_run
from messages.files import FileProof
from messages.results import PublishCase, PublishedCase
from tests.integration.results.run_maker import a_result, beam_input, collected_run, interpretation, publication

PLAN = FileProof("RP.dcm", 5, "a" * 64)
LOG = FileProof("20260302/1.ptn", 5, "b" * 64)
SET = FileProof("RS.dcm", 5, "c" * 64)
OTHER = "d" * 64


def an_order(folder: Path, case: str, *inputs: FileProof) -> PublishCase:
    run = collected_run(folder / case, beam_input(2))
    value = interpretation(run.beam, case=case, inputs=inputs)
    return publication(folder / "results", value, (a_result(run, verify_run(run)),))


def recalculated(folder: Path, *inputs: FileProof) -> PublishedCase:
    order = an_order(folder, "c-v2", *inputs)
    return publish_case(replace(order, supersedes="c", recalculated_because="new model", recalculated_by="kim"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first = publish_case(an_order(tmp_path, "c", PLAN, LOG))
    assert first.verdict == "accepted"
    return tmp_path


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ((PLAN, LOG), ""),
        ((replace(PLAN, sha256=OTHER), LOG), "RP.dcm"),
        ((PLAN, replace(LOG, sha256=OTHER)), "20260302/1.ptn"),
        ((PLAN,), "20260302/1.ptn"),
        ((PLAN, LOG, SET), "RS.dcm"),
        ((SET, FileProof("x", 5, OTHER)), "20260302/1.ptn, RP.dcm, RS.dcm and 1 more"),
    ],
)
def test_other_files_make_it_suspect(folder: Path, inputs: tuple[FileProof, ...], named: str) -> None:
    found = recalculated(folder, *inputs)
    if not named:
        assert (found.verdict, found.sentences) == ("accepted", ())
        return
    assert found.verdict == "suspect"
    assert found.sentences == (f"It was not computed from the files of c: {named} changed, came or went.",)


def test_another_geometry_reads_other_files_but_no_other_plan(folder: Path) -> None:
    manifest = folder / "results/c/manifest.json"
    told = json.loads(manifest.read_text())
    told["profile"]["content"]["geometry"] = "ct"
    manifest.write_text(json.dumps(told))
    assert recalculated(folder, PLAN, LOG, SET).verdict == "accepted"
    again = replace(an_order(folder / "more", "c-v3", replace(PLAN, sha256=OTHER), LOG), supersedes="c")
    again = replace(again, results_dir=str(folder / "results"), recalculated_because="why")
    assert "RP.dcm changed" in publish_case(again).sentences[0]


@pytest.mark.parametrize("content", [None, "torn", "{}", "[]"])
def test_without_the_result_before_nothing_is_said(folder: Path, content: str | None) -> None:
    manifest = folder / "results/c/manifest.json"
    manifest.unlink() if content is None else manifest.write_text(content)
    assert recalculated(folder, replace(PLAN, sha256=OTHER)).verdict == "accepted"


def test_a_later_version_of_a_partial_case_has_more_files_as_it_should(folder: Path) -> None:
    order = replace(an_order(folder, "whole", PLAN, LOG, SET), supersedes="c")
    assert publish_case(order).verdict == "accepted"
