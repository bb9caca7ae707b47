"""No outside effect without crash points around it: by the shape of the code, with a short list of exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.crash_points import EFFECTS, POINTS

ACTORS = Path(__file__).resolve().parents[3] / "actors"
FOREIGN = {
    "demo": "makes cases and runs engines; no part of the daemon",
    "mcsquare": "an engine: it runs in its own process, and what it leaves behind is looked at by others",
    "cli": "commands of a person, who repeats them",
    "crash_points.py": "strikes itself",
}
"""Not looked into, and why."""
DAEMON = "cli/daemon"
"""But this folder is."""

ALWAYS = frozenset(
    {
        *("rename", "unlink", "rmdir", "rmtree", "copytree", "hardlink_to", "symlink_to", "touch", "makedirs"),
        *("write_text", "write_bytes", "killpg", "send_signal", "Popen", "executescript"),
        *("open_session", "exec_command", "send_c_store", "send_n_action"),
    }
)
"""Attributes that are an outside effect wherever they are named, called or passed on."""
WRITES = frozenset({"COUNT_UP", "SET_META", "DELETE_META", "SET_FENCE"})
"""Queries that commit by themselves where no transaction is open."""

WITHIN = "runs only within "
EXCEPTIONS = {
    "case/files.py:_remove_around": WITHIN + "clean.work",
    "cli/daemon/engine.py:_asked": "asks the engine for its version",
    "console/pictures.py:_make_room": "pictures that are drawn again when somebody asks",
    "console/sockets.py:open_socket": "a leftover goes; console.bind gives the new one its name",
    "compute/process.py:serve": "the process has ended or is given up: nothing of it is waited for any more",
    "interpreter/__main__.py:_write_whole": "on a host, in the run's own process",
    "interpreter/staging.py:share": "in the unfinished folder, to which interpret.rename gives its name",
    "ledger/backups.py:backup_to": "a leftover of an earlier try goes, and this try's own, whole or not",
    "ledger/backups.py:make_durable": WITHIN + "ledger.create and backup.rename",
    "ledger/backups.py:restore": "a ledger that has no name yet; backup.rename gives it one",
    "ledger/commit.py:probe_room": "a row that is taken back; what is left of it says nothing to anybody",
    "ledger/commit.py:_one": WITHIN + "ledger.commit, in its transaction",
    "ledger/commit.py:own": WITHIN + "ledger.commit, in its transaction",
    "ledger/migrations.py:create_schema": "a ledger that has no name yet; ledger.create gives it one",
    "ledger/migrations.py:migrate": WITHIN + "migration.commit, in its transaction",
    "ledger/pruning.py:prune_events": WITHIN + "ledger.commit, in its transaction",
    "ledger/store.py:_create": "leftovers of an earlier try go; ledger.create gives the new one its name",
    "local_host/launching.py:_write_whole": WITHIN + "launch.write and launch.install",
    "local_host/launching.py:_start": WITHIN + "launch.start",
    "local_host/looking.py:void": "an empty claim is one of nobody: whoever looks at it next voids it",
    "local_host/moving.py:_verify": "a file that arrived damaged goes, and comes again with the next try",
    "logs/files.py:_ready": "lines for people: nothing is decided by them",
    "logs/files.py:sweep": "lines for people: nothing is decided by them",
    "mounts.py:_deeper": "a note that the next start writes again, whole or not",
    "notifier/delivery.py:_kill": WITHIN + "alarm.push",
    "notifier/delivery.py:run_command": WITHIN + "alarm.push",
    "results/picture.py:draw_dose": "pictures that are drawn again when somebody asks",
    "slurm/shell.py:_end": WITHIN + "slurm.shell",
    "slurm/shell.py:_start": WITHIN + "slurm.shell",
    "ssh_connection/landing.py:verify": "a file that arrived damaged goes, and comes again with the next try",
}


def effects(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """(line, function, surrounded) of every outside effect."""
    yield from _walk(tree, "", surrounded=False)


def _walk(node: ast.AST, function: str, *, surrounded: bool) -> Iterator[tuple[int, str, bool]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.With) and any(_is_point(item.context_expr) for item in node.items):
        surrounded = True
    if _is_effect(node):
        yield getattr(node, "lineno", 0), function, surrounded
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child, function, surrounded=surrounded)


def _is_point(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_point(node.body) and _is_point(node.orelse)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "effect"


def _is_effect(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ALWAYS
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        passed = node.args[0] if node.func.id == "partial" and node.args else None
        return isinstance(passed, ast.Attribute) and passed.attr == "mkdir" and not _repeats(node)
    return isinstance(node.func, ast.Attribute) and _is_effect_call(node, node.func)


def _is_effect_call(call: ast.Call, method: ast.Attribute) -> bool:
    match method.attr:
        case "mkdir":
            return not _repeats(call)
        case "replace":  # that of paths has one argument, that of texts two
            return len(call.args) == 1 and not call.keywords
        case "kill":
            return not (isinstance(method.value, ast.Name) and method.value.id in ("self", "process"))
        case "run":
            return isinstance(method.value, ast.Name) and method.value.id == "subprocess"
        case "execute":
            return bool(call.args) and _commits(call.args[0])
    return False


def _repeats(call: ast.Call) -> bool:
    """A folder that may be there already: to make it twice changes nothing."""
    return any(keyword.arg == "exist_ok" for keyword in call.keywords)


def _commits(query: ast.expr) -> bool:
    if isinstance(query, ast.Constant):
        return query.value == "COMMIT"
    return isinstance(query, ast.Attribute) and query.attr in WRITES


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ACTORS.rglob("*.py")):
        name = path.relative_to(ACTORS).as_posix()
        if name.split("/")[0] not in FOREIGN or name.startswith(DAEMON):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_every_outside_effect_is_surrounded() -> None:
    bare = {
        f"{name}:{function}": f"{name}:{line} in {function}"
        for name, tree in sources()
        for line, function, surrounded in effects(tree)
        if not surrounded
    }
    missing = sorted(bare[place] for place in bare.keys() - EXCEPTIONS.keys())
    assert not missing, "give these a `with effect(…)`, or say in EXCEPTIONS why not"
    assert not EXCEPTIONS.keys() - bare.keys(), "these exceptions are none any more"


def test_every_name_of_the_catalogue_is_used_and_no_other() -> None:
    used = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("effect", "point"):
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"line {node.lineno}: a name that cannot be read"
                used.add(name.value)
    assert used == EFFECTS.keys() | POINTS.keys()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("path.rename(other)", [False]),
        ("with effect('move.rename'): path.rename(other)", [True]),
        ("with effect('stage') if up else effect('fetch'): os.replace(one)", [True]),
        ("with suppress(OSError), effect('move.rename'): path.rename(other)", [True]),
        ("with suppress(OSError): path.rename(other)", [False]),
        ("guard(partial(path.unlink, True))", [False]),
        ("guard(partial(path.mkdir, parents=True))", [False]),
        ("path.mkdir(exist_ok=True); text.replace('a', 'b'); replace(value, a=1); now.replace(tzinfo=UTC)", []),
        ("database.execute('COMMIT'); database.execute('BEGIN')", [False]),
        ("database.execute(q.COUNT_UP, {}); database.execute(q.META_VALUE)", [False]),
        ("os.kill(1, 9); subprocess.run(['x'])", [False, False]),
        ("def run(one: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]: pass", []),
    ],
)
def test_the_check_sees(code: str, found: list[bool]) -> None:
    assert [surrounded for _, _, surrounded in effects(ast.parse(code))] == found
