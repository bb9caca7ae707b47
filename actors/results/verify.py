"""Is a collected run a dose? Exit status and the files decide; never the log, never a file's mere presence."""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from actors.crash_points import effect
from actors.results.evidence import accepted_exit, engine_error
from actors.results.noise import is_mean, relative_sigma
from actors.results.raw_dose import RawDose, read_raw, scan_raw
from messages.files import FileProof
from messages.interpretation import BeamInput
from messages.jobs import JobExit
from messages.results import VerifiedDose, VerifyRun

CLOCK_SLACK = timedelta(seconds=2)
"""File systems stamp files by a clock that ticks coarsely, and a file server by a clock of its own."""


def verify_run(run: VerifyRun) -> VerifiedDose:
    """The verified dose of one attempt, or MqiError naming what is wrong (FORMATS "Accept a result only if").

    ``run.directory`` holds ``exit.json``, ``engine.log`` and ``out/`` with the modification times of the host.
    """
    directory = Path(run.directory)
    ended = accepted_exit(run, directory)
    collected = {proof.path: proof for proof in run.collected}
    found = [_the_file(run, pattern, collected) for pattern in run.beam.expected]
    if not found:
        raise engine_error(run, "The profile expects no output file.", "output-missing", directory)
    with effect("verify"):
        doses = [_examined(run, directory, proof, ended) for proof in found]
    first = doses[0]
    noise = _noise(run, directory, [proof.path for proof in found])
    assert ended.exit_code is not None, "an accepted exit has an exit code"
    return VerifiedDose(
        key=run.key,
        path=str(directory / found[0].path),
        sha256=first.sha256,
        maximum=first.maximum,
        total=first.total,
        exit_code=ended.exit_code,
        started=ended.started,
        ended=ended.ended,
        notes=_implausible(run.beam, first),
        noise=noise,
    )


def _noise(run: VerifyRun, directory: Path, found: list[str]) -> float | None:
    """The uncertainty from the half-runs, where there are any. A fault of the run: halves that are no two estimates."""
    if not run.beam.halves:
        return None
    of_pattern = dict(zip(run.beam.expected, found, strict=True))
    paths = [directory / of_pattern[pattern] for pattern in run.beam.halves]
    first, second = (read_raw(path, run.beam.grid.size) for path in paths)
    try:
        sigma = relative_sigma(first, second)
    except ValueError as error:
        raise engine_error(run, f"Half-runs: {error}.", "output-halves", paths[0]) from None
    whole = read_raw(directory / found[0], run.beam.grid.size)
    if not is_mean(whole, first, second):
        raise engine_error(run, "Half-runs: the dose is not their mean.", "output-halves", paths[0])
    return sigma


def _the_file(run: VerifyRun, pattern: str, collected: dict[str, FileProof]) -> FileProof:
    """The one collected file that an expected pattern names."""
    matching = sorted(path for path in collected if fnmatchcase(path, f"out/{pattern}"))
    where = Path(run.directory) / "out"
    if not matching:
        raise engine_error(run, f"The engine wrote no file {pattern}, though it ended well.", "output-missing", where)
    if len(matching) > 1:
        names = ", ".join(matching)
        raise engine_error(run, f"{len(matching)} files match {pattern}: {names}.", "output-ambiguous", where)
    return collected[matching[0]]


def _examined(run: VerifyRun, directory: Path, proof: FileProof, ended: JobExit) -> RawDose:
    """Everything that is asked of one output file, cheapest first."""
    path = directory / proof.path
    if path.is_symlink() or not path.is_file():
        raise engine_error(run, f"{proof.path} was collected, but is no regular file here.", "output-missing", path)
    size, expected = path.stat().st_size, _expected_bytes(run.beam)
    if size != expected:
        grid = "×".join(str(number) for number in run.beam.grid.size)
        what = f"{proof.path} has {size} bytes, not the {expected} of a grid of {grid} (8 bytes a voxel)."
        raise engine_error(run, what, "output-size", path)
    _check_fresh(run, path, ended)
    dose = scan_raw(path)
    if dose.sha256 != proof.sha256:
        raise engine_error(run, f"{proof.path} is not the file that was collected.", "output-changed", path)
    _check_values(run, path, dose)
    return dose


def _expected_bytes(beam: BeamInput) -> int:
    nx, ny, nz = beam.grid.size
    return nx * ny * nz * 8


def _check_fresh(run: VerifyRun, path: Path, ended: JobExit) -> None:
    """Written during the run. A host's clock that was set back meanwhile is told by the duration, which has none."""
    start = _time(run, path, ended.started)
    end = _time(run, path, ended.ended)
    earliest = min(start, end - timedelta(seconds=ended.duration_s)) - CLOCK_SLACK
    modified = datetime.fromtimestamp(path.stat().st_mtime, tz=start.tzinfo)
    if modified < earliest:
        age = f"written {modified.isoformat(timespec='seconds')}, the engine began {ended.started}"
        raise engine_error(run, f"{path.name} is older than the run ({age}).", "output-stale", path)


def _time(run: VerifyRun, path: Path, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        what = f"exit.json says {text!r} for a time: no time with an offset."
        raise engine_error(run, what, "exit-unreadable", path.parent.parent)
    return time


def _check_values(run: VerifyRun, path: Path, dose: RawDose) -> None:
    if not dose.finite:
        raise engine_error(run, f"{path.name} has voxels that are not finite numbers.", "output-nan", path)
    if dose.minimum < 0:
        raise engine_error(run, f"{path.name} has negative dose (down to {dose.minimum:g}).", "output-negative", path)
    if not dose.total > 0:
        raise engine_error(run, f"{path.name} has no dose at all: every voxel is zero.", "output-zero", path)


def _implausible(beam: BeamInput, dose: RawDose) -> tuple[str, ...]:
    """What a physicist should look at: a maximum on a face of the grid, but not where the beam comes in (highest z)."""
    index = dose.maximum_at
    size = beam.grid.size
    x, y, z = index % size[0], index // size[0] % size[1], index // (size[0] * size[1])
    faces = [
        name
        for name, at, last, thick in (
            ("x", x, (0, size[0] - 1), size[0]),
            ("y", y, (0, size[1] - 1), size[1]),
            ("z", z, (0,), size[2]),
        )
        if thick > 2 and at in last
    ]
    if not faces:
        return ()
    where = " and ".join(faces)
    return (f"Beam {beam.number}: the maximum dose lies on the grid's edge along {where}; is the grid large enough?",)
