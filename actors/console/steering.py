"""What changes something: orders, submission, reload, stop."""

from __future__ import annotations

import os
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.console.api import answer_to
from actors.console.asking import UNNAMED, NotFoundError, json_body, user_of, within
from actors.console.books import LedgerReader
from actors.console.door import Door
from actors.documents.orders import BY_NAME, OF_CASES, OF_PLACES, check_order, place_of
from actors.errors import MqiError
from messages.faults import Fault

RELOAD_S = 15.0
SUBMIT_S = 60.0
ORDER_S = 15.0
_LONGEST = 4096
_LONGEST_NAME = 80


class Steering:
    """The endpoints that change something."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def order(self, request: Request) -> Response:
        """Answered when the order is on the disk; what came of it is in the case's history."""
        body = await json_body(request)
        kind, subject, argument = order_in(body)
        name, user = id_in(body, kind), person_in(body, kind, user_of(request))
        await self._door.books.ask(lambda reader: self._refuse_nobody(reader, kind, subject))
        written = await within(ORDER_S, self._door.order(kind, subject, argument, user, name))
        placed = {"order": written.request_id, "kind": kind, "subject": subject, "argument": argument}
        return answer_to(request, self._door, placed)

    async def submit(self, request: Request) -> Response:
        """A case folder, taken now."""
        path, partial = folder_in(await json_body(request))
        taken = await within(SUBMIT_S, self._door.submit(path, partial, user_of(request)))
        return answer_to(request, self._door, {"cases": list(taken.cases), "sentences": list(taken.sentences)})

    async def reload(self, request: Request) -> Response:
        """The configuration, read again."""
        done = await within(RELOAD_S, self._door.reload(user_of(request)))
        fields = {"changed": done.changed, "needs_restart": done.needs_restart, "errors": done.errors}
        return answer_to(request, self._door, {name: list(values) for name, values in fields.items()})

    async def stop(self, request: Request) -> Response:
        """The daemon, stopped in order."""
        self._door.stop(user_of(request))
        return JSONResponse({"stopping": True})

    def _refuse_nobody(self, reader: LedgerReader, kind: str, subject: str) -> None:
        """An order about what does not exist would wait for ever."""
        if kind in OF_CASES and reader.case(subject) is None:
            raise NotFoundError(f'There is no case "{subject}".', "mqi-actors cases lists them.")
        if kind in OF_PLACES:
            host = place_of(subject)[0]
            names = [one.name for one in self._door.settings.hosts]
            if host not in names:
                raise NotFoundError(f'There is no host "{host}".', f"There are: {', '.join(names)}.", "no-host")


def order_in(body: dict[str, Any]) -> tuple[str, str, str]:
    """(kind, subject, argument) of an order. Raises MqiError."""
    values = [body.get("kind"), body.get("subject", ""), body.get("argument", "")]
    if not all(isinstance(value, str) and len(value) <= _LONGEST and value.isprintable() for value in values):
        raise MqiError(Fault('An order is {"kind": "…", "subject": "…", "argument": "…"}.', kind="order-malformed"))
    kind, subject, argument = map(str, values)
    check_order(kind, subject, argument)
    return kind, subject, argument


def id_in(body: dict[str, Any], kind: str) -> str:
    """The id that a client gives its order, so that the same order sent again is one; empty: none. Raises MqiError."""
    name = body.get("order", "")
    if name and not (isinstance(name, str) and re.fullmatch(f"{re.escape(kind)}-[0-9a-f]{{12,32}}", name)):
        raise MqiError(
            Fault(f'The id of this order must be "{kind}-" and 12 to 32 digits 0-9a-f.', kind="order-malformed")
        )
    return str(name)


def person_in(body: dict[str, Any], kind: str, user: str) -> str:
    """Who gives the order. Several people may use one account or token: who answers for a result says his name.

    user: as the connection tells. Raises MqiError where a result is judged or sent and nobody is named.
    """
    person = body.get("person", "")
    if not (isinstance(person, str) and len(person) <= _LONGEST_NAME and person.isprintable()):
        raise MqiError(Fault(f"person must be a name of at most {_LONGEST_NAME} characters.", kind="order-malformed"))
    person = " ".join(person.split())
    if kind in BY_NAME and not person and user.startswith(UNNAMED):
        raise MqiError(
            Fault("This order needs the name of a person.", remedy="Give it as person.", kind="order-nobody")
        )
    return f"{person} ({user})" if person else user


def _is_path(text: str) -> bool:
    """Absolute, and a name that a file can have: half a character is none."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return text.startswith("/") and "\0" not in text


def folder_in(body: dict[str, Any]) -> tuple[str, bool]:
    """(path, partial) of a submission. Raises MqiError."""
    path, partial = body.get("path"), body.get("partial", False)
    if not isinstance(path, str) or not isinstance(partial, bool) or not _is_path(path):
        raise MqiError(Fault('The request must be {"path": "/absolute/path", "partial": false}.'))
    return path, partial
