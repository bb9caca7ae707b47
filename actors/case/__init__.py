"""One case from admission to its end, and what decides which cases are active."""

from actors.case.actor import Case
from actors.case.admission import Admission

__all__ = ["Admission", "Case"]
