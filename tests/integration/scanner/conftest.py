"""A scanner at work: a real ledger and real folders, a console to submit by, probes for admission and monitor."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.compute import Compute as ComputeActor
from actors.demo.factory import CasePlan, make_case
from actors.demo.recipe import CaseRecipe
from actors.formats.profile import load_profile
from actors.ledger import Ledger, Reader
from actors.scanner import Scanner
from actors.scanner.facts import SurveyRequest
from actors.scanner.survey import survey_folder
from actors.supervision import Context, Spec, Strategy, System, supervisor
from messages.cases import CaseAdmitted, FolderTaken, SubmitFolder
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Blame, Fault
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.kit import Probe, wait_until

ENGINES = Path(__file__).parents[3] / "conf" / "engines"
ZONE = "Asia/Seoul"
SMALL = CaseRecipe(layers=2, spots=6)


class InlineCompute:
    """The real survey without the process around it: what these tests are about is not how it is run."""

    id = "root/compute"

    def tell(self, message: object) -> bool:
        if isinstance(message, Compute):
            assert isinstance(message.argument, SurveyRequest)
            try:
                answer: object = Computed(message.request_id, survey_folder(message.argument))
            except OSError as error:
                answer = ComputeFailed(message.request_id, Fault(str(error), blame=Blame.OURS))
            message.reply_to.tell(answer)
        return True


class Site:
    """One scanner with what it talks to, on one root; may be stopped and started again."""

    def __init__(self, folder: Path, *, processes: bool = False, **settings: Any) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.root.mkdir(exist_ok=True)
        self.settings = {
            "roots": (self.root,),
            "interval_s": 0.2,
            "quiet_s": 0.0,
            "marker": "",
            "give_up_h": 24.0,
            "partial_after_h": 2.0,
            "session_gap_h": 4.0,
            "zone": ZONE,
        } | settings
        self.admission, self.monitor = Probe("admission"), Probe("monitor")
        self._processes = processes
        self._system: System | None = None
        self._boots = 0

    def start(self) -> Site:
        self._boots += 1
        self._system = System(self._tree(), boot=self._boots)
        self._system.start()
        return self

    def stop(self) -> None:
        if self._system is not None:
            self._system.stop()
            assert self._system.wait(10.0)
            assert self._system.cause is None, self._system.cause
            self._system = None

    def _tree(self) -> Spec:
        def scanner(context: Context) -> Scanner:
            compute = context.system.address("root/compute") if self._processes else InlineCompute()
            return Scanner(
                context,
                ledger=context.system.address("root/ledger"),
                compute=compute,
                admission=self.admission,
                monitor=self.monitor,
                profile=load_profile("reference", ENGINES),
                **self.settings,
            )

        ledger = {"path": self.state / "ledger.sqlite", "backups": self.state / "backups", "backup_hours": 24.0}
        compute = [Spec("compute", ComputeActor, {"processes": 1})] if self._processes else []
        return supervisor(
            "root",
            [Spec("ledger", Ledger, ledger), *compute, Spec("scanner", scanner)],
            strategy=Strategy.REST_FOR_ONE,
        )

    def address(self, name: str) -> Any:
        assert self._system is not None
        return self._system.address(f"root/{name}")

    def made(self, recipe: CaseRecipe = SMALL, **changes: Any) -> CasePlan:
        """A case for this site's root; nothing is written."""
        return make_case(replace(recipe, **changes), self.root)

    def write(self, recipe: CaseRecipe = SMALL, **changes: Any) -> Path:
        """A whole case, built aside and renamed in at once: no half of it is ever seen."""
        aside = self.state.parent / "aside"
        made = make_case(replace(recipe, **changes), aside)
        for step in made.steps:
            step.run()
        target = self.root / made.case.path.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            for entry in made.case.path.iterdir():
                if not (target / entry.name).exists():
                    entry.rename(target / entry.name)
            shutil.rmtree(aside)
        else:
            made.case.path.rename(target)
        return target

    def rows(self) -> list[CaseRow]:
        return list(Reader(self.state / "ledger.sqlite").cases())

    def row(self, state: CaseState, saying: str = "", timeout_s: float = 10.0) -> CaseRow:
        """The first case that is in this state with this in its reason, waited for."""

        def found() -> CaseRow | None:
            return next((row for row in self.rows() if row.state is state and saying in row.reason), None)

        try:
            row = wait_until(found, timeout_s)
        except AssertionError:
            told = [(row.case, str(row.state), row.reason) for row in self.rows()]
            raise AssertionError(f"no {state} case saying {saying!r}; the ledger has {told}") from None
        assert row is not None
        return row

    def admitted(self, timeout_s: float = 10.0) -> CaseRow:
        """The next case that admission is told of."""
        case = self.admission.expect(CaseAdmitted, timeout_s).case
        row = Reader(self.state / "ledger.sqlite").case(case)
        assert row is not None
        assert row.source is not None, "told before it was written"
        return row

    def nothing_more_but(self, number: int) -> None:
        """Another patient's case, dropped now, is the next that is admitted: all before it has been looked at."""
        path = self.write(patient=number)
        assert self.admitted().path == str(path)

    def submit(self, path: Path | str, *, partial: bool = False) -> FolderTaken:
        answers = Probe("console")
        self.address("scanner").tell(SubmitFolder("order-1", answers, str(path), partial))
        return answers.expect(FolderTaken, 10.0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes a site and starts it; it is stopped at the end."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Site:
            made = Site(tmp_path, **settings)
            stack.callback(made.stop)
            return made.start()

        yield make
