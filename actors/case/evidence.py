"""What the ledger keeps as JSON, and back: the vocabulary's own values, nothing invented here."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.interpretation import Interpretation
from messages.results import PublishedCase, VerifiedDose
from messages.scheduling import BeamRequest

_INTERPRETATION: TypeAdapter[Interpretation] = TypeAdapter(Interpretation)
_DOSE: TypeAdapter[VerifiedDose] = TypeAdapter(VerifiedDose)
_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)
_PROOFS: TypeAdapter[tuple[FileProof, ...]] = TypeAdapter(tuple[FileProof, ...])
_REQUEST: TypeAdapter[BeamRequest] = TypeAdapter(BeamRequest)


def interpretation_json(interpretation: Interpretation) -> str:
    return _INTERPRETATION.dump_json(interpretation).decode()


def interpretation_of(text: str) -> Interpretation | None:
    """None when there is none, or one of another release: it is interpreted again then."""
    try:
        return _INTERPRETATION.validate_json(text) if text else None
    except ValueError:
        return None


def dose_json(dose: VerifiedDose) -> str:
    return _DOSE.dump_json(dose).decode()


def dose_of(text: str) -> VerifiedDose | None:
    try:
        return _DOSE.validate_json(text)
    except ValueError:
        return None


def fault_json(fault: Fault) -> str:
    return _FAULT.dump_json(fault).decode()


def fault_of(text: str) -> Fault:
    """The fault of a failed attempt; a sentence that is no JSON counts as a fault of the engine's run."""
    try:
        return _FAULT.validate_json(text)
    except ValueError:
        return Fault(text or "the attempt failed", blame=Blame.ENGINE, kind="unexplained")


def proofs_of(text: str) -> tuple[FileProof, ...]:
    try:
        return _PROOFS.validate_json(text)
    except ValueError:
        return ()


def output_dir_of(request: str) -> str:
    """Where the attempt's output was collected to."""
    try:
        return _REQUEST.validate_json(request).output_dir
    except ValueError:
        return ""


def verdict_json(published: PublishedCase) -> str:
    """The case's verdict: word, reasons, path and hash of what was published."""
    verdict = {
        "verdict": published.verdict,
        "reasons": list(published.sentences),
        "uncommissioned": published.uncommissioned,
        "gray": published.gray,
        "phantom": published.phantom,
        "path": published.path,
        "manifest_sha256": published.manifest_sha256,
    }
    return json.dumps(verdict, ensure_ascii=False)
