"""Kit for tests of actors: a probe, one actor under a real system, a clock to turn by hand, waiting on conditions."""

from tests.kit.leaks import children, strays, threads
from tests.kit.probe import Probe
from tests.kit.running import Running, running, solo, solo_mail
from tests.kit.virtual import VirtualTimers
from tests.kit.waiting import wait_until

__all__ = [
    "Probe",
    "Running",
    "VirtualTimers",
    "children",
    "running",
    "solo",
    "solo_mail",
    "strays",
    "threads",
    "wait_until",
]
