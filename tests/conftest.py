"""For all tests: quiet logs, no stray thread or process, one way to draw examples."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.kit.leaks import children, strays, threads  # noqa: E402 - the line above makes it importable
from tests.kit.slurm import Slurm  # noqa: E402
from tests.kit.waiting import wait_until  # noqa: E402

LEAKS_GONE_WITHIN_S = 10.0

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the shared cluster run in one process: one cluster for all of them."""
    for item in items:
        if "slurm_cluster" in getattr(item, "fixturenames", ()) or "slurm" in getattr(item, "name", "").split("[")[-1]:
            item.add_marker(pytest.mark.xdist_group("slurm"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """A release of pytest or pytest-xdist that ignores groups does so in silence: each worker made its own daemon."""
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("this pytest-xdist does not group tests under this pytest: see pyproject.toml")


def pytest_configure(config: pytest.Config) -> None:
    """Logs go to pytest's own capture only: shown for a test that fails, nowhere else."""
    logger.remove()
    logger.add(_to_logging, format="{message}", level="DEBUG")


def _to_logging(message: object) -> None:
    record = message.record  # type: ignore[attr-defined]  # loguru's Message is a str with a record
    logging.getLogger(record["name"] or "log").log(min(record["level"].no, logging.CRITICAL), record["message"])


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """A test leaves no thread and no child process; they are named."""
    threads_before, children_before = threads(), children()
    yield
    try:
        wait_until(lambda: not strays(threads_before, children_before), LEAKS_GONE_WITHIN_S)
    except AssertionError:
        pytest.fail(f"left behind: {', '.join(strays(threads_before, children_before))}", pytrace=False)


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[Slurm]:
    """One cluster for all tests of this process that ask for it; skips where none can be started."""
    with Slurm.shared() as cluster:
        yield cluster


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """Lines that the log has from here on: ``LEVEL message``."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.rstrip("\n")), format="{level} {message}", level="DEBUG")
    yield lines
    logger.remove(sink)
