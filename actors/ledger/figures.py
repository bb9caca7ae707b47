"""What the reports found, over time: kept as a report is settled, read by the page's charts and by exports."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from actors.ledger.codec import list_json, text_time, time_text
from actors.ledger.journal import Journal
from messages.ledger import FigureRow, Followed, GantryRow, OutcomeRow, ReportRow, ReviewRow, SettleReport
from messages.states import CaseState, ReviewState

DROP_FIGURES = 'DELETE FROM figures WHERE "case" = :case'
"""Those of an earlier report of the case."""

ADD_FIGURES = (
    'INSERT INTO figures ("case", beam, band, gantry, delivered, "values") '
    "VALUES (:case, :beam, :band, :gantry, :delivered, :values)"
)

_SOURCE = "CASE WHEN json_valid(c.source) THEN json_extract(c.source, '$.{0}') END"
_DELIVERED = _SOURCE.format("deliveries[0].irradiated")

BEGAN = f'SELECT {_DELIVERED} AS delivered, seen FROM cases c WHERE "case" = :case'  # noqa: S608 - no value is part of it
"""When a case was delivered."""

FIGURES_OF = 'SELECT * FROM figures WHERE "case" IN (SELECT value FROM json_each(:cases)) ORDER BY "case", beam, band'
"""Everything that is kept of these cases."""

FOLLOWED = (
    "SELECT f.* FROM figures f WHERE f.gantry = :gantry AND f.band IN (0, :band) "
    "AND (f.band = :band OR f.beam = 0) AND f.delivered >= :since AND f.delivered < :until "
    "AND NOT EXISTS (SELECT 1 FROM cases later WHERE later.supersedes = f.\"case\" AND later.supersedes != '' "
    "AND +later.state = 'done') ORDER BY f.delivered DESC, f.\"case\" DESC, f.beam DESC LIMIT :limit"
)
"""Of one gantry: its cases, and their beams in one band of energy, the newest first; of a delivery that was computed
again, the last."""

GANTRIES = (
    'SELECT gantry, count(DISTINCT "case") AS cases, max(delivered) AS latest, '
    "json_group_array(DISTINCT band) AS bands FROM figures GROUP BY gantry ORDER BY gantry"
)
"""What there is to follow."""

OUTCOMES = (
    'SELECT c."case", c.state, c.reason, c.partial, c.supersedes, c.plan_uid, c.seen, c.started, c.ended, c.verdict, '  # noqa: S608
    f"{_SOURCE.format('machine')} AS machine, {_DELIVERED} AS delivered, "
    "CASE WHEN json_valid(c.interpretation) THEN json_extract(c.interpretation, '$.gantry') END AS gantry, "
    '(SELECT max(later."case") FROM cases later WHERE later.supersedes = c."case" AND later.supersedes != \'\') '
    "AS superseded_by, "
    '(SELECT json_group_array(b.number) FROM beams b WHERE b."case" = c."case") AS beams, '
    "r.state AS r_state, r.tries AS r_tries, r.verdict AS r_verdict, r.reason AS r_reason, r.path AS r_path, "
    "r.manifest_sha256 AS r_manifest_sha256, r.at AS r_at, "
    'v.review AS v_review, v.state AS v_state, v."user" AS v_user, v.at AS v_at, v.reason AS v_reason, '
    "v.result_sha256 AS v_result_sha256, v.report_sha256 AS v_report_sha256 "
    'FROM cases c LEFT JOIN reports r USING ("case") LEFT JOIN standing_reviews v USING ("case") '
    'WHERE c."case" > :after AND c.kind = \'delivery\' ORDER BY c."case" LIMIT :limit'
)
"""A part of all cases by name, with what became of each; their documents stay where they are."""


def keep_figures(journal: Journal, record: SettleReport) -> None:
    """What a report found takes the place of what an earlier one of the case did; one that was not made found nothing
    else."""
    if record.state != "made":
        return
    journal.run(DROP_FIGURES, case=record.case)
    began = journal.one(BEGAN, case=record.case)
    delivered = _utc(began["delivered"]) if began else None
    at = time_text(delivered) if delivered else (began["seen"] if began else journal.at)
    for one in record.figures:
        journal.run(
            ADD_FIGURES,
            case=record.case,
            beam=one.beam,
            band=one.band,
            gantry=record.gantry,
            delivered=at,
            values=one.values,
        )


def figures_of(database: sqlite3.Connection, cases: Sequence[str]) -> tuple[FigureRow, ...]:
    """Everything that is kept of these cases, by case, beam and band."""
    return tuple(map(_figure, database.execute(FIGURES_OF, {"cases": list_json(list(cases))})))


def followed(database: sqlite3.Connection, wanted: Followed) -> tuple[FigureRow, ...]:
    """Cases (beam 0) and their beams, in the order of their delivery; where there are more than the limit, the last."""
    times = {"since": time_text(wanted.since), "until": time_text(wanted.until)}
    values = {"gantry": wanted.gantry, "band": wanted.band, "limit": wanted.limit, **times}
    return tuple(reversed([_figure(row) for row in database.execute(FOLLOWED, values)]))


def gantries(database: sqlite3.Connection) -> tuple[GantryRow, ...]:
    """Every gantry of which a report was made, by name."""
    return tuple(
        GantryRow(
            row["gantry"],
            tuple(sorted(band for band in json.loads(row["bands"]) if band)),
            row["cases"],
            datetime.fromisoformat(row["latest"]),
        )
        for row in database.execute(GANTRIES)
    )


def outcomes(database: sqlite3.Connection, after: str, limit: int) -> tuple[OutcomeRow, ...]:
    """Up to ``limit`` deliveries' cases whose names follow ``after``, by name; runs of planned spots are none."""
    return tuple(map(_outcome, database.execute(OUTCOMES, {"after": after, "limit": limit})))


