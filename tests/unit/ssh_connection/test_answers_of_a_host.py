"""What a host's answers prove, and what they do not: facts of a run, launches, removals, GPUs, the examination."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.jobs.places import below
from actors.jobs.removal import not_removed
from actors.ssh_connection import examining, framing, launching, nvidia_smi, standing
from actors.ssh_connection.remote import Facts, facts_of, lines_of
from actors.ssh_connection.troubles import LinkError
from messages.jobs import JobSpec, Observation

BOOT = "b-1"
JOB = JobSpec("c/1/1", "/ws/c/1/1", 1, ("engine",), (), 60)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


def started(lock: str = "held", boot: str = BOOT) -> str:
    data = {"key": "c/1/1", "epoch": 1, "pid": 42, "start_ticks": 7, "boot_id": boot, "started": "t", "lock": lock}
    return json.dumps(data)


def ended() -> str:
    data = {"key": "c/1/1", "epoch": 1, "exit_code": 0, "signal": None, "timed_out": False, "cancelled": False}
    return json.dumps(data | {"started": "t", "ended": "t", "duration_s": 1.0, "boot_id": BOOT})


def facts(*lines: str) -> Facts:
    return facts_of(lines_of("\n".join(lines)), "c/1/1", BOOT)


@pytest.mark.promise("P17")
@pytest.mark.parametrize(
    ("lines", "observation", "gone"),
    [
        ([], Observation.UNKNOWN, False),
        (["claim unknown"], Observation.UNKNOWN, False),
        (["claim absent"], Observation.ABSENT, False),
        (["claim made", f"started {started()}", "lock held"], Observation.RUNNING, False),
        (["claim made", f"started {started()}", "lock unknown"], Observation.UNKNOWN, False),
        (["claim made", f"started {started()}", "lock held", f"exit {ended()}"], Observation.ENDED, False),
        (["claim made", f"started {started()}", "lock free", f"exit {ended()}"], Observation.ENDED, True),
        (["claim made", f"started {started()}", "lock free", "left"], Observation.KILLED, True),
        (["claim made", f"started {started()}", "lock free", "left 9"], Observation.KILLED, False),
        (["claim made", f"started {started()}", "lock free"], Observation.KILLED, False),
        (["claim made", f"started {started(boot='b-0')}", "lock free", "left"], Observation.KILLED, True),
        (
            ["claim made", f"started {started('none')}", "lock unknown", "wrapper 42", "left 42"],
            Observation.RUNNING,
            False,
        ),
        (["claim made", f"started {started('none')}", "lock unknown", "left"], Observation.KILLED, True),
        (["claim made", f"started {started('none')}", "lock unknown"], Observation.UNKNOWN, False),
        (["claim made", "lock free", "left"], Observation.UNKNOWN, False),
        (["claim made", "void", "lock free", "left"], Observation.KILLED, True),
        (["claim made", 'started {"half', "lock free", "left"], Observation.UNKNOWN, False),
    ],
)
def test_what_a_look_proves(lines: list[str], observation: Observation, gone: bool) -> None:
    found = facts(*lines)
    assert found.verdict.observation is observation
    assert found.gone is gone


def judged(*lines: str) -> str:
    """Kind of the error, or the evidence."""
    try:
        return launching.judge(JOB, lines_of("\n".join(lines)), BOOT)
    except MqiError as error:
        return error.fault.kind


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("lines", "result"),
    [
        (
            ["answer started", "claim made", f"started {started()}", "lock held"],
            "pid 42, start tick 7, boot b-1, started t",
        ),
        (["answer taken", "claim made", "lock held"], "claimed before; not begun yet"),
        (["answer refused no space", "claim made", "void", "lock free"], "launch-refused"),
        (["answer void"], "run-void"),
        (["claim made", "void", "lock free"], "run-void"),
        (["answer ", "voided", "claim made", "void", "lock free"], "launch-refused"),
        (
            ["answer ", "begun", "claim made", f"started {started()}", "lock held"],
            "pid 42, start tick 7, boot b-1, started t",
        ),
        (["answer ", "error cannot write", "claim absent"], "launch-refused"),
        (["error cannot make the run directory"], "launch-refused"),
        (["outside"], "outside-workspace"),
        ([], "answer-unclear"),
        (["claim unknown"], "answer-unclear"),
    ],
)
def test_what_the_answer_to_a_launch_means(lines: list[str], result: str) -> None:
    assert judged(*lines) == result


def test_an_answer_without_sense_is_no_certainty() -> None:
    with pytest.raises(LinkError):
        launching.judge(JOB, (), BOOT)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, ""),
        ({"alive": "/ws/c/1"}, "run-alive"),
        ({"error": "x"}, "remove-failed"),
        ({"outside": ""}, "outside-workspace"),
    ],
)
def test_what_the_answer_to_a_removal_means(said: dict[str, str], kind: str) -> None:
    fault = not_removed("c/1", "/ws/c/1", said)
    assert (fault.kind if fault else "") == kind


@pytest.mark.promise("P14")
@pytest.mark.parametrize("path", ["/ws", "ws/c", "/ws/../etc", "/wsx/c", "/ws/c\nd", "/ws/\0", "/"])
def test_places_outside_the_workspace_are_refused(path: str) -> None:
    with pytest.raises(MqiError):
        below("/ws", path)
    assert below("/ws/", "/ws//c/1/") == "/ws/c/1"


def test_how_a_host_is() -> None:
    lines = lines_of("free Available\nfree 1000000\nload 0.5 x\nboot b\nclock 12\n")
    assert standing.parse(lines).free_gb == 1.024
    assert standing.parse(lines).load is None
    assert standing.parse(lines).clock_s == 12.0
    nothing = standing.parse(())
    assert (nothing.boot_id, nothing.free_gb, nothing.load, nothing.clock_s, nothing.fault) == (
        "",
        None,
        None,
        None,
        "",
    )
    assert standing.parse((("error", "full"),)).observed("gpu1").reason == "full"


GOOD = "0, GPU-a, Card, 100, 1, 99, 40, 0, 1410"


@pytest.mark.promise("P29")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("absent", "not installed"),
        ("error no place", "no place"),
        ("hangs 12 34", "has not answered"),
        (f"code gpus 137\ngpus {GOOD}", "has not answered"),
        ("code gpus 9\ngpus NVIDIA-SMI has failed", "code 9: NVIDIA-SMI has failed"),
        ("", "code ?: it said nothing"),
        (f"code gpus 0\ncode apps 0\ngpus {GOOD}\ngpus and more", "'and more'"),
    ],
)
def test_unknown_is_not_idle(text: str, fault: str) -> None:
    readings = nvidia_smi.parse(lines_of(text))
    assert readings.gpus == ()
    assert fault in readings.fault


def one_gpu(row: str, *more: str) -> nvidia_smi.GpuReading:
    (gpu,) = nvidia_smi.parse(lines_of("\n".join(["code gpus 0", "code apps 0", f"gpus {row}", *more]))).gpus
    return gpu


@pytest.mark.promise("P29")
def test_odd_values_one_by_one() -> None:
    names = nvidia_smi.GPU_FIELDS.split(",")
    for position, name in enumerate(names):
        for odd in ("[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "many"):
            row = GOOD.split(", ")
            row[position] = odd
            gpu = one_gpu(", ".join(row))
            harmless = odd in ("[N/A]", "[Not Supported]") and name != "uuid"
            word = odd == "many" and name in ("uuid", "name")
            assert bool(gpu.fault) is not (harmless or word), (name, odd, gpu.fault)


def test_hanging_questions_are_remembered() -> None:
    assert nvidia_smi.parse((("hangs", "12 34"),)).hanging == ("12", "34")


def test_processes_and_their_owners() -> None:
    gpu = one_gpu(GOOD, "apps 5, GPU-a, /opt/a b, c/engine, 10", "apps 6, GPU-a, , [N/A]", "owner 5 c/1/1", "owner 6")
    assert gpu.processes is not None
    assert [(one.pid, one.name, one.used_mb, one.attempt) for one in gpu.processes] == [
        (5, "engine", 10, "c/1/1"),
        (6, "?", None, ""),
    ]
    assert one_gpu(GOOD, "apps No running processes found").processes is None


@given(st.lists(st.tuples(st.sampled_from(["gpus", "apps", "more", "code", "owner", "hangs", "x"]), TEXT)))
def test_no_answer_about_gpus_breaks_the_reader(lines: list[tuple[str, str]]) -> None:
    nvidia_smi.parse((("code", "gpus 0"), ("code", "apps 0"), ("code", "more 0"), *lines))


@given(
    st.lists(st.tuples(st.sampled_from(["claim", "started", "exit", "lock", "left", "wrapper", "void"]), st.just("")))
)
def test_empty_facts_prove_nothing_that_frees_a_gpu(lines: list[tuple[str, str]]) -> None:
    said = [(word, rest) for word, rest in lines if word != "lock"]
    assert not facts_of(said, "c/1/1", BOOT).gone


@given(TEXT.map(str.encode), st.integers(0, 255), TEXT.map(str.encode))
def test_an_answer_is_cut_out_of_whatever_a_login_prints(banner: bytes, code: int, output: bytes) -> None:
    whole = banner + framing.begin_mark("w") + output + f"\nmqi-end-w {code}\n".encode()
    assert framing.answered(whole, "w") == (output, code)
    for end in range(len(whole)):
        assert framing.answered(whole[:end], "w") is None


def test_marks_and_complaints() -> None:
    assert framing.complained(b"x\nmqi-begin-w\nwhy\nmqi-end-w 1\n", "w") == b"why"
    assert framing.complained(b"cut off\nmqi-end-w 1\n", "w") == b"cut off"
    assert framing.complained(b"mqi-begin-w\nnot yet", "w") is None
    assert framing.may_end(b"x" * 100 + b"mqi-end-w 0\n", 12)
    assert not framing.may_end(b"mqi-end-w 0\n" + b"x" * 100, 12)
    assert framing.heard(b"\n  no login \nmore") == "no login"
    with pytest.raises(ValueError, match="NUL"):
        framing.command("a\0b", "w")


def lines_bad(text: str, **asked: bool) -> dict[str, examining.CheckLine]:
    given_ = {"engine": False, "version": False} | asked
    found = examining.judge(lines_of(text), "/ws", **given_, now_s=1000.0, asked_s=0.5)
    return {line.name: line for line in found if not line.ok}


ALL_TOOLS = "\n".join(f"tool {tool}" for tool in (*examining._NEEDED, "setsid"))
WELL = f"shell sh\nwritable\none file system\nlocks\nfree 100000000\nclock 1001\n{ALL_TOOLS}"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("", ""), ""),
        (("clock 1001", "clock 5000"), "clock"),
        (("clock 1001", "clock 1"), "clock"),
        (("clock 1001", ""), "clock"),
        (("free 100000000", "free 10"), "free space"),
        (("free 100000000", ""), "free space"),
        (("writable", "unusable read-only"), "workspace"),
        (("one file system", ""), "workspace"),
        (("tool setsid", ""), "tools"),
        (("tool tail", ""), "tools"),
    ],
)
def test_each_lack_of_a_host_is_one_line(change: tuple[str, str], name: str) -> None:
    assert list(lines_bad(WELL.replace(*change) if change[0] else WELL)) == ([name] if name else [])


def test_an_engine_is_there_and_tells_its_version() -> None:
    assert list(lines_bad(WELL, engine=True)) == ["engine"]
    assert not lines_bad(f"{WELL}\nprogram /opt/engine", engine=True)
    assert list(lines_bad(f"{WELL}\nprogram /opt/engine\nno version oops", engine=True, version=True)) == ["engine"]


def test_marks_of_other_scripts_end_no_answer_and_searching_compiles_nothing() -> None:
    """A daemon of years asks millions of times: each word of its own must leave nothing behind."""
    re.purge()
    for number in range(3):
        word = f"word{number}"
        body = b"\nmqi-end-other 1\n\nmqi-end-other 2\nkept"
        output = framing.begin_mark(word) + body + f"\nmqi-end-{word} 7\n".encode()
        assert framing.answered(output, word) == (body, 7)
        assert framing.answered(output, "third") is None
    assert not [key for key in re._cache if b"word" in bytes(str(key), "ascii", "replace")]  # type: ignore[attr-defined]
