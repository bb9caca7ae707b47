"""What an order says, checked and in words: the same for the commands, the console and those who carry it out. Pure."""

from __future__ import annotations

import re

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.operators import OrderKind

DONE, NOTHING, REFUSED = "done", "nothing to do", "refused"
"""How every outcome begins; a colon and a sentence follow."""

OF_RESULTS = frozenset({OrderKind.REVIEW, OrderKind.APPROVE, OrderKind.REJECT, OrderKind.RECALCULATE})
"""About a case that is done: somebody answers for them by name."""
BY_NAME = OF_RESULTS | {OrderKind.SEND}
"""Somebody answers for these by name: an order to send lifts what keeps a suspect or PARTIAL result here."""
OF_CASES = OF_RESULTS | {
    *(OrderKind.RETRY, OrderKind.CANCEL, OrderKind.HOLD, OrderKind.RELEASE, OrderKind.PRIORITY, OrderKind.SEND),
}
OF_PLACES = frozenset({OrderKind.DRAIN, OrderKind.RESUME})
OF_ALL = frozenset({OrderKind.PAUSE, OrderKind.UNPAUSE, OrderKind.PRUNE})
HIGHEST = 1000
"""A priority lies between this and its negative."""
LONGEST_REASON = 500
NEEDS_REASON = frozenset({OrderKind.REJECT, OrderKind.RECALCULATE})

_PLACE = re.compile(r"(?P<host>[^/\s]+)(?:/(?:gpu-)?(?P<index>\d{1,4}))?")


def check_order(kind: str, subject: str, argument: str = "") -> OrderKind:
    """The kind of an order that is well formed, whether or not its subject exists. Raises MqiError otherwise."""
    if kind not in list(OrderKind):
        raise _refused(f'There is no order "{kind}".', f"There are: {', '.join(OrderKind)}.")
    known = OrderKind(kind)
    if (known in OF_ALL) == bool(subject):
        wanted = "takes no subject" if known in OF_ALL else "needs a subject"
        raise _refused(f"The order {known} {wanted}.", right_form(known))
    if known in OF_PLACES and _PLACE.fullmatch(subject) is None:
        raise _refused(f'"{subject}" is no place.', "A place is HOST, or HOST/GPU with the GPU's index.")
    _check_argument(known, argument)
    return known


def _check_argument(kind: OrderKind, argument: str) -> None:
    match kind:
        case OrderKind.PRIORITY:
            if re.fullmatch(r"[+-]?\d{1,9}", argument) is None or abs(int(argument)) > HIGHEST:
                raise _refused(f'"{argument}" is no priority.', f"A whole number from {-HIGHEST} to {HIGHEST}.")
        case OrderKind.RETRY | OrderKind.SEND:
            _check_name(kind, argument)
        case _ if kind in OF_RESULTS:
            _check_reason(kind, argument)
        case OrderKind.SUBMIT:
            if argument not in ("", "partial"):
                raise _refused(f'A submission takes "partial" or nothing, not "{argument}".', right_form(kind))
        case _:
            if argument:
                raise _refused(f'The order {kind} takes no argument "{argument}".', right_form(kind))


def _check_name(kind: OrderKind, name: str) -> None:
    """Of a beam or a node; none: of the whole case, to all nodes."""
    if kind is OrderKind.RETRY and re.fullmatch(r"([1-9]\d{0,8})?", name) is None:
        raise _refused(f'"{name}" is no beam.', "Give the number of a beam, or none for the whole case.")
    if kind is OrderKind.SEND and re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]{0,62})?", name) is None:
        raise _refused(f'"{name}" is no name of a node.', "Give the name of a node of [[send]], or none for all.")


def _check_reason(kind: OrderKind, reason: str) -> None:
    """One line of words; of whom, the case says: names of patients do not belong in it."""
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise _refused(f"A reason is one line of at most {LONGEST_REASON} characters.", right_form(kind))
    if kind in NEEDS_REASON and not reason.strip():
        raise _refused(f"The order {kind} needs a reason.", right_form(kind))


def right_form(kind: OrderKind) -> str:
    """The command that gives such an order, in a sentence."""
    takes = " CASE" if kind in OF_CASES else " HOST[/GPU]" if kind in OF_PLACES else ""
    takes += {
        OrderKind.RETRY: " [BEAM]",
        OrderKind.PRIORITY: " N",
        OrderKind.SEND: " [NODE]",
        OrderKind.SUBMIT: " PATH [--partial]",
    }.get(kind, "")
    if kind in OF_RESULTS:
        takes += " REASON" if kind in NEEDS_REASON else " [--reason REASON]"
    return f"Its form is: mqi-actors {kind}{takes}."


def place_of(subject: str) -> tuple[str, int | None]:
    """(host, index of the GPU or None for the whole host) of a place that was checked."""
    match = _PLACE.fullmatch(subject)
    assert match is not None, "checked before"
    return match["host"], None if match["index"] is None else int(match["index"])


def refused(outcome: str) -> bool:
    """Whether an order that is settled was not carried out."""
    return outcome.startswith(f"{REFUSED}:")


def order_sentence(kind: str, subject: str, argument: str, outcome: str, *, running: bool) -> str:
    """What became of an order, or will. ``running``: whether a daemon is there to carry it out."""
    named = " ".join(part for part in (kind, subject, argument) if part)
    if outcome:
        return f"{named}: {outcome}"
    when = (
        "the daemon carries it out as soon as it comes to it" if running else "it takes effect when the daemon starts"
    )
    return f"{named}: the order is in the ledger; {when}"


def _refused(what: str, remedy: str) -> MqiError:
    return MqiError(Fault(what, remedy=remedy, blame=Blame.INPUT, kind="order-malformed"))
