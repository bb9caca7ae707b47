"""The machine's files once more: which deliveries a result was made of, every file checked against its proof.

The manifest keeps the figures of each layer, not its samples. Pictures of samples are drawn from the very files that
those figures were made of: one that is gone or was changed is a CaseError, and a reason to draw nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from actors.errors import CaseError
from actors.formats import plan_info, plan_range, plan_reader, ptn
from actors.formats.calibration import Calibration, parse_calibration
from actors.formats.counts import range_factor
from actors.formats.plan import Plan
from actors.formats.plan_info import PlanInfo
from actors.formats.plan_range import PlanRange
from actors.formats.ptn import PtnRows
from actors.formats.reading import KIB, MIB, read_bounded
from actors.reporter.published import FileRecord, Manifest


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The case folder, as far as it is still the one that was computed."""

    folder: Path
    proofs: Mapping[str, FileRecord]
    """Of every file that was read, by the manifest's path."""

    def read(self, name: str, limit: int) -> bytes:
        """A file's bytes; CaseError ``not-at-hand`` where it is not the file that was computed."""
        proof = self.proofs.get(name)
        for folder in (self.folder, self.folder.parent):  # a delivery may lie beside the case folder
            try:
                data = read_bounded(folder / name, limit, name, follow=False)
            except CaseError:
                continue
            if proof is not None and hashlib.sha256(data).hexdigest() == proof.sha256:
                return data
        raise _not_at_hand(f"{PurePosixPath(name).name} is gone from the case folder, or was changed since")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery folder."""

    folder: str
    """As the manifest names it."""
    info: PlanInfo
    ranges: PlanRange


def log_files(manifest: Manifest, case_folder: Path) -> LogFiles:
    return LogFiles(case_folder, {one.path: one for one in manifest.inputs})


def read_plan_again(files: LogFiles, name: str) -> Plan:
    """The plan that was delivered."""
    return plan_reader.parse_plan(files.read(name, plan_reader.LIMIT), name)


def read_calibration_again(paths: Sequence[tuple[str, str]], sha256: str) -> Calibration:
    """That one of the configured (gantry, file) by whose content the result was made."""
    for gantry, path in paths:
        try:
            data = Path(path).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(data).hexdigest() == sha256:
            return parse_calibration(gantry, data, path)
    raise _not_at_hand("the calibration that the result was made with is not configured any more")


def deliveries_of(files: LogFiles) -> dict[int, tuple[Delivery, ...]]:
    """Those of each beam by its number, in order of layers and then of time."""
    found: dict[int, list[Delivery]] = {}
    for name in files.proofs:
        if PurePosixPath(name).name == plan_info.NAME:
            delivery = _delivery(files, str(PurePosixPath(name).parent))
            found.setdefault(delivery.info.beam_number, []).append(delivery)
    return {
        beam: tuple(sorted(some, key=lambda one: (one.info.start_layer, one.info.stop_layer, one.info.stamp)))
        for beam, some in found.items()
    }


def rows_of(files: LogFiles, delivery: Delivery, layer: int) -> tuple[PtnRows, float]:
    """The measured rows of a layer, and counts per unit of the monitor."""
    row = delivery.ranges.row(layer)
    if row is None:
        raise _not_at_hand(f"layer {layer} is not in {plan_range.NAME}")
    name = str(PurePosixPath(delivery.folder) / row.ptn)
    subject = f"beam {delivery.info.beam_number}, layer {layer}"
    rows = ptn.parse_ptn(files.read(name, ptn.LIMIT), layer, subject, name)
    return rows, range_factor(row.dose1_range, subject, name)


def _delivery(files: LogFiles, folder: str) -> Delivery:
    info = files.read(str(PurePosixPath(folder) / plan_info.NAME), 64 * KIB)
    ranges = files.read(str(PurePosixPath(folder) / plan_range.NAME), 4 * MIB)
    return Delivery(folder, plan_info.parse_plan_info(info, folder), plan_range.parse_plan_range(ranges, folder))


def _not_at_hand(what: str) -> CaseError:
    return CaseError(what, "", "", "not-at-hand")
