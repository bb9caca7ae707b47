"""As many beams placed as can be, the first ones first, however many GPUs there are."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from actors.scheduler.matching import Wish, match

wanted = st.lists(st.lists(st.sampled_from("abcde"), max_size=4, unique=True).map(tuple), max_size=6)


def matched(wants: list[tuple[str, ...]]) -> dict[str, str]:
    """Beams that want the same share one wish, as the policy has it."""
    wishes = {want: Wish(want) for want in wants}
    by_key = {str(number): wishes[want] for number, want in enumerate(wants)}
    return match(by_key, by_key.__getitem__, 5)


def could_all(wants: list[tuple[str, ...]]) -> bool:
    """Whether all can be placed at once, tried out."""
    return any(
        all(worker in want for worker, want in zip(order, wants, strict=False)) for order in permutations("abcde")
    )


@given(wanted)
def test_the_best_set_of_beams_is_placed_each_where_it_wants_to_be(wants: list[tuple[str, ...]]) -> None:
    placed = matched(wants)
    assert len(set(placed.values())) == len(placed)
    assert all(worker in wants[int(key)] for key, worker in placed.items())
    kept: list[tuple[str, ...]] = []
    for number, want in enumerate(wants):
        fits = len(kept) < 5 and could_all([*kept, want])
        assert fits == (str(number) in placed), "a beam is left out only if those before it leave nothing"
        kept += [want] if fits else []


def test_the_first_beam_gets_the_best_place() -> None:
    assert matched([("a", "b", "c")] * 3) == {"0": "a", "1": "b", "2": "c"}


def test_a_thousand_gpus_that_all_have_to_move_on_are_no_matter() -> None:
    """Each beam could also go one further than it is; the last one starts where the first one is."""
    count = 3000
    wishes = {n: Wish((f"w{n}", f"w{n + 1}")) for n in range(count)} | {count: Wish(("w0",))}
    placed = match(map(str, wishes), lambda key: wishes[int(key)], count + 1)
    assert placed[str(count)] == "w0"
    assert placed["0"] == "w1"
    assert len(placed) == count + 1
