"""A run is a dose only with exit status 0 of this very attempt and a file that can be one (P24, P27)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from actors.errors import MqiError
from actors.results import verify_run
from messages.faults import Blame
from messages.results import VerifyRun
from tests.integration.results.run_maker import (
    EPOCH,
    GRID,
    a_dose,
    again,
    beam_input,
    collected_run,
    exit_json,
    make_old,
)

Spoil = Callable[[VerifyRun, Path], VerifyRun]


def failure(run: VerifyRun) -> MqiError:
    with pytest.raises(MqiError) as caught:
        verify_run(run)
    return caught.value


def test_a_good_run_is_a_dose(tmp_path: Path) -> None:
    run = collected_run(tmp_path)
    dose = verify_run(run)
    values = a_dose(seed=run.beam.number)
    assert dose.key == run.key
    assert dose.path == f"{run.directory}/out/1_0_Dose.raw"
    assert dose.sha256 == run.collected[0].sha256
    assert (dose.maximum, dose.exit_code, dose.notes) == (2.0, 0, ())
    assert dose.total == pytest.approx(values.sum(), rel=1e-12)


def edit_dose(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(run: VerifyRun, output: Path) -> VerifyRun:
        nx, ny, nz = GRID.size
        output.write_bytes(change(np.fromfile(output).reshape(nz, ny, nx)).tobytes())
        return again(run)

    return spoil


def voxel(value: float) -> Spoil:
    def change(dose: np.ndarray) -> np.ndarray:
        dose[1, 2, 3] = value
        return dose

    return edit_dose(change)


def no_file(run: VerifyRun, output: Path) -> VerifyRun:
    output.unlink()
    return again(run)


def gone_after_collection(run: VerifyRun, output: Path) -> VerifyRun:
    output.unlink()
    return run


def a_link(run: VerifyRun, output: Path) -> VerifyRun:
    output.rename(output.with_name("elsewhere"))
    output.symlink_to("elsewhere")
    return run


def twice(run: VerifyRun, output: Path) -> VerifyRun:
    output.with_name("2_0_Dose.raw").write_bytes(output.read_bytes())
    return again(run)


def stale(run: VerifyRun, output: Path) -> VerifyRun:
    make_old(output)
    return run


def changed_since(run: VerifyRun, output: Path) -> VerifyRun:
    content = bytearray(output.read_bytes())
    content[7] ^= 1
    output.write_bytes(content)
    return run


def half_written(run: VerifyRun, output: Path) -> VerifyRun:
    os.truncate(output, output.stat().st_size // 2 + 3)
    return again(run)


def empty(run: VerifyRun, output: Path) -> VerifyRun:
    output.write_bytes(b"")
    return again(run)


@pytest.mark.promise("P24")
@pytest.mark.promise("P27")
@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        pytest.param(no_file, "output-missing", "no file *_Dose.raw, though it ended well", id="missing"),
        pytest.param(gone_after_collection, "output-missing", "no regular file", id="gone"),
        pytest.param(a_link, "output-missing", "no regular file", id="link"),
        pytest.param(twice, "output-ambiguous", "2 files match", id="ambiguous"),
        pytest.param(half_written, "output-size", "not the 960 of a grid of 6×5×4", id="truncated"),
        pytest.param(empty, "output-size", "has 0 bytes", id="empty"),
        pytest.param(edit_dose(lambda dose: dose[:-1]), "output-size", "has 720 bytes", id="wrong grid"),
        pytest.param(edit_dose(lambda dose: dose.astype("<f4")), "output-size", "has 480 bytes", id="single precision"),
        pytest.param(stale, "output-stale", "older than the run", id="stale"),
        pytest.param(changed_since, "output-changed", "not the file that was collected", id="changed"),
        pytest.param(voxel(float("nan")), "output-nan", "not finite", id="nan"),
        pytest.param(voxel(float("inf")), "output-nan", "not finite", id="inf"),
        pytest.param(voxel(-1e-9), "output-negative", "negative dose (down to -1e-09)", id="negative"),
        pytest.param(edit_dose(lambda dose: dose * 0), "output-zero", "every voxel is zero", id="all zero"),
    ],
)
def test_a_bad_dose_is_a_failed_attempt_named_as_such(tmp_path: Path, spoil: Spoil, kind: str, words: str) -> None:
    run = collected_run(tmp_path)
    fault = failure(spoil(run, Path(run.directory) / "out" / "1_0_Dose.raw")).fault
    assert (fault.kind, fault.blame) == (kind, Blame.ENGINE)
    assert words in fault.what
    assert "Beam 3, attempt 1" in fault.what


@pytest.mark.promise("P24")
@pytest.mark.parametrize(
    ("changes", "kind", "words", "blame"),
    [
        ({"exit_code": 1}, "exit-code", "exit code 1; its last words: Time taken", Blame.ENGINE),
        ({"exit_code": 134}, "exit-code", "it aborted", Blame.ENGINE),
        ({"exit_code": 139}, "exit-code", "segmentation fault", Blame.ENGINE),
        ({"exit_code": 255}, "exit-code", "CUDA error", Blame.GPU),
        ({"exit_code": None, "signal": 9}, "exit-signal", "died of signal 9", Blame.ENGINE),
        ({"timed_out": True}, "exit-timeout", "within 60 s", Blame.ENGINE),
        ({"cancelled": True}, "exit-cancelled", "cancelled", Blame.ENGINE),
        ({"epoch": EPOCH + 1}, "exit-foreign", "epoch", Blame.ENGINE),
        ({"key": "another/3/1"}, "exit-foreign", "another run, another/3/1", Blame.ENGINE),
        ({"exit_code": None}, "exit-unreadable", "cannot be read", Blame.ENGINE),
        ({"started": "yesterday"}, "exit-unreadable", "no time with an offset", Blame.ENGINE),
        ({"started": "2024-02-29T10:20:00"}, "exit-unreadable", "no time with an offset", Blame.ENGINE),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_success_needs_exit_status_0_of_this_very_attempt(
    tmp_path: Path, changes: dict[str, object], kind: str, words: str, blame: Blame
) -> None:
    """The dose beside it is good, and the log says that all went well."""
    fault = failure(collected_run(tmp_path, exit_changes=changes)).fault
    assert (fault.kind, fault.blame) == (kind, blame)
    assert words in fault.what


@pytest.mark.promise("P24")
@pytest.mark.parametrize("content", [None, "", "{", '{"exit_code": 0}', "[]", "null"])
def test_without_a_whole_exit_json_nothing_is_proven(tmp_path: Path, content: str | None) -> None:
    run = collected_run(tmp_path)
    path = Path(run.directory) / "exit.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert failure(run).fault.kind == ("exit-missing" if content is None else "exit-unreadable")


def test_a_log_that_is_missing_or_garbage_decides_nothing(tmp_path: Path) -> None:
    run = collected_run(tmp_path)
    log = Path(run.directory) / "engine.log"
    log.write_bytes(b"\xff\x00 ERROR: everything failed\n\n")
    verify_run(run)
    log.unlink()
    verify_run(run)
    (Path(run.directory) / "exit.json").write_text(exit_json(run.key, exit_code=1))
    assert failure(run).fault.what.endswith("exit code 1.")


def test_a_file_server_a_second_behind_is_not_stale(tmp_path: Path) -> None:
    run = collected_run(tmp_path)
    make_old(Path(run.directory) / "out" / "1_0_Dose.raw", seconds=1)
    verify_run(run)


@pytest.mark.promise("P27")
def test_every_expected_file_is_examined(tmp_path: Path) -> None:
    beam = beam_input(expected=("*_Dose.raw", "*_LET.raw"))
    run = collected_run(tmp_path, beam)
    assert failure(run).fault.kind == "output-missing"
    let = Path(run.directory) / "out" / "1_0_LET.raw"
    let.write_bytes(a_dose().tobytes())
    assert verify_run(again(run)).path.endswith("_Dose.raw")
    let.write_bytes((a_dose() * 0).tobytes())
    assert failure(again(run)).fault.kind == "output-zero"
    assert failure(replace(run, beam=replace(beam, expected=()))).fault.kind == "output-missing"


@pytest.mark.promise("P8")
def test_odd_output_names_are_found(tmp_path: Path) -> None:
    verify_run(collected_run(tmp_path, output="G000: 김 [1]_0_Dose.raw"))


@pytest.mark.parametrize(
    ("at", "axes"),
    [((0, 2, 2), "z"), ((1, 0, 2), "y"), ((1, 2, 5), "x"), ((0, 4, 0), "x and y and z"), ((3, 2, 2), "")],
)
def test_a_maximum_on_the_grids_edge_is_a_note_and_no_failure(
    tmp_path: Path, at: tuple[int, int, int], axes: str
) -> None:
    values = a_dose()
    values[at] = 9.0
    notes = verify_run(collected_run(tmp_path, dose=values)).notes
    assert (f"edge along {axes};" in notes[0]) if axes else (notes == ())


def test_a_large_dose_is_read_in_blocks(tmp_path: Path) -> None:
    grid = GRID.model_copy(update={"size": (100, 100, 60)})
    values = a_dose(grid)
    values[-1, -1, 0] = 5.0
    values[0, 0, 0] = 4.9
    dose = verify_run(collected_run(tmp_path, beam_input(grid=grid), dose=values))
    assert (dose.maximum, len(dose.notes)) == (5.0, 1)
    values[-1, -1, -1] = np.nan
    run = collected_run(tmp_path, beam_input(grid=grid), dose=values, attempt=2)
    assert failure(run).fault.kind == "output-nan"


@pytest.mark.promise("P21")
def test_a_clock_that_was_set_back_during_the_run_makes_no_dose_stale(tmp_path: Path) -> None:
    """The host's clock lost a day after the start: the output is older than the start, and as young as the run."""
    written = datetime.now(UTC)
    times = {
        "started": (written + timedelta(days=1)).isoformat(),
        "ended": (written + timedelta(seconds=5)).isoformat(),
        "duration_s": 30.0,
    }
    assert verify_run(collected_run(tmp_path, exit_changes=times)).exit_code == 0
    late = {**times, "ended": (written + timedelta(days=1)).isoformat()}
    assert failure(collected_run(tmp_path / "late", exit_changes=late)).fault.kind == "output-stale"
