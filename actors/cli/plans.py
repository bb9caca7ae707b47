"""The fractions of a plan: what was delivered of it, what counts, and the dose of them together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from actors.cli.commands import say
from actors.cli.failures import CommandError, ExitCode
from actors.cli.site import Site
from actors.cli.views import table
from actors.documents.course import course_document, course_from
from actors.documents.told_course import told_of


def plan(conf: Path | None, name: str, *, as_json: bool) -> None:
    """``plan``, of a plan's UID or of any of its cases. CommandError (NOT_FOUND) where there is none."""
    site = Site(conf, os.environ)
    rows = site.reader.course(name)
    uid = name
    if not rows:
        if not any(row.case.startswith(name) for row in site.reader.cases()):
            what = f'No case was delivered by a plan "{name}".'
            remedy = "mqi-actors show CASE names the plan of a case."
            raise CommandError(ExitCode.NOT_FOUND, what, "", remedy, "no-plan")
        uid = site.case(name).plan_uid
        rows = site.reader.course(uid)
    course = course_from(rows)
    document = course_document(uid, course, told_of(course))
    say(document, plan_view(document), as_json=as_json)


def plan_view(plan: dict[str, Any]) -> str:
    """The same for people."""
    sessions = table(
        ("session", "case", "state", "verdict", "report", "review", "MU delivered/planned", "counts"),
        [
            (
                str(one["number"]),
                one["case"] + ("  PARTIAL" if one["partial"] else ""),
                one["state"],
                one["verdict"] or "-",
                one["report"] or "-",
                f"{one['review'] or '-'}{' by ' + one['reviewer'] if one['reviewer'] else ''}",
                f"{one['delivered_mu']:.3f} / {one['planned_mu']:.3f}",
                "yes" if one["counts"] else f"no: {one['why_not']}",
            )
            for one in plan["sessions"]
        ],
    )
    beams = table(
        ("beam", "name", "MU delivered", "MU planned"),
        [
            (str(one["number"]), one["name"], f"{one['delivered_mu']:.3f}", f"{one['planned_mu']:.3f}")
            for one in plan["beams"]
        ],
    )
    head = f"plan {plan['plan_uid']}\n{plan['statement']}\n{plan['rule']}"
    return "\n\n".join((head, sessions, beams, _dose(plan["dose"])))


def _dose(dose: dict[str, Any] | None) -> str:
    if dose is None:
        return "dose of the course: no report tells it yet"
    behind = "" if dose["current"] else "\nof what counted then: reports are being made again"
    if dose.get("reason"):
        return f"dose of the course: none, {dose['reason']}{behind}"
    rows = [(one["name"], f"{one['mean']:.3f}", f"{one['maximum']:.3f}") for one in dose["structures"]]
    structures = "\n" + table(("structure", "mean", "maximum"), rows) if rows else ""
    maximum = f"maximum {dose['maximum']:.4f} {dose['units']} of {len(dose['of'])} sessions together"
    return f"dose of the course: {maximum}{structures}{behind}"
