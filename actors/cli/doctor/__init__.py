"""``check``: examines what the daemon needs, one line for each thing, with the remedy where something fails."""

from actors.cli.doctor.alarms import check_telling
from actors.cli.doctor.examination import CHECKS, examine
from actors.cli.doctor.finding import Finding

__all__ = ["CHECKS", "Finding", "check_telling", "examine"]
