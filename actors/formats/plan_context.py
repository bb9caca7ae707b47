"""Where in a plan the reader stands: so that every error names file, beam and control point."""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.errors import CaseError


@dataclass(frozen=True, slots=True)
class BeamContext:
    """File, beam and control point that are being read."""

    where: str
    beam: int | None = None
    point: int | None = None

    def at(self, point: int) -> BeamContext:
        """The same beam at a control point (0-based, as ControlPointIndex)."""
        return replace(self, point=point)

    def error(self, what: str, kind: str, remedy: str = "Export the plan again and check it.") -> CaseError:
        """A sentence such as ``The plan's beam 2, control point 4 has …``."""
        place = "The plan"
        if self.beam is not None:
            place = f"The plan's beam {self.beam}"
            if self.point is not None:
                place += f", control point {self.point}"
        return CaseError(f"{place} {what}.", self.where, remedy, kind)
