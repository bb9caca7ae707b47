"""Monitor counts: what a dose word of a .ptn row stands for."""

from __future__ import annotations

from actors.errors import CaseError

# Factor of the monitor's range setting (DOSE1_RANGE); another code has no meaning and is never taken as 1.
RANGE_FACTORS = {2: 1.0, 3: 140 / 47, 4: 420 / 47, 5: 1260 / 47}


def range_factor(code: int, subject: str, where: str) -> float:
    """Counts per unit of dose1 at a range code; ``subject`` names beam and layer in the error."""
    factor = RANGE_FACTORS.get(code)
    if factor is None:
        known = ", ".join(str(known) for known in RANGE_FACTORS)
        raise CaseError(
            f"{subject} has the monitor range code {code}; known are {known}.",
            where,
            "Ask the machine's physicist what the code means.",
            "range-code-unknown",
        )
    return factor
