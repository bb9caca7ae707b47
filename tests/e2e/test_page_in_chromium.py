"""The page in a real browser, on the real daemon: live, honest, in both languages and lights, and orders asked back."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from tests.integration.console.around import free_port
from tests.kit.browser import Browser, chromium
from tests.kit.daemon import Daemon, until
from tests.kit.leaks import KEPT
from tests.kit.profiles import quick_profile

pytestmark = pytest.mark.xdist_group("browser")
"""One worker starts one browser for all of them."""
SHOWN_WITHIN_S = 1.0
ENGINE_S = 2.5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as window:
        yield window


class Place:
    """A daemon with a page."""

    def __init__(self, folder: Path, *, seconds: float = 0.0, gpus: int = 2, more: str = "") -> None:
        self.port = free_port()
        self.site: DemoSite = make_site(
            folder,
            gpus=gpus,
            profile=quick_profile(folder, seconds),
            interval_s=0.2,
            quiet_s=0.2,
            more=f'[console]\nlisten = "127.0.0.1:{self.port}"\n{more}',
        )
        self.daemon = Daemon(self.site)
        self.reader = Reader(self.site.ledger)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def deliver(self, seed: int) -> None:
        write_demo_case(self.site.incoming / f"patient-{seed}", seed=seed, layers=2, spots=10)

    def cases(self) -> list[str]:
        return sorted(self.daemon.rows())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A daemon that has done a case."""
    made = Place(tmp_path_factory.mktemp("place"))
    made.deliver(1)
    with made.daemon:
        assert made.daemon.process is not None
        KEPT.add(made.daemon.process.pid)  # its worker processes come and go
        made.daemon.until_ended(1)
        yield made


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Place]:
    """A daemon whose engine takes its time."""
    made = Place(tmp_path, seconds=ENGINE_S)
    with made.daemon:
        yield made


def test_a_finished_beam_is_shown_within_a_second(slow: Place, browser: Browser) -> None:
    browser.open(slow.url())
    browser.wait_text("#link", "Live")
    for seed in (1, 2):
        slow.deliver(seed)
    browser.one("#s-running .lane .bar")
    late: dict[str, float] = {}

    def every_beam_was_seen() -> bool:
        shown = set(browser.run("return [...document.querySelectorAll('#s-running .lane.b-done')].map(e => e.id)"))  # type: ignore[call-overload]
        shown |= {f"last-{one}" for one in re.findall(r"\d{8}-\d{6}-\w{8}", browser.text_now("#s-running .last"))}
        now = time.time()
        for name, row in slow.daemon.rows().items():
            ends = {event.what: event.at.timestamp() for event in slow.reader.events(name)}
            for beam in row.beams:
                at = ends.get(f"beam {beam.number}: collected → done")
                key = f"lane-{name}-{beam.number}"
                if at is not None and key not in late and (key in shown or f"last-{name}" in shown):
                    late[key] = now - at
        return len(late) >= 4

    until(every_beam_was_seen, 60, "every beam that is done is shown as done")
    assert statistics.median(late.values()) <= SHOWN_WITHIN_S, late
    until(lambda: slow.daemon.ended(2), 30)
    browser.wait_text("#s-today", "2\ncases done")
    browser.keep("home-after-two-cases")
    assert browser.complaints() == []


@pytest.mark.promise("P34")
def test_an_order_is_asked_back_and_then_given(slow: Place, browser: Browser) -> None:
    slow.deliver(1)
    (name,) = until(slow.cases, 20)
    until(lambda: slow.daemon.rows()[name].beams, 20)
    browser.open(slow.url(f"/cases/{name}"))
    browser.one("#order-hold-" + name).click()
    assert name in browser.one("#ask-title").text
    assert "until it is released" in browser.one("#ask-what").text
    browser.keep("case-asks-back")
    browser.one("#ask").send_keys(Keys.ESCAPE)
    browser.one("#order-priority-" + name).click()
    browser.one("#ask-value").clear()
    browser.one("#ask-value").send_keys("7")
    browser.one("#ask .act").click()
    browser.wait_text("#told", "Ordered: Priority")
    ordered = [event for event in slow.reader.events(name) if event.what.startswith("order: ")]
    assert [event.what for event in ordered[:1]] == [f"order: priority {name} 7"]
    until(lambda: slow.daemon.rows()[name].priority == 7, 10, "the order is carried out")
    browser.wait_text("#case .facts", "7")
    assert browser.complaints() == []


def test_one_case_is_told_from_its_log_to_its_dose(place: Place, browser: Browser) -> None:
    name = place.cases()[0]
    browser.open(place.url(f"/cases/{name}"), width=1280, height=900)
    browser.one("[data-log]").click()
    browser.wait_text("#log-text", "Particle transportation complete!")
    assert browser.one("[data-log]").get_attribute("aria-expanded") == "true"
    pictures = until(lambda: browser.all("#dose img"), 10)
    browser.run("for (const img of document.querySelectorAll('#dose img')) img.loading = 'eager'")
    until(lambda: all(picture.get_property("naturalWidth") for picture in pictures), 30, "the doses are drawn")  # type: ignore[no-untyped-call]
    assert len(pictures) == 3
    assert "as planned" in browser.text("#delivered")
    assert browser.all("#timeline rect.t-running")
    browser.keep("case-done")
    assert browser.complaints() == []


@pytest.mark.promise("P37")
def test_the_token_opens_the_page(tmp_path: Path, browser: Browser) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef01234567")
    token.chmod(0o600)
    place = Place(tmp_path, more=f'token_file = "{token}"\n')
    with place.daemon:
        browser.open(place.url("/login"))
        browser.one("input[name=token]").send_keys("0123456789abcdef01234567", Keys.ENTER)
        browser.wait_text("#link", "Live")
        cookies = {cookie["name"]: cookie for cookie in browser.driver.get_cookies()}
        assert cookies["mqi_session"]["httpOnly"] is True
    browser.driver.delete_all_cookies()


