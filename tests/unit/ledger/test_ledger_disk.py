"""Which folders can hold a ledger; values to and from text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.codec import (
    json_list,
    json_source,
    list_json,
    path_value,
    plain,
    source_json,
    text_time,
    time_text,
    value_path,
)
from actors.ledger.disk import network_type
from tests.integration.ledger.ledger_cases import source

MOUNTS = [("/", "ext4"), ("/data", "nfs4"), ("/data/local", "xfs"), ("/mnt", "CIFS"), ("/two", "ext4"), ("/two", "nfs")]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/lib/mqi", ""),
        ("/data/mqi", "nfs4"),
        ("/database", ""),
        ("/data/local/mqi", ""),
        ("/mnt", "CIFS"),
        ("/two/x", "nfs"),
    ],
)
def test_the_mount_that_a_folder_lies_on_decides(folder: str, expected: str) -> None:
    assert network_type(PurePosixPath(folder), MOUNTS) == expected


def test_without_a_mount_table_nothing_is_refused() -> None:
    assert network_type(PurePosixPath("/x"), []) == ""


@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_paths_come_back_as_they_were(raw: bytes) -> None:
    path = raw.decode("utf-8", "surrogateescape")
    value = path_value(path)
    assert value_path(value) == path
    assert isinstance(value, bytes) == (plain(path) != path)


@given(st.lists(st.text(st.characters(codec=None), max_size=20), max_size=4))
def test_lists_and_sources_come_back_as_they_were(texts: list[str]) -> None:
    assert json_list(list_json(texts)) == tuple(texts)
    value = source("c1", missing=tuple(texts), partial=True, path="/\udcff")
    assert json_source(source_json(value)) == value
    assert list_json(texts).isascii()


def test_no_source_is_the_empty_text() -> None:
    assert json_source("") is None


def test_times_are_utc_and_sort_as_text() -> None:
    early = datetime(2024, 2, 29, 9, 0, tzinfo=timezone(timedelta(hours=9)))
    late = datetime(2024, 2, 29, 0, 0, 1, tzinfo=UTC)
    assert time_text(early) < time_text(late)
    assert text_time(time_text(early)) == early
    assert text_time(None) is None
    with pytest.raises(ValueError, match="zone"):
        time_text(datetime(2024, 2, 29))  # noqa: DTZ001
