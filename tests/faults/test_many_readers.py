"""Commands and the page read while the daemon writes: none fails, and the writer is not held up."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite
from actors.ledger import Reader
from tests.kit.counted import counted_site, judge
from tests.kit.daemon import Daemon, run_cli, until

CASES, READERS = 20, 4
LOG_BYTES = 20e6
"""SQLite's log is taken over into the file at 4 MB where no reader stands in the way."""


class Crowd:
    """Readers that look without a pause, and one who types commands; as a context manager they leave together."""

    def __init__(self, site: DemoSite) -> None:
        self.looks: Counter[str] = Counter()
        self.faults: list[Exception] = []
        self._site, self._over = site, threading.Event()
        work = [self._read] * READERS + [self._command]
        self._threads = [threading.Thread(target=self._looking, args=(look,)) for look in work]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _looking(self, look: object) -> None:
        while not self._over.is_set():
            try:
                look()  # type: ignore[operator]
            except Exception as error:
                self.faults.append(error)
                return

    def _read(self) -> None:
        reader = Reader(self._site.ledger)
        for row in reader.cases():
            reader.attempts(row.case)
            reader.events(row.case)
        self.looks["reader"] += 1

    def _command(self) -> None:
        for word in ("status", "cases"):
            done = run_cli(word, "--json", "--conf", str(self._site.conf))
            assert done.returncode == 0, done.stderr
        self.looks["command"] += 1


@pytest.mark.promise("P34")
def test_many_readers_neither_fail_nor_hold_up_the_writer(tmp_path: Path) -> None:
    with counted_site(tmp_path / "site", seconds=0.0) as counted:
        site = counted.site
        with Daemon(site) as daemon:
            with Crowd(site) as crowd:
                for seed in range(1, CASES + 1):
                    write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=10, seed=seed)
                daemon.until_ended(CASES)
                until(lambda: crowd.looks["command"] > 1 or crowd.faults, 60, "commands answer")
            until(lambda: all(row.cleaned for row in daemon.rows().values()), 30, "cleaned up")
            log = site.ledger.with_name(site.ledger.name + "-wal").stat().st_size
            daemon.stop()
        assert not crowd.faults
        assert crowd.looks["reader"] > CASES
        assert log < LOG_BYTES
        assert judge(counted, CASES) == []
