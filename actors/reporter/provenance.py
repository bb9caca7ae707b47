"""What made the result (P9), and what nobody verified."""

from __future__ import annotations

from actors.logs import Redaction
from actors.reporter.content import Section, Table
from actors.reporter.published import Published

_NONE = "–"


def identity_of(published: Published) -> tuple[tuple[str, str], ...]:
    """What the report is of; no patient's name."""
    manifest = published.manifest
    plan = manifest.plan
    first, last = min(beam.started for beam in manifest.beams), max(beam.ended for beam in manifest.beams)
    return (
        ("session", manifest.session + (f"; supersedes {manifest.supersedes}" if manifest.supersedes else "")),
        ("plan", f"{plan.label} ({plan.intent or 'intent not stated'}), {plan.sop_instance_uid}"),
        ("machine", f"{plan.machine}, calibration of {manifest.calibration['gantry']}, {manifest.scan_mode} scanning"),
        ("fraction group, planned fractions", f"{plan.fraction_group}, {plan.planned_fractions}"),
        ("engine", f"{manifest.engine['name']} ({manifest.engine['version'] or 'version unknown'})"),
        ("engine runs", f"{first} to {last}"),
        (
            "dose",
            f"{manifest.dose['units']}, {manifest.dose['type']}"
            + (", in a PHANTOM" if manifest.phantom else ", in the CT"),
        ),
    )


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
            beam.started,
            beam.ended,
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
