"""A trial: whether alarms would reach people, told in one document that says that it is none."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime

from actors.notifier.delivery import NotToldError, deliver
from actors.notifier.document import News, document
from actors.settings import Alarms

SENTENCE = "This is a trial that an operator asked for: alarms of this daemon reach you in this way."


class _Uncut:
    """Nobody cancels a trial: it ends within its time."""

    def on_cancel(self, closer: Callable[[], object]) -> Callable[[], None]:
        del closer
        return lambda: None


def tell_a_trial(way: Alarms, version: str) -> str:
    """Why it did not arrive; empty: it did. Takes ``way.timeout_s`` at most."""
    news = (News("trial", True, datetime.now().astimezone(), SENTENCE, 1),)
    body = document(0, 1, news, sender={"host": socket.gethostname(), "version": version}, clean=str)
    try:
        deliver(way, body, _Uncut())
    except NotToldError as error:
        return str(error)
    return ""
