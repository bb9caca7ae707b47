"""What a look at a run directory proves, for every combination of what it may find."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.jobs import Engine, Lock, Look, Started, decide, parse_engine, parse_exit, parse_started
from messages.jobs import Observation

KEY = "case/3/1"
EXIT = {
    "key": KEY,
    "epoch": 4,
    "exit_code": 0,
    "signal": None,
    "timed_out": False,
    "cancelled": False,
    "started": "2026-01-02T03:04:05+01:00",
    "ended": "2026-01-02T03:05:05+01:00",
    "duration_s": 60.0,
    "boot_id": "boot-1",
}
STARTED = Started(KEY, 4, 123, 456789, "boot-1", "2026-01-02T03:04:05+01:00", locks=True)
NO_LOCKS = Started(KEY, 4, 123, 456789, "boot-1", "2026-01-02T03:04:05+01:00", locks=False)
WHOLE = json.dumps(EXIT)
OTHER = json.dumps({**EXIT, "key": "case/3/2"})


def look(
    *,
    claimed: bool = True,
    lock: Lock = Lock.FREE,
    started: Started | None = STARTED,
    exit_text: str | None = None,
    boot_id: str = "boot-1",
    void: bool = False,
    alive: bool | None = None,
) -> Look:
    return Look(KEY, claimed, lock, started, exit_text, boot_id, void, alive)


@pytest.mark.parametrize(
    ("found", "observation"),
    [
        (look(claimed=False), Observation.ABSENT),
        (look(lock=Lock.HELD), Observation.RUNNING),
        (look(lock=Lock.HELD, started=None), Observation.RUNNING),
        (look(lock=Lock.HELD, exit_text=WHOLE), Observation.ENDED),
        (look(exit_text=WHOLE), Observation.ENDED),
        (look(exit_text=WHOLE, boot_id="boot-2"), Observation.ENDED),
        (look(), Observation.KILLED),
        (look(boot_id="boot-2"), Observation.KILLED),
        (look(boot_id=""), Observation.KILLED),
        (look(exit_text=WHOLE[:-20]), Observation.KILLED),
        (look(exit_text=OTHER), Observation.KILLED),
        (look(exit_text=""), Observation.KILLED),
        (look(started=None), Observation.UNKNOWN),
        (look(started=None, void=True), Observation.KILLED),
        (look(started=None, void=True, lock=Lock.HELD), Observation.RUNNING),
        (look(lock=Lock.UNKNOWN), Observation.UNKNOWN),
        (look(lock=Lock.UNKNOWN, started=None, void=True), Observation.UNKNOWN),
        (look(lock=Lock.UNKNOWN, exit_text=WHOLE), Observation.UNKNOWN),
        (look(started=NO_LOCKS, alive=True), Observation.RUNNING),
        (look(started=NO_LOCKS, alive=None), Observation.UNKNOWN),
        (look(started=NO_LOCKS, alive=None, boot_id=""), Observation.UNKNOWN),
        (look(started=NO_LOCKS, alive=False), Observation.KILLED),
        (look(started=NO_LOCKS, alive=False, exit_text=WHOLE), Observation.ENDED),
        (look(started=NO_LOCKS, lock=Lock.UNKNOWN, alive=False), Observation.KILLED),
        (look(started=NO_LOCKS, alive=None, boot_id="boot-2"), Observation.KILLED),
    ],
)
@pytest.mark.promise("P21")
def test_what_one_look_proves(found: Look, observation: Observation) -> None:
    verdict = decide(found)
    assert verdict.observation is observation
    assert verdict.evidence
    assert (verdict.exit is not None) == (observation is Observation.ENDED)


EVERY = [
    look(claimed=claimed, lock=lock, started=started, exit_text=text, boot_id=boot, void=void, alive=alive)
    for claimed, lock, started, text, boot, void, alive in product(
        (True, False),
        Lock,
        (None, STARTED, NO_LOCKS),
        (None, "", WHOLE, OTHER),
        ("", "boot-1", "boot-2"),
        (True, False),
        (None, True, False),
    )
]


@pytest.mark.promise("P24")
@pytest.mark.promise("P28")
@pytest.mark.parametrize("found", [EVERY], ids=["every"])
def test_no_combination_claims_more_than_it_proves(found: list[Look]) -> None:
    for one in found:
        verdict = decide(one)
        if verdict.observation is Observation.ENDED:
            assert one.exit_text == WHOLE, "an end needs its whole evidence"
        if verdict.released:
            assert one.lock is Lock.FREE or one.started is NO_LOCKS, "nobody is gone while somebody holds the lock"
            assert verdict.observation in (Observation.ENDED, Observation.KILLED)
        if one.claimed and one.lock is Lock.HELD and one.started is not NO_LOCKS:
            assert verdict.observation in (Observation.RUNNING, Observation.ENDED)
        if verdict.unbegun:
            assert one.started is None
            assert not one.void
        assert (verdict.observation is Observation.ABSENT) == (not one.claimed)


def test_a_reboot_is_said() -> None:
    verdict = decide(look(boot_id="boot-2"))
    assert "rebooted" in verdict.evidence
    assert verdict.rebooted
    assert not decide(look()).rebooted


def test_a_damaged_end_is_said() -> None:
    assert "cannot be read" in decide(look(exit_text="{")).evidence
    assert "belongs to another run, case/3/2" in decide(look(exit_text=OTHER)).evidence


def test_exit_json_is_read_whole() -> None:
    found = parse_exit(WHOLE, KEY)
    assert (found.epoch, found.exit_code, found.signal, found.duration_s) == (4, 0, None, 60.0)
    assert parse_exit(json.dumps({**EXIT, "exit_code": None, "signal": 9}), KEY).signal == 9


@pytest.mark.promise("P24")
@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": None},
        {"signal": 9},
        {"exit_code": "0"},
        {"exit_code": True},
        {"timed_out": 0},
        {"epoch": None},
        {"duration_s": "long"},
        {"key": 5},
        {"started": None},
    ],
)
def test_exit_json_with_a_wrong_value_proves_nothing(change: dict[str, object]) -> None:
    with pytest.raises(MqiError) as caught:
        parse_exit(json.dumps({**EXIT, **change}), KEY)
    assert caught.value.fault.kind == "exit-unreadable"


@pytest.mark.parametrize("missing", sorted(EXIT))
def test_exit_json_without_a_value_proves_nothing(missing: str) -> None:
    with pytest.raises(MqiError):
        parse_exit(json.dumps({key: value for key, value in EXIT.items() if key != missing}), KEY)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_exit_json_proves_nothing(length: int) -> None:
    with pytest.raises(MqiError):
        parse_exit(WHOLE[:length], KEY)


@given(st.text())
def test_no_text_whatever_breaks_the_readers(text: str) -> None:
    assert parse_started(text) is None
    decide(look(exit_text=text))
    parse_engine(text)


def test_started_json_is_read_once_it_is_whole() -> None:
    text = json.dumps(
        {"key": KEY, "epoch": 4, "pid": 123, "start_ticks": 456789, "boot_id": "boot-1", "lock": "held"}
        | {"started": "2026-01-02T03:04:05+01:00"}
    )
    assert parse_started(text) == STARTED
    assert parse_started(text.replace("held", "none")) == NO_LOCKS
    assert parse_started(text[:-1]) is None
    assert parse_started("{}") is None


@pytest.mark.parametrize(
    ("text", "engine"),
    [("12 34\n", Engine(12, 34)), ("12 34", None), ("12\n", None), ("", None), ("12 x\n", None), ("1 2 3\n", None)],
)
def test_the_engines_pid_is_read_once_it_is_whole(text: str, engine: Engine | None) -> None:
    assert parse_engine(text) == engine
