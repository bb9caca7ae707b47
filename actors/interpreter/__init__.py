"""A delivered case becomes one engine run's input per beam, with delivered against planned.

``interpret_case`` is an entry point for a worker process: what it needs is imported when it is called.
"""

from messages.interpretation import Interpretation, InterpretCase


def interpret_case(request: InterpretCase) -> Interpretation:
    """Reads the case, checks it, and writes ``request.target`` whole or not at all; see ``interpret.interpret``.

    Raises CaseError (the case is wrong: what, where, remedy) or MqiError with blame OURS (profile, calibration, disk).
    """
    from actors.interpreter.interpret import interpret  # noqa: PLC0415 - numpy and pydicom stay out of the daemon

    return interpret(request)


__all__ = ["interpret_case"]
