"""An association with a node (PS3.8), or the reason why there is none, in words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from actors.sender.order import NotSent, Why
from actors.settings import SendNode

VERIFICATION = UID("1.2.840.10008.1.1")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")
"""Storage Commitment Push Model."""
Handlers = Sequence[tuple[evt.InterventionEvent, object] | tuple[evt.NotificationEvent, object]]


class NodeError(Exception):
    """Nothing more can be asked of the node on this association."""

    def __init__(self, sentence: str, why: Why = Why.NODE) -> None:
        super().__init__(sentence)
        self.sentence, self.why = sentence, why

    def told(self, answers: str = "") -> NotSent:
        """What the process answers."""
        return NotSent(self.sentence, self.why, answers)


class _Complaints(logging.Handler):
    """The library's last complaint: it tells a refused connection from a failed handshake in its log only."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())[:200]


@contextmanager
def associated(node: SendNode, contexts: list[PresentationContext], handlers: Handlers = ()) -> Iterator[Association]:
    """An established association, released at the end. Raises NodeError where the node does not take it."""
    ae = AE(ae_title=node.ae_title)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = node.timeout_s
    opened: list[object] = []
    complaints, log = _Complaints(), logging.getLogger("pynetdicom")
    log.addHandler(complaints)
    try:
        association = ae.associate(
            node.host,
            node.port,
            contexts=contexts,
            ae_title=node.called,
            tls_args=(client_tls(node), node.host) if node.tls else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, opened.append), *handlers],  # type: ignore[list-item]
        )
    except OSError as error:  # a name that is not known, a certificate that cannot be read
        raise NodeError(f"{address(node)} cannot be reached: {error}") from error
    finally:
        log.removeHandler(complaints)
    if not association.is_established:
        raise NodeError(_refusal(node, association, complaints.last, opened=bool(opened)))
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def address(node: SendNode) -> str:
    """The node, as an operator looks for it."""
    return f"{node.called} at {node.host}:{node.port}"


def client_tls(node: SendNode) -> ssl.SSLContext:
    """As one who connects: the node's certificate is checked, ours is shown where there is one. OSError."""
    context = ssl.create_default_context(cafile=str(node.ca_file) if node.ca_file else None)
    if node.cert_file:
        context.load_cert_chain(str(node.cert_file), str(node.key_file))
    return context


def server_tls(node: SendNode) -> ssl.SSLContext:
    """As one who is connected to, with the certificate of this program. OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(node.cert_file), str(node.key_file))
    return context


def _refusal(node: SendNode, association: Association, complaint: str, *, opened: bool) -> str:
    if association.is_rejected:
        answer = association.acceptor.primitive
        why = f": {answer.reason_str} ({answer.source_str})" if answer is not None else ""
        return f"{address(node)} refuses the association of {node.ae_title}{why}"
    if not opened:
        return f"{address(node)} cannot be reached{f': {complaint}' if complaint else ''}"
    if association.rejected_contexts:
        return f"{address(node)} takes nothing of what was offered"
    return f"{address(node)} does not answer as a DICOM node{f': {complaint}' if complaint else ''}"
