"""What the scanner tells itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """To myself: a full scan is due."""


@dataclass(frozen=True, slots=True)
class Wake:
    """To myself: some folder's time has come."""


@dataclass(frozen=True, slots=True)
class Sync:
    """To myself: ask the ledger how waiting and failed cases stand."""


@dataclass(frozen=True, slots=True)
class AskKnown:
    """To myself: ask the ledger what it knows, unless it has answered."""
