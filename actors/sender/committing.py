"""Storage commitment (PS3.4 J): the node is asked whether it keeps what it has taken, and its word is waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid5

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RTDoseStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StorageCommitmentPushModelInstance

from actors.crash_points import effect
from actors.sender.association import STORAGE_COMMITMENT, Handlers, NodeError, address, associated, server_tls
from actors.sender.order import NotSent, Sent, Why
from actors.sender.result import DoseFile
from actors.settings import SendNode

_REQUEST = 1
"""Action type: request storage commitment."""
_TRANSACTIONS = UUID("b9a7a0a8-4c0e-5e0e-8f0b-73656e646572")
_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such instance",
    0x0213: "no room",
    0x0122: "class not supported",
    0x0119: "class and instance conflict",
    0x0131: "transaction known already",
}
"""FailureReason (PS3.3 C.14.1.1)."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the node said: instances that it keeps, and (instance, reason) of those that it does not."""

    kept: frozenset[str]
    lost: tuple[tuple[str, int], ...]


class _Ear:
    """Hears the node's word on one transaction, on whatever association it comes."""

    def __init__(self, transaction: str) -> None:
        self.transaction = transaction
        self.heard = threading.Event()
        self.word: Word | None = None

    @property
    def handlers(self) -> Handlers:
        return [(evt.EVT_N_EVENT_REPORT, self._on_report)]

    def _on_report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        told = event.event_information
        if str(told.get("TransactionUID", "")) == self.transaction:
            self.word = Word(
                frozenset(str(one.ReferencedSOPInstanceUID) for one in told.get("ReferencedSOPSequence") or ()),
                tuple(
                    (str(one.ReferencedSOPInstanceUID), int(one.get("FailureReason", 0x0110)))
                    for one in told.get("FailedSOPSequence") or ()
                ),
            )
            self.heard.set()
        return 0x0000, None  # of an earlier question: heard, and nothing follows from it


def transaction_uid(named: str) -> str:
    """A UID for one question."""
    return f"2.25.{uuid5(_TRANSACTIONS, named).int}"


def commit(node: SendNode, files: Sequence[DoseFile], named: str) -> Sent | NotSent:
    """Ask, and wait ``commitment_wait_s`` for the word. ``named``: what makes this question different from others."""
    ear = _Ear(transaction_uid(named))
    try:
        with (
            _listening(node, ear),
            associated(node, [build_context(STORAGE_COMMITMENT)], ear.handlers) as association,
        ):
            _ask(node, association, files, ear.transaction)
            ear.heard.wait(node.commitment_wait_s)
    except NodeError as error:
        return error.told()
    except OSError as error:
        return NotSent(f"port {node.commitment_port} cannot be listened at: {error.strerror or error}", Why.NODE)
    return _judged(node, files, ear)


@contextmanager
def _listening(node: SendNode, ear: _Ear) -> Iterator[None]:
    """Nodes answer on an association of their own as a rule, to the port that they know of us. OSError."""
    if not node.commitment_port:
        yield
        return
    ae = AE(ae_title=node.ae_title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = node.timeout_s
    ae.add_supported_context(STORAGE_COMMITMENT, scu_role=True, scp_role=True)
    server = ae.start_server(
        ("", node.commitment_port),
        block=False,
        evt_handlers=list(ear.handlers),  # type: ignore[arg-type]
        ssl_context=server_tls(node) if node.tls and node.cert_file else None,
    )
    assert server is not None, "not blocking"
    try:
        yield
    finally:
        server.shutdown()


def _ask(node: SendNode, association: Association, files: Sequence[DoseFile], transaction: str) -> None:
    if not association.accepted_contexts:
        raise NodeError(f"{address(node)} offers no storage commitment: set commitment = false", Why.REFUSED)
    question = Dataset()
    question.TransactionUID = transaction
    question.ReferencedSOPSequence = Items([_reference(file) for file in files])
    try:
        with effect("send.commit"):
            status, _ = association.send_n_action(
                question, _REQUEST, STORAGE_COMMITMENT, StorageCommitmentPushModelInstance
            )
    except RuntimeError as error:  # it ended before it was asked
        raise NodeError(f"{address(node)} ended the association before it was asked for its commitment") from error
    if "Status" not in status:
        raise NodeError(f"{address(node)} gave no answer to the question for its commitment")
    if status.Status != 0:
        raise NodeError(f"{address(node)} refuses to commit itself ({int(status.Status):04X})", Why.REFUSED)


def _reference(file: DoseFile) -> Dataset:
    one = Dataset()
    one.ReferencedSOPClassUID = RTDoseStorage
    one.ReferencedSOPInstanceUID = file.instance_uid
    return one


def _judged(node: SendNode, files: Sequence[DoseFile], ear: _Ear) -> Sent | NotSent:
    word = ear.word
    if word is None:
        return NotSent(f"{node.called} has not said within {node.commitment_wait_s:g} s that it keeps them", Why.UNSAID)
    names = {str(file.instance_uid): file.path.name for file in files}
    reasons = {instance: _REASONS.get(code, f"{code:04X}") for instance, code in word.lost}
    answers = [
        {"file": name, "instance": uid, "committed": uid in word.kept, "reason": reasons.get(uid, "")}
        for uid, name in names.items()
    ]
    missing = sorted(
        f"{name} ({reasons.get(instance, 'not named')})"
        for instance, name in names.items()
        if instance not in word.kept
    )
    if missing:
        return NotSent(f"{node.called} does not keep {', '.join(missing)}", Why.LOST, json.dumps(answers))
    return Sent(f"{node.called} keeps all {len(files)} files", json.dumps(answers))
