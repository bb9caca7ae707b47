"""A worker process: ``python -m actors.compute.worker PARENT_PID [MODULE…]``. The modules are imported before the first
call, so that it is as fast as the others. One call at a time, frames on stdin and stdout.

It never outlives the daemon, even one that was killed: the kernel kills it with the thread that started it, and it ends
by itself when its stdin does.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import gc
import importlib
import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from actors.compute.frames import Call, Raised, Ready, Returned, receive, send
from actors.errors import MqiError
from messages.faults import Blame, Fault

NICENESS = 5
PR_SET_PDEATHSIG = 1
MIB = 2**20
COLLECT_ABOVE_MB = 300.0
"""A collection costs more than a small call itself; below this nothing is worth giving back."""


def main(parent: int, modules: Sequence[str]) -> None:
    """Serve calls from stdin until it ends; ``parent`` is the process to die with."""
    calls, answers = _private_streams()
    _follow(parent)
    serve(calls, answers, modules)


def serve(calls: BinaryIO, answers: BinaryIO, modules: Sequence[str] = ()) -> None:
    """Warm up, say so, then answer call after call until there are no more."""
    for name in modules:
        _imported(name)
    send(answers, Ready(os.getpid()))
    while True:
        try:
            call = receive(calls)
        except EOFError:
            return
        assert isinstance(call, Call)
        send(answers, _answer(call))


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Frames travel on copies of fd 0 and 1; whatever a library prints goes to stderr and corrupts nothing."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return calls, answers


def _follow(parent: int) -> None:
    """Die with the daemon, not by the signals that ask the daemon to stop; leave the processor to it and to engines."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold patients' data
    faulthandler.enable()


def _answer(call: Call) -> Returned | Raised:
    try:
        value = pickle.dumps(_call(call), protocol=pickle.HIGHEST_PROTOCOL)
    except MqiError as error:
        return Raised(error.fault, _rss_mb())
    except BaseException as error:  # SystemExit too: what a function raises never ends the process
        return Raised(_no_room(call.function, error) or _our_fault(call.function, error), _rss_mb())
    return Returned(value, _rss_mb())


def _call(call: Call) -> object:
    module, _, name = call.function.partition(":")
    function = getattr(_imported(module), name)
    return function(pickle.loads(call.argument))


def _imported(name: str) -> ModuleType:
    """Import once; what libraries hold for ever is then left out of every later collection."""
    known = sys.modules.get(name)
    if known is not None:
        return known
    module = importlib.import_module(name)
    gc.freeze()
    return module


def _no_room(function: str, error: BaseException) -> Fault | None:
    """The fault of a disk that is full; None: it is something else."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return Fault(
        what=f"There is no room to write: {error.strerror}.",
        where=os.fsdecode(error.filename) if error.filename else function,
        remedy="Make room on that disk; it is tried again.",
        blame=Blame.OURS,
        kind="disk-full",
    )


def _our_fault(function: str, error: BaseException) -> Fault:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
    text = " ".join(str(error).split())
    return Fault(
        what=f"{function} failed by a fault of ours: {type(error).__name__}{f': {text}' if text else ''} at {place}.",
        where=function,
        remedy="It is tried again; if it stays, report it with this line.",
        blame=Blame.OURS,
        kind="compute-error",
    )


def _rss_mb() -> float:
    """Memory held now; where it is much, after what can be given back was."""
    held = _resident_mb()
    if held > COLLECT_ABOVE_MB:
        gc.collect()
        held = _resident_mb()
    return held


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MIB


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
