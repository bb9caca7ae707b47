"""The samples that are drawn are those that were judged: read once more from the very files, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published_cases import CALIBRATIONS, PublishedCase, in_water, publish

from actors.demo.recipe import CaseFault, CaseRecipe, Interruption
from actors.formats.off_plan import undelivered
from actors.reporter.delivery import judge_beams
from actors.reporter.delivery_section import delivery_sections
from actors.reporter.levels import Level
from actors.reporter.published import Manifest, read_published
from actors.reporter.spot_maps import COLUMNS, ROWS, draw_beam_map, draw_layer_maps
from actors.reporter.spot_table import BeamSpots, SpotTables, spot_tables
from actors.settings import ReportSettings

pytestmark = pytest.mark.xdist_group("spot maps")  # one fixture for all of them

SMALL = CaseRecipe(beams=1, layers=3, spots=14)
RULES = ReportSettings()


def manifest_of(case: PublishedCase) -> Manifest:
    return read_published(case.folder).manifest


def tables(case: PublishedCase, calibrations: tuple[tuple[str, str], ...] = CALIBRATIONS) -> SpotTables:
    return spot_tables(manifest_of(case), case.written.path, calibrations)


def beam_of(case: PublishedCase) -> BeamSpots:
    (beam,) = manifest_of(case).beams
    found, reason = tables(case).beam(beam.number)
    assert found is not None, reason
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    return publish(SMALL, tmp_path_factory.mktemp("plain"), in_water())


@pytest.mark.parametrize(
    "recipe",
    [
        replace(SMALL, scan_mode="spot"),
        replace(SMALL, interruption=Interruption(beam=0, layer=2, share=0.5)),
        replace(SMALL, fault=CaseFault.SHIFTED_LAYER),
        replace(SMALL, spots=40, fault=CaseFault.MISSING_SEGMENT),
    ],
    ids=["spots", "stopped in mid-layer", "shifted", "segment missing"],
)
def test_every_sample_that_is_drawn_is_one_that_was_judged(recipe: CaseRecipe, tmp_path: Path) -> None:
    case = publish(recipe, tmp_path, in_water())
    (beam,) = manifest_of(case).beams
    for drawn, judged in zip(beam_of(case).layers, beam.layers, strict=True):
        assert (drawn.layer, drawn.energy_mev, drawn.whole) == (judged.layer, judged.energy_mev, True)
        assert float(drawn.off_mm.max()) == pytest.approx(judged.max_mm, abs=1e-4)
        assert float(np.percentile(drawn.off_mm, 95)) == pytest.approx(judged.p95_mm, abs=1e-4)
        assert float(drawn.mu.sum()) == pytest.approx(judged.delivered_mu, rel=1e-5)
        assert float(drawn.stretch_mu.sum()) == pytest.approx(judged.delivered_mu)
        assert int(undelivered(drawn.path, drawn.stretch_mu).sum()) == judged.missing


def test_the_layer_that_a_partial_session_left_is_a_part(tmp_path: Path) -> None:
    recipe = replace(SMALL, interruption=Interruption(beam=0, layer=3, share=0.5))
    case = publish(recipe, tmp_path, in_water(), partial=True, deliveries=slice(0, 1))
    (beam,) = manifest_of(case).beams
    drawn = beam_of(case)
    assert [layer.whole for layer in drawn.layers] == [True, True, False]
    assert float(drawn.layers[2].off_mm.max()) == pytest.approx(beam.layers[2].max_mm, abs=1e-4)
    assert draw_beam_map(drawn, RULES).startswith(b"\x89PNG")


def test_the_rest_of_a_layer_whose_beginning_is_not_at_hand(tmp_path: Path) -> None:
    recipe = replace(SMALL, interruption=Interruption(beam=0, layer=2, share=0.5))
    case = publish(recipe, tmp_path, in_water(), partial=True, deliveries=slice(1, 2))
    (beam,) = manifest_of(case).beams
    drawn = beam_of(case)
    assert [(layer.layer, layer.whole) for layer in drawn.layers] == [(2, False), (3, True)]
    assert float(drawn.layers[0].off_mm.max()) == pytest.approx(beam.layers[0].max_mm, abs=1e-4)
    only = replace(drawn, layers=drawn.layers[:1])
    assert draw_beam_map(only, RULES).startswith(b"\x89PNG")


@pytest.mark.promise("P9")
def test_a_log_that_was_changed_since_is_not_drawn(plain: PublishedCase) -> None:
    path = next(plain.written.path.glob("*/*_002.ptn"))
    content = path.read_bytes()
    number = manifest_of(plain).beams[0].number
    try:
        path.write_bytes(content[:-16])
        assert tables(plain).beam(number) == (None, f"{path.name} is gone from the case folder, or was changed since")
        judged = judge_beams(manifest_of(plain), RULES)
        (section,) = delivery_sections(judged, tables(plain), RULES)
        assert len(section.pictures) == 1
        assert f"Maps of the samples: none, for {path.name} is gone" in " ".join(section.paragraphs)
        path.unlink()
        assert tables(plain).beam(number)[0] is None
    finally:
        path.write_bytes(content)
    (section,) = delivery_sections(judged, tables(plain), RULES)
    assert len(section.pictures) == 3


def test_without_what_made_the_result_nothing_is_drawn(plain: PublishedCase, tmp_path: Path) -> None:
    number = manifest_of(plain).beams[0].number
    other = tmp_path / "g2.txt"
    other.write_text(Path(dict(CALIBRATIONS)["G2"]).read_text() + "\n# mended\n")
    for known in ((), (("G2", str(other)),), (("G2", str(tmp_path / "none")),)):
        assert "calibration" in tables(plain, known).beam(number)[1]
    gone = spot_tables(manifest_of(plain), tmp_path, CALIBRATIONS)
    assert "is gone from the case folder" in gone.beam(number)[1]


def test_many_layers_fill_several_pictures_that_are_the_same_each_time(plain: PublishedCase) -> None:
    some = beam_of(plain)
    many = replace(some, layers=tuple(replace(some.layers[0], layer=n) for n in range(1, COLUMNS * ROWS + 3)))
    drawn = list(draw_layer_maps(many, {1: Level.FAIL, 2: Level.REVIEW}, RULES))
    assert [(layers[0], layers[-1]) for layers, _ in drawn] == [(1, COLUMNS * ROWS), (COLUMNS * ROWS + 1, 22)]
    assert drawn == list(draw_layer_maps(many, {1: Level.FAIL, 2: Level.REVIEW}, RULES))
    assert draw_beam_map(some, RULES) == draw_beam_map(some, RULES)
