"""The daemon: locked, examined, started; then its main thread waits for orders: stop, reload, the tree's end."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loguru import logger

from actors.cli.daemon.engine import engine_version
from actors.cli.daemon.lock import StateLock
from actors.cli.daemon.memory import few_arenas
from actors.cli.daemon.preflight import make_folders, read_profile
from actors.cli.daemon.service import ServiceManager
from actors.cli.failures import ExitCode
from actors.cli.version import program_version
from actors.console import control_socket
from actors.ledger import next_boot
from actors.logs import start_logs
from actors.mounts import NOTE, expected_mount
from actors.settings import Settings, SettingsError, diff, load, merged
from messages.engine import EngineProfile
from messages.operators import SettingsReloaded

STOP_S = 8.0
"""For the actors to end in order."""
EXIT_S = 9.5
"""Then the process ends, whatever hangs: engines are detached and go on, the ledger knows them."""
RELOAD_S = 10.0
_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class _Stop:
    by: str


@dataclass(frozen=True, slots=True)
class _Reload:
    future: Future[SettingsReloaded]


class Running(Protocol):
    """The tree, as the process sees it."""

    def start(self) -> None: ...
    def stop(self, limit_s: float | None = None) -> None: ...
    def wait(self, timeout_s: float | None = None) -> bool: ...
    @property
    def cause(self) -> BaseException | None: ...


class Assembly(Protocol):
    """How the tree is built and told of new settings: ``actors.tree``, or a small one in a test."""

    def build(self, daemon: Daemon, boot: int) -> Running: ...
    def take_over(self, daemon: Daemon, running: Any) -> None: ...


class Daemon:
    """One run of the process on one configuration. ``settings`` are those in force."""

    def __init__(self, path: Path, environ: Mapping[str, str], settings: Settings, profile: EngineProfile) -> None:
        self.path, self.environ = path, environ
        self.settings, self.profile = settings, profile
        self.socket = control_socket(settings.daemon.state_dir, environ)
        self.engine_version = engine_version(profile)
        self.version = program_version()
        self._service = ServiceManager(environ)
        self._orders: queue.SimpleQueue[_Stop | _Reload] = queue.SimpleQueue()

    # -- from any thread

    def stop(self, by: str = "the control socket") -> None:
        """Ask for the end; returns at once."""
        self._orders.put(_Stop(by))

    def reload(self) -> SettingsReloaded:
        """Read the configuration again and take over what can be; waits for it."""
        future: Future[SettingsReloaded] = Future()
        self._orders.put(_Reload(future))
        return future.result(RELOAD_S)

    # -- in the main thread

    def run(self, assembly: Assembly, boot: int) -> ExitCode:
        """Until the end, ordered or not."""
        with self._signals():
            running = assembly.build(self, boot)
            self._say_hello(boot)
            running.start()
            self._service.ready()
            return self._obey(assembly, running)

    def _obey(self, assembly: Assembly, running: Running) -> ExitCode:
        while not running.wait(0.0):
            self._service.alive()
            match self._next_order():
                case _Stop(by):
                    return self._end(running, by)
                case _Reload(future):
                    self._answer(future, assembly, running)
                case None:
                    pass
        cause = running.cause
        logger.critical("the daemon gives up: {}; its process supervisor starts it again", _words(cause))
        return ExitCode.GAVE_UP

    def _next_order(self) -> _Stop | _Reload | None:
        try:
            return self._orders.get(timeout=_TICK_S)
        except queue.Empty:
            return None

    def _end(self, running: Running, by: str) -> ExitCode:
        logger.info("stopping, ordered by {}; engines go on and are picked up at the next start", by)
        self._service.stopping()
        hard = threading.Timer(EXIT_S, _leave)
        hard.daemon = True
        hard.start()
        running.stop(STOP_S)
        if not running.wait(STOP_S + 1.0) or running.cause is not None:
            logger.warning("not every actor ended in order: {}", _words(running.cause))
        hard.cancel()
        logger.info("stopped")
        return ExitCode.DONE

    def _answer(self, future: Future[SettingsReloaded], assembly: Assembly, running: Running) -> None:
        try:
            future.set_result(self._reload(assembly, running))
        except Exception as error:
            logger.opt(exception=error).error("the configuration was not taken over")
            future.set_exception(error)

    def _reload(self, assembly: Assembly, running: Running) -> SettingsReloaded:
        try:
            wanted = load(self.path, self.environ)
        except SettingsError as error:
            for problem in error.problems:
                logger.error("reload refused: {}", problem)
            return SettingsReloaded("", (), (), error.problems)
        changes = diff(self.settings, wanted)
        if changes.reload:
            self.settings = merged(self.settings, wanted)
            assembly.take_over(self, running)
        logger.info("configuration read again; in force now: {}", ", ".join(changes.reload) or "nothing new")
        if changes.restart:
            logger.warning("these wait for the next start: {}", ", ".join(changes.restart))
        return SettingsReloaded("", changes.reload, changes.restart, ())

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def on_stop(number: int, _frame: object) -> None:
            self._orders.put(_Stop(signal.Signals(number).name))

        def on_reload(_number: int, _frame: object) -> None:
            self._orders.put(_Reload(Future()))

        wanted = {signal.SIGTERM: on_stop, signal.SIGINT: on_stop, signal.SIGHUP: on_reload}
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _say_hello(self, boot: int) -> None:
        hosts = ", ".join(host.name for host in self.settings.hosts)
        logger.info("mqi-actors {} starts: pid {}, start number {}, {}", self.version, os.getpid(), boot, self.path)
        logger.info("engine {} ({}), hosts {}", self.profile.name, self.engine_version, hosts)


class RealTree:
    """The assembly that ``start`` uses: the page ``actors/tree.py``."""

    def build(self, daemon: Daemon, boot: int) -> Running:
        from actors.tree import Tree

        return Tree(self._site(daemon), boot)

    def take_over(self, daemon: Daemon, running: Any) -> None:
        running.take_over(self._site(daemon))

    def _site(self, daemon: Daemon) -> Any:
        from actors.ledger import Reader
        from actors.site import Site

        return Site(
            settings=daemon.settings,
            profile=daemon.profile,
            engine_version=daemon.engine_version,
            daemon_version=daemon.version,
            socket=daemon.socket,
            stop=daemon.stop,
            reload=daemon.reload,
            open_gpus=Reader(daemon.settings.ledger_path).open_gpus(),
            results_mount=expected_mount(daemon.settings.results.dir, daemon.settings.daemon.state_dir / NOTE),
        )


def run_daemon(path: Path, environ: Mapping[str, str], assembly: Assembly | None = None, *, debug: bool = False) -> int:
    """``start``: in the foreground until told to stop; the exit code. Raises what is wrong before anything started."""
    few_arenas()
    settings = load(path, environ)
    make_folders(settings)
    profile = read_profile(settings)
    daemon = Daemon(path, environ, settings, profile)
    with StateLock(settings.daemon.state_dir, daemon.socket) as lock:
        logs = start_logs(
            settings.daemon.log_dir,
            roots=settings.scan.roots,
            rotate_mb=settings.daemon.log_rotate_mb,
            keep_days=settings.daemon.log_keep_days,
            echo=True,
            level="DEBUG" if debug else "INFO",
        )
        try:
            boot = next_boot(settings.ledger_path, settings.backups_dir)
            lock.note(boot)
            return daemon.run(assembly or RealTree(), boot)
        finally:
            logs.stop()


def _leave() -> None:
    logger.error("the process ends although actors still hang; engines go on")
    os._exit(int(ExitCode.DONE))


def _words(cause: BaseException | None) -> str:
    return f"{type(cause).__name__}: {cause}" if cause is not None else "no cause was told"
