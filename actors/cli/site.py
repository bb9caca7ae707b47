"""What a command works on: the configuration that applies, the ledger's rows, and the daemon if one runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from actors.cli.failures import CommandError, ExitCode

if TYPE_CHECKING:
    from actors.console.client import Client
    from actors.ledger import Reader
    from actors.settings import Settings
    from messages.ledger import CaseRow
    from messages.operators import Holder

USUAL = (Path("conf/mqi-actors.toml"), Path("/etc/mqi-actors/mqi-actors.toml"))


def find_conf(given: Path | None, environ: Mapping[str, str]) -> Path:
    """``--conf``, then ``$MQI_CONF``, then the usual places. Raises CommandError when there is none."""
    if given is not None:
        return given
    if named := environ.get("MQI_CONF"):
        return Path(named)
    for usual in USUAL:
        if usual.exists():
            return usual
    looked = ", ".join(["--conf", "$MQI_CONF", *(str(usual) for usual in USUAL)])
    remedy = "Write one with: mqi-actors init"
    raise CommandError(ExitCode.USAGE, "There is no configuration.", f"looked at {looked}", remedy, "no-configuration")


class Site:
    """One configuration and what belongs to it, each read when it is first needed."""

    def __init__(self, conf: Path | None, environ: Mapping[str, str]) -> None:
        self._given, self.environ = conf, environ

    @cached_property
    def conf(self) -> Path:
        return find_conf(self._given, self.environ)

    @cached_property
    def settings(self) -> Settings:
        from actors.settings import load

        return load(self.conf, self.environ)

    @cached_property
    def reader(self) -> Reader:
        from actors.ledger import Reader

        return Reader(self.settings.ledger_path)

    @property
    def holder(self) -> Holder | None:
        """The daemon that runs now; asked anew each time."""
        from actors.cli.daemon.lock import holder

        return holder(self.settings.daemon.state_dir)

    def daemon(self) -> Holder:
        """The daemon that runs now. Raises CommandError when there is none."""
        found = self.holder
        if found is None:
            where, remedy = str(self.settings.daemon.state_dir), "Start it: mqi-actors start"
            raise CommandError(ExitCode.NO_DAEMON, "No daemon is running.", where, remedy, "no-daemon")
        return found

    def client(self, holder: Holder) -> Client:
        """The control socket of that daemon."""
        from actors.console import control_socket
        from actors.console.client import Client

        usual = control_socket(self.settings.daemon.state_dir, self.environ)
        return Client(Path(holder.socket) if holder.socket else usual)

    def case(self, name: str) -> CaseRow:
        """The case of that name, or the only one that begins with it. Raises CommandError."""
        if (row := self.reader.case(name)) is not None:
            return row
        matching = [row for row in self.reader.cases() if row.case.startswith(name)] if name else []
        if len(matching) == 1:
            return matching[0]
        if matching:
            names = ", ".join(row.case for row in matching[:5]) + (", …" if len(matching) > 5 else "")
            remedy = f"Write more of the name: {names}"
            raise CommandError(
                ExitCode.NOT_FOUND, f'{len(matching)} cases begin with "{name}".', "", remedy, "case-many"
            )
        near = difflib.get_close_matches(name, [row.case for row in self.reader.cases()], 3, 0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else "mqi-actors cases lists them."
        raise CommandError(ExitCode.NOT_FOUND, f'There is no case "{name}".', "", remedy, "no-case")
