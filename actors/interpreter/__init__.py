"""A delivered case becomes one engine run's input per beam, with delivered against planned.

Its functions are entry points for a worker process: what they need is imported when they are called. ``interpret_case``
does it in that process; ``pack_case`` and ``take_answer`` are the two ends of the same done on a host by
``python -m actors.interpreter``.
"""

from messages.interpretation import Interpretation, InterpretCase, PackCase, PackedCase, TakeAnswer


def interpret_case(request: InterpretCase) -> Interpretation:
    """Reads the case, checks it, and writes ``request.target`` whole or not at all; see ``interpret.interpret``.

    Raises CaseError (the case is wrong: what, where, remedy) or MqiError with blame OURS (profile, calibration, disk).
    """
    from actors.interpreter.interpret import interpret  # noqa: PLC0415 - numpy and pydicom stay out of the daemon

    return interpret(request)


def pack_case(order: PackCase) -> PackedCase | Interpretation:
    """Packs the case to be interpreted on a host; see ``bundle.pack``."""
    from actors.interpreter.bundle import pack  # noqa: PLC0415 - as above

    return pack(order)


def take_answer(order: TakeAnswer) -> Interpretation:
    """What a host answered, as if it had been done here; see ``homecoming.take``."""
    from actors.interpreter.homecoming import take  # noqa: PLC0415 - as above

    return take(order)


__all__ = ["interpret_case", "pack_case", "take_answer"]
