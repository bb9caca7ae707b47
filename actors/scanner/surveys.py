"""Surveys on their way: which folders wait for one, which are being read in a worker process."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from actors.scanner.facts import SurveyRequest
from messages.address import Mailbox
from messages.compute import Compute

AT_ONCE = 4
"""Asked for at a time; the rest waits here, so that other work in the worker processes finds its turn."""
FUNCTION = "actors.scanner.survey:survey_folder"


class Surveys:
    """First come, first served; a submitted folder goes first. A folder is asked for once at a time."""

    def __init__(self, compute: Mailbox, reply_to: Mailbox, prefix: str) -> None:
        self._compute, self._reply_to, self._prefix = compute, reply_to, prefix
        self._waiting: dict[str, None] = {}
        self._running: dict[str, str] = {}
        self._numbers = count(1)

    def __contains__(self, path: object) -> bool:
        return path in self._waiting or path in self._running.values()

    def want(self, path: str, *, first: bool = False) -> None:
        """Put a folder in the queue; ``first``: at its head."""
        self._waiting = {path: None, **self._waiting} if first else {**self._waiting, path: None}

    def forget(self, path: str) -> None:
        """The folder is gone; an answer about it is still taken and passed over."""
        self._waiting.pop(path, None)

    def ask(self, request_of: Callable[[str], SurveyRequest | None]) -> None:
        """Ask for as many as may run; ``request_of`` says what to ask, or that it is not wanted any more."""
        while self._waiting and len(self._running) < AT_ONCE:
            path = next(iter(self._waiting))
            del self._waiting[path]
            request = request_of(path)
            if request is None:
                continue
            request_id = f"{self._prefix}/survey/{next(self._numbers)}"
            self._running[request_id] = path
            self._compute.tell(
                Compute(request_id, self._reply_to, FUNCTION, request, label="survey of a case folder", urgent=True)
            )

    def answered(self, request_id: str) -> str:
        """Folder that an answer is about; empty: it is not one of ours."""
        return self._running.pop(request_id, "")
