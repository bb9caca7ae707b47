"""What stands on the page can be read: numbers with their sign, reasons with their limits, digests on one line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from manifest_making import GOOD, manifest

from actors.reporter.content import Picture, Report, Section, Table
from actors.reporter.delivery import judge_beams
from actors.reporter.drawing import new_figure, png
from actors.reporter.html_page import page
from actors.reporter.layer_charts import draw_layers
from actors.reporter.levels import Figure, Level, signed
from actors.reporter.pdf_pages import _Paper, _section, pages
from actors.settings import ReportSettings

SHA = "0123456789abcdef" * 4
COLUMNS = tuple(f"c{n}" for n in range(11))


def report(*sections: Section) -> Report:
    return Report("case", Level.PASS, "pass", "basis", (), (("plan", "DEMO"),), sections)


@pytest.mark.parametrize(
    ("amount", "digits", "said"),
    [(0.594, 2, "+0.59"), (-0.594, 2, "−0.59"), (-0.001, 2, "0.00"), (0.004, 2, "0.00"), (-12.34, 1, "−12.3")],
)
def test_a_sign_says_something_or_is_not_there(amount: float, digits: int, said: str) -> None:
    assert signed(amount, digits) == said


def test_a_reason_is_told_from_its_limits() -> None:
    two = Figure("mean", "1.83 mm", "≤ 0.5 / 1 mm", Level.FAIL, "Beam 3")
    assert two.sentence == "Beam 3: mean: 1.83 mm (tolerance / action: ≤ 0.5 / 1 mm)"
    assert replace(two, limits="none", subject="").sentence == "mean: 1.83 mm (tolerance: none)"


def test_digests_keep_their_line_and_many_columns_are_set_small() -> None:
    files = Table("Files", ("file", "SHA-256"), (("CT.dcm", SHA), ("a" * 60, "short words")), (None, None))
    wide = Table("Layers", COLUMNS, (COLUMNS,), (Level.FAIL,))
    made = page(report(Section("s", tables=(files, wide)))).decode()
    assert f'<td class="hash">{SHA}</td>' in made
    assert f'<td class="long">{"a" * 60}</td><td>short words</td>' in made
    assert len(re.findall('<table class="wide">', made)) == 1
    assert re.search('<tr class="fail"><td>c0</td>', made)
    assert pages(report(Section("s", tables=(files, wide)))).startswith(b"%PDF-")


@pytest.mark.parametrize(("tall", "page_of_heading"), [(True, 2), (False, 1)])
def test_a_heading_stands_with_its_picture(tall: bool, page_of_heading: int) -> None:
    paper = _Paper("case", "PASS")
    paper.add_page()
    paper.set_y(180.0)
    picture = Picture(png(new_figure(5.0 if tall else 0.5)), "c")
    _section(paper, Section("heading", pictures=(picture,)))
    assert paper.page_no() == page_of_heading
    again = _Paper("case", "PASS")
    again.add_page()
    again.set_y(180.0)
    _section(again, Section("heading", paragraphs=("words",)))
    assert again.page_no() == 1


def test_a_baseline_is_drawn_with_its_limits() -> None:
    rules = ReportSettings(spot_sizes_mm={"G2": ((70.0, 5.0), (230.0, 3.0))})
    with_sizes = manifest(replace(GOOD, size_x_mm=4.0, size_y_mm=4.1))
    (known,), (unknown,) = (judge_beams(with_sizes, chosen) for chosen in (rules, ReportSettings()))
    assert all(layer.baseline_mm is not None and 3.0 <= layer.baseline_mm <= 5.0 for layer in known.layers)
    assert all(layer.baseline_mm is None for layer in unknown.layers)
    drawn = {draw_layers(known, rules), draw_layers(unknown, ReportSettings())}
    assert len(drawn) == 2
    assert draw_layers(known, rules) in drawn
