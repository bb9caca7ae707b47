"""The C library's memory, kept in a few pools."""

from __future__ import annotations

import contextlib
import ctypes

ARENAS = 2
_M_ARENA_MAX = -8
"""malloc.h of the GNU C library."""


def few_arenas() -> None:
    """Before any thread is started. No effect where the C library is another one.

    glibc gives threads pools of their own, up to eight a core, and what lies free in one is of no use to the others: a
    daemon whose tasks are short threads grows for months without holding anything.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ctypes.c_int(_M_ARENA_MAX), ctypes.c_int(ARENAS))
