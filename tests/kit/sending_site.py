"""The ledger and the sender alone, in a process of their own, on one published result.

``python -m tests.kit.sending_site FOLDER`` runs until nothing is left to send, or is killed where MQI_CRASH_AT says.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from actors.ledger import Ledger, Reader, open_store, sendings
from actors.ledger.journal import Journal
from actors.sender import Sender
from actors.settings import SendNode
from actors.supervision import Backoff, Context, Spec, System, supervisor
from messages.ledger import SendingRow, SendingState, SetNodes

ROOT = Path(__file__).resolve().parents[2]
AT = "2026-03-02T09:30:15.000000+00:00"
LIMIT_S = 60.0
_OVER = (SendingState.SENT, SendingState.COMMITTED, SendingState.WITHHELD)


def prepare(folder: Path, result: Path, nodes: Iterable[SendNode]) -> None:
    """A ledger in which the case is done, and due at every node."""
    folder.mkdir(exist_ok=True)
    nodes = tuple(nodes)
    (folder / "nodes").write_bytes(pickle.dumps(nodes))
    told = {"verdict": "accepted", "reasons": [], "uncommissioned": False, "gray": True, "phantom": False}
    sha256 = hashlib.sha256((result / "manifest.json").read_bytes()).hexdigest()
    verdict = json.dumps({**told, "path": str(result), "manifest_sha256": sha256})
    with closing(open_store(folder / "ledger.sqlite")) as database:
        database.execute(
            'INSERT INTO cases ("case", identity, state, path, seen, verdict) VALUES (?, ?, ?, ?, ?, ?)',
            (result.name, "identity", "done", "/share", AT, verdict),
        )
        journal = Journal(database, AT, 1)
        sendings.set_nodes(journal, SetNodes(tuple((node.name, node.when) for node in nodes)))
        for rule in ("accepted", "approved"):
            sendings.wanted(journal, result.name, rule)


def rows(folder: Path) -> dict[str, SendingRow]:
    """Node → how its sending stands."""
    reader = Reader(folder / "ledger.sqlite")
    return {row.node: row for case in reader.cases() for row in reader.sendings(case.case)}


def system(folder: Path, boot: int) -> System:
    """Of two actors, and a monitor that nobody is."""
    nodes: tuple[SendNode, ...] = pickle.loads((folder / "nodes").read_bytes())
    path = folder / "ledger.sqlite"

    def ledger(context: Context) -> Ledger:
        return Ledger(context, path=path, backups=folder / "backups", backup_hours=0.0)

    def sender(context: Context) -> Sender:
        at = context.system.address
        return Sender(
            context,
            ledger=at("root/ledger"),
            monitor=at("root/monitor"),
            nodes=nodes,
            results_dir=folder,
            look_s=0.1,
        )

    children = [Spec("ledger", ledger), Spec("sender", sender, backoff=Backoff(0.05, 1.0, 0.1), escalates=False)]
    return System(supervisor("root", children), boot=boot)


def launch(folder: Path, crash_at: str = "") -> subprocess.Popen[bytes]:
    """One life of it."""
    environment = {**os.environ, **({"MQI_CRASH_AT": crash_at} if crash_at else {})}
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.kit.sending_site", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=ROOT,
            env=environment,
        )


def main(folder: Path) -> int:
    """Until nothing is due any more; 1 when it takes too long."""
    lives = folder / "lives"
    boot = len(lives.read_text()) + 1 if lives.exists() else 1
    lives.write_text("x" * boot)
    running = system(folder, boot)
    running.start()
    deadline = time.monotonic() + LIMIT_S
    while not (done := all(row.state in _OVER for row in rows(folder).values())) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.stop(5.0)
    running.wait(6.0)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
