"""Verified runs of a case become its published result: dose files, their sum, logs and the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from actors.errors import MqiError
from actors.results.folder import NewFolder, file_sha256, new_folder
from actors.results.frame import DoseFrame, dose_frame
from actors.results.manifest import NAME, PublishedDose, manifest_bytes, session_words
from actors.results.patient import plan_person
from actors.results.pixels import grid_scaling, pixel_blocks
from actors.results.raw_dose import Dose, read_raw
from actors.results.recalculated import other_inputs
from actors.results.rtdose import RT_ION_PLAN, DoseLabel, Person, header, phantom_person, pixel_element
from actors.results.verdict import Judgement, engine_sha256, is_gray, judge
from messages.engine import EngineProfile
from messages.faults import Blame, Fault
from messages.interpretation import BeamInput, SeriesReference
from messages.results import BeamResult, PublishCase, PublishedCase

LOG_LIMIT = 8 * 1024 * 1024
"""Bytes of an engine's log that are published; of a flood, its head and its tail."""


def publish_case(case: PublishCase) -> PublishedCase:
    """Publish ``<results_dir>/<case>/`` whole, and say what is in it; repeated with the same argument, the same bytes.

    Raises MqiError (blame OURS or INPUT) when a verified dose has changed, beams do not fit together, the plan is gone
    or another result is published already; OSError when the disk does not take it. Then nothing has appeared.
    """
    profile = EngineProfile.model_validate_json(case.profile_json)
    pairs = _paired(case)
    judgement = judge(case, profile, other_inputs(case, profile))
    folder = new_folder(Path(case.results_dir), case.interpretation.case, case.results_mount)
    try:
        return _write(_Publication(case, profile, judgement, pairs), folder)
    finally:
        folder.discard()


class _Publication:
    """What every file of one publication has in common."""

    def __init__(
        self,
        case: PublishCase,
        profile: EngineProfile,
        judgement: Judgement,
        pairs: tuple[tuple[BeamInput, BeamResult], ...],
    ) -> None:
        self.case, self.profile, self.judgement, self.pairs = case, profile, judgement, pairs
        interpretation = case.interpretation
        self.frames = [dose_frame(interpretation, profile, beam) for beam, _ in pairs]
        _check_one_frame(self.frames, pairs)
        phantom = self.frames[0].phantom
        self.person: Person = (
            phantom_person(interpretation.case) if phantom else plan_person(case.plan_path, interpretation)
        )
        self.attempts = "+".join(f"{beam.number}/{result.attempt}" for beam, result in pairs)

    def label(self, instance: int, key: str, beam: BeamInput | None) -> DoseLabel:
        """What the file of a beam (None: the sum) says of itself."""
        interpretation = self.case.interpretation
        phantom = self.frames[0].phantom
        what = "planned" if interpretation.planned else "delivered"
        marks = (
            "PLANNED" if interpretation.planned else "",
            "PARTIAL" if interpretation.partial else "",
            "" if interpretation.treatment else "QA",
            "PHANTOM" if phantom else "",
            "UNCOMMISSIONED" if self.judgement.uncommissioned else "",
            f"{what} dose, {f'beam {beam.number}' if beam else 'sum of beams'}",
        )
        in_beam_axes = "superposition in beam axes" if phantom else "sum over the session's beams"
        engine = engine_sha256(self.case.engine_version) or self.case.engine_version
        session = session_words(interpretation)
        of_what = f"beam {beam.number} {beam.name}" if beam else in_beam_axes
        comment = f"{session[0].upper()}{session[1:]}, physical; {of_what}"
        return DoseLabel(
            case=interpretation.case,
            instance=instance,
            key=key,
            beam=beam.number if beam else None,
            description=" ".join(mark for mark in marks if mark),
            comment=comment,
            plan_uid=interpretation.plan_uid,
            fraction_group=interpretation.fraction_group,
            gray=is_gray(self.profile, self.judgement),
            series_key=self.attempts,
            model=f"{self.profile.name}/{self.profile.version}",
            software=tuple(version for version in (self.case.daemon_version, engine) if version),
            references=() if phantom else self._references(),
        )

    def _references(self) -> tuple[SeriesReference, ...]:
        """Plan, images and structure set, as far as their series is known."""
        interpretation, series = self.case.interpretation, self.person.plan_series_uid
        plan = SeriesReference(interpretation.study_uid, series, RT_ION_PLAN, (interpretation.plan_uid,))
        return tuple(one for one in (plan, *interpretation.references) if one.series_uid and one.study_uid)


