"""What 10,000 cases cost to export and to chart, against merely reading the files that the export rests on."""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from actors.console.trend.drawing import picture_of
from actors.console.trend.series import charts_of
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader, next_boot, open_store
from actors.settings import ReportSettings
from messages.ledger import Followed
from tests.kit.followed import Deliveries

CASES = 10_000
ROOT = Path(__file__).resolve().parents[2]
MOST_MB = 300.0
MOST_RATIO = 20.0
CHART_S = 1.0
"""Of the processor, so that other work on the machine does not count."""
pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoSite]:
    made = make_site(tmp_path_factory.mktemp("export"))
    next_boot(made.ledger, made.state / "backups")
    deliveries = Deliveries(
        CASES, last=datetime.now(UTC), apart=timedelta(minutes=8), results=made.results, odd=frozenset({77})
    )
    with closing(open_store(made.ledger)) as database:
        deliveries.write(database)
    yield made


def plain_reading(site: DemoSite, *names: str) -> float:
    """Seconds to read these files of every case and hash them: the least that any export of proven files costs."""
    begun = time.perf_counter()
    for folder in sorted(site.results.iterdir()):
        for name in names:
            hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return time.perf_counter() - begun


def exported(site: DemoSite, table: str, form: str) -> tuple[float, float]:
    """(seconds, most MB) of one export."""
    out = site.folder / f"{table}.{form}"
    words = ["export", "--table", table, "--format", form, "--out", str(out), "--conf", str(site.conf)]
    begun, most = time.perf_counter(), 0.0
    with subprocess.Popen([sys.executable, "-m", "actors.cli", *words], cwd=ROOT, stderr=subprocess.PIPE) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                most = max(most, watched.memory_info().rss / 1e6)
            except psutil.Error:
                break
            time.sleep(0.05)
    assert process.returncode == 0
    return time.perf_counter() - begun, most


@pytest.mark.parametrize(
    ("table", "form", "files"),
    [
        ("cases", "csv", ("manifest.json", "report/manifest.json")),
        ("beams", "csv", ("manifest.json", "report/manifest.json")),
        ("layers", "csv", ("manifest.json", "report/manifest.json", "report/report.json")),
        ("beams", "parquet", ("manifest.json", "report/manifest.json")),
    ],
)
def test_an_export_costs_a_few_times_the_reading_and_little_memory(
    site: DemoSite, table: str, form: str, files: tuple[str, ...]
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    plain_reading(site, *files)  # into the page cache, for both
    reading = statistics.median(plain_reading(site, *files) for _ in range(3))
    seconds, most = min(exported(site, table, form) for _ in range(2))
    print(
        f"\n{table} of {CASES} cases as {form}: {seconds:.1f} s, {most:.0f} MB; "
        f"reading and hashing their files {reading:.1f} s: ratio {seconds / reading:.1f}"
    )
    assert most < MOST_MB
    assert seconds / reading < MOST_RATIO


def test_charts_of_a_year_are_made_while_a_person_waits(site: DemoSite) -> None:
    reader = Reader(site.ledger)
    now = datetime.now(UTC)

    def timed(work: Callable[[], object]) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    def charts(weeks: int) -> None:
        rows = reader.followed(Followed("G1", 0, now - timedelta(weeks=weeks), now + timedelta(days=1), 6000))
        for chart in charts_of(rows, ReportSettings(), band=0):
            picture_of(chart)

    gantries = min(timed(reader.gantries) for _ in range(3))
    eight, year = (min(timed(partial(charts, weeks)) for _ in range(3)) for weeks in (8, 52))
    told = f"charts of 8 weeks {eight * 1000:.0f} ms, of a year {year * 1000:.0f} ms"
    print(f"\ngantries of {CASES} cases: {gantries * 1000:.0f} ms of processor; {told}")
    assert max(gantries, eight, year) < CHART_S
