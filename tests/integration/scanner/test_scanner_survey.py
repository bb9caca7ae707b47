"""The survey of one case folder, on files as the treatment machine writes them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseFault, CaseRecipe, Interruption
from actors.scanner.facts import FolderSurvey, SurveyRequest
from actors.scanner.looks import look_at
from actors.scanner.survey import survey_folder

SMALL = CaseRecipe(layers=3, spots=8)


def survey(path: Path, settled: frozenset[str] = frozenset()) -> FolderSurvey:
    return survey_folder(SurveyRequest(str(path), "Asia/Seoul", settled))


@pytest.fixture
def case(tmp_path: Path) -> WrittenCase:
    return write_case(SMALL, tmp_path)


def test_a_survey_tells_what_the_factory_wrote(case: WrittenCase) -> None:
    found = survey(case.path)
    (plan,) = found.plans
    assert (plan.uid, plan.study_uid, plan.machine, plan.fault) == (case.plan_uid, case.study_uid, "G2", None)
    assert [(beam.number, beam.name, beam.layers) for beam in plan.beams] == [
        (beam.number, beam.name, len(beam.layers)) for beam in case.beams
    ]
    assert [(one.source.path, one.source.beam_number, one.plan) for one in found.deliveries] == [
        (str(one.path), one.beam_number, case.plan_uid) for one in case.deliveries
    ]
    assert all(one.lacking == () and one.fault is None for one in found.deliveries)
    assert all(share == pytest.approx(1.0, abs=0.02) for one in found.deliveries for _, share in one.shares)
    assert found.lacking == ()


def test_a_survey_and_a_look_agree_about_the_folder_s_state(case: WrittenCase) -> None:
    found, look = survey(case.path), look_at(str(case.path), "")
    assert found.digest == look.digest
    assert sorted(one.source.key for one in found.deliveries) == list(look.keys)


def test_times_are_the_machine_s_in_the_site_s_zone(case: WrittenCase) -> None:
    (first, _) = survey(case.path).deliveries
    assert first.source.irradiated.isoformat() == "2026-03-02T09:30:15.120000+09:00"


@pytest.mark.promise("P3")
def test_the_share_of_a_layer_that_was_stopped_half_way_is_measured(tmp_path: Path) -> None:
    recipe = CaseRecipe(layers=5, spots=30, interruption=Interruption(beam=0, layer=3, share=0.4))
    stopped, resumed = (
        one for one in survey(write_case(recipe, tmp_path).path).deliveries if one.source.beam_number == 3
    )
    assert stopped.share(3) == pytest.approx(0.4, abs=0.06)
    assert resumed.share(3) == pytest.approx(0.6, abs=0.06)
    assert resumed.share(4) is None


def test_settled_deliveries_are_passed_over(case: WrittenCase) -> None:
    first, second = survey(case.path).deliveries
    found = survey(case.path, frozenset({first.source.key}))
    assert [one.source.key for one in found.deliveries] == [second.source.key]


@pytest.mark.promise("P13")
def test_of_two_copies_of_a_delivery_the_better_one_counts(case: WrittenCase) -> None:
    folder = case.deliveries[0].path
    shutil.copytree(folder, case.path / "2026030209301500")
    next((case.path / "2026030209301500").glob("*.ptn")).unlink()
    found = survey(case.path)
    assert len(found.deliveries) == 2
    assert found.deliveries[0].source.path == str(folder)


def test_a_copy_of_the_plan_is_the_same_plan(case: WrittenCase) -> None:
    shutil.copy(case.plan_path, case.path / "copy.dcm")
    found = survey(case.path)
    assert len(found.plans) == 1
    assert {one.plan for one in found.deliveries} == {case.plan_uid}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b""), "is not a readable DICOM file yet"),
        (lambda path: path.write_bytes(b"x" * 5000), "is not a readable DICOM file yet"),
        (lambda path: os.truncate(path, 1500), ""),
    ],
)
def test_a_plan_that_is_not_whole_may_still_arrive(
    case: WrittenCase, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(case.plan_path)
    found = survey(case.path)
    assert found.plans == ()
    assert any(words in sentence and sentence.startswith("RP.") for sentence in found.lacking)
    assert all("no RTPLAN of this study yet" in one.lacking for one in found.deliveries)


def test_a_plan_cut_anywhere_never_looks_like_a_smaller_plan(case: WrittenCase) -> None:
    whole = case.plan_path.read_bytes()
    expected = survey(case.path).plans[0].beams
    for size in range(0, len(whole), max(len(whole) // 80, 1)):
        case.plan_path.write_bytes(whole[:size])
        found = survey(case.path)
        assert [plan.beams for plan in found.plans] in ([], [expected]), f"cut to {size} of {len(whole)} bytes"


def test_a_ct_beside_the_plan_is_seen(tmp_path: Path) -> None:
    assert survey(write_case(CaseRecipe(layers=2, spots=6, ct=True), tmp_path).path).ct
    assert not survey(write_case(CaseRecipe(layers=2, spots=6, patient=2), tmp_path).path).ct


@pytest.mark.promise("P14")
def test_pipes_and_links_are_never_opened(case: WrittenCase) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    (case.path / "RP2.dcm").symlink_to("/dev/zero")
    os.mkfifo(case.path / "RP3.dcm")
    info = case.deliveries[0].path / "PlanInfo.txt"
    info.unlink()
    os.mkfifo(info)
    ranges = case.deliveries[1].path / "PlanRange.txt"
    text = ranges.read_bytes()
    ranges.unlink()
    (case.path.parent / "outside.txt").write_bytes(text)
    ranges.symlink_to(case.path.parent / "outside.txt")
    found = survey(case.path)
    assert found.lacking == (f"delivery {case.deliveries[0].path.name}: PlanInfo.txt is no regular file",)
    (second,) = found.deliveries
    assert second.lacking == (f"beam {second.source.beam_number}: PlanRange.txt is no regular file",)


@pytest.mark.promise("P2")
def test_layers_that_plan_range_does_not_name_are_missing(case: WrittenCase) -> None:
    ranges = case.deliveries[0].path / "PlanRange.txt"
    lines = ranges.read_text().splitlines(keepends=True)
    ranges.write_text("".join(lines[:2]))
    (first, _) = survey(case.path).deliveries
    assert "beam 3: PlanRange.txt does not name layers 2 to 3" in first.lacking


@pytest.mark.promise("P2")
def test_rows_of_another_layer_in_a_file_are_told(case: WrittenCase) -> None:
    layers = sorted(case.deliveries[0].path.glob("*.ptn"))
    layers[2].write_bytes(layers[1].read_bytes())
    (first, _) = survey(case.path).deliveries
    assert any("holds rows of layer 2" in sentence for sentence in first.lacking)


@pytest.mark.parametrize("fault", list(CaseFault))
def test_no_fault_is_a_crash(tmp_path: Path, fault: CaseFault) -> None:
    found = survey(write_case(CaseRecipe(layers=2, spots=6, fault=fault), tmp_path).path)
    for sentence in (*found.lacking, *(text for one in found.deliveries for text in one.lacking)):
        assert sentence.isprintable()
        assert not sentence.endswith(".")


def test_a_folder_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        survey(tmp_path / "gone")
