"""Charts of what reports find, and the report behind a case, in a real browser on the real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.demo.factory import write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader, next_boot, open_store
from tests.integration.console.around import free_port
from tests.kit.browser import Browser, chromium
from tests.kit.daemon import Daemon, until
from tests.kit.followed import Deliveries
from tests.kit.leaks import KEPT
from tests.kit.profiles import ct_profile

pytestmark = pytest.mark.xdist_group("browser")
OFF = CaseRecipe(
    beams=1, layers=3, spots=16, energy_step_mev=8.0, seed=3, machine="G2", planning_dose=True, fault=CaseFault.MU_5
)
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as window:
        yield window


class Place:
    """A daemon with weeks of reports behind it, and one case that it computes and reports itself, 5 % off in MU."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.site: DemoSite = make_site(
            folder / "site",
            interval_s=0.3,
            quiet_s=0.3,
            profile=ct_profile(folder),
            reports=True,
            more=f'[console]\nlisten = "127.0.0.1:{self.port}"\n',
        )
        next_boot(self.site.ledger, self.site.state / "backups")
        before = Deliveries(
            60,
            gantries=("G2", "G1"),
            last=datetime.now(UTC) - timedelta(days=1),
            apart=timedelta(hours=9),
            results=self.site.results,
        )
        with closing(open_store(self.site.ledger)) as database:
            before.write(database)
        self.before, self.case = before.names, ""
        self.daemon = Daemon(self.site)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def reported(self) -> str:
        """Name of the new case, once its report is made."""
        reader = Reader(self.site.ledger)

        def name() -> str | None:
            names = {row.case for row in reader.reports() if row.state == "made"} - set(self.before)
            return next(iter(names), None)

        found: str = until(name, 100.0, "the report of the new case")
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("trend"))
    with made.daemon:
        assert made.daemon.process is not None
        KEPT.add(made.daemon.process.pid)  # its worker processes come and go
        yesterday = datetime.now().astimezone() - timedelta(days=1)
        write_case(replace(OFF, irradiated=yesterday), made.site.incoming)
        made.case = made.reported()
        yield made


def test_what_a_report_finds_is_a_point_of_its_gantrys_chart(place: Place, browser: Browser) -> None:
    case = place.case
    browser.open(place.url("/trend?gantry=G2&weeks=8&lang=en"), width=1280, height=2400)
    browser.wait_text("#chart-mu .sums2", "beyond action level")
    named = browser.one("#chart-mu .named")
    assert case[:8] in named.text
    assert "%" in named.text
    assert browser.one("#chart-mu .field .m-action")
    assert browser.all("#chart-mu .field .l-control")
    browser.one("#chart-mu .named a").click()
    browser.wait_text("#case h1", case)
    assert browser.complaints() == []


def test_a_band_of_energy_and_a_language_are_chosen_and_kept(place: Place, browser: Browser) -> None:
    browser.open(place.url("/trend?gantry=G1&weeks=26&lang=en"), width=1280, height=2400)
    bands = {element.text: element for element in browser.all(".choices a")}
    bands["70–110 MeV"].click()
    browser.wait_text("#trend", "Of a beam only its layers of these energies count")
    assert not browser.all("#chart-gamma")
    browser.one('.tongues a[lang="ko"]').click()
    browser.wait_text("#trend h1", "추이 · G1")
    current = [element.text for element in browser.all(".choices a[aria-current]")]
    assert current == ["G1", "26주", "70–110 MeV"]
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_a_telephone_and_a_desk_in_both_lights(place: Place, browser: Browser, width: int, dark: bool) -> None:
    browser.open(place.url("/trend?gantry=G2&weeks=8&lang=en"), width=width, height=2600, dark=dark)
    browser.one("#chart-r80 svg.field")
    assert not browser.overflows()
    ground, line = browser.colour(".chart", "backgroundColor"), browser.colour(".run", "stroke")
    assert ground != line
    browser.keep(f"trend-{width}-{'dark' if dark else 'light'}")
    assert browser.complaints() == []


def test_the_report_opens_in_a_page_of_its_own_that_can_do_nothing(place: Place, browser: Browser) -> None:
    case = place.case
    browser.open(place.url(f"/cases/{case}?lang=en"), width=1280, height=900)
    browser.wait_text("#report .verdict", "fail")
    address = browser.one("#report a.button").get_attribute("href")
    assert address
    browser.open(address, width=1000, height=1400)
    browser.wait_text("h1", f"Report of case {case}")
    assert browser.run("return [...document.images].every(one => one.naturalWidth > 0) && document.images.length > 0")
    assert browser.run("return origin") == "null"
    browser.keep("report-of-a-case")
    assert browser.complaints() == []


def test_the_whole_site_is_exported(place: Place, tmp_path: Path) -> None:
    """By command, beside the running daemon: the new case and all before it."""
    case = place.case
    file = tmp_path / "beams.json"
    told = place.daemon.cli("export", "--table", "beams", "--format", "json", "--out", str(file))
    rows = json.loads(file.read_text())["rows"]
    assert told["rows"] == len(rows) == 2 * len(place.before) + 1
    (row,) = [one for one in rows if one["case"] == case]
    assert (row["gap"], row["gantry"], row["report_verdict"]) == (None, "G2", "fail")
    assert row["mu_percent"] == pytest.approx(5.0, abs=0.3)
