"""What must not stand in a log: secrets, and folder or file names that can carry a patient's name or number.

No part of the program logs patient data on purpose. Paths below the watch roots are the exception by nature: the
treatment machine names folders after the patient, and an error has to say where it happened. So below a root only
names that are known to be harmless (UIDs, times of delivery, the machine's fixed file names) are written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "…"

_HARMLESS = re.compile(
    r"(?:\d+(?:\.\d+){3,}|(?:19|20)\d{12,14}|PlanInfo\.txt|PlanRange\.txt|_[A-Z_]+|(?:RP|RS|RD|CT)[.\d]*\.dcm"
    rf"|\d+_{MASK}_\d+_\d+_\d+\.(?:ptn|mgn))(?![\w^])"
)
_LAYER_FILE = re.compile(r"\b(\d+)_[^/\s]*?_(\d+_\d+_\d+\.(?:ptn|mgn))\b")
_PERSON_NAME = re.compile(r"[^\W\d_][\w'.-]*\^[\w^'.-]*")
_PIECE = re.compile(r"[^/\n]*/")
_LAST = re.compile(r"[^\s)'\",;:]+(?:,? (?![a-z(—-])[^\s)'\",;:]+)*")
"""A last path component, with the words after it that may belong to it: prose goes on in lower case."""
_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), MASK),
    (
        re.compile(r"(?i)\b(pass(?:word|phrase|wd)?|secret|token|api[_-]?key)(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\S+)"),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(://[^/\s:@]+):[^/\s@]+@"), rf"\1:{MASK}@"),
)
_HINTS = re.compile(r"(?i)pass|secret|token|api|bearer|basic|PRIVATE KEY|://")


class Redaction:
    """Takes out of a text what must not be written."""

    def __init__(self, roots: Iterable[str] = ()) -> None:
        names = sorted({root.rstrip("/") for root in roots if root.rstrip("/")}, key=len, reverse=True)
        self._root = re.compile("(?:" + "|".join(map(re.escape, names)) + ")/") if names else None

    def __call__(self, text: str) -> str:
        if _HINTS.search(text):
            for pattern, instead in _SECRETS:
                text = pattern.sub(instead, text)
        if ".ptn" in text or ".mgn" in text:
            text = _LAYER_FILE.sub(rf"\1_{MASK}_\2", text)
        if self._root is not None and "/" in text:
            text = self._below_roots(text)
        if "^" in text:
            text = _PERSON_NAME.sub(MASK, text)
        return text

    def _below_roots(self, text: str) -> str:
        assert self._root is not None
        out, at = [], 0
        while found := self._root.search(text, at):
            out.append(text[at : found.end()])
            at = found.end()
            masked, at = _path(text, at)
            out.append(masked)
        return "".join(out) + text[at:]


def _path(text: str, at: int) -> tuple[str, int]:
    """The path that begins at ``at``, masked, and where the text goes on."""
    out: list[str] = []
    while True:
        if harmless := _HARMLESS.match(text, at):
            out.append(harmless[0])
            at = harmless.end()
            if not text.startswith("/", at):
                return "".join(out), at
            out.append("/")
            at += 1
        elif (piece := _PIECE.match(text, at)) and not _ends_before_slash(piece[0]):
            out.append(f"{MASK}/")
            at = piece.end()
        else:
            last = _LAST.match(text, at)
            return "".join(out) + (MASK if last else ""), last.end() if last else at


def _ends_before_slash(piece: str) -> bool:
    """Whether the path ends within ``piece``, and its slash belongs to something later in the sentence."""
    return bool(re.search(r"[)'\";:]\s|,\s[a-z/]|\s/$", piece))
