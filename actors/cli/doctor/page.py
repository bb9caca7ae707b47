"""The page: its address, its token, and who could reach it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from actors.cli.daemon.lock import holder
from actors.cli.doctor.finding import Finding
from actors.console.sockets import open_tcp
from actors.console.token import read_token
from actors.errors import MqiError
from actors.settings import Settings


def check_page(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The page can be served where it is configured, and its token is a secret."""
    console = settings.console
    if not console.listen:
        yield Finding("page", ok=True, text='there is none; [console] listen = "127.0.0.1:8080" serves one')
        return
    if console.token_file is not None:
        yield _token(console.token_file)
    yield _address(settings)
    if not console.loopback:
        yield Finding(
            "page",
            ok=True,
            text=f"{console.listen} can be reached from other machines, and the token travels there in clear",
            remedy="put a proxy with TLS before it, and have it listen on 127.0.0.1",
        )


def _token(path: Path) -> Finding:
    try:
        read_token(path)
    except MqiError as error:
        return Finding("page token", ok=False, text=error.fault.what, remedy=error.fault.remedy)
    return Finding("page token", ok=True, text=str(path))


def _address(settings: Settings) -> Finding:
    listen = settings.console.listen
    if holder(settings.daemon.state_dir) is not None:
        return Finding("page address", ok=True, text=f"{listen}; the daemon runs, and says so if it cannot have it")
    try:
        open_tcp(listen).close()
    except OSError as error:
        text = f"{listen} cannot be had: {error.strerror or error}"
        return Finding("page address", ok=False, text=text, remedy="free it, or change console.listen")
    return Finding("page address", ok=True, text=listen)
