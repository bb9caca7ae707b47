"""Process supervisors must stop the daemon alone: the shipped files do, and ``check`` sees those that do not (P17)."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from actors.cli.doctor.hosts import judge_gpus
from actors.cli.doctor.supervisors import supervisor_problems
from actors.settings import SHIPPED, HostSettings
from messages.hosts import GpuReading

UNIT = "[Unit]\nDescription=a %i b\n[Service]\nExecStart=/x/bin/mqi-actors start\n"
PROGRAM = "[program:mqi]\ncommand=/x/bin/mqi-actors start\n"


@pytest.mark.promise("P17", "P38")
@pytest.mark.parametrize("name", ["mqi-actors.service", "supervisord.conf"])
def test_the_shipped_files_leave_engines_alone(name: str) -> None:
    text = (SHIPPED / name).read_text()
    assert "mqi-actors start" in text
    assert supervisor_problems(name, text) == []


@pytest.mark.promise("P17", "P38")
def test_the_shipped_files_give_the_daemon_time_and_restart_it_when_it_gave_up() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((SHIPPED / "mqi-actors.service").read_text())
    assert parser["Service"]["KillMode"] == "process"
    assert int(parser["Service"]["TimeoutStopSec"]) > 10
    assert parser["Service"]["Restart"] == "on-failure"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((SHIPPED / "supervisord.conf").read_text())
    program = parser["program:mqi-actors"]
    assert (program["stopasgroup"], program["killasgroup"]) == ("false", "false")
    assert int(program["stopwaitsecs"]) > 10
    assert "70" not in program["exitcodes"].split(",")
    assert program["autorestart"] == "unexpected"


@pytest.mark.promise("P17")
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.service", UNIT, "KillMode=control-group"),
        ("a.service", UNIT + "KillMode=mixed\n", "KillMode=mixed"),
        ("a.conf", PROGRAM + "stopasgroup=true\n", "stopasgroup=true"),
        ("a.conf", PROGRAM + "killasgroup=1 ; why not\n", "killasgroup=1"),
        ("a.conf", "command=/x\n", "cannot be read"),
    ],
)
def test_files_that_would_kill_engines_are_seen(name: str, text: str, words: str) -> None:
    ((problem, remedy),) = supervisor_problems(name, text)
    assert words in problem
    assert remedy


@pytest.mark.parametrize("text", [PROGRAM, PROGRAM + "stopasgroup=\n", "[program:x]\ncommand=/y\nstopasgroup=true\n"])
def test_programs_of_others_and_defaults_are_no_problem(text: str) -> None:
    assert supervisor_problems("a.conf", text) == []


def test_gpus_that_are_missing_or_silent_are_told() -> None:
    def judged(gpus: object, *found: GpuReading) -> list[tuple[str, bool]]:
        host = HostSettings(name="h", kind="local", workspace="/w", gpus=gpus)  # type: ignore[arg-type]
        return [(finding.name, finding.ok) for finding in judge_gpus(host, found)]

    good, bad = GpuReading(0, "GPU-0", "H100", 80000, 1, 79999), GpuReading(1, "GPU-1", "H100", fault="no answer")
    assert judged("auto", good, bad) == [("GPU 0 of h", True), ("GPU 1 of h", False)]
    assert judged([0], good, bad) == [("GPU 0 of h", True)]
    assert judged([0, 3], good) == [("GPU 3 of h", False), ("GPU 0 of h", True)]
    assert judged("auto") == [("GPUs of h", False)]


def test_the_shipped_folder_is_the_projects() -> None:
    assert Path(__file__).resolve().parents[3] / "conf" == SHIPPED
