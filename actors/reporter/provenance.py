"""What made the result (P9), and what nobody verified."""

from __future__ import annotations

import re

from actors.logs import Redaction
from actors.reporter.content import Section, Table
from actors.reporter.published import Manifest, Published

_CASE_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?([+-]\d\d:\d\d|Z)")


def identity_of(published: Published) -> tuple[tuple[str, str], ...]:
    """What the report is of; no patient's name."""
    manifest = published.manifest
    plan = manifest.plan
    groups = f" of {plan.fraction_groups}" if plan.fraction_groups else ""
    first, last = min(beam.started for beam in manifest.beams), max(beam.ended for beam in manifest.beams)
    return (
        ("session", f"{manifest.session}{_version(manifest)}"),
        *_delivered(manifest.case),
        ("plan", f"{plan.label} ({plan.intent or 'intent not stated'}), {plan.sop_instance_uid}"),
        ("machine", f"{plan.machine}, calibration of {manifest.calibration['gantry']}, {manifest.scan_mode} scanning"),
        ("fractions", f"{plan.planned_fractions} planned, of fraction group {plan.fraction_group}{groups}"),
        ("engine", f"{manifest.engine['name']}, {manifest.engine['version'] or 'version unknown'}"),
        ("engine runs", f"{_second(first)} to {_second(last)}"),
        (
            "dose",
            f"{'in gray' if manifest.gray else 'relative'} ({manifest.dose['units']}, {manifest.dose['type']}), "
            + ("in a water PHANTOM along each beam's axes" if manifest.phantom else "in the patient's CT"),
        ),
    )


def _version(manifest: Manifest) -> str:
    """What it follows."""
    if manifest.recalculation:
        again = manifest.recalculation
        return f"; recalculates {again['of']}, ordered by {again['by']}: {again['because']}"
    return f"; supersedes {manifest.supersedes}" if manifest.supersedes else ""


def _delivered(case: str) -> tuple[tuple[str, str], ...]:
    """A case is named after its first delivery."""
    found = _CASE_TIME.match(case)
    return (("delivered", "{}-{}-{} {}:{}:{}, by the machine's clock".format(*found.groups())),) if found else ()


def _second(time: str) -> str:
    """2026-03-02T09:30:15.123+00:00 as people read it; any other text as it is."""
    found = _TIME.fullmatch(time)
    return f"{found[1]} {found[2]} {found[3]}" if found else time


def not_verified_section(published: Published, sentences: tuple[str, ...]) -> Section:
    """Printed in every report."""
    return Section("What was not verified", (published.manifest.not_verified, *sentences))


def provenance_section(published: Published) -> Section:
    """Everything that made the result, with the hashes of what went in and came out."""
    manifest = published.manifest
    content = manifest.profile["content"]
    rows = (
        ("manifest of the result", f"SHA-256 {published.manifest_sha256}"),
        ("calibration", f"gantry {manifest.calibration['gantry']}, SHA-256 {manifest.calibration['sha256']}"),
        ("profile", f"{manifest.profile['name']}/{manifest.profile['version']}, SHA-256 {manifest.profile['sha256']}"),
        ("dose factor, shorten", f"{content['dose_factor']:g}, {content['shorten']}"),
        ("engine", f"{manifest.engine['dialect']}, {manifest.engine['version'] or 'version unknown'}"),
        ("engine's binary", f"SHA-256 {manifest.engine['sha256'] or 'not stated'}"),
        ("engine's command", " ".join(manifest.engine["command"])),
        ("commissioned", "no: " + " ".join(manifest.uncommissioned_because) if manifest.uncommissioned else "yes"),
        ("made by", f"{manifest.made_by['program']} {manifest.made_by['version']}"),
    )
    return Section(
        "Provenance",
        tables=(
            Table("", ("what", "value"), rows, (None,) * len(rows), widths=(22, 78)),
            _runs(published),
            _files(published),
        ),
    )


def _runs(published: Published) -> Table:
    rows = tuple(
        (
            str(beam.number),
            str(beam.attempt),
            f"{beam.host}/{beam.gpu}",
            str(beam.seed),
            _second(beam.started),
            _second(beam.ended),
            beam.file,
        )
        for beam in published.manifest.beams
    )
    columns = ("beam", "attempt", "host/GPU", "seed", "started", "ended", "dose file")
    return Table("Runs", columns, rows, (None,) * len(rows), widths=(6, 7, 27, 11, 18, 18, 13))


def _files(published: Published) -> Table:
    manifest, without_patient = published.manifest, Redaction()
    rows = (
        *(("input", without_patient(one.path), one.sha256) for one in manifest.inputs),
        *(("result", one.path, one.sha256) for one in manifest.files),
    )
    return Table("Files", ("", "file", "SHA-256"), rows, (None,) * len(rows), widths=(7, 40, 53))
