"""Text for a shell far away, and its answer, apart from whatever else the login prints. Pure.

The login shell is only asked to become /bin/sh; the script goes to its standard input. It stands in braces, so that a
shell which got only half of it does nothing.
"""

from __future__ import annotations

import re
import secrets

BECOME_SH = "exec /bin/sh"
"""Understood alike by sh, bash, zsh, fish, csh and tcsh."""

_END = re.compile(rb"\nmqi-end-(\S+) (\d+)(?=\n)")


def nonce() -> str:
    """Part of the marks around one answer: no output holds it by chance."""
    return secrets.token_hex(8)


def begin_mark(word: str) -> bytes:
    return f"mqi-begin-{word}\n".encode()


def command(script: str, word: str, prelude: str = "") -> bytes:
    """A script for a shell that goes on reading afterwards. Marks stand on both outputs; no input but nothing.

    What the ``prelude`` defines stays with the shell.
    """
    begin = f"printf 'mqi-begin-%s\\n' {word}"
    end = f"printf '\\nmqi-end-%s %s\\n' {word} \"$1\""
    return _text(f"{{\n{prelude}\n{begin}\n{begin} >&2\n(\n{script}\n) </dev/null\nset -- $?\n{end}\n{end} >&2\n}}\n")


def stream(script: str, word: str) -> bytes:
    """A script that is the last of its shell; after the mark on its output, input and output are its own."""
    return _text(f"{{\nprintf 'mqi-begin-%s\\n' {word}\n(\n{script}\n)\nexit $?\n}}\n")


def ended(script: str, word: str) -> str:
    """A script that tells its end on its output, for a stream that must not be taken for whole when it is cut."""
    return f"(\n{script}\n)\nset -- $?\nprintf '\\nmqi-end-%s %s\\n' {word} \"$1\""


def answered(output: bytes, word: str) -> tuple[bytes, int] | None:
    """What lies between the marks, and the exit code; None while the end mark is not there."""
    begin = output.find(begin_mark(word))
    if begin < 0:
        return None
    body, own = output[begin + len(begin_mark(word)) :], word.encode()
    # one pattern for all words: each script has a word of its own, and compiling costs more than searching
    end = next((end for end in _END.finditer(body) if end[1] == own), None)
    return (body[: end.start()], int(end[2])) if end else None


def may_end(output: bytes | bytearray, newest: int) -> bool:
    """Whether an end mark can lie in the last ``newest`` bytes: a long answer is not searched at every block."""
    return output.find(b"mqi-end-", max(len(output) - newest - 64, 0)) >= 0


def complained(errors: bytes, word: str) -> bytes | None:
    """Standard error of a script, of a flood the newest part; None while its end mark is not there."""
    end = errors.rfind(f"\nmqi-end-{word} ".encode())
    if end < 0:
        return None
    begin = errors.find(begin_mark(word))
    return errors[begin + len(begin_mark(word)) if begin >= 0 else 0 : end]


def heard(output: bytes) -> str:
    """The first line of what a login said instead, for people."""
    text = output.decode("utf-8", "replace").strip()
    return text.splitlines()[0].strip()[:200] if text else ""


def _text(script: str) -> bytes:
    if "\0" in script:
        raise ValueError("a script holds no NUL")
    return script.encode("utf-8", "surrogateescape")
