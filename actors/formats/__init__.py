"""The machine's and the plan's files, read into frozen values; shared by scanner, interpreter, results and reporter.

What is light is here: text readers and profiles need neither numpy nor pydicom. ``ptn``, ``mgn``, ``plan_reader``,
``ct``, ``matching``, ``delivered``, ``planned_path`` and ``off_plan`` import them, and are for worker processes only.
"""

from actors.formats.calibration import Calibration, choose_calibration, gantry_of, read_calibration
from actors.formats.plan_info import PlanInfo, parse_plan_info, read_plan_info
from actors.formats.plan_range import PlanRange, RangeRow, parse_plan_range, read_plan_range
from actors.formats.profile import load_profile

__all__ = [
    "Calibration",
    "PlanInfo",
    "PlanRange",
    "RangeRow",
    "choose_calibration",
    "gantry_of",
    "load_profile",
    "parse_plan_info",
    "parse_plan_range",
    "read_calibration",
    "read_plan_info",
    "read_plan_range",
]
