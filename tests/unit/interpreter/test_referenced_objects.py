"""Which images and which structure set a dose refers to."""

from __future__ import annotations

from actors.formats.structures import STRUCTURE_SET, StructureSet
from actors.interpreter.images import Images

OURS, OTHER = (StructureSet(uid, f"{uid}.1", "1.2.9", frozenset({"1.2.8"})) for uid in ("1.2.3", "1.2.4"))


def structure_sets(named: tuple[str, ...], *there: StructureSet) -> list[tuple[str, str, tuple[str, ...]]]:
    found = Images(None, (), there).references(named)
    assert {one.sop_class for one in found} <= {STRUCTURE_SET}
    return [(one.study_uid, one.series_uid, one.instances) for one in found]


def test_the_structure_set_that_the_plan_names_is_referred_to() -> None:
    assert structure_sets(("1.2.4",), OURS, OTHER) == [("1.2.9", "1.2.4.1", ("1.2.4",))]


def test_without_a_word_of_the_plan_the_only_one_is_and_of_several_none() -> None:
    assert structure_sets((), OURS) == [("1.2.9", "1.2.3.1", ("1.2.3",))]
    assert structure_sets((), OURS, OTHER) == []


def test_another_than_the_plan_names_is_not() -> None:
    assert structure_sets(("1.2.5",), OURS) == []
    assert structure_sets(()) == []
