"""What a host answers to the scripts of a move."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ssh_connection.answers import (
    AFTER_FILES,
    UnclearError,
    parse_hashes,
    parse_listing,
    parse_look,
    split,
)
from actors.ssh_connection.packing import Member

SHA = "ab" * 32
NAME = st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b".."))


def record(name: bytes, mode: str = "81a4", size: int = 3, mtime: str = "1000000000.123456789") -> bytes:
    return f"{mode} {size} {mtime} ".encode() + name + b"\0"


@pytest.mark.promise("P14")
@given(st.lists(NAME, unique=True, max_size=6), st.lists(NAME, max_size=3))
def test_names_of_any_bytes_are_read(names: list[bytes], folders: list[bytes]) -> None:
    prefix = b"".join(folder + b"/" for folder in folders)
    answer = b"/" + prefix + b"\0" + b"".join(record(b"./" + name) for name in names)
    found = parse_listing(answer)
    assert {os.fsencode(member.path) for member in found} == {prefix + name for name in names}
    assert all(member == Member(member.path, 3, 10**18 + 123456789, 0o644) for member in found)


def test_only_regular_files_are_listed_in_order() -> None:
    answer = (
        b"/\0" + record(b"link", "a1ff") + record(b"b") + record(b"folder", "41ed") + b"/a/\0" + record(b"x", "89ed")
    )
    assert [(member.path, member.mode) for member in parse_listing(answer)] == [("a/x", 0o755), ("b", 0o644)]


def test_a_look_says_what_is_there_and_how_much_room() -> None:
    there = parse_look(b"there\0/\0" + record(b"a"))
    assert there.there is not None
    assert [member.path for member in there.there] == ["a"]
    absent = parse_look(b"absent\x0012 4096\0/\0" + record(b"pack-1"))
    assert absent.there is None
    assert absent.free_bytes == 12 * 4096
    assert [member.path for member in absent.part] == ["pack-1"]


@pytest.mark.parametrize("answer", [b"", b"what", b"absent\0much\0", b"there\0/\0cut", b"there\0/\0zz 1 1.0 a\0"])
def test_an_answer_that_makes_no_sense_is_refused(answer: bytes) -> None:
    with pytest.raises(UnclearError):
        parse_look(answer)


def test_hashes_are_read_in_order_whatever_the_names() -> None:
    members = [Member("a", 1, 0, 0o644), Member("new\nline", 1, 0, 0o644)]
    answer = f"{SHA}  ./a\n\\{SHA[::-1]} *./new\\nline\n".encode()
    assert parse_hashes(answer, members) == {"a": SHA, "new\nline": SHA[::-1]}
    assert parse_hashes(answer, members[:1]) is None
    assert parse_hashes(b"sh: sha256sum: not found\n", members) is None
    assert parse_hashes(b"", []) == {}


@given(st.lists(st.binary(max_size=9), max_size=6), st.lists(st.integers(1, 12), min_size=1, max_size=9))
def test_a_stream_is_cut_into_its_files(files: list[bytes], steps: list[int]) -> None:
    whole, blocks, at = b"".join(files), [], 0
    while at < len(whole):
        step = steps[len(blocks) % len(steps)]
        blocks.append(whole[at : at + step])
        at += step
    found = [b""] * len(files)
    for index, piece in split([len(file) for file in files], blocks):
        found[index] += piece
    assert found == files


@pytest.mark.parametrize("stream", [[b"abc"], [b"ab", b"c"], [b"a"], []])
def test_a_stream_of_another_length_is_refused(stream: list[bytes]) -> None:
    with pytest.raises(UnclearError):
        list(split([1, 0, 1], stream))


def test_what_the_host_says_of_files_comes_behind_them_wherever_the_blocks_end() -> None:
    said = b"aabbb" + AFTER_FILES + b"sums\n"
    for size in range(1, len(said) + 1):
        blocks, after = [said[at : at + size] for at in range(0, len(said), size)], bytearray()
        found = list(split([2, 3], blocks, after))
        assert [b"".join(part for index, part in found if index == number) for number in (0, 1)] == [b"aa", b"bbb"]
        assert after == b"sums\n"


@pytest.mark.promise("P25")
@pytest.mark.parametrize("said", [b"aab", b"aabbb", b"aabbb\nmqi-aft", b"aabbbX" + AFTER_FILES + b"sums\n"])
def test_files_that_are_shorter_or_longer_than_announced_are_not_taken_for_whole(said: bytes) -> None:
    with pytest.raises(UnclearError):
        list(split([2, 3], [said], bytearray()))
