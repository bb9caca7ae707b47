"""Every fault of a link in every phase of its use, under a real daemon and a real sshd.

Nothing is lost, nothing is done twice, what was carried is not carried again, and ``status`` tells the truth meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from actors.results import verify_published
from actors.ssh_connection.route import CHUNK
from messages.states import BeamState, CaseState
from tests.kit.daemon import engine_processes
from tests.kit.linked_site import OUTPUT_BYTES, LinkedSite, linked_site

pytestmark = pytest.mark.xdist_group("linked site")  # one fixture for all of them

ONE_LOGIN = 60_000
"""Bytes of a connection up to its first command and of the functions that it is told, generously."""
CHATTER = 500_000
"""Of a case: questions, answers, heartbeats, a log."""
MUCH = 3000
"""Spots of a layer: an input of 3 MB."""
SWIFT, SLOW = 4e6, 1.2e6
"""Bytes per s on the way of much, so that it can be met half-way."""
TRICKLE = 40_000.0
"""The same on the way of little."""
EVERY = 120_000
"""Bytes after which a connection is cut; to be of use takes it 50,000."""


class Fault(StrEnum):
    """What happens to a link."""

    CUT = "cut"
    """All connections end, and no new one is had until ``status`` says so."""
    STALL = "stall"
    """Nothing is carried and nothing closed, until ``status`` says so."""
    SLOW = "slow"
    CUT_EVERY = "cut-every"
    """Each connection ends after so many bytes."""


@dataclass(frozen=True)
class Blow:
    """One fault on one site."""

    line: LinkedSite
    fault: Fault

    @property
    def once(self) -> bool:
        """It falls at an instant, and is over when it was told."""
        return self.fault in (Fault.CUT, Fault.STALL)

    def lies(self, *, rate: float | None = None, slow: float = TRICKLE, every: int = EVERY) -> None:
        """What lasts is there from here on; ``rate``: of a link that is struck later."""
        proxy = self.line.proxy
        proxy.bytes_per_s = slow if self.fault is Fault.SLOW else rate
        if self.fault is Fault.CUT_EVERY:
            proxy.cut_every = every
            proxy.cut()  # those that stand have carried their share

    def falls(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """What falls once does, and is over when ``status`` told it and ``meanwhile`` was done."""
        if not self.once:
            meanwhile()
            return
        if self.fault is Fault.CUT:
            self.line.proxy.close_port()
        else:
            self.line.proxy.stall()
        self.line.lost()
        meanwhile()
        self.line.proxy.bytes_per_s = None
        self.line.proxy.go_on()


# -- the phases: each lets one case go its way, with the fault in one place; the case


def connect(blow: Blow) -> str:
    line, proxy = blow.line, blow.line.proxy
    opened, cuts = proxy.connections, proxy.cuts
    blow.lies(slow=6000, every=2500)  # an agreement on keys has some 4 kB
    match blow.fault:
        case Fault.STALL:
            proxy.stall()
            line.until(lambda: proxy.connections > opened, "a connection that hangs")
            line.lost()
        case Fault.CUT:
            for _ in range(2):
                opened = proxy.connections
                proxy.cut()
                line.until(lambda opened=opened: proxy.connections > opened, "another connection")  # type: ignore[misc]
            proxy.cut()
        case Fault.CUT_EVERY:
            line.until(lambda: proxy.cuts >= cuts + 3, "three connections are cut")
        case Fault.SLOW:
            proxy.cut()
            line.until(lambda: line.host.state == "suspended", "the host is suspended")
            line.until(lambda: line.host.state == "up", "the host is up")
            assert proxy.connections <= opened + 1 + 1, "one for its control, one for its files"
    line.calm()
    return line.case()


def upload(blow: Blow) -> str:
    line = blow.line
    blow.lies(rate=SWIFT, slow=SLOW, every=900_000)
    case = line.case(spots=MUCH)
    if blow.once:
        line.until(lambda: _size(line.site.workspace, f"{case}/*/*/.in.part-*/*") > 1_800_000, "half of it is there")
    blow.falls()
    line.until(lambda: line.starts(case), "the engine starts")
    return case


def launch(blow: Blow) -> str:
    line = blow.line
    case = line.case()
    line.until(lambda: list(line.site.workspace.glob(f"{case}/*/*/in")), "the input is there")
    blow.lies()
    blow.falls()
    line.until(lambda: line.starts(case), "the engine starts")
    return case


def watch(blow: Blow) -> str:
    """The run ends while nobody sees it."""
    line = blow.line
    with _marked(line, "hold", "talk"):
        case = line.case()
        line.until(lambda: _beam(line, case) is BeamState.RUNNING, "the beam runs")
        blow.lies()

        def end() -> None:
            line.marker("hold").unlink()
            line.until(lambda: list(line.site.workspace.glob(f"{case}/*/*/exit.json")), "the run ended")
            if blow.once:
                assert _beam(line, case) is BeamState.RUNNING, "what nobody saw is not told"
                assert line.row(case).state is CaseState.RUNNING

        blow.falls(end)
        line.until(lambda: _beam(line, case) is not BeamState.RUNNING, "its end is noticed")
    return case


def download(blow: Blow) -> str:
    line = blow.line
    blow.lies(rate=SWIFT, slow=SLOW, every=900_000)
    case = line.case()
    if blow.once:
        line.until(
            lambda: _size(line.site.state, f"work/{case}/**/.*.part-*/**/*.raw") > 2_400_000, "half of it is here"
        )
    blow.falls()
    return case


def cancel(blow: Blow) -> str:
    """The engine was told to end, and takes its time; it ends while nobody sees it."""
    line = blow.line
    with _marked(line, "hold"):
        case = line.case()
        line.until(lambda: _beam(line, case) is BeamState.RUNNING, "the beam runs")
        line.daemon.cli("cancel", case)
        line.until(lambda: any(key.startswith(case) for key in line.noted("dying")), "its engine is told to end")
        blow.lies()

        def end() -> None:
            line.marker("hold").unlink()
            line.until(lambda: not engine_processes(line.site), "its processes are gone")
            if blow.once:
                assert _beam(line, case) is BeamState.RUNNING, "what nobody saw is not told"

        blow.falls(end)
        line.until(lambda: _beam(line, case) is BeamState.CANCELLED, "it is told to be gone")
    return case


def _beam(line: LinkedSite, case: str) -> BeamState | None:
    return next((BeamState(beam.state) for beam in line.row(case).beams), None)


def _size(folder: Path, pattern: str) -> int:
    sizes = 0
    for path in folder.glob(pattern):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:
            continue
    return sizes


class _marked:  # noqa: N801 - reads as a block
    """The markers are there until the end of the block."""

    def __init__(self, line: LinkedSite, *names: str) -> None:
        self._markers = [line.marker(name) for name in names]

    def __enter__(self) -> None:
        for marker in self._markers:
            marker.touch()

    def __exit__(self, *_: object) -> None:
        for marker in self._markers:
            marker.unlink(missing_ok=True)


PHASES: dict[str, Callable[[Blow], str]] = {
    phase.__name__: phase for phase in (connect, upload, launch, watch, download, cancel)
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkedSite]:
    with linked_site(tmp_path_factory.mktemp("linked") / "site") as site:
        yield site


@pytest.fixture
def line(site: LinkedSite) -> Iterator[LinkedSite]:
    site.calm()
    site.seen.clear()
    yield site
    site.calm()


@pytest.mark.timeout(150)
@pytest.mark.promise("P16")
@pytest.mark.promise("P17")
@pytest.mark.promise("P31")
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", Fault)
def test_a_fault_of_the_link_loses_nothing_and_does_nothing_twice(line: LinkedSite, fault: Fault, phase: str) -> None:
    proxy = line.proxy
    carried, opened, cuts = proxy.carried, proxy.connections, proxy.cuts
    case = PHASES[phase](Blow(line, fault))
    line.calm()
    row = line.ended(case)

    assert row.state is (CaseState.CANCELLED if phase == "cancel" else CaseState.DONE), row.reason
    (beam,) = row.beams
    assert line.starts(case) == Counter({f"{case}/{beam.number}/1": 1})
    assert line.left(case) == []
    if phase != "cancel":
        assert verify_published(line.site.results / case) == ()
    check_bytes(line, proxy.carried - carried, proxy.connections - opened)
    check_told(line, fault, phase)
    assert proxy.cuts > cuts or fault in (Fault.SLOW, Fault.STALL), "the fault fell"


def check_bytes(line: LinkedSite, carried: int, opened: int) -> None:
    """Less than a chunk was carried again for each connection that was lost."""
    given = int(line.noted("inputs")[-1].split()[0])
    assert carried <= given * 1.4 + OUTPUT_BYTES + CHATTER + opened * (CHUNK + ONE_LOGIN)


def check_told(line: LinkedSite, fault: Fault, phase: str) -> None:
    """What ``status`` said in the meantime, and says now."""
    told = [row.state for row in line.seen]
    assert told[-1] == "up"
    assert set(told) <= {"up", "suspended"}
    assert all(row.reason for row in line.seen if row.state == "suspended")
    if fault in (Fault.CUT, Fault.STALL) or phase == "connect":
        assert "suspended" in told
    elif fault is Fault.SLOW:
        assert told == ["up"], "a slow link is no lost one"
