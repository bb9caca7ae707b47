"""The stream of many files: any tar reads it, and any part of it can be made again."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ssh_connection.packing import Member, Pack, blocks, pack

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and len(name.encode()) <= 255
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=1500), max_size=5)
TIMES = st.integers(0, 4 * 10**18)


def packed(files: dict[str, bytes], mtime_ns: int = 10**18 + 123_456_789) -> Pack:
    return pack(Member(path, len(content), mtime_ns, 0o640) for path, content in files.items())


def stream(files: dict[str, bytes], pack: Pack, offset: int = 0) -> bytes:
    def read(member: Member, start: int) -> Iterator[bytes]:
        content = files[member.path]
        for at in range(start, len(content), 700):
            yield content[at : at + 700]

    return b"".join(blocks(pack, offset, read))


@given(FILES, TIMES)
def test_a_tar_reader_finds_every_file(files: dict[str, bytes], mtime_ns: int) -> None:
    whole = packed(files, mtime_ns)
    data = stream(files, whole)
    assert len(data) == whole.size
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        found = {info.name: (archive.extractfile(info).read(), info) for info in archive}  # type: ignore[union-attr]
    assert {name: content for name, (content, _) in found.items()} == files
    for _, info in found.values():
        assert info.mode == 0o640
        assert float(info.mtime) == pytest.approx(mtime_ns / 1e9, abs=1e-6)


@given(FILES, st.data())
def test_any_rest_of_the_stream_is_its_end(files: dict[str, bytes], data: st.DataObject) -> None:
    whole = packed(files)
    offset = data.draw(st.integers(0, whole.size))
    assert stream(files, whole, offset) == stream(files, whole)[offset:]


def test_its_name_tells_what_lies_between_the_contents() -> None:
    files = {"a": b"1", "b": b"2"}
    assert packed(files).name == packed(files).name
    assert packed(files).name != packed(files, mtime_ns=1).name
    assert packed(files).name != packed({"a": b"1", "b": b"22"}).name
    assert packed(files).name == packed({"a": b"3", "b": b"4"}).name


@pytest.mark.promise("P14")
def test_gnu_tar_restores_names_bytes_modes_and_times(tmp_path: Path) -> None:
    tar = shutil.which("tar")
    if tar is None:
        pytest.skip("no tar here")
    names = (
        "x" * 255,
        f"{'d' * 200}/{'e' * 200}/f",
        "빔",
        "\udcff\udcfe",
        "new\nline",
        "-rf",
        "a\\b",
        "$(id)",
        "empty",
    )
    files = {name: name.encode("utf-8", "surrogateescape") for name in names} | {"empty": b""}
    whole = packed(files)
    subprocess.run([tar, "-xpof", "-"], input=stream(files, whole), cwd=tmp_path, check=True)
    for name, content in files.items():
        path = tmp_path / name
        assert path.read_bytes() == content
        assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (10**18 + 123_456_789, 0o640)
