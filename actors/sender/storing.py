"""C-STORE of the dose files of a result (PS3.4 B): each file's bytes as they are, where the node takes them so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTDoseStorage
from pynetdicom import _config, build_context
from pynetdicom.association import Association

from actors.crash_points import effect
from actors.sender.association import NodeError, address, associated
from actors.sender.order import NotSent, Sent, Why
from actors.sender.result import DoseFile
from actors.settings import SendNode

SLOWEST = 1e6
"""Bytes per second: an answer is waited for so much longer as its data would take at this rate."""
_WARNING = 0xB000
_WARNINGS = 0xF000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the node said of one file."""

    file: str
    instance: str
    """SOP Instance UID: the same for this file, whoever sends it how often."""
    status: str
    """DIMSE status, four hexadecimal digits."""

    @property
    def code(self) -> int:
        return int(self.status, 16)

    @property
    def taken(self) -> bool:
        """Success, or one of the warnings with which an instance is stored all the same (PS3.4 B.2.3)."""
        return self.code == 0 or self.code & _WARNINGS == _WARNING

    @property
    def words(self) -> str:
        """What its status means."""
        known = {
            0x0122: "it takes no RT Dose",
            0x0124: "it does not let us",
            0xB000: "it has changed elements",
            0xB006: "it has left elements out",
            0xB007: "it finds that the data do not match their class",
        }
        ranges = {0xA700: "it has no room", 0xA900: "it finds that the data do not match their class"}
        found = known.get(self.code) or ranges.get(self.code & 0xFF00) or ""
        if not found and self.code & 0xF000 == 0xC000:
            found = "it cannot understand it"
        return f"{self.file}: {found or 'it says'} ({self.status})"


def answers_json(answers: Sequence[Answer]) -> str:
    """For the ledger."""
    return json.dumps([asdict(answer) for answer in answers])


def store(node: SendNode, files: Sequence[DoseFile]) -> Sent | NotSent:
    """All files on one association; ends with the first that is refused."""
    _config.STORE_SEND_CHUNKED_DATASET = True  # the bytes of the file, read as they are sent
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    answers: list[Answer] = []
    try:
        with associated(node, [build_context(RTDoseStorage, syntax) for syntax in syntaxes]) as association:
            for file in files:
                answers.append(_stored(node, association, file))
                if not answers[-1].taken:
                    return NotSent(f"refused {answers[-1].words}", Why.REFUSED, answers_json(answers))
    except NodeError as error:
        return error.told(answers_json(answers))
    warned = [answer.words for answer in answers if answer.code]
    return Sent("; ".join((f"{len(answers)} files", *warned)), answers_json(answers))


def _stored(node: SendNode, association: Association, file: DoseFile) -> Answer:
    taken = {context.transfer_syntax[0] for context in association.accepted_contexts}
    if not taken:
        raise NodeError(f"{address(node)} takes no RT Dose", Why.REFUSED)
    data: Path | Dataset = file.path if file.syntax in taken else dcmread(file.path)
    association.dimse_timeout = association.network_timeout = node.timeout_s + file.size / SLOWEST
    if not association.is_established:
        raise NodeError(f"{address(node)} ended the association before {file.path.name}")
    try:
        with effect("send.store"):
            status = association.send_c_store(data)
    except RuntimeError as error:  # it ended since the line above
        raise NodeError(f"{address(node)} ended the association at {file.path.name}") from error
    if "Status" not in status:
        raise NodeError(f"{address(node)} gave no answer to {file.path.name}")
    return Answer(file.path.name, str(file.instance_uid), f"{int(status.Status):04X}")