def _figure(row: Any) -> FigureRow:
    return FigureRow(
        row["case"],
        row["beam"],
        row["band"],
        row["gantry"],
        datetime.fromisoformat(row["delivered"]),
        json.loads(row["values"]),
    )


def _outcome(row: Any) -> OutcomeRow:
    seen = text_time(row["seen"])
    assert seen is not None, "every case was seen"
    return OutcomeRow(
        case=row["case"],
        state=CaseState(row["state"]),
        reason=row["reason"],
        partial=bool(row["partial"]),
        supersedes=row["supersedes"],
        superseded_by=row["superseded_by"] or "",
        plan_uid=row["plan_uid"],
        machine=row["machine"] or "",
        gantry=row["gantry"] or "",
        seen=seen,
        delivered=_utc(row["delivered"]),
        started=text_time(row["started"]),
        ended=text_time(row["ended"]),
        verdict=row["verdict"],
        report=_report(row) if row["r_state"] else None,
        review=_review(row) if row["v_state"] else None,
        beams=tuple(sorted(json.loads(row["beams"]))),
    )


def _report(row: Any) -> ReportRow:
    return ReportRow(
        case=row["case"],
        state=row["r_state"],
        tries=row["r_tries"],
        verdict=row["r_verdict"],
        reason=row["r_reason"],
        path=row["r_path"],
        manifest_sha256=row["r_manifest_sha256"],
        at=datetime.fromisoformat(row["r_at"]),
    )


def _review(row: Any) -> ReviewRow:
    return ReviewRow(
        review=row["v_review"],
        case=row["case"],
        state=ReviewState(row["v_state"]),
        user=row["v_user"],
        at=datetime.fromisoformat(row["v_at"]),
        reason=row["v_reason"],
        result_sha256=row["v_result_sha256"],
        report_sha256=row["v_report_sha256"],
    )


def _utc(text: str | None) -> datetime | None:
    """A time with its offset; None where there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
