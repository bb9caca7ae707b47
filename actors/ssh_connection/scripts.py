"""What a host is asked to do for a move of files: POSIX shell with coreutils, every name quoted. Pure.

Answers are records that end with NUL, for a name may hold anything else. Far away a move is gathered in a folder
beside its target: ``pack-…`` (the small files as one stream), ``big-…`` (one large file each), and, when all is there,
``tree-…``: the files under their own names, which becomes the target by one rename. Data is written at its own offset
and never cut off, so that the remains of a lost connection which write late change nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from shlex import quote

from actors.jobs.host_shell import host_functions
from actors.ssh_connection.packing import Member, Pack

OUTSIDE, NO_WORKSPACE, NO_FOLDER, UNREADABLE, NO_TAR, TAKEN, AWAY = 71, 72, 73, 74, 75, 76, 77
"""Exit codes of these scripts, beside those of the tools that they call."""

_PRELUDE = "LC_ALL=C; export LC_ALL; unset CDPATH TAR_OPTIONS POSIXLY_CORRECT GREP_OPTIONS"
_RECORD = r"'%f %s %.9Y %n\0'"
_WALK = rf"""walk() {{
printf '/%s\0' "$1"
stat --printf={_RECORD} -- * .[!.]* ..?* 2>/dev/null
for name in */ .[!.]*/ ..?*/; do
name=${{name%/}}
[ -d "./$name" ] && [ ! -L "./$name" ] && ( cd -P -- "./$name" && walk "$1$name/" )
done
:
}}"""
_EMPTY_SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_SUM = 'sum() { sha256sum "$@"; }'
_FAST_SUM = f"""if [ "$(openssl dgst -sha256 -r </dev/null 2>/dev/null | cut -c 1-64)" = {_EMPTY_SHA} ]
then sum() {{ openssl dgst -sha256 -r "$@"; }}
else {_SUM}
fi"""
_FAST_PAYS_BYTES = 8 << 20
"""From here on a faster tool earns the time of its start."""
_WORDS = 60_000
"""Bytes of names on one command line."""
_POLL_S = 0.02


def look(workspace: str, target: str, part: str, keep: str, mount: str = "") -> str:
    """What there is of a target: ``there`` and its files; or ``absent``, room, and the files of ``part``, made now.

    ``keep``: the pack that belongs to this move; others are removed. ``mount``: where the disk of the workspace ought
    to be mounted, empty: not known; exit code AWAY where it is not.
    """
    return _script(
        *_mounted(workspace, mount),
        _WALK,
        _inside(workspace, target),
        f"target={quote(target)} part={quote(part)}",
        f'if [ -L "$target" ] || {{ [ -e "$target" ] && [ ! -d "$target" ]; }}; then exit {TAKEN}; fi',
        'if [ -d "$target" ] && [ "$(ls -A -- "$target"; echo x)" != x ]; then',
        r"""printf 'there\0'; cd -P -- "$target" && walk ''; exit""",
        "fi",
        'mkdir -p -- "$part" && cd -P -- "$part" || exit 1',
        f'for old in pack-* tree-* busy-*; do [ "$old" = {quote(keep)} ] || rm -rf -- "./$old"; done',
        r"printf 'absent\0' && stat -f --printf='%a %S\0' . && walk ''",
    )


def survey(workspace: str, source: str, names: Sequence[str]) -> str:
    """The files below a folder, or those that are named; no link is followed."""
    parts = [_named(name) for name in names] if names else ["walk ''"]
    return _script(
        _WALK,
        _inside(workspace, source),
        f"source={quote(source)}",
        f'[ ! -L "$source" ] && cd -P -- "$source" || exit {UNREADABLE}',
        *parts,
        ":",
    )


def hashes(folder: str, members: Sequence[Member]) -> str:
    """SHA-256 of files, one line each, in this order."""
    return _script(f"cd -P -- {quote(folder)} || exit 1", *_sums(members))


def pour(part: str, name: str, offset: int) -> str:
    """Standard input goes into a file of the unfinished move, from an offset on."""
    return _script(f"cd -P -- {quote(part)} || exit 1", _write(name, offset))


def pour_inline(part: str, name: str, offset: int, content: bytes) -> str:
    """The same with the content in the script itself: a little one is not worth a session of its own."""
    text = base64.encodebytes(content).decode("ascii")
    write = _write(name, offset, "base64 -d")
    return _script(f"cd -P -- {quote(part)} || exit 1", f"{write} <<'mqi-end'\n{text}mqi-end")


def pour_and_hash(part: str, name: str, offset: int, session: str) -> str:
    """The same; meanwhile the file is read back as it grows, and its SHA-256 is the answer."""
    file, busy = quote(f"./{name}"), f"./busy-{session}"
    return _script(
        f"cd -P -- {quote(part)} || exit 1",
        _FAST_SUM,
        f": >{busy} && : >>{file} || exit 1",
        f"{{ while [ -e {busy} ] && kill -0 $$ 2>/dev/null; do cat; sleep {_POLL_S}; done; cat; }} <{file} | sum &",
        _write(name, offset),
        "status=$?",
        f"rm -f {busy}",
        "wait",
        "exit $status",
    )


def send(folder: str, wanted: Sequence[tuple[Member, int]]) -> str:
    """Files from their offsets on, one after the other, to standard output."""
    return _script(f"cd -P -- {quote(folder)} || exit 1", *_sends(wanted))


def send_and_hash(folder: str, wanted: Sequence[tuple[Member, int]], members: Sequence[Member]) -> str:
    """The same; meanwhile SHA-256 of the ``members`` is found, and told after them: AFTER_FILES, then a line each."""
    return _script(
        f"cd -P -- {quote(folder)} || exit 1",
        "exec 3>&1",
        "answer=$(",
        "{",
        *_sums(members),
        "} &",
        "(",
        *_sends(wanted),
        ") >&3 || exit 1",
        "wait",
        ") || exit 1",
        r"""printf '\nmqi-after\n%s\n' "$answer" """,
    )


def _sends(wanted: Sequence[tuple[Member, int]]) -> list[str]:
    lines, whole = [], list[Member]()
    for member, offset in wanted:
        if offset:
            lines += _cats(whole)
            whole = []
            skip = f"dd bs=1 skip={offset} count=0 2>/dev/null"
            lines.append(f"{{ {skip} && cat; }} <{_own(member)} || exit 1")
        else:
            whole.append(member)
    return lines + _cats(whole)


def unpack(part: str, tree: str, packed: Pack | None) -> str:
    """A new ``tree`` with the files of the pack. Exit code NO_TAR where tar cannot do it."""
    extract = f"tar -xpof ../{packed.name} || exit {NO_TAR}" if packed else ":"
    return _script(_new_tree(part, tree), extract)


def unpack_plainly(part: str, tree: str, packed: Pack) -> str:
    """The same without tar."""
    lines = [_new_tree(part, tree), *_folders(piece.member for piece in packed.pieces)]
    for piece in packed.pieces:
        own, skip = _own(piece.member), f"dd bs=1 skip={piece.body} count=0 2>/dev/null"
        lines.append(f"{{ {skip} && head -c {piece.member.size}; }} <../{packed.name} >{own} || exit 1")
        lines.append(_dress(piece.member))
    return _script(*lines)


def place(part: str, tree: str, big: Sequence[tuple[str, Member]], small: Sequence[Member]) -> str:
    """Large files join the tree under their own names; then SHA-256 of the ``small`` ones, one line each."""
    lines = [f"cd -P -- {quote(part)}/{tree} || exit 1", *_folders(member for _, member in big)]
    for name, member in big:
        own = _own(member)
        lines.append(f"ln -- ../{name} {own} 2>/dev/null || cp -- ../{name} {own} || exit 1")
        lines.append(_dress(member))
    return _script(*lines, *_sums(small), ":")


def finish(part: str, tree: str, target: str) -> str:
    """The tree becomes the target, at once or not at all. Exit code TAKEN when something stands there."""
    return _script(
        f"part={quote(part)} target={quote(target)}",
        f'mv -fT -- "$part/{tree}" "$target" || {{ [ ! -e "$target" ] || exit {TAKEN}; exit 1; }}',
        'rm -rf -- "$part"',
    )


def drop(part: str, names: Iterable[str]) -> str:
    """Remove files of an unfinished move."""
    return _script(f"cd -P -- {quote(part)} && rm -f -- {' '.join(quote('./' + name) for name in names)}")


def forget(part: str) -> str:
    """Remove an unfinished move, also if something still writes there."""
    return _script(f"for turn in 1 2 3 4 5; do rm -rf -- {quote(part)} && break; sleep 0.2; done")


def _script(*lines: str) -> str:
    return "\n".join((_PRELUDE, *lines))


def _mounted(workspace: str, mount: str) -> tuple[str, ...]:
    if not mount:
        return ()
    known = f"mqi_ws={quote(workspace)} mqi_mount={quote(mount)}"
    return (known, host_functions(), f"if away; then exit {AWAY}; fi")


def _inside(workspace: str, path: str) -> str:
    """Go no further unless the folder of ``path``, or the nearest there is, truly lies below the workspace."""
    parent = str(PurePosixPath(path).parent)
    return "\n".join(
        (
            f"root=$(cd -- {quote(workspace)} 2>/dev/null && pwd -P; echo x); root=${{root%?x}}",
            f'[ "$root" != x ] || exit {NO_WORKSPACE}',
            f"here={quote(parent)}",
            'while [ ! -e "$here" ] && [ ! -L "$here" ]; do here=${here%/*}; here=${here:-/}; done',
            'real=$(cd -- "$here" 2>/dev/null && pwd -P; echo x); real=${real%?x}',
            f'[ "$real" != x ] || exit {NO_FOLDER}',
            f'case "$real/" in "$root"/*) ;; *) exit {OUTSIDE};; esac',
        )
    )


def _named(name: str) -> str:
    """The record of one file, or of all below a folder; nothing where a link stands on the way."""
    parts = name.split("/")
    plain = " && ".join(f"[ ! -L {quote('./' + '/'.join(parts[: n + 1]))} ]" for n in range(len(parts)))
    own, above = quote(f"./{name}"), quote("".join(f"{part}/" for part in parts[:-1]))
    return "\n".join(
        (
            f"if {plain}; then",
            rf"if [ -f {own} ]; then printf '/%s\0' {above}; stat --printf={_RECORD} -- {own}",
            f"elif [ -d {own} ]; then ( cd -P -- {own} && walk {quote(name + '/')} ); fi",
            "fi",
        )
    )


def _write(name: str, offset: int, command: str = "cat") -> str:
    file = quote(f"./{name}")
    if not offset:
        return f"{command} 1<>{file}"  # some file systems flush a file that was cut off as it is closed
    return f"{{ dd bs=1 seek={offset} count=0 conv=notrunc 2>/dev/null && {command}; }} 1<>{file}"


def _sums(members: Sequence[Member]) -> list[str]:
    if not members:
        return []
    plain = all(sign not in member.path for member in members for sign in "\n\r\\")  # tools write those differently
    fast = plain and sum(member.size for member in members) >= _FAST_PAYS_BYTES
    return [_FAST_SUM if fast else _SUM, *(f"sum {words}" for words in _lines(members))]


def _cats(members: Sequence[Member]) -> list[str]:
    return [f"cat {words} || exit 1" for words in _lines(members)]


def _lines(members: Iterable[Member]) -> list[str]:
    """The files' names as words of several command lines."""
    lines, words, size = list[str](), list[str](), 0
    for member in members:
        word = _own(member)
        if words and size + len(word) > _WORDS:
            lines.append(" ".join(words))
            words, size = [], 0
        words.append(word)
        size += len(word) + 1
    return [*lines, " ".join(words)] if words else lines


def _new_tree(part: str, tree: str) -> str:
    return f"cd -P -- {quote(part)} && rm -rf ./{tree} && mkdir ./{tree} && cd -P ./{tree} || exit 1"


def _folders(members: Iterable[Member]) -> list[str]:
    folders = sorted({member.path.rpartition("/")[0] for member in members} - {""})
    return [f"mkdir -p -- {quote('./' + folder)} || exit 1" for folder in folders]


def _dress(member: Member) -> str:
    """Mode and time."""
    seconds, fraction = divmod(member.mtime_ns, 10**9)
    own = _own(member)
    return f"chmod {member.mode:o} {own} && touch -d @{seconds}.{fraction:09d} {own} || exit 1"


def _own(member: Member) -> str:
    return quote(f"./{member.path}")
