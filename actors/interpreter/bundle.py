"""A case packed to be sent to a host: exactly the files that the interpreter reads, and what it is asked."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from actors.crash_points import effect
from actors.errors import CaseError, MqiError
from actors.formats import ct, mgn, plan_info, plan_range, ptn
from actors.formats.plan_reader import LIMIT
from actors.formats.reading import KIB, MIB, read_bounded
from actors.interpreter import far
from actors.interpreter.collect import layer_files
from actors.interpreter.images import image_files
from actors.interpreter.interpret import interpret
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.interpretation import Interpretation, InterpretCase, PackCase, PackedCase

_LIMITS = {".ptn": ptn.LIMIT, ".mgn": mgn.LIMIT, ".dcm": ct.LIMIT}
_TEXT_LIMIT = 4 * MIB
_CALIBRATION_LIMIT = 64 * KIB


def pack(order: PackCase) -> PackedCase | Interpretation:
    """Copies the case's files into ``order.target``, with the request beside them; see ``messages`` for the value.

    Raises what ``interpret`` raises for a case with a file that cannot be sent, in its own words; MqiError (blame OURS,
    kind ``disk``) when the bundle cannot be written.
    """
    request = far.settled(order.request)
    target = Path(order.target)
    try:
        document = far.request_bytes(far.FarRequest(far.release(), request))
        if target.exists():
            with effect("interpret.clear"):
                shutil.rmtree(target)
        proofs = [_written(target, far.REQUEST, document)]
        for path, limit, follow in _read_by_interpreter(request):
            data = read_bounded(path, limit, "A file of the case", follow=follow)
            proofs.append(_written(target, f"{far.FILES}/{far.mirrored(path)}", data))
    except (CaseError, ValueError):
        return interpret(order.request)
    except OSError as error:
        raise MqiError(
            Fault(
                f"The case cannot be packed for a host: {error.strerror or error}.",
                order.target,
                "Make room, or check the state folder's disk and rights, and the share.",
                Blame.OURS,
                "disk",
            )
        ) from error
    files = tuple(sorted(set(proofs), key=lambda proof: proof.path))
    text = "\n".join(f"{proof.sha256} {proof.path}" for proof in files)
    return PackedCase(order.target, files, far.REQUEST, hashlib.sha256(os.fsencode(text)).hexdigest())


def _read_by_interpreter(request: InterpretCase) -> Iterator[tuple[Path, int, bool]]:
    """Path, most bytes, and whether a link in its place is read through. A layer file that is missing is not listed."""
    plan = Path(request.source.plan_path)
    yield plan, LIMIT, False
    for path in image_files(request):
        yield path, ct.LIMIT, False
    for delivery in request.source.deliveries:
        folder = Path(delivery.path)
        for name in (plan_info.NAME, plan_range.NAME, *layer_files(delivery.path)):
            yield folder / name, _LIMITS.get(Path(name).suffix.casefold(), _TEXT_LIMIT), False
    for calibration in sorted({name for _, name in request.calibrations}):
        yield Path(calibration), _CALIBRATION_LIMIT, True


def _written(target: Path, name: str, data: bytes) -> FileProof:
    path = target / name
    with effect("pack.write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return FileProof(name, len(data), hashlib.sha256(data).hexdigest())
