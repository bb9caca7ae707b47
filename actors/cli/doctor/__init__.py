"""``check``: examines what the daemon needs, one line for each thing, with the remedy where something fails."""

from actors.cli.doctor.examination import examine
from actors.cli.doctor.finding import Finding

__all__ = ["Finding", "examine"]
