"""``python -m actors.sender PARENT_PID``: one SendResult, pickled, on stdin; its answer as JSON on stdout.

A process for each result: DICOM's libraries stay out of the daemon, and whatever goes wrong in it goes wrong nowhere
else. It yields the processor to everything else, and dies with the daemon.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

from actors.errands.child import take_order
from actors.errors import MqiError
from actors.sender.order import NotSent, SendResult, Sent, Why

NICENESS = 10


def main(parent: int) -> None:
    """Answer the one order on stdin."""
    order, answer = take_order(parent, NICENESS)
    assert isinstance(order, SendResult)
    told = answer_to(order)
    answer({"sent" if isinstance(told, Sent) else "not_sent": asdict(told)})


def answer_to(order: SendResult) -> Sent | NotSent:
    """Sent, or the sentence why not."""
    try:
        from actors.sender.send import send  # noqa: PLC0415 - the heavy libraries, after the bounds set above

        return send(order)
    except MqiError as error:
        return NotSent(str(error.fault), Why.CHANGED)
    except OSError as error:
        return NotSent(f"{error.strerror or error} ({error.filename or order.result})", Why.OURS)
    except Exception as error:
        return NotSent(f"It failed by a fault of ours: {type(error).__name__}: {error}", Why.OURS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
