"""DICOM files that would cost too much are refused before they are decoded, however they are built."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from actors.errors import CaseError
from actors.formats.ct import classify
from actors.formats.dicom_bounds import IMAGE_ELEMENTS, PLAN_ELEMENTS, too_costly
from actors.formats.plan_reader import parse_plan
from tests.fuzz.readers.case_files import open_ended, otherwise
from tests.unit.formats.plan_maker import plan_bytes

EMPTY_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
OPEN_ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
SEQUENCE = b"\x0a\x30\xa2\x03SQ\0\0"
OPEN = b"\xff\xff\xff\xff"
END = b"\xfe\xff\xdd\xe0\0\0\0\0"
MANY = IMAGE_ELEMENTS + 1


def length(body: bytes) -> bytes:
    return struct.pack("<I", len(body))


def items() -> bytes:
    return SEQUENCE + OPEN + EMPTY_ITEM * MANY + END


def items_of_known_length() -> bytes:
    body = EMPTY_ITEM * MANY
    return SEQUENCE + length(body) + body


def unknown_representation() -> bytes:
    body = EMPTY_ITEM * MANY
    return b"\x0b\x30\x01\x10UN\0\0" + length(body) + body


def nested() -> bytes:
    return (SEQUENCE + OPEN + OPEN_ITEM) * MANY


def elements() -> bytes:
    return b"".join(struct.pack("<HH2sH", 0x4001 + 2 * (k >> 16), k & 0xFFFF, b"LO", 0) for k in range(MANY))


@pytest.mark.parametrize("bomb", [items, items_of_known_length, unknown_representation, nested, elements])
def test_a_bomb_is_refused_before_it_is_decoded(bomb: Callable[[], bytes]) -> None:
    data = plan_bytes() + bomb()
    began = time.process_time()
    with pytest.raises(CaseError, match=f"more than {PLAN_ELEMENTS} elements") as refused:
        parse_plan(data, "RP.dcm")
    assert refused.value.fault.kind == "plan-damaged"
    with pytest.raises(CaseError, match=f"more than {IMAGE_ELEMENTS} elements") as refused:
        classify(data, "CT.dcm")
    assert refused.value.fault.kind == "dicom-damaged"
    assert time.process_time() - began < 5


def test_a_bomb_without_representations_is_refused() -> None:
    body = EMPTY_ITEM * MANY
    data = otherwise(plan_bytes(), ImplicitVRLittleEndian) + b"\x0a\x30\xa8\x03" + length(body) + body
    with pytest.raises(CaseError, match="more than"):
        parse_plan(data, "RP.dcm")


def test_a_deflated_file_is_refused_wherever_its_syntax_stands() -> None:
    plan = plan_bytes()
    begin = plan.index(b"\x08\x00\x16\x00")
    syntax = b"1.2.840.10008.1.2.1.99"
    private = b"\x02\x00\x02\x01OB\0\0" + length(bytes(8192)) + bytes(8192)
    meta = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(syntax)) + syntax
    deflated = zlib.compress(plan[begin:])[2:-4]
    for head in (meta + private, b"\x02\x00\x03\x00OB\0\0" + length(bytes(8192)) + bytes(8192) + meta):
        assert too_costly(plan[:132] + head + deflated, PLAN_ELEMENTS) == "it is deflated"


def test_nothing_right_is_refused() -> None:
    plan = plan_bytes()
    for one in (plan, otherwise(plan, ImplicitVRLittleEndian), otherwise(plan, ExplicitVRBigEndian), open_ended(plan)):
        assert too_costly(one, 2000) == ""
        assert parse_plan(one, "RP.dcm").beams


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_transfer_syntax_is_counted(syntax: str) -> None:
    assert too_costly(otherwise(plan_bytes(), syntax), 100).startswith("it has more than 100")


def test_what_is_no_dicom_costs_nothing() -> None:
    for data in (b"", bytes(200), b"x" * 1000, bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 11):
        assert too_costly(data, PLAN_ELEMENTS) == ""
