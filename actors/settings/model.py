"""What can be configured: one frozen model per section of the TOML file, every key with its meaning and unit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from actors.settings.places import (
    calibration_files,
    is_loopback,
    listen_address,
    placed,
    placed_or_none,
    profile_file,
    shipped_calibrations,
    webhook_address,
)
from actors.settings.report import ReportSettings
from actors.settings.send import SendNode

Folder = Annotated[Path, BeforeValidator(placed)]
"""An absolute path; ``~`` and paths relative to the configuration file are resolved when the file is read."""
# Bounds beyond any use: a clock cannot wait for longer, and a slip of the keyboard is told at once.
Seconds = Annotated[float, Field(gt=0, le=1e8)]
Pause = Annotated[float, Field(ge=0, le=1e8)]
"""Seconds, or none."""
Hours = Annotated[float, Field(gt=0, le=1e5)]
Gigabytes = Annotated[float, Field(ge=0, le=1e9)]


class Section(BaseModel):
    """A table of the file: frozen, strict in its types, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Daemon(Section):
    """Where the daemon keeps what is its own."""

    state_dir: Folder
    """Ledger, lock, control socket, working files. On a local disk."""
    log_dir: Folder
    """operators.log, events.jsonl, cases/<case>.log."""
    log_rotate_mb: Annotated[float, Field(gt=0, le=1e6)] = 50.0
    """A log file that grows beyond this is renamed and a new one begun."""
    log_keep_days: Annotated[float, Field(gt=0, le=1e5)] = 365.0
    """Renamed log files and the logs of cases are removed after this."""
    active_cases: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Cases that are worked on at once, one thread each; the rest waits unopened. A GPU runs a beam and holds one."""


def _some(value: tuple[object, ...]) -> tuple[object, ...]:
    if not value:
        raise ValueError("needs at least one entry")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f'no such time zone: "{value}"; an IANA name such as "Asia/Seoul" is wanted')
    return value


class Site(Section):
    """What is particular to the treatment site."""

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """IANA zone of the treatment machine's clock."""


class Scan(Section):
    """Where cases arrive, and when one is complete."""

    roots: Annotated[tuple[Folder, ...], Field(strict=False), AfterValidator(_some)]
    """Folders in which cases arrive, at any depth below."""
    interval_s: Seconds = 10.0
    """A full look at every root, whatever the file system told."""
    quiet_s: Pause = 30.0
    """Nothing in a case may have changed for so long."""
    marker: str = ""
    """File whose presence says that the sender is done; empty: none needed."""
    give_up_h: Hours = 24.0
    """A case that did not become complete in this time is ``incomplete`` and alarmed."""
    partial_after_h: Hours = 2.0
    """An aborted session without more data for so long is computed as a partial one."""
    session_gap_h: Hours = 4.0
    """Deliveries further apart than this are different sessions."""

    @field_validator("marker")
    @classmethod
    def _a_name(cls, value: str) -> str:
        if "/" in value or value in (".", "..") or "\0" in value:
            raise ValueError(f'"{value}" is no file name; a name such as "_CASE_READY" is wanted')
        return value


class Results(Section):
    """Where verified doses go."""

    dir: Folder
    min_free_gb: Gigabytes = 20.0
    """Less free space than this (10^9 bytes): no new work is started."""


class Engine(Section):
    """Which engine computes."""

    profile: Annotated[Path, BeforeValidator(profile_file)]
    """The profile's file; written as a name (conf/engines/<name>.toml) or a path."""
    planned_run: bool = False
    """The engine also computes the planned spots of every plan, once for all its fractions: the report then tells what
    delivery and model each contribute."""


class Machines(Section):
    """The treatment machines."""

    calibrations: Annotated[tuple[tuple[str, Path], ...], BeforeValidator(calibration_files), Field(strict=False)] = (
        Field(default_factory=shipped_calibrations)
    )
    """(gantry, calibration file); a gantry may have several, chosen by time of delivery. None named: those shipped."""

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """(gantry, path of a calibration file), as the interpreter wants them."""
        return tuple((gantry, str(path)) for gantry, path in self.calibrations)


_OURS = re.compile(
    r"--(job-name|clusters|array|chdir|wait|wrap|test-only|output|error|input|uid)(=|$)|-[JMaDWoei]([^-]|$)"
)
"""Options of sbatch by which a job would have another name or place, or be several."""


