"""The stand-in GPU driver, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.nvml import Driver, build, put_under_bindings


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver(nvml_library, tmp_path / "nvml.txt")
    driver.say(count=0)
    put_under_bindings(driver, monkeypatch)
    return driver
