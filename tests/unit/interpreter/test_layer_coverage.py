"""Deliveries of one beam cover its layers once, or the case stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CaseError
from actors.interpreter.coverage import LayerParts, Span, check_amount, cover


def spans(*pairs: tuple[int, int]) -> list[Span]:
    return [Span(f"/d{number}", start, stop) for number, (start, stop) in enumerate(pairs)]


def covered(layers: int, *pairs: tuple[int, int], partial: bool = False) -> dict[int, tuple[int, ...]]:
    return {part.layer: part.spans for part in cover(3, spans(*pairs), layers, partial=partial)}


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (((1, 4),), {1: (0,), 2: (0,), 3: (0,), 4: (0,)}),
        (((1, 2), (3, 4)), {1: (0,), 2: (0,), 3: (1,), 4: (1,)}),
        (((1, 2), (2, 4)), {1: (0,), 2: (0, 1), 3: (1,), 4: (1,)}),
        (((1, 1), (1, 3), (3, 4)), {1: (0, 1), 2: (1,), 3: (1, 2), 4: (2,)}),
        # Stopped twice in one layer: whether it is too much is told by the counts.
        (((1, 2), (2, 2), (2, 4)), {1: (0,), 2: (0, 1, 2), 3: (2,), 4: (2,)}),
    ],
)
def test_resumed_deliveries_merge_by_layer(
    pairs: tuple[tuple[int, int], ...], expected: dict[int, tuple[int, ...]]
) -> None:
    assert covered(4, *pairs) == expected


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("pairs", "kind", "says"),
    [
        (((1, 3),), "layer-missing", "layer 4 is missing"),
        (((2, 4),), "layer-missing", "layer 1 is missing"),
        (((1, 1), (4, 4)), "layer-missing", "layers 2 to 3 are missing"),
        (((1, 5),), "layer-extra", "layer 5 was delivered, but the plan has 4"),
        (((1, 4), (1, 4)), "layer-doubled", "layer 1 was delivered again after layer 4"),
        (((1, 3), (2, 4)), "layer-doubled", "layer 2 was delivered again after layer 3"),
    ],
)
def test_gaps_and_repeats_are_named(pairs: tuple[tuple[int, int], ...], kind: str, says: str) -> None:
    with pytest.raises(CaseError) as caught:
        covered(4, *pairs)
    assert caught.value.fault.kind == kind
    assert says in caught.value.fault.what
    assert "Beam 3" in caught.value.fault.what


def test_a_partial_treatment_may_lack_layers_but_not_repeat_them() -> None:
    assert covered(6, (1, 2), partial=True) == {1: (0,), 2: (0,)}
    assert covered(6, (1, 2), (5, 6), partial=True) == {1: (0,), 2: (0,), 5: (1,), 6: (1,)}
    with pytest.raises(CaseError):
        covered(6, (1, 3), (1, 3), partial=True)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=5), st.integers(1, 9))
def test_a_whole_beam_has_every_layer(starts: list[tuple[int, int]], layers: int) -> None:
    pairs = [(start, start + more) for start, more in starts]
    try:
        found = covered(layers, *pairs)
    except CaseError as error:
        assert error.fault.kind in {"layer-missing", "layer-extra", "layer-doubled"}
        return
    assert sorted(found) == list(range(1, layers + 1))
    for layer, owners in found.items():
        assert all(pairs[owner][0] <= layer <= pairs[owner][1] for owner in owners)
        # What is shared by several deliveries is where one stopped and the next went on.
        assert all(pairs[owner][1] == layer for owner in owners[:-1])


class TestAmount:
    WHOLE = LayerParts(2, (0,), last=False)
    PARTS = LayerParts(2, (0, 1), last=True)
    LAST = LayerParts(2, (0,), last=True)

    def kind(self, part: LayerParts, delivered: float, *, partial: bool = False) -> str:
        try:
            whole = check_amount(3, part, 1.0, delivered, partial=partial, where="/d")
        except CaseError as error:
            assert "Beam 3: layer 2" in error.fault.what
            return error.fault.kind
        return "whole" if whole else "short"

    @pytest.mark.promise("P3")
    def test_parts_add_up_to_the_plan_and_2_percent(self) -> None:
        assert self.kind(self.PARTS, 1.019) == "whole"
        assert self.kind(self.PARTS, 1.021) == "layer-doubled"

    @pytest.mark.promise("P3")
    def test_no_floor_lets_a_small_layer_be_delivered_twice(self) -> None:
        with pytest.raises(CaseError, match="more than once"):
            check_amount(3, self.PARTS, 0.015, 0.030, partial=False, where="/d")
        assert check_amount(3, self.PARTS, 0.015, 0.0152, partial=False, where="/d")

    @pytest.mark.promise("P2")
    def test_far_too_much_or_too_little_is_no_whole_layer(self) -> None:
        assert self.kind(self.WHOLE, 1.08) == "whole"
        assert self.kind(self.WHOLE, 2.0) == "layer-doubled"
        assert self.kind(self.WHOLE, 0.95) == "whole"
        assert self.kind(self.WHOLE, 0.5) == "layer-truncated"
        assert self.kind(self.WHOLE, 0.5, partial=True) == "layer-truncated"

    def test_a_partial_treatment_may_stop_in_a_layer(self) -> None:
        assert self.kind(self.LAST, 0.5, partial=True) == "short"
        assert self.kind(self.LAST, 0.5) == "layer-truncated"
