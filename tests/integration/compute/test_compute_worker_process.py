"""The worker program by itself."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import pytest

from actors.compute.frames import Call, Ready, Returned, receive, send

FUNCTIONS = "tests.integration.compute.compute_functions"


@pytest.fixture
def worker():
    command = [sys.executable, "-m", "actors.compute.worker", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_it_outlives_the_signals_of_the_daemon_and_ends_with_its_stdin(worker):
    assert receive(worker.stdout) == Ready(worker.pid)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        worker.send_signal(number)
    send(worker.stdin, Call(f"{FUNCTIONS}:noisy", pickle.dumps(3)))
    answer = receive(worker.stdout)
    assert isinstance(answer, Returned) and pickle.loads(answer.value) == 3
    out, err = worker.communicate()
    assert worker.returncode == 0
    assert out == b""
    assert b"not a frame" in err and b"nor this" in err


def test_it_does_not_start_for_a_daemon_that_is_gone():
    process = subprocess.run([sys.executable, "-m", "actors.compute.worker", "1"], capture_output=True, check=False)
    assert (process.returncode, process.stdout) == (0, b"")
