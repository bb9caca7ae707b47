"""``python -m tests.kit.impatient start --conf …`` is ``mqi-actors start`` that gives a silent link up after seconds,
and tries a lost host again at least every second: many tests lose it, one after the other."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from actors.ssh_connection import control, lane
from actors.ssh_connection.target import DEFAULT_PORT, Patience, Target
from actors.supervision import Backoff

IMPATIENT = Patience(connect_s=2.0, banner_s=3.0, login_s=5.0, session_s=5.0, keepalive_s=1.0, silence_s=3.0)
TRIED = Backoff(0.5, 1.0, 0.1)

_patient = Target.of


def _impatient(
    *,
    name: str,
    address: str,
    port: int = DEFAULT_PORT,
    user: str = "",
    key_file: Path | None = None,
    known_hosts: Path | None = None,
) -> Target:
    known = _patient(name=name, address=address, port=port, user=user, key_file=key_file, known_hosts=known_hosts)
    return replace(known, patience=IMPATIENT)


def main() -> None:
    """``mqi-actors``, impatient."""
    from actors.cli import main as mqi_actors  # noqa: PLC0415 - after Target is what it shall be

    Target.of = _impatient  # type: ignore[method-assign,assignment]
    lane.REOPENED = TRIED
    control.Pace = functools.partial(control.Pace, backoff=TRIED)  # type: ignore[misc,assignment]
    mqi_actors()


if __name__ == "__main__":
    main()
