"""What lies beside the plan: the CT that the engine scores in, and structures of which it knows nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.errors import CaseError
from actors.formats import ct
from actors.formats.ct import CtSlice, CtVolume, classify, volume_of
from actors.formats.reading import KIB, read_head, shown
from actors.formats.structures import STRUCTURE_SET, StructureSet
from actors.interpreter.collect import InputLog
from actors.interpreter.engine_input import DICOM_DIR
from actors.interpreter.staging import Staging
from messages.interpretation import InterpretCase, SeriesReference

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_HEAD_BYTES = 4 * KIB
# MediaStorageSOPClassUID; the file meta information is explicit VR little endian in every file (PS3.10 7.1).
_SOP_CLASS = b"\x02\x00\x02\x00UI"
_MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Images:
    """Files of the case folder beside the plan, as far as they matter to a dose."""

    volume: CtVolume | None
    """The CT in the plan's frame of reference, staged for every beam; None where nothing is scored in a CT."""
    unseen: tuple[str, ...]
    """What structure sets say that the engine does not know of, each the end of a sentence."""
    structure_sets: tuple[StructureSet, ...] = ()
    """Those in the plan's frame of reference."""

    def references(self, named: Sequence[str]) -> tuple[SeriesReference, ...]:
        """The images that are scored in, by series, and the structure set that belongs to the plan.

        named: SOPInstanceUIDs of structure sets that the plan refers to; none: the only one that there is.
        """
        series: dict[tuple[str, str], list[str]] = {}
        for one in self.volume.slices if self.volume is not None else ():
            series.setdefault((one.study_uid, one.series_uid), []).append(one.uid)
        sets = [one for one in self.structure_sets if not named or one.uid in named]
        return (
            *(SeriesReference(*key, _CT_IMAGE, tuple(uids)) for key, uids in series.items()),
            *(
                SeriesReference(one.study_uid, one.series_uid, STRUCTURE_SET, (one.uid,))
                for one in sets
                if len(sets) == 1
            ),
        )


def read_images(
    request: InterpretCase, frame_of_reference: str, inputs: InputLog, staging: Staging, parts: Sequence[str]
) -> Images:
    """Structure sets, whatever is scored in: they tell of boluses, couches and densities that no phantom has either.

    The CT only where the profile scores in it: staged once and shared by every part. CaseError: a file cannot be read,
    or the CT is one that the engine would misread (``ct-…``, see ``volume_of``).
    """
    slices: list[CtSlice] = []
    unseen: list[str] = []
    sets: list[StructureSet] = []
    for path in image_files(request):
        data = inputs.read(path, ct.LIMIT, "A DICOM file of the case")
        found = classify(data, shown(path))
        unseen += found.unseen
        if found.structure_set is not None and frame_of_reference in found.structure_set.frames_of_reference:
            sets.append(found.structure_set)
        if found.slice is not None and found.slice.frame_of_reference == frame_of_reference:
            slices.append(found.slice)
            staging.write(parts[0], f"{DICOM_DIR}/CT.{len(slices):04d}.dcm", data)
    volume = volume_of(slices, request.profile) if request.profile.geometry == "ct" else None
    for part in parts[1:]:
        staging.share(parts[0], part, f"{DICOM_DIR}/CT.")
    return Images(volume, tuple(unseen), tuple(sets))


def image_files(request: InterpretCase) -> Iterator[Path]:
    """The DICOM files beside the plan that matter to this profile, by name."""
    wanted = {STRUCTURE_SET, _CT_IMAGE} if request.profile.geometry == "ct" else {STRUCTURE_SET}
    for name in _dicom_names(request.source.path):
        path = Path(request.source.path) / name
        if path != Path(request.source.plan_path) and _sop_class(path) in wanted:
            yield path


def _sop_class(path: Path) -> str:
    """MediaStorageSOPClassUID of a DICOM file, from its first bytes; empty when it has none."""
    head = read_head(path, _HEAD_BYTES)
    value = head.find(_SOP_CLASS) + len(_SOP_CLASS) + 2
    if value < len(_SOP_CLASS) + 2:
        return ""
    length = int.from_bytes(head[value - 2 : value], "little")
    return head[value : value + length].rstrip(b"\0 ").decode("ascii", "replace")


def _dicom_names(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.casefold().endswith(".dcm") and entry.is_file(follow_symlinks=False)
        )
    if len(names) > _MAX_ENTRIES:
        raise CaseError(
            f"The case has {len(names)} DICOM files.", shown(folder), "Check what was sent.", "folder-too-large"
        )
    return names
