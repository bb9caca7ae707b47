"""Real files: nothing is lost by rotation, many threads, a full disk or a reader that sleeps (P37)."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from actors.logs import LineFile, Logs, start_logs
from actors.logs.files import sweep
from tests import conftest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A log takes the process's logging over; afterwards it is the suite's again."""
    yield
    logger.remove()
    conftest.pytest_configure(None)  # type: ignore[arg-type]  # it uses none


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    started = start_logs(tmp_path / "log", roots=[tmp_path / "in"], rotate_mb=0.01)
    yield started
    started.stop()


def all_lines(folder: Path, pattern: str) -> list[str]:
    return [line for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


@pytest.mark.promise("P37")
def test_many_threads_and_rotations_lose_and_tear_nothing(logs: Logs, tmp_path: Path) -> None:
    threads, each = 8, 150

    def work(number: int) -> None:
        for count in range(each):
            logger.bind(case=f"case-{number}", beam=1, actor="x").info("event {}:{} {}", number, count, "x" * 50)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    folder = tmp_path / "log"
    people = all_lines(folder, "operators*.log")
    machines = [json.loads(line) for line in all_lines(folder, "events*.jsonl")]
    assert len(list(folder.glob("operators-*.log"))) > 5
    assert all(path.stat().st_size <= 10_000 for path in folder.glob("operators*.log"))
    expected = {f"event {number}:{count} {'x' * 50}" for number in range(threads) for count in range(each)}
    assert sorted(line.split(" | ")[1] for line in people) == sorted(expected)
    assert sorted(twin["text"] for twin in machines) == sorted(expected)
    for number in range(threads):
        own = all_lines(folder / "cases", f"case-{number}*.log")
        assert len(own) == each


@pytest.mark.promise("P37")
def test_tail_by_name_sees_every_line_across_rotations(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "log" / "operators.log"
    logger.info("first")
    with subprocess.Popen(
        ["tail", "-n", "+1", "-s", "0.02", "-F", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline().endswith("| first\n")
        seen = []
        for count in range(300):  # three rotations; each line is read before the next is written
            logger.info("line {} {}", count, "y" * 60)
            seen.append(tail.stdout.readline())
        tail.kill()
    assert [line.split("| line ")[1].split()[0] for line in seen] == [str(count) for count in range(300)]
    assert len(list(path.parent.glob("operators-*.log"))) >= 3


@pytest.mark.promise("P37")
def test_a_case_of_a_named_patient_leaves_no_trace_of_the_name(logs: Logs, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "HONG GILDONG_0042" / "1.2.840.10008.1"
    folder.mkdir(parents=True)
    about = logger.bind(case="20260301-120000-a1b2c3d4", folder=folder)
    about.warning("waits for layer files ({})", folder / "2026030112000000" / "02_0042_001_002_001.ptn")
    try:
        (folder / "RP.dcm").read_bytes()
    except FileNotFoundError:
        about.exception("cannot read the plan of patient HONG^GILDONG")
    logs.stop()
    for path in (tmp_path / "log").rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "1.2.840.10008.1" in text
            assert not [word for word in ("HONG", "GILDONG", "0042") if word in text], text


@pytest.mark.promise("P37")
def test_the_libraries_logging_is_led_in(logs: Logs, tmp_path: Path) -> None:
    logging.getLogger("pykka").warning("an inbox %s", "is full")
    logging.getLogger("paramiko.transport").info("chatter")
    logging.getLogger("odd").log(35, "a level of its own")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    failing = threading.Thread(target=lambda: 1 / 0, name="worker-7")
    failing.start()
    failing.join()
    sys.excepthook(ValueError, ValueError("lost"), None)
    text = (tmp_path / "log" / "operators.log").read_text()
    assert "an inbox is full" in text
    assert "chatter" not in text
    assert "a level of its own" in text
    assert "old way" in text
    assert "worker-7 ended by an error: ZeroDivisionError: division by zero" in text
    assert "nobody handled: ValueError: lost" in text


def test_stopping_gives_everything_back(tmp_path: Path) -> None:
    before = (sys.excepthook, threading.excepthook, list(logging.getLogger().handlers), logging.getLogger().level)
    logs = start_logs(tmp_path)
    assert sys.excepthook is not before[0]
    logs.stop()
    logs.stop()
    assert (
        sys.excepthook,
        threading.excepthook,
        list(logging.getLogger().handlers),
        logging.getLogger().level,
    ) == before


@pytest.mark.promise("P20")
def test_a_full_disk_stops_nothing_and_the_gap_is_told(
    logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.info("before")
    real = os.write
    full = {"on": True, "short": True}

    def write(fd: int, data: bytes) -> int:
        if not full["on"]:
            return real(fd, data)
        if full["short"]:  # the first failure is a short write, as a disk that fills up gives it
            full["short"] = False
            return real(fd, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        logger.info("lost 1")
        logger.info("lost 2")
        full["on"] = False
        logger.info("after")
    people = (tmp_path / "log" / "operators.log").read_text().splitlines()
    assert [line.split("| ")[1] for line in people] == [
        "before",
        "2 lines are missing here: the log could not be written",
        "after",
    ]
    twins = [json.loads(line)["text"] for line in all_lines(tmp_path / "log", "events.jsonl")]
    assert [text.split(" ", 1)[-1] for text in twins[1:2]] == ["lines are missing here: the log could not be written"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_without_room_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "full.log"
    path.symlink_to("/dev/full")
    file = LineFile(path, 10_000)
    assert not file.append(b"line\n")
    assert file.lost == 1
    path.unlink()
    assert file.append(b"line\n")
    file.close()


def test_a_log_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    logs = start_logs(tmp_path / "log")
    logger.info("goes nowhere")
    logs.stop()


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = LineFile(path, 10_000)
    file.append(b"one\n")
    path.rename(tmp_path / "b.log")
    file.append(b"two\n")
    path.unlink()
    file.append(b"three\n")
    file.close()
    assert (tmp_path / "b.log").read_text() == "one\n"
    assert path.read_text() == "three\n"


def test_two_rotations_in_one_second_keep_both(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "a.log", 10)
    for number in range(5):
        file.append(b"12345678%d\n" % number)
    file.close()
    assert len(list(tmp_path.glob("a*.log"))) == 5


def test_old_rotated_logs_and_logs_of_cases_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    names = ["operators-20250101T000000.log", "operators.log", "cases/a.log", "cases/b.log", "notes-1.log", "x.txt"]
    for name in names:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, time.time() - (10 if name == "cases/b.log" else 86400 * 40)))
    assert sweep(tmp_path, 30) == 2
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"operators.log", "cases/b.log", "notes-1.log", "x.txt"}
    assert sweep(tmp_path / "none", 1) == 0


def test_a_case_with_an_odd_name_gets_no_file_outside(logs: Logs, tmp_path: Path) -> None:
    logger.bind(case="../../evil").info("hello")
    for number in range(20):
        logger.bind(case=f"c{number}").info("hello")
    assert not list(tmp_path.rglob("*evil*"))
    assert len(list((tmp_path / "log" / "cases").iterdir())) == 20


def test_a_reader_of_stderr_that_sleeps_stops_nothing(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom loguru import logger\nfrom actors.logs import start_logs\n"
        "logs = start_logs(Path(sys.argv[1]), echo=True)\n"
        "for n in range(3000): logger.info('line {} {}', n, 'z' * 100)\n"
        "logger.info('w' * 9000)\nlogs.stop()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.wait(30) == 0  # nobody read the pipe
        assert process.stderr is not None
        assert b"| line 0 z" in process.stderr.read()
    assert len(all_lines(tmp_path, "operators*.log")) == 3001


def test_an_event_costs_little(logs: Logs) -> None:
    started = time.perf_counter()
    for number in range(1000):
        logger.bind(case="c", beam=1).info("event {}", number)
    assert (time.perf_counter() - started) / 1000 < 0.002
