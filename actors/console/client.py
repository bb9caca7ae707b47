"""The commands' side of the control socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from actors.errors import MqiError
from messages.faults import Blame, Fault


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket. The standard library's client: commands must start fast."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("daemon", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class ConsoleSilentError(MqiError):
    """Nobody answers at the control socket."""


class Client:
    """One request per call; every answer is a JSON object. Raises ConsoleSilentError, or MqiError with the refusal."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def status(self) -> dict[str, Any]:
        """Facts of the process, alarms, machine and disks."""
        return self._ask("GET", "/api/status", 5.0)

    def overview(self) -> dict[str, Any]:
        """Everything at a glance, as it was seen last."""
        return self._ask("GET", "/api/overview", 5.0)

    def stop(self) -> dict[str, Any]:
        return self._ask("POST", "/api/stop", 5.0)

    def reload(self) -> dict[str, Any]:
        """``changed``, ``needs_restart``, ``errors``."""
        return self._ask("POST", "/api/reload", 20.0)

    def submit(self, path: Path, *, partial: bool = False) -> dict[str, Any]:
        """``cases``, ``sentences``."""
        return self._ask("POST", "/api/submit", 70.0, {"path": str(path), "partial": partial})

    def order(self, kind: str, subject: str = "", argument: str = "", name: str = "") -> dict[str, Any]:
        """``order``: its id; the ledger has it. ``name``: the id that it shall have; sent again, it is one."""
        body = {"kind": kind, "subject": subject, "argument": argument, "order": name}
        return self._ask("POST", "/api/orders", 20.0, {key: value for key, value in body.items() if value})

    def _ask(self, method: str, where: str, limit_s: float, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = _UnixConnection(self._socket, limit_s)
        try:
            connection.request(method, where, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise ConsoleSilentError(self._silence(error)) from error
        finally:
            connection.close()
        if not isinstance(answer, dict) or "error" in answer:
            told = answer.get("error", {}) if isinstance(answer, dict) else {}
            what, place, remedy = (str(told.get(key, "")) for key in ("what", "where", "remedy"))
            raise MqiError(Fault(what or f"The daemon answered {response.status}.", place, remedy, Blame.OURS))
        return answer

    def _silence(self, error: Exception) -> Fault:
        return Fault(
            f"The daemon does not answer at its control socket: {error or type(error).__name__}.",
            where=str(self._socket),
            remedy="See whether it runs (mqi-actors status) and what its log says.",
            blame=Blame.OURS,
            kind="console-silent",
        )
