"""A synthetic case taken to its published result in one process: factory, interpreter, engine, publication."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import actors.demo.engine.run as engine
from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseRecipe
from actors.formats.plan_files import plan_content
from actors.formats.profile import load_profile
from actors.interpreter import interpret_case
from actors.results import publish_case, verify_run
from messages.cases import CaseSource, DeliverySource
from messages.engine import EngineProfile
from messages.files import FileProof
from messages.interpretation import BeamInput, InterpretCase
from messages.results import BeamResult, PublishCase, VerifyRun
from tests.kit.profiles import CONF, ct_profile

ALL = slice(None)
CASE = "20260302-093015-0123abcd"
PLANNED = "plan-0123456789ab"
CALIBRATIONS = tuple((gantry, str(CONF / "calibrations" / f"{gantry.lower()}.txt")) for gantry in ("G1", "G2"))


@dataclass(frozen=True)
class PublishedCase:
    """Where everything lies."""

    written: WrittenCase
    folder: Path
    """The published result."""


def in_ct(folder: Path, **changes: object) -> EngineProfile:
    """The reference engine scoring in the CT."""
    folder.mkdir(parents=True, exist_ok=True)
    return load_profile(ct_profile(folder, **changes), CONF)  # type: ignore[arg-type]


def in_water() -> EngineProfile:
    return load_profile("reference", CONF / "engines")


def publish(
    recipe: CaseRecipe,
    folder: Path,
    profile: EngineProfile,
    *,
    partial: bool = False,
    version: str = "",
    deliveries: slice = ALL,
) -> PublishedCase:
    """The whole way of a case but for daemon and hosts. deliveries: those of its folders that are at hand."""
    written = write_case(recipe, folder / "share")
    source = _source(written, partial=partial)
    source = replace(source, deliveries=source.deliveries[deliveries])
    return _publish(written, source, folder, profile, version)


def publish_planned(case: PublishedCase, folder: Path, profile: EngineProfile, *, version: str = "") -> PublishedCase:
    """The engine's run of the planned spots of that case's plan."""
    inputs = json.loads((case.folder / "manifest.json").read_bytes())["inputs"]
    source = replace(
        _source(case.written, partial=False),
        case=PLANNED,
        deliveries=(),
        content=plan_content(FileProof(**proof) for proof in inputs),
        planned_at=case.written.deliveries[0].irradiated,
    )
    return _publish(case.written, source, folder, profile, version)


def _publish(
    written: WrittenCase, source: CaseSource, folder: Path, profile: EngineProfile, version: str
) -> PublishedCase:
    request = InterpretCase(source, profile, CALIBRATIONS, str(folder / "input"), str(UTC))
    made = interpret_case(request)
    beams = tuple(_run(beam, folder / "run" / str(beam.number)) for beam in made.beams)
    published = publish_case(
        PublishCase(
            interpretation=made,
            plan_path=str(written.plan_path),
            beams=beams,
            results_dir=str(folder / "results"),
            engine_version=version or f"reference engine sha256:{profile.commissioned[0]}",
            daemon_version="0",
            profile_json=profile.model_dump_json(),
            missing=source.missing,
            supersedes="",
        )
    )
    return PublishedCase(written, Path(published.path))


def _source(case: WrittenCase, *, partial: bool) -> CaseSource:
    deliveries = tuple(
        DeliverySource(str(one.path), one.path.name, one.beam_number, one.irradiated, one.start_layer, one.stop_layer)
        for one in case.deliveries
    )
    return CaseSource(
        case=CASE,
        identity="identity",
        path=str(case.path),
        plan_path=str(case.plan_path),
        plan_uid=case.plan_uid,
        study_uid=case.study_uid,
        machine=case.recipe.machine,
        deliveries=deliveries,
        partial=partial,
        missing=("The last layer was not delivered.",) if partial else (),
    )


def _run(beam: BeamInput, directory: Path, number: int = 1) -> BeamResult:
    """The engine's run, and its output verified as a collected attempt is."""
    shutil.copytree(beam.directory, directory / "in")
    (directory / "out").mkdir()
    began = datetime.now(UTC)
    before = Path.cwd()
    os.chdir(directory)
    try:
        with redirect_stdout(StringIO()):
            assert engine.run_engine(Path(beam.command[-1])) == 0
    finally:
        os.chdir(before)
    key = f"{CASE}/{beam.number}/{number}"
    times = {"started": began.isoformat(), "ended": datetime.now(UTC).isoformat()}
    ended = {"key": key, "epoch": 1, "exit_code": 0, "signal": None, "timed_out": False, "cancelled": False, **times}
    ended |= {"duration_s": 1.0, "boot_id": "b"}
    (directory / "exit.json").write_text(json.dumps(ended))
    collected = tuple(_proof(path, f"out/{path.name}") for path in sorted((directory / "out").iterdir()))
    dose = verify_run(VerifyRun(key, 1, beam, str(directory), collected))
    return BeamResult(beam.number, number, "this", "slot-0", dose, str(directory))


def _proof(path: Path, name: str) -> FileProof:
    content = path.read_bytes()
    return FileProof(name, len(content), hashlib.sha256(content).hexdigest())
