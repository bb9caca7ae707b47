"""The reliability table holds what the campaigns wrote, in whatever order they ran."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns.reliability import BEGIN, END, HEAD, README, record

DAY = date(2026, 3, 2)
ROUND = {
    "faults": [("a kill at every crash point", "120 runs", "every case ended right"), ("two kills", "60", "the same")],
    "fuzz": [("broken .ptn files", "100,000", "a value or one of our errors")],
    "soak": [("random kills | cuts", "2,000 cases", "none lost,\nnone doubled")],
}
BEFORE, AFTER = "# A title\n\n| another | table |\n\n", "\n\n## What follows\n"


def fresh(folder: Path, inside: str = "\n") -> Path:
    readme = folder / "README.md"
    readme.write_text(f"{BEFORE}{BEGIN}{inside}{END}{AFTER}", encoding="utf-8")
    return readme


def written(folder: Path, order: list[str]) -> str:
    readme = fresh(folder)
    for campaign in order:
        record(campaign, ROUND[campaign], readme=readme, on=DAY)
    return readme.read_text(encoding="utf-8")


@given(order=st.permutations([*ROUND, *ROUND]))
def test_whatever_the_order_and_however_often_the_table_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    text = written(tmp_path_factory.mktemp("readme"), order)
    rows = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert tuple(rows[:2]) == HEAD
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| faults", "| faults", "| fuzz", "| soak"]
    assert "| faults | two kills | 60 | the same | 2026-03-02 |" in rows
    assert rows[-1] == "| soak | random kills \\| cuts | 2,000 cases | none lost, none doubled | 2026-03-02 |"
    assert text.startswith(BEFORE)
    assert text.endswith(AFTER)


def test_rows_of_other_campaigns_stay_byte_for_byte(tmp_path: Path) -> None:
    odd = "|  fuzz|written   by hand \\| oddly | 1 | ok|2026-01-01   |"
    readme = fresh(tmp_path, "\n\n" + "\n".join([*HEAD, odd, "| soak | old | 1 | old | 2026-01-01 |"]) + "\n\n")
    record("soak", ROUND["soak"], readme=readme, on=DAY)
    text = readme.read_text(encoding="utf-8")
    assert odd in text.splitlines()
    assert "old" not in text


def test_a_campaign_without_rows_leaves_the_table(tmp_path: Path) -> None:
    readme = fresh(tmp_path)
    record("soak", ROUND["soak"], readme=readme, on=DAY)
    record("soak", [], readme=readme, on=DAY)
    assert "soak" not in readme.read_text(encoding="utf-8")


def test_a_shorter_text_leaves_no_tail_of_the_longer_one(tmp_path: Path) -> None:
    readme = fresh(tmp_path)
    record("soak", ROUND["soak"] * 50, readme=readme, on=DAY)
    record("soak", ROUND["soak"], readme=readme, on=DAY)
    assert readme.read_text(encoding="utf-8").count(AFTER.strip()) == 1


@pytest.mark.parametrize("campaign", ["", "a|b", "a\nb"])
def test_a_name_that_would_break_the_table_is_refused(tmp_path: Path, campaign: str) -> None:
    with pytest.raises(ValueError, match="names no campaign"):
        record(campaign, [], readme=fresh(tmp_path))


def test_a_readme_without_the_markers_is_refused_and_left(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no table here")
    with pytest.raises(ValueError, match="no table between"):
        record("soak", [], readme=readme)
    assert readme.read_text() == "no table here"


def test_our_readme_has_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert 0 < text.find(BEGIN) < text.find(END)