class Slurm(Section):
    """How jobs are handed to a Slurm cluster."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    gres: str = "gpu:1"
    time_limit: str = ""
    """As sbatch has it, such as ``02:00:00``; empty: the profile's wall-clock limit."""
    mem: str = ""
    extra: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """More sbatch options, one word each, such as ``--constraint=a100``."""
    max_queued: Annotated[int, Field(ge=1, le=256)] = 4
    """Beams that may be queued or running there at once."""
    interval_s: Seconds = 5.0
    """Slurm is asked for its queue so often, in one question for all beams."""

    @field_validator("extra")
    @classmethod
    def _options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        strange = [word for word in value if not word.startswith("-")]
        if strange:
            raise ValueError(f'"{strange[0]}" is no option of sbatch; one word each, such as "--constraint=a100"')
        ours = [word for word in value if _OURS.match(word)]
        if ours:
            raise ValueError(f'"{ours[0]}" would hide the job from whoever watches it: it is set by this program')
        return value


Gpus = Literal["auto"] | tuple[int, ...] | int
"""``auto``: ask the host; (0, 1): these; 2: so many slots, no GPU asked."""


MOST_GPUS = 1024
"""Slots of a host, and the highest number of a GPU."""


def _gpus(value: object) -> object:
    numbers = value if isinstance(value, list | tuple) else [value] if value != "auto" else []
    good = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST_GPUS for n in numbers)
    if value == "auto" or (good and isinstance(value, int) and value >= 1):
        return value
    if good and isinstance(value, list | tuple) and value and len(set(value)) == len(value):
        return tuple(value)
    raise ValueError(
        'must be "auto", a list of different GPU numbers such as [0, 1], or a number of slots such as 2 '
        f"(none above {MOST_GPUS})"
    )


