"""What ten open pages cost the daemon, with 1,000 cases in the ledger, while it rests and while it works."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader, next_boot, open_store
from messages.ledger import MoveCase, NoteInterpretation
from messages.states import CaseState
from tests.integration.console.around import free_port
from tests.integration.ledger.ledger_cases import admission, must
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile

CASES, PAGES, BATCH = 1000, 10, 8
REST_S = 20.0
MOST_CPU, MOST_MB = 0.05, 50.0
pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@dataclass(slots=True)
class Page:
    """What a browser does: it loads the page, listens, and loads it again, once a second at most."""

    port: int
    over: threading.Event
    loads: int = 0
    pieces: int = 0
    read: int = 0
    """Bytes."""

    def run(self) -> None:
        self._load()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/live?lang=en")
        stream = connection.getresponse()
        due, loaded = False, time.monotonic()
        while not self.over.is_set():
            line = stream.fp.readline()
            self.read += len(line)
            self.pieces += line.startswith(b"event: page")
            due |= line.startswith(b"event: cases")
            if due and time.monotonic() - loaded >= 1.0:
                self._load()
                due, loaded = False, time.monotonic()
        connection.close()

    def _load(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            connection.request("GET", "/")
            self.read += len(connection.getresponse().read())
            self.loads += 1


@contextmanager
def pages(port: int, count: int) -> Iterator[list[Page]]:
    over = threading.Event()
    opened = [Page(port, over) for _ in range(count)]
    threads = [threading.Thread(target=page.run) for page in opened]
    for thread in threads:
        thread.start()
    until(lambda: all(page.pieces for page in opened), 30)
    try:
        yield opened
    finally:
        over.set()
        for thread in threads:
            thread.join()


def thousand(site: DemoSite) -> None:
    """As many cases as a centre treats in some months, each with an interpretation of the usual size."""
    next_boot(site.ledger)
    interpretation = '{"beams": [], "padding": "' + "x" * 12_000 + '"}'
    with closing(open_store(site.ledger)) as database:
        database.execute("PRAGMA synchronous = OFF")
        for n in range(CASES):
            name = f"20260101-{n:06d}-{n:08x}"
            must(database, admission(name), NoteInterpretation(name, interpretation))
            must(database, MoveCase(name, CaseState.FAILED, "Beam 3, layer 4: the .ptn file is missing"))


def at_rest(process: psutil.Process) -> float:
    """CPU seconds per second."""
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    time.sleep(REST_S)  # the measurement itself
    return (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)


def at_work(process: psutil.Process, site: DemoSite, first: int) -> tuple[float, float]:
    """CPU seconds of the daemon itself for a batch of cases, and how long it took."""
    reader = Reader(site.ledger)
    done = reader.counts()[CaseState.DONE]
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    for seed in range(first, first + BATCH):
        write_demo_case(site.incoming / f"patient-{seed}", seed=seed, layers=2, spots=10)
    until(lambda: reader.counts()[CaseState.DONE] == done + BATCH, 120)
    return sum(process.cpu_times()[:2]) - used, time.monotonic() - began


def test_ten_open_pages_with_a_thousand_cases(tmp_path: Path) -> None:
    port = free_port()
    page = f'[console]\nlisten = "127.0.0.1:{port}"\n'
    site = make_site(tmp_path, gpus=2, profile=quick_profile(tmp_path, 1.0), interval_s=1.0, quiet_s=0.2, more=page)
    thousand(site)
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(site))
        assert daemon.process is not None
        process = psutil.Process(daemon.process.pid)
        at_work(process, site, 1)  # every part of it has worked once
        alone, work, took = at_rest(process), *at_work(process, site, 1 + BATCH)
        before = process.memory_info().rss / 1e6
        opened = stack.enter_context(pages(port, PAGES))
        watched, watched_work, watched_took = at_rest(process), *at_work(process, site, 1 + 2 * BATCH)
        grown = process.memory_info().rss / 1e6 - before
        share = (watched_work - work) / max(took, watched_took)
    print(f"\n{PAGES} pages, {CASES} cases: at rest {alone:.2%} CPU alone, {watched:.2%} watched;", end=" ")
    print(
        f"at work {work / took:.2%} alone, {watched_work / watched_took:.2%} watched, {share:+.2%} for the pages;",
        end=" ",
    )
    print(f"memory {before:.0f} MB, {grown:+.1f} MB; {sum(one.loads for one in opened)} loads", end=" ")
    print(f"and {sum(one.pieces for one in opened)} pushes, {sum(one.read for one in opened) / 1e6:.1f} MB in all")
    assert watched - alone < MOST_CPU
    assert share < MOST_CPU
    assert grown < MOST_MB
