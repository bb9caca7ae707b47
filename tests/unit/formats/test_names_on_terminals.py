"""Names in a plan end up on operators' terminals: nothing in them may be a command to one."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from actors.formats.plan_values import text


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (" LAO ", "LAO"),
        ("a\x1b]0;title\x07b", "a ]0;title b"),
        ("one\ntwo", "one two"),
        ("왼쪽 <b>", "왼쪽 <b>"),
        (None, ""),
    ],
)
def test_a_name_holds_letters_only(stored: str | None, read: str) -> None:
    beam = Dataset()
    if stored is not None:
        beam.BeamName = stored
    assert text(beam, "BeamName") == read
