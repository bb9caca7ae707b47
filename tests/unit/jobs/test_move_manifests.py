"""Paths that stay where they belong, and the name of an unfinished move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.jobs import Item, check_path, manifest, unfinished_name
from messages.files import FileProof

SHA = "0" * 64
PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda part: part not in (".", "..")
)


@given(st.lists(PART, min_size=1, max_size=5))
def test_any_plain_relative_path_is_taken(parts: list[str]) -> None:
    check_path("/".join(parts))


@pytest.mark.promise("P14")
@given(st.lists(PART, max_size=3), st.sampled_from(["", ".", "..", "a\0b"]), st.lists(PART, max_size=3))
def test_any_path_that_could_lead_astray_is_refused(before: list[str], wrong: str, behind: list[str]) -> None:
    with pytest.raises(MqiError) as caught:
        check_path("/".join([*before, wrong, *behind]))
    assert caught.value.fault.kind == "path-unsafe"


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b/c", "a/b")])
def test_two_files_never_meet_in_one_place(paths: tuple[str, ...]) -> None:
    with pytest.raises(MqiError) as caught:
        manifest(FileProof(path, 1, SHA) for path in paths)
    assert caught.value.fault.kind == "path-twice"


def test_neighbours_with_like_names_are_no_conflict() -> None:
    assert [item.path for item in manifest(FileProof(path, 1, SHA) for path in ("ab", "a/b", "a-b"))] == [
        "a-b",
        "a/b",
        "ab",
    ]


def test_the_same_move_finds_its_unfinished_folder_and_another_does_not() -> None:
    item = Item("a", 5, SHA)
    name = unfinished_name("in", (item,))
    assert name.startswith(".in.part-")
    assert name == unfinished_name("in", (Item("a", 5, SHA),))
    others = [Item("b", 5, SHA), Item("a", 6, SHA), Item("a", 5, "1" * 64), Item("a", 5, None, 7)]
    assert len({name, *(unfinished_name("in", (other,)) for other in others)}) == 5
    assert unfinished_name("in", (Item("\udcff", 1),))
