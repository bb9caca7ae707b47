"""DICOM UIDs that the same case, beam and attempt always get (PS3.5 B.2: 2.25. and a UUID as an integer)."""

from __future__ import annotations

from uuid import UUID, uuid5

_OURS = UUID("6f2f1c56-5a35-5c0e-9d0b-6d7169646f73")
"""Namespace of all our UIDs."""


def uid(*parts: object) -> str:
    """The UID of what ``parts`` name together; at most 44 characters, never by the clock or by chance."""
    return f"2.25.{uuid5(_OURS, '/'.join(str(part) for part in parts)).int}"


IMPLEMENTATION_UID = uid("implementation")
"""ImplementationClassUID of our files."""