def _write(publication: _Publication, folder: NewFolder) -> PublishedCase:
    """All files, the manifest last; the sum is taken in float64 before anything is quantised."""
    case = publication.case
    total: Dose | None = None
    doses: dict[int, PublishedDose] = {}
    for position, ((beam, result), frame) in enumerate(zip(publication.pairs, publication.frames, strict=True)):
        dose = _scaled_dose(beam, result)
        label = publication.label(position + 1, f"{beam.number}/{result.attempt}", beam)
        doses[beam.number] = _write_dose(
            folder, f"beam_{beam.number}.dcm", dose, person=publication.person, frame=frame, label=label
        )
        folder.write(f"engine_{beam.number}.log", _log_blocks(Path(result.directory) / "engine.log"))
        total = dose if total is None else np.add(total, dose, out=total)
    assert total is not None, "a case has a beam"
    label = publication.label(len(publication.pairs) + 1, f"sum/{publication.attempts}", None)
    summed = _write_dose(folder, "sum.dcm", total, person=publication.person, frame=publication.frames[0], label=label)
    files = tuple(folder.proofs)
    judgement = publication.judgement
    proof = folder.write(
        NAME, [manifest_bytes(case, publication.profile, judgement, doses=doses, total=summed, files=files)]
    )
    folder.publish()
    return PublishedCase(
        path=str(folder.final),
        manifest_sha256=proof.sha256,
        files=files,
        verdict=judgement.verdict,
        sentences=judgement.sentences,
        uncommissioned=bool(judgement.uncommissioned),
        gray=is_gray(publication.profile, judgement),
        phantom=publication.frames[0].phantom,
    )


def _paired(case: PublishCase) -> tuple[tuple[BeamInput, BeamResult], ...]:
    """Every beam of the interpretation with its one result."""
    results = {result.number: result for result in case.beams}
    wanted = [beam.number for beam in case.interpretation.beams]
    if len(results) != len(case.beams) or sorted(results) != sorted(wanted) or not wanted:
        given = [result.number for result in case.beams]
        raise _error(f"Beams {given} have a result, beams {wanted} were interpreted: they must be the same.", "beams")
    return tuple((beam, results[beam.number]) for beam in case.interpretation.beams)


def _check_one_frame(frames: list[DoseFrame], pairs: tuple[tuple[BeamInput, BeamResult], ...]) -> None:
    """Only doses on one grid can be summed voxel by voxel."""
    for frame, (beam, _) in zip(frames, pairs, strict=True):
        if frame != frames[0]:
            what = f"The grid of beam {beam.number} is not that of beam {pairs[0][0].number}: they cannot be summed."
            raise _error(what, "grids-differ")


def _scaled_dose(beam: BeamInput, result: BeamResult) -> Dose:
    """The verified file once more, checked to be the same, times ``dose_scale``: in gray or relative."""
    path = Path(result.dose.path)
    try:
        if file_sha256(path) != result.dose.sha256:
            raise _error(f"The dose of beam {beam.number} is not the file that was verified.", "dose-changed", path)
        dose = read_raw(path, beam.grid.size)
    except FileNotFoundError:
        raise _error(f"The verified dose of beam {beam.number} is gone.", "dose-gone", path) from None
    return np.multiply(dose, beam.dose_scale, out=dose)


def _write_dose(
    folder: NewFolder, name: str, dose: Dose, *, person: Person, frame: DoseFrame, label: DoseLabel
) -> PublishedDose:
    """Write one dose [nz, ny, nx] in the units of the label, and say what its file can tell of it."""
    maximum = float(dose.max())
    if not (np.isfinite(maximum) and maximum > 0):
        raise _error(f"{name}: the scaled dose has a maximum of {maximum}.", "dose-scale")
    scaling = grid_scaling(maximum)
    folder.write(name, _file_blocks(frame, person, label, scaling, dose))
    return PublishedDose(file=name, maximum=maximum, scaling=scaling)


def _file_blocks(frame: DoseFrame, person: Person, label: DoseLabel, scaling: str, dose: Dose) -> Iterator[bytes]:
    yield header(frame, person, label, scaling)
    yield pixel_element(frame.size)
    yield from pixel_blocks(dose, scaling)


def _log_blocks(log: Path) -> Iterable[bytes]:
    """The engine's log; the middle of a flood is left out, and said to be."""
    try:
        size = log.stat().st_size
        with log.open("rb") as handle:
            if size <= LOG_LIMIT:
                return [handle.read(LOG_LIMIT)]
            head = handle.read(LOG_LIMIT // 2)
            handle.seek(-(LOG_LIMIT // 2), 2)
            tail = handle.read(LOG_LIMIT // 2)
    except FileNotFoundError:
        return [b"(the engine's log was not collected)\n"]
    return [head, f"\n[... {size - len(head) - len(tail)} bytes left out ...]\n".encode(), tail]


def _error(what: str, kind: str, where: Path | None = None) -> MqiError:
    return MqiError(
        Fault(
            what=what,
            where=str(where or ""),
            remedy="Nothing was published; retry the case to compute it again.",
            blame=Blame.OURS,
            kind=kind,
        )
    )
