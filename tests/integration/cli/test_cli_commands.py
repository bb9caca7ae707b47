"""The commands through their real entry point, on a real ledger: exit codes, one JSON document, errors in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.cli import demonstration, tailing
from actors.cli import entry as entry_module
from actors.cli.doctor import Finding, examine
from actors.cli.doctor import hosts as doctor_hosts
from actors.cli.doctor.examination import _shielded
from actors.cli.entry import run
from actors.cli.site import Site, find_conf
from actors.cli.version import program_version
from actors.demo.site import DemoSite, make_site
from actors.errors import MqiError
from actors.ledger import Ledger
from actors.settings import load
from messages.cases import CaseSource, DeliverySource
from messages.faults import Fault
from messages.ledger import (
    AdmitCase,
    BeamName,
    MoveAttempt,
    MoveBeam,
    MoveCase,
    NoteGpu,
    NoteHost,
    OpenAttempt,
    RaiseAlarm,
    SightCase,
    Write,
    Written,
)
from messages.states import AttemptState, BeamState, CaseState
from tests.kit import Probe, running, wait_until

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUNNING, WAITING, UNSEEN = "20260301-120000-aaaa1111", "20260301-130000-bbbb2222", "20260302-120000-cccc3333"
Out = pytest.CaptureFixture[str]


def admit(name: str) -> AdmitCase:
    delivery = DeliverySource(f"/in/{name}/1", f"key-{name}", 3, AT, 1, 4)
    source = CaseSource(name, f"id-{name}", f"/in/{name}", f"/in/{name}/RP.dcm", "1.2", "1", "G1", (delivery,))
    return AdmitCase(source, (BeamName(3, "A:1"), BeamName(5, "B")))


def records(site: DemoSite) -> tuple[Any, ...]:
    run_dir = site.workspace / RUNNING / "3" / "1"
    run_dir.mkdir(parents=True)
    (run_dir / "engine.log").write_text("batch 1\nbatch 2\n")
    key = f"{RUNNING}/3/1"
    request = json.dumps({"output_dir": str(site.state / "none")})
    return (
        admit(RUNNING),
        MoveCase(RUNNING, CaseState.RUNNING),
        MoveBeam(RUNNING, 3, BeamState.INTERPRETED),
        OpenAttempt(key, RUNNING, 3, 1, "this", "slot-0", "this/gpu-0", str(run_dir), request),
        MoveAttempt(key, AttemptState.STAGED),
        MoveBeam(RUNNING, 3, BeamState.STAGED),
        admit(WAITING),
        SightCase(UNSEEN, "id", "/in/c", "beam 3 misses layer 4"),
        NoteHost("this", "local", "up"),
        NoteGpu("this", 0, "slot-0", "busy", beam=key),
        RaiseAlarm("disk:results", "The results folder is full."),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> DemoSite:
    made = make_site(tmp_path_factory.mktemp("site"))
    probe = Probe()
    with running(Ledger, path=made.ledger, backups=made.state / "backups", backup_hours=24.0) as ledger:
        for number, record in enumerate(records(made)):
            ledger.tell(Write(str(number), probe, "test", 1, (record,)))
            probe.expect(Written)
    log = made.log.parent
    (log / "cases").mkdir(parents=True)
    (log / "operators.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (log / "cases" / f"{RUNNING}.log").write_text("engine started\n")
    events = [{"case": RUNNING, "text": "one"}, {"case": WAITING, "text": "two"}, {"case": None, "text": "three"}]
    (log / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + RUNNING + "\n")
    return made


@pytest.fixture
def call(site: DemoSite, capsys: Out) -> Callable[..., tuple[int, str, str]]:
    def calling(*words: str, conf: bool = True) -> tuple[int, str, str]:
        code = run([*words, *(["--conf", str(site.conf)] if conf else [])])
        out, err = capsys.readouterr()
        return code, out, err

    return calling


Call = Callable[..., tuple[int, str, str]]


def test_cases_lists_all_or_those_in_one_state(call: Call) -> None:
    code, out, _ = call("cases", "--json")
    assert code == 0
    cases = {case["case"]: case for case in json.loads(out)}
    assert {name: case["state"] for name, case in cases.items()} == {
        RUNNING: "running",
        WAITING: "queued",
        UNSEEN: "incoming",
    }
    assert [beam["state"] for beam in cases[RUNNING]["beams"]] == ["staged", "pending"]
    assert [case["case"] for case in json.loads(call("cases", "--state", "queued", "--json")[1])] == [WAITING]
    assert len(call("cases")[1].splitlines()) == 4
    code, _, err = call("cases", "--state", "quued")
    assert code == 2
    assert "incoming" in err


def test_show_takes_a_unique_beginning_of_a_name(call: Call) -> None:
    document = json.loads(call("show", "20260301-12", "--json")[1])
    assert document["case"] == RUNNING
    assert document["attempts"][0]["key"] == f"{RUNNING}/3/1"
    assert any("running" in event["what"] for event in document["events"])
    assert RUNNING in call("show", RUNNING)[1]


@pytest.mark.parametrize("command", ["show", "why", "tail"])
def test_a_case_that_is_not_there_or_not_only_one_is_4(call: Call, command: str) -> None:
    code, out, err = call(command, "20260301")
    assert (code, out) == (4, "")
    assert WAITING in err
    code, _, err = call(command, "nothing")
    assert code == 4
    assert "mqi-actors cases" in err
    code, out, _ = call(command, "nothing", "--json")
    assert json.loads(out)["error"]["code"] == 4


@pytest.mark.promise("P33")
def test_why_is_one_sentence_for_each(call: Call) -> None:
    for name, words in ((RUNNING, "staged"), (WAITING, "The results folder is full"), (UNSEEN, "misses layer 4")):
        code, out, _ = call("why", name)
        assert code == 0
        assert words in out
        assert len(out.splitlines()) == 1
        assert json.loads(call("why", name, "--json")[1])["why"] in out


def test_status_without_a_daemon(call: Call) -> None:
    status = json.loads(call("status", "--json")[1])
    assert status["daemon"]["state"] == "stopped"
    assert status["cases"]["running"] == 1
    assert status["hosts"][0]["gpus"][0]["beam"] == f"{RUNNING}/3/1"
    assert status["alarms"][0]["id"] == "disk:results"
    assert "stopped" in call("status")[1]


@pytest.mark.parametrize("words", [("stop",), ("reload",)])
def test_what_needs_a_daemon_says_3_without_one(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (3, "")
    assert "mqi-actors start" in err


@pytest.mark.promise("P37")
def test_tail_shows_the_last_lines_of_all_of_a_case_or_of_an_engine(call: Call) -> None:
    assert call("tail", "-n", "2")[1] == "line 98\nline 99\n"
    assert call("tail", "-n", "0")[1] == ""
    assert call("tail", RUNNING)[1] == "engine started\n"
    assert call("tail", WAITING)[1] == ""
    assert call("tail", RUNNING, "--engine", "3")[1] == "batch 1\nbatch 2\n"
    assert [event["text"] for event in json.loads(call("tail", "--json")[1])] == ["one", "two", "three"]
    assert [event["text"] for event in json.loads(call("tail", RUNNING, "--json")[1])] == ["one"]
    assert call("tail", RUNNING, "--engine", "5")[0] == 4
    assert call("tail", "--engine", "3")[0] == 2
    assert call("tail", "-f", "--json")[0] == 2


def test_the_engines_log_is_found_where_it_was_put(site: DemoSite, tmp_path: Path) -> None:
    place = site.workspace / RUNNING / "3" / "1" / "engine.log"
    kept = place.rename(tmp_path / "engine.log")
    there = Site(site.conf, {})
    try:
        with pytest.raises(MqiError, match="has no log"):
            tailing.engine_log(there, RUNNING, 3)
        published = site.results / RUNNING / "engine_3.log"
        published.parent.mkdir(parents=True)
        published.write_text("done\n")
        assert tailing.engine_log(there, RUNNING, 3)[0] == published
    finally:
        kept.rename(place)


def test_what_lies_where_the_engines_log_should_be_is_told_only_if_it_is_a_file_of_ours(
    site: DemoSite, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = site.workspace / RUNNING / "3" / "1" / "engine.log"
    (site.results / RUNNING / "engine_3.log").unlink(missing_ok=True)
    kept = place.rename(tmp_path / "engine.log")
    try:
        place.symlink_to(kept)
        assert call("tail", RUNNING, "--engine", "3")[0] == 4
        place.unlink()
        os.mkfifo(place)
        assert call("tail", RUNNING, "--engine", "3")[0] == 4
    finally:
        place.unlink()
        kept.rename(place)
    assert call("tail", RUNNING, "--engine", "3")[0] == 0
    monkeypatch.setattr(tailing, "daemon_user", lambda _: place.stat().st_uid + 1)
    there = Site(site.conf, {})
    with pytest.raises(MqiError, match="has no log"):
        tailing.engine_log(there, RUNNING, 3)


@pytest.mark.promise("P37")
def test_following_loses_nothing_over_rotations(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.log", []
    go_on = threading.Event()
    reader = threading.Thread(target=lambda: seen.extend(tailing.follow(path, 1, on=lambda: not go_on.is_set())))
    path.write_text("old\nnewest\n")
    reader.start()
    wait_until(lambda: b"".join(seen) == b"newest\n")
    for number in range(3):
        with path.open("a") as file:
            file.write(f"a{number}\n")
        path.rename(tmp_path / f"a-{number}.log")
        path.write_text(f"b{number}\n")
        wait_until(lambda number=number: b"".join(seen).endswith(b"b%d\n" % number))  # type: ignore[misc]
    path.write_text("")
    wait_until(lambda: path.stat().st_size == 0)
    path.write_text("c\n")
    wait_until(lambda: b"".join(seen).endswith(b"c\n"))
    go_on.set()
    reader.join()
    assert b"".join(seen) == b"newest\na0\nb0\na1\nb1\na2\nb2\nc\n"


def test_following_waits_for_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.log", []
    go_on = threading.Event()
    reader = threading.Thread(target=lambda: seen.extend(tailing.follow(path, 5, on=lambda: not go_on.is_set())))
    reader.start()
    path.write_text("first\n")
    wait_until(lambda: seen == [b"first\n"])
    go_on.set()
    reader.join()


def test_init_writes_once_and_never_over(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("init", conf=False)[0] == 0
    assert (tmp_path / "conf" / "mqi-actors.toml").exists()
    code, out, _ = call("init", "site", "--json", conf=False)
    assert json.loads(out) == {"path": str(tmp_path / "site" / "mqi-actors.toml")}
    (tmp_path / "site" / "mqi-actors.toml").write_text("mine")
    code, _, err = call("init", "site", conf=False)
    assert code == 2
    assert "already" in err
    assert (tmp_path / "site" / "mqi-actors.toml").read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert call("init", "file/x", conf=False)[0] == 2


def test_what_init_writes_is_accepted(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path)]) == 0
    settings = load(tmp_path / "mqi-actors.toml", {})
    assert (settings.hosts[0].kind, settings.hosts[0].launcher) == ("local", "direct")


def test_the_configuration_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MQI_CONF", raising=False)
    assert find_conf(Path("a"), {"MQI_CONF": "b"}) == Path("a")
    assert find_conf(None, {"MQI_CONF": "b"}) == Path("b")
    if not Path("/etc/mqi-actors/mqi-actors.toml").exists():
        code, _, err = call("cases", conf=False)
        assert code == 2
        assert "mqi-actors init" in err
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mqi-actors.toml").touch()
    assert find_conf(None, {}) == Path("conf/mqi-actors.toml")


def test_check_is_one_line_each_and_1_if_one_fails(call: Call, site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("check")
    assert code == 0, out
    assert all(line.startswith("ok  ") for line in out.splitlines())
    for words in (
        "configuration",
        "folder results.dir",
        "disk state",
        "local disk",
        "engine",
        "clock",
        "calibration G2",
    ):
        assert words in out
    monkeypatch.setenv("MQI_RESULTS__MIN_FREE_GB", "1e9")
    monkeypatch.setenv("MQI_SCAN__ROOTS", str(site.folder / "missing"))
    monkeypatch.setenv("MQI_DAEMON__LOG_DIR", "/proc/nothing")
    monkeypatch.setenv("MQI_ENGINE__PROFILE", "moqui-smc")
    code, out, _ = call("check", "--json")
    assert code == 1
    failed = {row["name"]: row for row in json.loads(out)["checks"] if not row["ok"]}
    assert {"disk results", "watch root", "folder daemon.log_dir", "engine"} <= set(failed)
    assert all(row["remedy"] for row in failed.values())
    monkeypatch.setenv("MQI_SCAN__QUITE_S", "1")
    code, out, _ = call("check")
    assert code == 1
    assert 'did you mean "QUIET_S"' in out


def test_check_asks_the_gpus_and_says_what_keeps_it(site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"MQI_HOSTS__GPUS": "auto"}
    found = [f for f in examine(site.conf, environ, (doctor_hosts.check_gpus,)) if "GPU" in f.name]
    assert found
    monkeypatch.setattr(doctor_hosts, "NVML_LIMIT_S", 0.0)
    hang = threading.Event()
    monkeypatch.setattr("actors.local_host.nvml.Nvml.read", lambda self: hang.wait(10) and ())
    (late,) = [f for f in examine(site.conf, environ, (doctor_hosts.check_gpus,)) if "GPU" in f.name]
    hang.set()
    assert "did not answer" in late.text


@pytest.mark.promise("P28")
def test_a_gpu_that_two_hosts_offer_is_a_failure(site: DemoSite) -> None:
    def check_one(*_: Any) -> Any:
        yield Finding("GPU 0 of near", ok=True, text="a card GPU-a", gpu="GPU-a")
        yield Finding("GPU 1 of near", ok=True, text="a card GPU-b", gpu="GPU-b")

    def check_two(*_: Any) -> Any:
        yield Finding("host far, GPU 0", ok=True, text="a card GPU-b", gpu="GPU-b")

    (failed,) = [found for found in examine(site.conf, {}, (check_one, check_two)) if not found.ok]
    assert (failed.name, failed.text) == ("host far, GPU 0", "GPU-b is offered as GPU 1 of near already")
    assert failed.remedy


def test_a_check_that_fails_itself_is_a_failure_and_the_others_go_on(site: DemoSite) -> None:
    def check_one(*_: Any) -> Any:
        raise MqiError(Fault("broken", "/here"))
        yield

    def check_two(*_: Any) -> Any:
        raise OSError(5, "Input/output error")
        yield

    settings = load(site.conf, {})
    (one,), (two,) = list(_shielded(check_one, settings, site.conf)), list(_shielded(check_two, settings, site.conf))
    assert (one.ok, one.name, one.text) == (False, "one", "broken (/here)")
    assert "Input/output" in two.text


def test_demo_case_writes_a_case_or_says_what_there_is(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("demo", "case", str(tmp_path / "c"), "--layers", "2", "--spots", "4", "--json", conf=False)
    assert code == 0
    assert json.loads(out)["files"] == len([p for p in (tmp_path / "c").rglob("*") if p.is_file()])
    code, _, err = call("demo", "case", str(tmp_path / "d"), "--fault", "nonsense", conf=False)
    assert code == 2
    assert "missing-layer" in err
    (tmp_path / "file").touch()
    assert call("demo", "case", str(tmp_path / "file" / "x"), conf=False)[0] == 2


def test_demo_hands_its_options_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stand_in(keep: Path | None, **options: Any) -> int:
        given.update(options, keep=keep)
        return 1

    monkeypatch.setattr(demonstration, "whole_demo", stand_in)
    assert call("demo", "--keep", "/x", "--cases", "5", "--gpus", "4", "--json", conf=False)[0] == 1
    assert given == {
        "keep": Path("/x"), "cases": 5, "gpus": 4, "ssh": False, "engine": "reference", "as_json": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cases", "--bogus"), "No such option"),
        (("casse",), "No such command"),
        (("show",), "Missing argument"),
        (("demo", "--cases", "0"), "--cases"),
    ],
)
def test_wrong_usage_is_2_in_two_lines(call: Call, words: tuple[str, ...], said: str) -> None:
    code, out, err = call(*words, conf=False)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 2


def test_an_error_of_the_program_is_told_without_a_traceback_unless_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cli.site.Site.reader", property(lambda self: 1 / 0))
    code, _, err = call("cases")
    assert code == 1
    assert "Traceback" not in err
    assert "ZeroDivisionError" in err
    assert "Traceback" in call("cases", "--debug")[2]
    monkeypatch.setattr(entry_module.app, "registered_commands", entry_module.app.registered_commands)
    monkeypatch.setattr("actors.cli.site.Site.reader", property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt)))
    assert call("cases")[0] == 130


def command(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actors.cli", *words],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_entry_point_of_the_process(site: DemoSite) -> None:
    assert "start" in command("--help").stdout
    assert json.loads(command("cases", "--json", MQI_CONF=str(site.conf)).stdout)
    assert command("show", "nothing", MQI_CONF=str(site.conf)).returncode == 4
    assert command().returncode in (0, 2)


def test_a_reader_that_leaves_is_no_error(site: DemoSite) -> None:
    line = f"{sys.executable} -m actors.cli tail -n 100 --conf {site.conf} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_help_starts_without_what_it_does_not_need() -> None:
    heavy = "{'pydantic', 'numpy', 'loguru', 'rich'}"
    probe = f"import sys, actors.cli.app; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert program_version()[0].isdigit()


@pytest.mark.promise("P38")
def test_a_live_daemon_is_asked_by_its_socket_and_by_signal_where_that_is_silent(tmp_path: Path, capsys: Out) -> None:
    here = make_site(tmp_path)
    good = here.conf.read_text()
    arguments = [sys.executable, "-m", "actors.cli", "start", "--conf", str(here.conf)]

    def ask(*words: str) -> tuple[int, Any]:
        code = run([*words, "--json", "--conf", str(here.conf)])
        return code, json.loads(capsys.readouterr().out)

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda: ask("status")[1]["daemon"].get("answers"), 20.0)
        return process

    process = start()
    try:
        told = wait_until(lambda: (now := ask("status")[1])["hosts"][0]["gpus"] and now, 20.0)
        assert told["daemon"]["pid"] == process.pid
        assert {disk["label"] for disk in told["disks"]} == {"state", "results", "workspace:this"}
        here.conf.write_text(good.replace("quiet_s = 0.5", "quiet_s = 0.6").replace("attempts = 3", "attempts = 4"))
        assert ask("reload")[1]["changed"] == ["retry.attempts", "scan.quiet_s"]
        assert ask("submit", str(tmp_path / "nowhere"))[0] == 4
        (here.incoming / "empty").mkdir()
        assert ask("submit", str(here.incoming / "empty"))[0] == 4
        assert run(["check", "--conf", str(here.conf)]) == 0
        assert f"pid {process.pid}" in capsys.readouterr().out
        assert ask("stop") == (0, {"stopped": True, "pid": process.pid})
        assert process.wait(5) == 0
        process = start()
        (here.state / "control.sock").unlink()
        assert not ask("status")[1]["daemon"]["answers"]
        assert ask("reload")[0] == 2
        assert ask("stop")[0] == 0
        assert process.wait(5) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
