"""What a DICOM file would cost to decode, told from its headers alone (PS3.5 7, PS3.10 7.1).

A decoder makes an object of every element: a damaged or hostile file of some megabytes can hold millions of them, and a
deflated one has no bound at all. So the headers are counted before anything is decoded, nested ones included.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

PLAN_ELEMENTS = 200_000
"""A plan of 3 fields and 108 layers has some 2,400."""
IMAGE_ELEMENTS = 500_000
"""A structure set of 50 regions on 300 slices has some 100,000."""

_PREFIX = 132
_EXPLICIT_BIG, _IMPLICIT, _DEFLATED = b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1.99"
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_UNDEFINED = 0xFFFFFFFF
_META, _ITEMS = 0x0002, 0xFFFE
_SYNTAX, _PIXELS, _ITEM = (0x0002, 0x0010), (0x7FE0, 0x0010), (0xFFFE, 0xE000)


def too_costly(data: bytes, most: int) -> str:
    """Why the file is not to be decoded, the end of a sentence; empty: decode it."""
    syntax, start = _meta(data)
    if syntax == _DEFLATED:
        return "it is deflated"
    for number, _ in enumerate(_headers(data, start, implicit=syntax == _IMPLICIT, big=syntax == _EXPLICIT_BIG)):
        if number >= most:
            return f"it has more than {most} elements"
    return ""


def _meta(data: bytes) -> tuple[bytes, int]:
    """Transfer syntax (empty when it is not told), and where the data set begins."""
    syntax, end = b"", _PREFIX
    for tag, begin, stop in _headers(data, _PREFIX, implicit=False, big=False):
        if tag[0] != _META:
            break
        end = stop
        if tag == _SYNTAX:
            syntax = data[begin:stop].rstrip(b"\0 ")
    return syntax, end


def _headers(data: bytes, at: int, *, implicit: bool, big: bool) -> Iterator[tuple[tuple[int, int], int, int]]:
    """(tag, begin of the value, end of the value) of every element and item, up to the pixels or what is no header."""
    order = ">" if big else "<"
    tags, longs, shorts = Struct(f"{order}HH"), Struct(f"{order}I"), Struct(f"{order}H")
    item, last = tags.pack(*_ITEM), len(data) - 8
    while at <= last:
        tag = tags.unpack_from(data, at)
        kind = data[at + 4 : at + 6]
        inside = tag[0] == _ITEMS
        if inside or implicit:
            begin, length = at + 8, longs.unpack_from(data, at + 4)[0]
        elif kind not in _LONG:
            begin, length = at + 8, shorts.unpack_from(data, at + 6)[0]
        elif at <= last - 4:
            begin, length = at + 12, longs.unpack_from(data, at + 8)[0]
        else:
            return
        # What holds elements is entered: items, and whatever has no length or begins with an item.
        inside = inside or length == _UNDEFINED or data.startswith(item, begin)
        at = begin if inside else begin + length
        yield tag, begin, at
        if tag == _PIXELS:
            return
