"""Orders about hosts, GPUs and intake; and what is no order at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer

from actors.cli.app import app
from actors.documents.orders import check_order, order_sentence, place_of, refused, right_form
from actors.errors import MqiError
from actors.orders.places import decide
from messages.ledger import HaltPlace, HaltRow, LiftHalt, OrderRow, PardonGpu, Record
from messages.operators import OrderKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTS = ("gpu1", "gpu2")


def order(kind: str, subject: str = "", argument: str = "") -> OrderRow:
    return OrderRow("o1", kind, subject, argument, "kim", NOW, "")


def halts(*places: str) -> list[HaltRow]:
    return [HaltRow(place, "lee", NOW) for place in places]


@pytest.mark.promise("P34")
@pytest.mark.parametrize(
    ("given", "standing", "outcome", "records"),
    [
        (order("pause"), (), "done: no further case is begun", (HaltPlace("", "kim"),)),
        (order("pause"), ("",), "nothing to do: intake is paused already, by lee since", ()),
        (order("unpause"), ("",), "done: cases are begun again", (LiftHalt(""),)),
        (order("unpause"), (), "nothing to do: intake is not paused", ()),
        (order("prune"), (), "done: what is older than [retention] keeps is being removed", ()),
        (order("drain", "gpu1"), (), "done: nothing new starts on gpu1", (HaltPlace("gpu1", "kim"),)),
        (order("drain", "gpu1/0"), ("gpu1",), "done: nothing new starts on gpu1/0", (HaltPlace("gpu1/0", "kim"),)),
        (order("drain", "gpu1/gpu-0"), ("gpu1/0",), "nothing to do: gpu1/0 is drained already, by lee", ()),
        (order("drain", "gpu9"), (), "refused: there is no host gpu9; there are gpu1, gpu2", ()),
        (
            order("resume", "gpu1"),
            ("gpu1", "gpu1/0", "gpu2"),
            "done: gpu1, gpu1/0 may",
            (LiftHalt("gpu1"), LiftHalt("gpu1/0")),
        ),
        (order("resume", "gpu1"), (), "nothing to do: gpu1 is not drained", ()),
        (order("resume", "gpu1/1"), ("gpu1/1",), "done: gpu1/1 may take", (LiftHalt("gpu1/1"), PardonGpu("gpu1", 1))),
        (order("resume", "gpu1/1"), ("gpu1",), "but its host is drained, by lee", (PardonGpu("gpu1", 1),)),
    ],
)
def test_places(given: OrderRow, standing: tuple[str, ...], outcome: str, records: tuple[Record, ...]) -> None:
    decision = decide(given, halts(*standing), HOSTS)
    assert outcome in decision.outcome
    assert decision.records == records
    assert refused(decision.outcome) is outcome.startswith("refused")


@pytest.mark.parametrize(
    ("kind", "subject", "argument"),
    [
        ("explode", "c", ""),
        ("cancel", "", ""),
        ("cancel", "c", "now"),
        ("pause", "gpu1", ""),
        ("drain", "a b", ""),
        ("drain", "gpu1/x", ""),
        ("priority", "c", ""),
        ("priority", "c", "1001"),
        ("priority", "c", "much"),
        ("retry", "c", "0"),
        ("retry", "c", "x"),
        ("submit", "/p", "whole"),
        ("submit", "", ""),
        ("reject", "c", " "),
        ("recalculate", "c", ""),
        ("approve", "c", "two\nlines"),
        ("review", "c", "x" * 501),
    ],
)
def test_what_is_no_order_is_refused_in_words(kind: str, subject: str, argument: str) -> None:
    with pytest.raises(MqiError) as caught:
        check_order(kind, subject, argument)
    assert caught.value.fault.kind == "order-malformed"
    assert caught.value.fault.what.endswith(".")
    assert caught.value.fault.remedy.endswith("."), "every refusal names what is right"


@pytest.mark.parametrize("kind", OrderKind)
def test_the_right_form_of_an_order_is_its_commands(kind: OrderKind) -> None:
    command = typer.main.get_command(app).commands[kind]  # type: ignore[attr-defined]
    asked = [param.metavar for param in command.params if param.param_type_name == "argument"]
    options = {
        OrderKind.SUBMIT: ["[--partial]"],
        OrderKind.REVIEW: ["[--reason REASON]"],
        OrderKind.APPROVE: ["[--reason REASON]"],
    }.get(kind, [])
    assert right_form(kind) == f"Its form is: {' '.join(['mqi-actors', kind, *asked, *options])}."


def test_what_is_one_is_known() -> None:
    assert check_order("priority", "c", "-5") is OrderKind.PRIORITY
    assert check_order("retry", "c", "12") is OrderKind.RETRY
    assert (place_of("gpu1"), place_of("gpu1/gpu-3"), place_of("gpu1/3")) == (("gpu1", None), ("gpu1", 3), ("gpu1", 3))


def test_an_order_without_an_outcome_says_what_will_be() -> None:
    assert order_sentence("hold", "c", "", "done: held", running=True) == "hold c: done: held"
    assert order_sentence("hold", "c", "", "", running=False).endswith("it takes effect when the daemon starts")
    assert "as soon as" in order_sentence("priority", "c", "3", "", running=True)