class HostSettings(Section):
    """One machine that runs engines."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    kind: Literal["ssh", "local"] = "ssh"
    address: str = ""
    """Name or address of the host, or an alias of ~/.ssh/config; kind ssh needs it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str = ""
    key_file: Annotated[Path | None, BeforeValidator(placed_or_none)] = None
    known_hosts: Annotated[Path | None, BeforeValidator(placed_or_none)] = None
    workspace: str
    """Absolute folder on the host in which runs live."""
    gpus: Annotated[Gpus, BeforeValidator(_gpus)] = "auto"
    lanes: Annotated[int, Field(ge=1, le=16)] = 2
    """Transfer connections (threads, on a local host)."""
    launcher: Literal["direct", "slurm"] = "direct"
    slurm: Slurm | None = None

    @property
    def asks_gpus(self) -> bool:
        """Its driver is asked; else its slots are counted, by us or by Slurm."""
        return self.launcher == "direct" and not isinstance(self.gpus, int)

    @field_validator("address")
    @classmethod
    def _reachable(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("-") or any(c.isspace() for c in value):
            raise ValueError(f'"{value}" is no address of a host')
        return value

    @field_validator("workspace")
    @classmethod
    def _placed_on_the_host(cls, value: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        if kind is None:
            return value
        if kind == "local":
            return str(placed(value, info))
        if not value.startswith("/") or "\0" in value or "\n" in value:
            raise ValueError("must be an absolute path on the host")
        return value


class Retry(Section):
    """How often a beam is tried."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 3


class Compute(Section):
    """Processes for interpretation, verification and dose files."""

    processes: Annotated[int, Field(ge=1, le=64)] = 2
    memory_limit_mb: Annotated[int, Field(ge=300)] = 1500
    """Of one process; one that grows beyond it is replaced."""


class MonitorSettings(Section):
    """From when on something is an alarm."""

    interval_s: Seconds = 5.0
    gpu_temperature_c: Annotated[float, Field(gt=0)] = 90.0
    machine_temperature_c: Annotated[float, Field(gt=0)] = 95.0
    """Of this machine's sensors."""
    memory_percent: Annotated[float, Field(gt=0, le=100)] = 95.0
    """Of this machine's memory in use."""
    state_min_free_gb: Gigabytes = 1.0
    """Free space below which no new work is started, at the state folder."""
    workspace_min_free_gb: Gigabytes = 5.0
    """The same at each host's workspace."""


class Alarms(Section):
    """How alarms reach people who look at no page: a command or a webhook; neither: they are shown only."""

    command: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Argument list, run without a shell; it gets one JSON document on its standard input."""
    webhook: Annotated[str, AfterValidator(webhook_address)] = ""
    """``https://…``: the same document as an HTTP POST. What it holds besides the name of its host is kept secret."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 20.0
    """For one try, all in all; then the command and its children are killed, the connection closed."""
    group_s: Annotated[float, Field(ge=0)] = 10.0
    """An alarm waits so long for others that come with it."""
    per_hour: Annotated[int, Field(ge=1, le=100)] = 20
    """Documents at most; what is beyond is told with the next one."""

    @field_validator("webhook")
    @classmethod
    def _one_way(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("command"):
            raise ValueError("either a command or a webhook, not both: let the command call the webhook")
        return value

    @property
    def wanted(self) -> bool:
        """Somebody is to be told."""
        return bool(self.command or self.webhook)


class Backup(Section):
    """Copies of the ledger."""

    dir: Annotated[Path | None, BeforeValidator(placed_or_none)] = None
    """None: ``backups`` below the state folder."""
    every_h: Hours = 24.0


class Retention(Section):
    """How long what has served its purpose is kept; results and rows of cases are kept for ever."""

    work_days: Annotated[float, Field(ge=1, le=1e5)] = 90.0
    """Working files of a failed case, after its end; those of other cases go with their end."""
    events_days: Annotated[float, Field(ge=0, le=1e5)] = 3650.0
    """The ledger's history of ended cases and of the system; 0: for ever, and never less than 30."""

    @field_validator("events_days")
    @classmethod
    def _long_enough(cls, value: float) -> float:
        if 0 < value < 30:
            raise ValueError("must be 0 (for ever), or 30 or more")
        return value


class Console(Section):
    """How operators and programs reach the daemon; the control socket is always there."""

    listen: Annotated[str, AfterValidator(listen_address)] = ""
    """Address of the page, such as ``127.0.0.1:8080``; empty: none. Other machines reach it with a token only."""
    token_file: Annotated[Path | None, BeforeValidator(placed_or_none), Field(validate_default=True)] = None
    """File that holds the token (24 characters or more) that every request must show; None: loopback only."""
    names: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names under which browsers reach this machine, besides its own: requests for any other name are refused."""

    @property
    def loopback(self) -> bool:
        """The page can be reached from this machine only (or not at all)."""
        return not self.listen or is_loopback(self.listen)

    @field_validator("token_file")
    @classmethod
    def _others_need_a_token(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        listen = info.data.get("listen", "")
        if listen and value is None and not is_loopback(listen):
            raise ValueError(
                f'listen = "{listen}" is not of this machine alone: name a file with a token, or use 127.0.0.1'
            )
        return value


class Settings(Section):
    """Everything that the daemon was told, checked."""

    daemon: Daemon
    site: Site = Site()
    scan: Scan
    results: Results
    engine: Engine
    machines: Machines = Machines()
    hosts: Annotated[tuple[HostSettings, ...], Field(strict=False), AfterValidator(_some)]
    retry: Retry = Retry()
    compute: Compute = Compute()
    monitor: MonitorSettings = MonitorSettings()
    alarms: Alarms = Alarms()
    backup: Backup = Backup()
    retention: Retention = Retention()
    report: ReportSettings = ReportSettings()
    send: Annotated[tuple[SendNode, ...], Field(strict=False)] = ()
    console: Console = Console()

    @property
    def ledger_path(self) -> Path:
        return self.daemon.state_dir / "ledger.sqlite"

    @property
    def work_dir(self) -> Path:
        """Where cases are interpreted and collected."""
        return self.daemon.state_dir / "work"

    @property
    def backups_dir(self) -> Path:
        return self.backup.dir or self.daemon.state_dir / "backups"

    @property
    def disks(self) -> tuple[tuple[str, Path, float], ...]:
        """(label, folder, least free space in GB) of every disk that new work needs."""
        own = (
            ("state", self.daemon.state_dir, self.monitor.state_min_free_gb),
            ("results", self.results.dir, self.results.min_free_gb),
        )
        local = tuple(
            (f"workspace:{host.name}", Path(host.workspace), self.monitor.workspace_min_free_gb)
            for host in self.hosts
            if host.kind == "local"
        )
        return own + local
