"""The daemon's main loop in this process, with a tree that only pretends: orders, reloads, its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from actors.cli.daemon import run as run_module
from actors.cli.daemon.preflight import make_folders
from actors.cli.daemon.run import Daemon, RealTree, run_daemon
from actors.cli.failures import CommandError
from actors.demo.site import DemoSite, make_site
from actors.settings import load
from messages.operators import SettingsReloaded
from tests import conftest


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The daemon takes the process's logging over; afterwards it is the suite's again."""
    yield
    logger.remove()
    conftest.pytest_configure(None)  # type: ignore[arg-type]  # it uses none


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    return make_site(tmp_path)


class Pretend:
    """An assembly, and the tree that it builds. ``meanwhile`` runs in a thread while the daemon runs."""

    def __init__(self, meanwhile: Callable[[Daemon], object] = lambda daemon: None) -> None:
        self.meanwhile = meanwhile
        self.cause: BaseException | None = None
        self.over = threading.Event()
        self.stops = True
        self.taken: list[float] = []
        self.thread = threading.Thread(target=lambda: None)

    def build(self, daemon: Daemon, boot: int) -> Any:
        self.daemon, self.boot = daemon, boot
        return self

    def take_over(self, daemon: Daemon, running: Any) -> None:
        assert running is self
        self.taken.append(daemon.settings.scan.quiet_s)

    def start(self) -> None:
        self.thread = threading.Thread(target=self.meanwhile, args=(self.daemon,))
        self.thread.start()

    def stop(self, limit_s: float | None = None) -> None:
        assert limit_s is not None and limit_s < 10
        if self.stops:
            self.over.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        return self.over.wait(0.01 if timeout_s else 0.0)


def lines(site: DemoSite) -> str:
    return site.log.read_text()


@pytest.mark.promise("P38")
def test_an_order_to_stop_ends_it_with_0(site: DemoSite) -> None:
    before = signal.getsignal(signal.SIGTERM)
    tree = Pretend(lambda daemon: daemon.stop())
    assert run_daemon(site.conf, {}, tree) == 0
    tree.thread.join()
    assert tree.boot == 1
    assert "ordered by the control socket" in lines(site)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.promise("P38")
def test_signals_are_orders(site: DemoSite) -> None:
    tree = Pretend(lambda daemon: os.kill(os.getpid(), signal.SIGTERM))
    assert run_daemon(site.conf, {}, tree) == 0
    tree.thread.join()
    assert "ordered by SIGTERM" in lines(site)


@pytest.mark.promise("P38")
def test_actors_that_hang_are_told_and_the_process_ends(site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    tree = Pretend(lambda daemon: daemon.stop())
    tree.stops = False
    assert run_daemon(site.conf, {}, tree) == 0
    tree.thread.join()
    assert "not every actor ended in order" in lines(site)
    run_module._leave()
    assert left == [0]


def test_a_tree_that_ends_by_itself_is_70(site: DemoSite) -> None:
    tree = Pretend()
    tree.cause = RuntimeError("boom")
    tree.over.set()
    assert run_daemon(site.conf, {}, tree) == 70
    tree.thread.join()
    assert "the daemon gives up: RuntimeError: boom" in lines(site)


@pytest.mark.promise("P38", "P36")
def test_a_reload_takes_over_tells_what_waits_and_refuses_what_is_wrong(site: DemoSite) -> None:
    good, answers = site.conf.read_text(), []

    def meanwhile(daemon: Daemon) -> None:
        for change in (("quiet_s = 0.5", "quiet_s = 7.5"), ("quiet_s", "quite_s"), ('name = "this"', 'name = "that"')):
            site.conf.write_text(good.replace(*change))
            answers.append(daemon.reload())
        daemon.stop()

    tree = Pretend(meanwhile)
    assert run_daemon(site.conf, {}, tree) == 0
    tree.thread.join()
    first, second, third = answers
    assert first == SettingsReloaded("", ("scan.quiet_s",), (), ())
    assert 'did you mean "quiet_s"' in second.errors[0]
    assert third.changed == ("scan.quiet_s",)  # back to what it was
    assert {key.split(".")[1] for key in third.needs_restart} == {"this", "that"}
    assert tree.taken == [7.5, 0.5]


def test_a_take_over_that_fails_is_told_to_whoever_asked(site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[BaseException] = []

    def fails(*_: object) -> None:
        raise ValueError("cannot")

    def meanwhile(daemon: Daemon) -> None:
        site.conf.write_text(site.conf.read_text().replace("quiet_s = 0.5", "quiet_s = 7.5"))
        try:
            daemon.reload()
        except ValueError as error:
            failures.append(error)
        daemon.stop()

    tree = Pretend(meanwhile)
    monkeypatch.setattr(tree, "take_over", fails)
    assert run_daemon(site.conf, {}, tree) == 0
    tree.thread.join()
    assert str(failures[0]) == "cannot"


def test_the_real_tree_is_built_from_the_site_in_force(site: DemoSite) -> None:
    settings = load(site.conf, {})
    make_folders(settings)
    daemon = Daemon(site.conf, {}, settings, run_module.read_profile(settings))
    assembly = RealTree()
    system = assembly.build(daemon, 1)
    taken: list[Any] = []
    system.take_over = taken.append  # type: ignore[attr-defined]
    assembly.take_over(daemon, system)
    assert taken[0].settings is settings
    assert taken[0].socket == site.state / "control.sock"


@pytest.mark.promise("P36")
def test_folders_that_cannot_be_used_are_refused_by_their_key(site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> None:
    away = site.folder / "share" / "in"
    settings = load(site.conf, {"MQI_SCAN__ROOTS": str(away)})
    make_folders(settings)  # a share that is away stops nobody
    assert not away.parent.exists(), "and no empty folder is put in its place"
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError, match=r"daemon\.state_dir is not writable"):
        make_folders(settings)
