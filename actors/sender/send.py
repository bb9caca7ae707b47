"""One order of the actor carried out: checked, allowed, sent."""

from __future__ import annotations

from pathlib import Path

from actors.documents.sending import why_not
from actors.sender.committing import commit
from actors.sender.dropping import drop
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.sender.result import dose_files, read_result
from actors.sender.storing import store


def send(order: SendResult) -> Sent | NotSent:
    """Nothing leaves before every file is proven and the rules allow it. MqiError for a result that was changed."""
    node, result = order.node, read_result(Path(order.result), order.case, order.result_sha256)
    withheld = why_not(result.standing(order.standing), node.when, ordered=order.ordered)
    if withheld and not order.commit:  # a question sends nothing: the node has it, and the ledger is to say so
        return NotSent(withheld, Why.WITHHELD)
    files = dose_files(result)
    if node.folder is not None and node.kind == "folder":
        return drop(node.folder, result)
    return commit(node, files, order.transaction) if order.commit else store(node, files)
