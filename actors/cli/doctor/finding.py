"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``check``."""

    name: str
    """What was examined, such as ``folder results.dir``."""
    ok: bool
    text: str
    remedy: str = ""
    """What to do; for a failure always."""
    gpu: str = ""
    """UUID of the GPU that it is about, if it is about one that was found."""

    def line(self) -> str:
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.name}: {self.text}{remedy}"
