"""One case from admission to its end, and what decides which cases are active."""

from actors.case.actor import Case
from actors.case.admission import Admission
from actors.case.far_step import FarHost

__all__ = ["Admission", "Case", "FarHost"]
