"""The commands about what was computed: its review, its recalculation, and the plan whose fractions it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from actors.cli.arguments import Because, Case, Conf, Debug, Json, Reason

of_results = typer.Typer(rich_markup_mode=None)


def _give(kind: str, case: str, reason: str, *, conf: Path | None, as_json: bool) -> NoReturn:
    from actors.cli.ordering import order

    raise typer.Exit(order(conf, kind, case, reason, as_json=as_json))


@of_results.command()
def review(case: Case, reason: Reason = "", conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Say that you have looked at the result of a case that is done."""
    del debug
    _give("review", case, reason, conf=conf, as_json=as_json)


@of_results.command()
def approve(case: Case, reason: Reason = "", conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Answer for the result of a reviewed case; with a reason where its verdict is not good by itself."""
    del debug
    _give("approve", case, reason, conf=conf, as_json=as_json)


@of_results.command()
def reject(case: Case, reason: Because, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Refuse the result of a case that is done, for good."""
    del debug
    _give("reject", case, reason, conf=conf, as_json=as_json)


@of_results.command()
def recalculate(case: Case, reason: Because, conf: Conf = None, as_json: Json = False, debug: Debug = False) -> None:
    """Compute a case that is done once more, by what is configured now, as a new version beside the old one."""
    del debug
    _give("recalculate", case, reason, conf=conf, as_json=as_json)


@of_results.command()
def send(
    case: Case,
    node: Annotated[str, typer.Argument(metavar="[NODE]", help="A node of [[send]]; none: all of them.")] = "",
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the result of a case to a DICOM node or drop folder now, within the rules."""
    del debug
    _give("send", case, node, conf=conf, as_json=as_json)


@of_results.command()
def plan(
    uid: Annotated[str, typer.Argument(metavar="PLAN", help="UID of a plan, or one of its cases.")],
    conf: Conf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The fractions of a plan that were delivered, and the dose of them together."""
    del debug
    from actors.cli.plans import plan as tell

    tell(conf, uid, as_json=as_json)
