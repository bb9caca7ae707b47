"""A daemon of many short threads stays small: the pools of the C library are few."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, sys, threading
from actors.cli.daemon.memory import few_arenas
if sys.argv[1] == "few":
    few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
gate = threading.Barrier(25)
def take():
    libc.malloc(ctypes.c_size_t(1000))
    gate.wait()
for _ in range(24):
    threading.Thread(target=take).start()
libc.malloc_stats()
gate.wait()
"""


def pools(word: str) -> int:
    done = subprocess.run([sys.executable, "-c", CODE, word], capture_output=True, text=True, check=True, timeout=60)
    return done.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pools_are_few_whatever_threads_there_are() -> None:
    assert pools("few") <= 2 < pools("many")
