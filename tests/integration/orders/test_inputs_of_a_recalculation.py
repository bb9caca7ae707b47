"""A case is computed again only from the files that it was computed from: read, whatever their times say."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.orders.inputs import StoppedError, difference
from messages.cases import CaseSource, DeliverySource
from messages.ledger import CaseRow
from messages.states import CaseState

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def row(tmp_path: Path) -> CaseRow:
    """A case of a plan, and two deliveries of which one lies elsewhere, each with a file."""
    folder, elsewhere = tmp_path / "case", tmp_path / "elsewhere" / "two"
    for place, name, content in (
        (folder, "RP.dcm", b"plan"),
        (folder / "one", "PlanInfo.txt", b"one"),
        (elsewhere, "PlanInfo.txt", b"two"),
    ):
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    read = {"RP.dcm": b"plan", "one/PlanInfo.txt": b"one", "two/PlanInfo.txt": b"two"}
    inputs = [
        {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in read.items()
    ]
    deliveries = tuple(DeliverySource(str(place), place.name, 2, NOW, 1, 3) for place in (folder / "one", elsewhere))
    source = CaseSource("c", "i", str(folder), str(folder / "RP.dcm"), "1.2.3", "1.2", "G1", deliveries)
    fields = ("c", CaseState.DONE, "", 0, str(folder), "1.2.3", "", "i", NOW, NOW, NOW, NOW, source)
    return CaseRow(*fields, json.dumps({"inputs": inputs}), "", cleaned=True, beams=())  # type: ignore[arg-type, misc]


def found(row: CaseRow) -> str:
    return difference(row, lambda: False)


def test_the_same_bytes_are_the_same_whatever_their_time(row: CaseRow) -> None:
    assert found(row) == ""
    for path in Path(row.path).rglob("*"):
        os.utime(path, (1, 1))
    (Path(row.path) / "more.txt").write_text("that was not read")
    assert found(row) == ""


def test_what_changed_is_named(row: CaseRow) -> None:
    (Path(row.path) / "RP.dcm").write_bytes(b"plaN")
    assert found(row) == f"RP.dcm of {row.path} is not what it was computed from"


def test_what_is_gone_is_named(row: CaseRow) -> None:
    (Path(row.path).parent / "elsewhere" / "two" / "PlanInfo.txt").unlink()
    assert found(row) == f"two/PlanInfo.txt of {row.path} is gone"


@pytest.mark.promise("P14")
@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_what_is_no_file_any_more_is_not_opened(row: CaseRow, odd: str) -> None:
    plan = Path(row.path) / "RP.dcm"
    plan.rename(plan.with_name("other"))
    if odd == "link":
        plan.symlink_to("other")
    else:
        os.mkfifo(plan)
    assert "RP.dcm" in found(row)


def test_a_folder_that_is_gone(row: CaseRow) -> None:
    Path(row.path).rename(Path(row.path).with_name("moved"))
    assert found(row) == f"its folder is gone: {row.path}"


def test_without_a_word_of_its_inputs_nothing_is_believed(row: CaseRow) -> None:
    assert found(replace(row, interpretation="")) == "it is not known which files it was computed from"


def test_it_ends_when_nobody_waits_any_more(row: CaseRow) -> None:
    with pytest.raises(StoppedError):
        difference(row, lambda: True)
