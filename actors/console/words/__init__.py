"""What the page says, in every language that it speaks: one file each, with the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "ko")


class Words:
    """One language. ``words("found", n=3)`` fills in; ``words.of("case_state", "done")`` names a state."""

    def __init__(self, language: str, texts: Mapping[str, Any]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        text: str = self._texts[key]
        return text.format(**values) if values else text

    def of(self, group: str, word: str) -> str:
        """The word of a group; a word that a later release brought is shown as it is."""
        return str(self._texts[group].get(word, word))

    def group(self, group: str) -> Mapping[str, str]:
        """All words of a group."""
        return MappingProxyType(self._texts[group])

    def age(self, seconds: float) -> str:
        """A duration in its largest whole unit."""
        for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if seconds >= length:
                return self(unit, n=int(seconds // length))
        return self("seconds", n=int(max(seconds, 0)))


@cache
def words_in(language: str) -> Words:
    """KeyError for a language that is not spoken."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = (Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, MappingProxyType(tomllib.loads(text)))


def chosen_language(asked: str, accepted: str) -> str:
    """The language asked for, else the best that a browser accepts (RFC 9110, 12.5.4), else English."""
    if asked in LANGUAGES:
        return asked
    best = ("en", 0.0)
    for part in accepted[:500].split(","):
        name, _, weight = part.strip().partition(";q=")
        language = name[:2].lower()
        if language in LANGUAGES and (rank := _weight(weight)) > best[1]:
            best = (language, rank)
    return best[0]


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
