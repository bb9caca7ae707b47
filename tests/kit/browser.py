"""Debian's Chromium without a screen, driven as a person would use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.kit.leaks import KEPT
from tests.kit.waiting import wait_until

SHOTS = os.environ.get("MQI_SHOTS", "")
"""A folder: what the tests see is kept there as pictures, for people to look at."""
ALLOWED_NOISE = ("net::ERR_", "Failed to load resource")
"""In the browser's log: a connection that a test cut."""


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str, *, width: int = 1920, height: int = 1080, dark: bool = False) -> None:
        """Load a page, at this size and in this light."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        light = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": light})
        self.driver.get(address)

    def all(self, selector: str) -> Sequence[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str, within_s: float = 10.0) -> WebElement:
        """The element, as soon as it is there and can be seen."""

        def seen() -> WebElement | None:
            return next((element for element in self.all(selector) if element.is_displayed()), None)

        found = wait_until(lambda: self._steady(seen), within_s, f"{selector} is shown")
        assert found is not None
        return found

    def text(self, selector: str) -> str:
        """What stands there, once it stands still."""
        said = wait_until(lambda: self._steady(lambda: [element.text for element in self.all(selector)]), 5.0, selector)
        assert said is not None
        return "\n".join(said)

    def wait_text(self, selector: str, text: str, within_s: float = 10.0) -> None:
        wait_until(lambda: text in self.text_now(selector), within_s, f"{text!r} in {selector}")

    def text_now(self, selector: str) -> str:
        """The same, as it is at this moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText).join('\\n')"
        return str(self.run(script, selector))

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def colour(self, selector: str, name: str) -> str:
        """A computed property of the first such element."""
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return str(self.run(script, selector, name))

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.run("return document.documentElement.scrollWidth > window.innerWidth"))

    def complaints(self) -> list[str]:
        """What the browser had to complain of: scripts that failed, things that the page's own policy forbids."""
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in log if not any(noise in entry["message"] for noise in ALLOWED_NOISE)]

    def keep(self, name: str) -> None:
        """A picture, where somebody wants to look."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))

    @staticmethod
    def _steady(look: object) -> object:
        try:
            return look()  # type: ignore[operator]
        except StaleElementReferenceException:
            return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs chromium and chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        window = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
    assert window.service.process is not None
    pid = window.service.process.pid
    KEPT.add(pid)  # its renderers come and go as pages do
    try:
        yield Browser(window)
    finally:
        window.quit()
        KEPT.discard(pid)
