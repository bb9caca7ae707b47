"""Which plan and images a dose is computed from, by what is in their files. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from messages.files import FileProof


def plan_content(inputs: Iterable[FileProof]) -> str:
    """SHA-256 over the files that lie in the case folder itself: plan, CT, structure sets; wherever it is, and whatever
    they are named. What lies in a folder below is a delivery's.
    """
    own = sorted(proof.sha256 for proof in inputs if "/" not in proof.path)
    return hashlib.sha256("\n".join(own).encode("ascii")).hexdigest()