def test_a_lost_connection_is_said_and_mended(slow: Place, browser: Browser) -> None:
    browser.open(slow.url())
    browser.wait_text("#link", "Live")
    before = browser.run("return document.querySelector('meta[name=mqi-page]').content")
    slow.daemon.kill()
    browser.wait_text("#lost", "Connection lost", 15)
    assert browser.one("#lost").is_displayed()
    assert float(browser.colour("main", "opacity")) < 1
    browser.keep("lost")
    slow.daemon.start()
    until(lambda: not browser.one("#link").text.startswith("Connection"), 20, "it is live again")
    until(lambda: browser.run("return document.querySelector('#lost').hidden"), 10)
    until(lambda: browser.run("return document.querySelector('meta[name=mqi-page]').content") != before, 10)
    browser.one("#order-pause-").click()  # the key of the new start is good
    browser.one("#ask .act").click()
    browser.wait_text("#told", "Ordered: Pause intake")


def test_everything_can_be_done_by_keyboard(place: Place, browser: Browser) -> None:
    place.deliver(2)
    names = sorted(until(lambda: place.daemon.ended(2), 40))
    browser.open(place.url())
    browser.wait_text("#list tbody", names[0])
    page = browser.one("body")
    page.send_keys("?")
    assert browser.one("#help").is_displayed()
    browser.one("#help").send_keys(Keys.ESCAPE)
    page.send_keys("/")
    search = browser.driver.switch_to.active_element
    assert search.get_attribute("id") == "search"
    search.send_keys(names[1][-8:])
    until(lambda: len(browser.all("#list tbody tr")) == 1, 10, "the list is searched as one types")
    assert names[1][-8:] in browser.driver.current_url
    assert browser.driver.switch_to.active_element.get_attribute("id") == "search"
    search.send_keys(Keys.ESCAPE)
    page.send_keys("j")
    focused = browser.driver.switch_to.active_element
    assert names[1] in (focused.get_attribute("href") or "")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    focused.send_keys(Keys.ENTER)
    browser.wait_text("h1", names[1])
    browser.one("body").send_keys(Keys.TAB)
    assert "Skip" in browser.driver.switch_to.active_element.text
    browser.one("body").send_keys("h")
    browser.one("#list")


def test_filters_keep_the_page_live(place: Place, browser: Browser) -> None:
    browser.open(place.url())
    browser.one('#s-counts [data-filter="failed"]').click()
    browser.wait_text("#list", "No case matches.")
    browser.one('.filters [data-filter="done"]').click()
    browser.wait_text("#list tbody", place.cases()[0])
    assert browser.driver.current_url.endswith("state=done")
    before = set(place.cases())
    place.deliver(3)
    (name,) = until(lambda: set(place.cases()) - before, 20)
    browser.wait_text("#list tbody", name, 30)
    until(lambda: browser.text("#count-done b") == str(len(before) + 1), 10)
    assert browser.one('.filters [aria-current="true"]').text == "done"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 800), (390, 844)])
def test_it_reads_in_both_lights_and_at_every_size(
    place: Place, browser: Browser, width: int, height: int, dark: bool
) -> None:
    for path, what in (("/", "home"), (f"/cases/{place.cases()[0]}", "case")):
        browser.open(place.url(path), width=width, height=height, dark=dark)
        browser.one("#s-top")
        assert not browser.overflows(), (path, width)
        ground, ink = (luminance(browser.colour("body", name)) for name in ("backgroundColor", "color"))
        assert (ground < ink) is dark
        assert contrast(ground, ink) >= 7
        browser.keep(f"{what}-{width}-{'dark' if dark else 'light'}")
        if width == 1920 and path == "/":
            number = browser.one("#s-counts b")
            assert float(number.value_of_css_property("font-size").removesuffix("px")) >= 64  # read from three metres


@pytest.mark.parametrize("dark", [False, True])
def test_every_small_text_has_contrast(place: Place, browser: Browser, dark: bool) -> None:
    browser.open(place.url(), dark=dark)
    browser.one("#list tbody")
    panel = browser.colour(".panel", "backgroundColor")
    for selector in (".state", "#s-counts span", "#s-counts b", "h2", "td", ".order", "#link b", ".chip"):
        for element in browser.all(selector)[:20]:
            ground = element.value_of_css_property("background-color")
            behind = luminance(panel if ground.endswith(", 0)") else ground)
            colour = element.value_of_css_property("color")
            large = float(element.value_of_css_property("font-size").removesuffix("px")) >= 24
            assert contrast(luminance(colour), behind) >= (3 if large else 4.5), (selector, colour, element.text)


def test_korean_is_spoken_where_it_is_asked_for(place: Place, browser: Browser) -> None:
    browser.open(place.url("/?lang=ko"))
    assert browser.run("return document.documentElement.lang") == "ko"
    browser.wait_text("#link", "실시간")
    assert "완료" in browser.text("#s-counts")
    browser.open(place.url(f"/cases/{place.cases()[0]}"))  # remembered
    assert browser.text("#timeline h2") == "시간 흐름"
    browser.keep("case-korean")
    browser.driver.find_element(By.CSS_SELECTOR, '.tongues a[lang="en"]').click()
    browser.wait_text("#timeline h2", "Timeline")


def luminance(colour: str) -> float:
    """Of a CSS colour, as WCAG 2.2 defines it."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
