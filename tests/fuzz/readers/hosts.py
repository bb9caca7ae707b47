"""What a host says: the files of a run, and the answers over a link."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from actors.errors import MqiError
from actors.gpu_worker.progress import LogReader
from actors.jobs import Lock, Look, decide, job_files, parse_engine, parse_exit, parse_started
from actors.jobs.offered_gpus import Gpus
from actors.ssh_connection import hostkeys, nvidia_smi
from actors.ssh_connection.answers import UnclearError, parse_hashes, parse_look
from actors.ssh_connection.config import route
from actors.ssh_connection.remote import facts_of, lines_of
from actors.ssh_connection.target import Target
from actors.ssh_connection.watching import Watch
from messages.address import Mailbox
from messages.engine import Progress
from messages.jobs import JobSpec, WatchJob
from tests.fuzz.reader import Reader
from tests.fuzz.readers.places import placed
from tests.kit.nvidia_smi import ERRORS, HEALTHY

KEY = "20260302-093015-2c87b654/3/1"
_BOOT = "b00f"
_EXIT = {
    "key": KEY,
    "epoch": 4294967303,
    "exit_code": 0,
    "signal": None,
    "timed_out": False,
    "cancelled": False,
    "started": "2026-03-02T09:30:15+09:00",
    "ended": "2026-03-02T09:31:15+09:00",
    "duration_s": 60.0,
    "boot_id": _BOOT,
}
_STARTED = {
    "key": KEY,
    "epoch": 1,
    "pid": 4711,
    "start_ticks": 99,
    "boot_id": _BOOT,
    "started": "2026-03-02T09:30:15+09:00",
    "lock": "held",
}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# --- files of a run


def _read_exit(data: bytes) -> object:
    found = parse_exit(data.decode("utf-8", "replace"), KEY)
    assert abs(found.duration_s) < 1e12, "a duration that is none"
    assert abs(found.epoch) < 2**63
    return found


def _read_started(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    return [
        decide(Look(KEY, claimed=True, lock=lock, started=parse_started(text), exit_text=text, boot_id=_BOOT))
        for lock in Lock
    ] + [parse_engine(text)]


def _read_job(data: bytes) -> object:
    """job.json: written, and read back as what was meant."""
    given = json.loads(data)
    if not isinstance(given, dict):
        raise ValueError
    spec = JobSpec(
        key=str(given["key"]),
        run_dir=str(given["run_dir"]),
        epoch=int(given["epoch"]),
        command=tuple(str(word) for word in given["command"]),
        environment=tuple((str(name), str(value)) for name, value in dict(given["environment"]).items()),
        wall_limit_s=int(given["wall_limit_s"]),
    )
    files = job_files(spec)
    back = json.loads(files["job.json"])
    assert back["command"] == list(spec.command)
    return files


# --- answers over a link

_HOST = datetime(2026, 3, 2, tzinfo=UTC)


def _smi_seeds() -> list[bytes]:
    apps = "apps 77, GPU-aaaa, /usr/bin/other, 300\nowner 77 somebody\n"
    gpus, more = (
        "".join(f"{word} {line}\n" for line in text.splitlines())
        for word, text in (("gpus", HEALTHY), ("more", ERRORS))
    )
    return [
        f"{gpus}code gpus 0\n{apps}code apps 0\n{more}code more 0\n".encode(),
        b"hangs 77 1234\n", b"absent\n", b"error no reply\n", b"gpus NVIDIA-SMI has failed\ncode gpus 9\n",
    ]  # fmt: skip


def _read_smi(data: bytes) -> object:
    readings = nvidia_smi.parse(lines_of(data.decode("utf-8", "surrogateescape")))
    offered = Gpus("gpu1", "auto")
    observed = offered.observed(readings.gpus, _HOST)
    offered.new(observed)
    offered.lacking(observed)
    for gpu in readings.gpus:
        for number in (gpu.index, gpu.total_mb, gpu.used_mb, gpu.free_mb, gpu.uncorrectable_ecc):
            assert number is None or abs(number) < 2**63, "a number that no ledger holds"
    assert len(readings.fault) < 1000
    return readings


def _facts_seeds() -> list[bytes]:
    started, ended = json.dumps(_STARTED), json.dumps(_EXIT)
    return [
        f"folder\nclaim made\nlock held\nstarted {started}\nwrapper 4711\nleft 4711 4712\n".encode(),
        f"folder\nclaim made\nlock free\nstarted {started}\nexit {ended}\nleft\n".encode(),
        b"claim absent\n",
        b"claim made\nvoid\nlock unknown\n",
    ]


def _read_facts(data: bytes) -> object:
    return facts_of(lines_of(data.decode("utf-8", "surrogateescape")), KEY, _BOOT).gone


class _Nobody(Mailbox):  # type: ignore[misc]
    """Whoever watches."""

    id = "nobody"

    def tell(self, message: object) -> bool:
        return bool(message) or True


def _watch_seeds() -> list[bytes]:
    return [
        b"run 1\n" + _facts_seeds()[0] + b"log 1 0\nYmF0Y2ggMSBvZiAyCg==\n.\n",
        b"log 1 0\nYWJj\n",
        b"run 1\nclaim absent\n",
    ]


def _read_watch(data: bytes) -> object:
    watch = Watch()
    watch.order(WatchJob(_Nobody(), KEY, "/ws/run", 0))
    watch.lost("before")
    told: list[object] = []
    watch._take(data, _BOOT, told.append)
    return told


def _move_seeds() -> list[bytes]:
    listing = b"81a4 12 1764000000.1234567890 ./a.txt\x0081a4 3 1764000000.5 ./b.txt\x00"
    return [b"there\0" + listing, b"absent\x004096 1000\0" + listing, b"absent\x004096 1000\x00/in/\x00" + listing]


def _read_look(data: bytes) -> object:
    look = parse_look(data)
    members = look.there or look.part
    assert all(0 <= member.size < 2**63 and abs(member.mtime_ns) < 2**63 for member in members)
    return parse_hashes(data, members)


_PATTERNS = Progress(
    step=r"Generating particles for \((\d+) of (\d+) batches\)", finished="Particle transportation complete!"
)


def _read_log(data: bytes) -> object:
    reader = LogReader(_PATTERNS)
    text = data.decode("utf-8", "replace")
    reader.feed(text[: len(text) // 2])
    reader.feed(text[len(text) // 2 :])
    assert 0.0 <= reader.fraction <= 1.0
    return reader.last_lines()


def _read_known_hosts(data: bytes) -> object:
    entries = tuple(hostkeys.parse(data, Path("/home/m/.ssh/known_hosts")))
    hop = route(Target("gpu1", "gpu1.example.org", config=Path("/nonexistent")))[-1]
    hostkeys.known_types(entries, hop.known_as)
    hostkeys.check("gpu1", hop, "ssh-ed25519", b"key", entries)
    return entries


def _read_ssh_config(data: bytes) -> object:
    path = placed("ssh-config", "config", data)
    return route(Target("gpu1", "gpu1", config=path), home=path.parent)


_JSON_WORDS = (
    b"1e400",
    b"NaN",
    b"Infinity",
    b"-1",
    b"null",
    b"true",
    b"[[[[",
    b'{"',
    b"\\ud800",
    b"\\u0000",
    b"9" * 30,
)

READERS = (
    Reader(
        "exit-json",
        "exit.json, the evidence of a run's end",
        lambda: [_json(_EXIT), _json(_EXIT | {"exit_code": None, "signal": 9})],
        _read_exit,
        ("actors.jobs", "json"),
        words=_JSON_WORDS,
    ),
    Reader(
        "started-json",
        "claim/started.json and claim/engine",
        lambda: [_json(_STARTED), b"4711 99\n", _json(_EXIT)],
        _read_started,
        ("actors.jobs", "json"),
        words=_JSON_WORDS,
    ),
    Reader(
        "job-json",
        "job.json, and the job.sh made with it",
        lambda: [
            _json(
                {
                    "key": KEY,
                    "run_dir": "/ws/run",
                    "epoch": 1,
                    "command": ["a", "b c"],
                    "environment": {"A": "1"},
                    "wall_limit_s": 60,
                }
            )
        ],
        _read_job,
        ("actors.jobs",),
        words=_JSON_WORDS,
        refusals=(MqiError, ValueError, KeyError, TypeError, RecursionError, OverflowError),
    ),
    Reader(
        "nvidia-smi",
        "answers of nvidia-smi",
        _smi_seeds,
        _read_smi,
        ("actors.ssh_connection", "actors.jobs"),
        words=(
            b"[Unknown Error]",
            b"[N/A]",
            b"code gpus 0",
            b"code apps 0",
            b"code more 0",
            b"1e400",
            b"nan",
            b"hangs",
            b"124",
        ),
    ),
    Reader(
        "run-facts",
        "one look at a run over a link",
        _facts_seeds,
        _read_facts,
        ("actors.ssh_connection", "actors.jobs"),
        words=(b"claim made", b"lock held", b"lock free", b"started ", b"left ", b"wrapper ", b"exit ", b"\n"),
    ),
    Reader(
        "watch",
        "the stream that tells of all runs of a host",
        _watch_seeds,
        _read_watch,
        ("actors.ssh_connection", "actors.jobs"),
        words=(b"run 1\n", b"log 1 0\n", b"claim made", b"left ", b".\n"),
        refusals=(MqiError, UnclearError),
    ),
    Reader(
        "move-answers",
        "listings and sums of a host's files",
        _move_seeds,
        _read_look,
        ("actors.ssh_connection",),
        refusals=(MqiError, UnclearError),
        words=(b"1e9999999", b"nan", b"inf", b"\0", b"there", b"absent", b"ffffffffffff"),
    ),
    Reader(
        "engine-log",
        "progress in an engine's log",
        lambda: [b"Generating particles for (3 of 10 batches)\nParticle transportation complete!\n"],
        _read_log,
        ("actors.gpu_worker",),
        words=(b"Generating particles for (", b" of ", b" batches)", b"\r"),
    ),
    Reader(
        "known-hosts",
        "known_hosts",
        lambda: [
            b"gpu1.example.org ssh-ed25519 a2V5\n",
            b"|1|c2FsdA==|aGFzaA==|x ssh-rsa a2V5\n@revoked * ssh-ed25519 a2V5\n",
        ],
        _read_known_hosts,
        ("actors.ssh_connection",),
        words=(b"|1|", b"@revoked", b"@cert-authority", b"[", b"!", b"*", b"?"),
    ),
    Reader(
        "ssh-config",
        "~/.ssh/config",
        lambda: [b"Host gpu1\n  HostName 10.0.0.1\n  Port 22\n  User m\n  ProxyJump a@b:22\n  IdentityFile ~/.ssh/k\n"],
        _read_ssh_config,
        ("actors.ssh_connection", "paramiko.config"),
        words=(
            b"Host ",
            b"Match ",
            b"Include ",
            b"ProxyJump ",
            b"ProxyCommand ",
            b"%h",
            b"%d",
            b"%%",
            b"Port ",
            b"canonical",
            b"exec",
            b'"',
        ),
    ),
)
