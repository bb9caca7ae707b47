"""What a site configures: the configuration, its overrides, engine profiles."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from actors.formats.profile import load_profile
from actors.settings import Settings
from actors.settings.loading import load, parse, template
from tests.fuzz.reader import Reader
from tests.fuzz.readers.places import placed
from tests.kit.profiles import CONF

_SMALL = """[daemon]
state_dir = "/s"
log_dir = "/l"
[scan]
roots = ["/in"]
interval_s = 10
quiet_s = 30
[results]
dir = "/r"
[engine]
profile = "moqui-smc"
[[hosts]]
name = "this"
kind = "local"
workspace = "/w"
gpus = 2
[machines]
[backup]
every_h = 24
[console]
listen = "127.0.0.1:8080"
"""
_LONGEST_DAYS = 40_000
_MOST_SLOTS = 10_000


def _sensible(settings: Settings) -> Settings:
    """Every number is one that the program can work with."""
    from threading import TIMEOUT_MAX  # noqa: PLC0415

    waits = (
        settings.scan.interval_s,
        settings.scan.quiet_s,
        settings.scan.give_up_h * 3600,
        settings.scan.session_gap_h * 3600,
        settings.scan.partial_after_h * 3600,
        settings.monitor.interval_s,
        settings.backup.every_h * 3600,
        settings.daemon.log_keep_days * 86400,
    )
    assert all(0 <= wait < TIMEOUT_MAX for wait in waits), "a time that no clock can wait"
    for host in settings.hosts:
        assert not isinstance(host.gpus, int) or host.gpus <= _MOST_SLOTS, "more slots than there is memory for"
    assert settings.daemon.log_rotate_mb * 1e6 < 1e18
    return settings


def _read(data: bytes) -> Settings:
    path = placed("settings", "mqi-actors.toml", data)
    return _sensible(load(path, {}))


def _environment(data: bytes) -> Settings:
    """``NAME=value`` lines over a right configuration."""
    pairs = (line.partition("=") for line in data.decode("utf-8", "surrogateescape").split("\n"))
    environ = {name: value for name, equals, value in pairs if equals and "\0" not in name + value}
    return _sensible(parse(_SMALL, Path("/etc/mqi-actors/mqi-actors.toml"), environ))


@cache
def _profiles() -> list[bytes]:
    return [path.read_bytes() for path in sorted((CONF / "engines").glob("*.toml"))]


def _profile(data: bytes) -> object:
    profile = load_profile(placed("engine-profile", "site.toml", data), CONF / "engines")
    assert 0 < profile.wall_limit_s < 10**9
    if profile.grid is not None:
        nx, ny, nz = profile.grid.size
        assert 0 < nx * ny * nz * 8 < 10**12, "a grid that no memory holds"
    return profile


_TOML_WORDS = (
    b"inf",
    b"nan",
    b"1e400",
    b"[[",
    b"]]",
    b"= [",
    b"'''",
    b'"""',
    b"\\u0000",
    b"~nobody/x",
    b"0x7f",
    b"1979-05-27",
    b"[hosts.slurm]",
    b"[[hosts]]",
    b"MQI_",
    b"__",
    b"9" * 30,
)

READERS = (
    Reader(
        "settings",
        "configuration (TOML)",
        lambda: [_SMALL.encode(), template().encode()],
        _read,
        ("actors.settings", "tomllib"),
        words=_TOML_WORDS,
        longest=8192,
    ),
    Reader(
        "environment",
        "overrides of the configuration",
        lambda: [
            b"MQI_SCAN__QUIET_S=3\nMQI_HOSTS__THIS__GPUS=[0, 1]\nMQI_SITE__ZONE=Asia/Seoul\n",
            b"MQI_MACHINES__CALIBRATIONS__G1=/x\n",
            b"MQI_HOSTS__SLURM__MEM=1\nMQI_SCAN_QUIET_S=3\n",
        ],
        _environment,
        ("actors.settings", "tomllib"),
        words=(*_TOML_WORDS, b"MQI_HOSTS__", b"MQI_CONSOLE__LISTEN=", b"MQI_ENGINE__PROFILE="),
    ),
    Reader(
        "engine-profile",
        "engine profile (TOML)",
        _profiles,
        _profile,
        ("actors.formats.profile", "tomllib"),
        words=_TOML_WORDS,
        longest=8192,
    ),
)
