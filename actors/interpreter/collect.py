"""The case's files as they are read: every byte hashed, every layer found by the name that PlanRange gives it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from actors.errors import CaseError
from actors.formats import mgn, plan_info, plan_range, ptn
from actors.formats.counts import range_factor
from actors.formats.mgn import MagnetScan
from actors.formats.plan import PlanBeam
from actors.formats.plan_info import PlanInfo
from actors.formats.plan_range import PlanRange, RangeRow
from actors.formats.ptn import PtnRows
from actors.formats.reading import KIB, MIB, input_name, read_bounded, shown
from messages.cases import DeliverySource
from messages.files import FileProof

ENERGY_TOLERANCE_MEV = 0.01
_MAX_ENTRIES = 10_000


class InputLog:
    """Reads files of the case and remembers what was read, with size and SHA-256."""

    def __init__(self, case_folder: str) -> None:
        self._folder = case_folder
        self._proofs: dict[str, FileProof] = {}

    def read(self, path: str | Path, limit: int, what: str) -> bytes:
        """Content of a file of at most ``limit`` bytes; see ``read_bounded`` for its errors."""
        data = read_bounded(path, limit, what, follow=False)
        name = input_name(path, self._folder)
        self._proofs[name] = FileProof(name, len(data), hashlib.sha256(data).hexdigest())
        return data

    @property
    def proofs(self) -> tuple[FileProof, ...]:
        """Every file that was read, by path."""
        return tuple(self._proofs[name] for name in sorted(self._proofs))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery folder, opened."""

    source: DeliverySource
    info: PlanInfo
    range: PlanRange


@dataclass(frozen=True, slots=True)
class LayerPart:
    """What one delivery holds of one layer."""

    rows: PtnRows
    scan: MagnetScan
    factor: float
    """Counts per unit of dose1."""


def open_delivery(source: DeliverySource, inputs: InputLog) -> Delivery:
    """Reads PlanInfo and PlanRange and checks that the folder still is what the scanner saw, with no layer file more.

    CaseError ``delivery-changed``, ``layer-missing`` or ``layer-extra`` names beam and layer.
    """
    data = inputs.read(Path(source.path) / plan_info.NAME, 64 * KIB, plan_info.NAME)
    info = plan_info.parse_plan_info(data, shown(Path(source.path) / plan_info.NAME))
    expected = (source.beam_number, source.start_layer, source.stop_layer)
    if (info.beam_number, info.start_layer, info.stop_layer) != expected:
        raise CaseError(
            f"PlanInfo.txt now names beam {info.beam_number}, layers {info.start_layer} to {info.stop_layer};"
            f" the case was made with beam {expected[0]}, layers {expected[1]} to {expected[2]}.",
            shown(source.path),
            "Wait for the next scan.",
            "delivery-changed",
        )
    data = inputs.read(Path(source.path) / plan_range.NAME, 4 * MIB, plan_range.NAME)
    ranges = plan_range.parse_plan_range(data, shown(Path(source.path) / plan_range.NAME))
    _check_files(source, info, ranges)
    return Delivery(source, info, ranges)


def read_layer(delivery: Delivery, beam: PlanBeam, layer: int, inputs: InputLog) -> LayerPart:
    """Files of one layer, by the names that PlanRange gives, checked against the plan's energy.

    CaseError names beam and layer: ``energy-mismatch``, ``range-code-unknown``, ``file-missing``, ``layer-truncated``,
    ``layer-mixed``, ``scan-truncated``.
    """
    row = _row(delivery, layer)
    subject = f"beam {beam.number}, layer {layer}"
    planned = beam.layers[layer - 1].energy_mev
    if abs(row.energy_mev - planned) > ENERGY_TOLERANCE_MEV + 1e-9:
        raise CaseError(
            f"Beam {beam.number}, layer {layer} was delivered with {row.energy_mev:.2f} MeV,"
            f" the plan has {planned:.2f} MeV.",
            shown(Path(delivery.source.path) / plan_range.NAME),
            "Check which plan was delivered.",
            "energy-mismatch",
        )
    factor = range_factor(row.dose1_range, f"Beam {beam.number}, layer {layer}", shown(delivery.source.path))
    path = Path(delivery.source.path) / row.ptn
    rows = ptn.parse_ptn(inputs.read(path, ptn.LIMIT, f"The measured file of {subject}"), layer, subject, shown(path))
    path = Path(delivery.source.path) / row.mgn
    scan = mgn.parse_mgn(inputs.read(path, mgn.LIMIT, f"The planned scan of {subject}"), subject, shown(path))
    return LayerPart(rows, scan, factor)


def _row(delivery: Delivery, layer: int) -> RangeRow:
    row = delivery.range.row(layer)
    if row is None:
        raise _layer_error("layer-missing", delivery, f"layer {layer} is not in PlanRange.txt")
    return row


def _check_files(source: DeliverySource, info: PlanInfo, ranges: PlanRange) -> None:
    """Every layer file in the folder belongs to a layer that was delivered, and each of those is named."""
    delivery = Delivery(source, info, ranges)
    for layer in range(info.start_layer, info.stop_layer + 1):
        _row(delivery, layer)
    wanted = {name.casefold() for row in ranges.span(info.start_layer, info.stop_layer) for name in (row.ptn, row.mgn)}
    named = {name.casefold(): row.layer for row in ranges.rows for name in (row.ptn, row.mgn)}
    for name in layer_files(source.path):
        if name.casefold() not in wanted:
            owner = named.get(name.casefold())
            what = f"layer {owner}, which PlanInfo.txt does not deliver" if owner else "no layer of PlanRange.txt"
            raise _layer_error("layer-extra", delivery, f"the file {shown(name)} is of {what}")


def layer_files(folder: str) -> list[str]:
    """Names of the files of a delivery that can only be a layer's."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _MAX_ENTRIES:
                    raise CaseError(
                        f"The delivery has over {_MAX_ENTRIES} files.", shown(folder), "", "folder-too-large"
                    )
                if entry.name.casefold().endswith((".ptn", ".mgn")):
                    names.append(entry.name)
    except OSError as error:
        raise CaseError(
            f"The delivery cannot be read: {error.strerror}.", shown(folder), "Check the share.", "file-unreadable"
        ) from None
    return sorted(names)


def _layer_error(kind: str, delivery: Delivery, what: str) -> CaseError:
    return CaseError(
        f"Beam {delivery.info.beam_number}: {what}.", shown(delivery.source.path), "Send the delivery again.", kind
    )
