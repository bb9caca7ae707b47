"""Make the tables, and bring older ones forward, one version at a time, each step whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from actors.crash_points import effect
from actors.ledger import queries as q
from actors.ledger.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlite_utils import Database


def _to_2(database: Database) -> None:
    """Alarms that are told to people outside."""
    database.execute(
        "CREATE TABLE pushes (push INTEGER PRIMARY KEY AUTOINCREMENT, after INTEGER NOT NULL, upto INTEGER NOT NULL, "
        "tries INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '')"
    )
    database.execute("CREATE UNIQUE INDEX pushes_open ON pushes (outcome) WHERE outcome = ''")


def _to_3(database: Database) -> None:
    """Operators' orders: halts, pardons, fresh budgets; what a GPU is."""
    database.execute(
        'CREATE TABLE halts (place TEXT PRIMARY KEY, "user" TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID'
    )
    database.execute("CREATE TABLE pardons (key TEXT PRIMARY KEY REFERENCES attempts (key)) WITHOUT ROWID")
    database.execute("ALTER TABLE beams ADD COLUMN forgiven INTEGER NOT NULL DEFAULT 0")
    database.execute("ALTER TABLE gpus ADD COLUMN model TEXT NOT NULL DEFAULT ''")


def _to_4(database: Database) -> None:
    """The physicist's reports; of cases that were done before there were any, none is due."""
    database.execute(
        'CREATE TABLE reports ("case" TEXT PRIMARY KEY REFERENCES cases ("case"), state TEXT NOT NULL, '
        "tries INTEGER NOT NULL DEFAULT 0, verdict TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', "
        "path TEXT NOT NULL DEFAULT '', manifest_sha256 TEXT NOT NULL DEFAULT '', at TEXT NOT NULL) WITHOUT ROWID"
    )
    database.execute("CREATE INDEX reports_due ON reports (tries, at) WHERE state = 'due'")


def _to_5(database: Database) -> None:
    """Old history may go; what it counted for stays."""
    database.execute("DROP TRIGGER events_never_go")
    database.execute(
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events "
        "WHEN OLD.at >= coalesce((SELECT value FROM meta WHERE key = 'history_since'), '') "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    )
    database.execute(
        "CREATE TABLE tallies (block INTEGER NOT NULL, happened TEXT NOT NULL, number INTEGER NOT NULL, "
        "PRIMARY KEY (block, happened)) WITHOUT ROWID"
    )


def _to_6(database: Database) -> None:
    """What happens to a result after it is published."""
    database.execute("ALTER TABLE cases ADD COLUMN kind TEXT NOT NULL DEFAULT 'delivery'")
    database.execute("ALTER TABLE commands ADD COLUMN decided TEXT NOT NULL DEFAULT ''")
    database.execute(
        'CREATE TABLE planned_runs ("case" TEXT PRIMARY KEY REFERENCES cases ("case"), '
        'planned TEXT NOT NULL REFERENCES cases ("case")) WITHOUT ROWID'
    )
    database.execute("CREATE INDEX planned_runs_by_run ON planned_runs (planned)")
    database.execute(
        "CREATE TABLE reviews (review INTEGER PRIMARY KEY AUTOINCREMENT, "
        '"case" TEXT NOT NULL REFERENCES cases ("case"), '
        "state TEXT NOT NULL, \"user\" TEXT NOT NULL, at TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', "
        "result_sha256 TEXT NOT NULL DEFAULT '', report_sha256 TEXT NOT NULL DEFAULT '')"
    )
    database.execute('CREATE INDEX reviews_by_case ON reviews ("case", review)')
    for name, change in (("reviews_never_change", "UPDATE"), ("reviews_never_go", "DELETE")):
        database.execute(
            f"CREATE TRIGGER {name} BEFORE {change} ON reviews "
            "BEGIN SELECT RAISE(ABORT, 'reviews are append-only'); END"
        )
    database.execute(
        "CREATE VIEW standing_reviews AS "
        'SELECT * FROM reviews WHERE review IN (SELECT max(review) FROM reviews GROUP BY "case")'
    )
    database.execute(
        'CREATE TABLE figures ("case" TEXT NOT NULL REFERENCES cases ("case"), beam INTEGER NOT NULL, '
        'band INTEGER NOT NULL, gantry TEXT NOT NULL, delivered TEXT NOT NULL, "values" TEXT NOT NULL, '
        'PRIMARY KEY ("case", beam, band)) WITHOUT ROWID'
    )
    database.execute("CREATE INDEX figures_by_time ON figures (gantry, band, delivered)")
    database.execute("ALTER TABLE cases ADD COLUMN superseded_by TEXT NOT NULL DEFAULT ''")
    database.execute("ALTER TABLE cases ADD COLUMN review TEXT NOT NULL DEFAULT ''")
    database.execute('CREATE INDEX cases_by_plan ON cases (plan_uid, "case")')
    database.execute("CREATE INDEX cases_superseding ON cases (supersedes) WHERE supersedes != ''")
    database.execute(
        'UPDATE cases SET superseded_by = later."case" FROM cases AS later '
        'WHERE later.supersedes = cases."case" AND cases."case" != \'\''
    )
    database.execute("CREATE TABLE nodes (node TEXT PRIMARY KEY, rule TEXT NOT NULL) WITHOUT ROWID")
    database.execute(
        'CREATE TABLE sendings ("case" TEXT NOT NULL REFERENCES cases ("case"), node TEXT NOT NULL, '
        "state TEXT NOT NULL, \"order\" TEXT NOT NULL DEFAULT '', \"user\" TEXT NOT NULL DEFAULT '', "
        "tries INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', answers TEXT NOT NULL DEFAULT '', "
        'since TEXT NOT NULL, at TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY ("case", node)) WITHOUT ROWID'
    )
    database.execute("CREATE INDEX sendings_due ON sendings (node, after) WHERE state IN ('due', 'stored')")
    database.execute("CREATE INDEX sendings_by_state ON sendings (node, state)")


def _to_7(database: Database) -> None:
    """What is asked again and again is found, and counted, without a look at every case that ever was."""
    database.execute('CREATE INDEX cases_by_name ON cases (state, "case")')
    database.execute("CREATE INDEX cases_uncleaned ON cases (state) WHERE cleaned = 0")
    database.execute("DROP INDEX attempts_by_worker")
    database.execute("CREATE INDEX attempts_by_worker ON attempts (worker, state, gpu)")
    database.execute("DROP VIEW standing_reviews")
    database.execute(
        "CREATE VIEW standing_reviews AS SELECT * FROM reviews WHERE NOT EXISTS ("
        'SELECT 1 FROM reviews AS later WHERE later."case" = reviews."case" AND later.review > reviews.review)'
    )
    database.execute(
        "CREATE TABLE counts (what TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, number INTEGER NOT NULL, "
        "PRIMARY KEY (what, kind, state)) WITHOUT ROWID"
    )
    for table, what, kind in (("cases", "case", "kind"), ("beams", "beam", ""), ("sendings", "sending", "node")):
        _count(database, table, what, kind)


def _count(database: Database, table: str, what: str, kind: str) -> None:
    """From now on rows of this table are counted by state; those that are there already, too. ``kind``: its column."""
    old, new, there = (f"{row}{kind}" if kind else "''" for row in ("OLD.", "NEW.", ""))
    one_more = (
        f"INSERT INTO counts VALUES ('{what}', {new}, NEW.state, 1) "  # noqa: S608 - names of our own, here and below
        "ON CONFLICT (what, kind, state) DO UPDATE SET number = number + 1;"
    )
    this = f"what = '{what}' AND kind = {old} AND state = OLD.state"
    one_less = f"UPDATE counts SET number = number - 1 WHERE {this};"  # noqa: S608
    database.execute(
        f"INSERT INTO counts SELECT '{what}', {there}, state, count(*) FROM {table} GROUP BY 2, 3"  # noqa: S608
    )
    database.execute(f"CREATE TRIGGER {table}_counted AFTER INSERT ON {table} BEGIN {one_more} END")
    database.execute(
        f"CREATE TRIGGER {table}_counted_anew AFTER UPDATE OF state ON {table} WHEN NEW.state != OLD.state "
        f"BEGIN {one_less} {one_more} END"
    )


STEPS: Mapping[int, Callable[[Database], None]] = MappingProxyType(
    {2: _to_2, 3: _to_3, 4: _to_4, 5: _to_5, 6: _to_6, 7: _to_7}
)
"""Version → what makes it out of the version before: changes tables with sqlite-utils, begins no transaction."""


def create_schema(database: sqlite3.Connection) -> None:
    """All tables of the present version, in one transaction; ``database`` is empty and in autocommit mode."""
    script = files("actors.ledger").joinpath("schema.sql").read_text(encoding="utf-8")
    database.executescript(f"BEGIN;\n{script}\nINSERT INTO meta VALUES ('schema', '{SCHEMA_VERSION}');\nCOMMIT;")


def migrate(
    database: sqlite3.Connection,
    version: int,
    steps: Mapping[int, Callable[[Database], None]] = STEPS,
    target: int = SCHEMA_VERSION,
) -> None:
    """Bring tables of ``version`` to ``target`` in one transaction.

    Cut short or failed anywhere on its way it leaves ``version``, which is also what the backup beside it holds: the
    program that wrote it can still go on.
    """
    # Only an old file pays for this import: it brings numpy along, which the daemon's process does without.
    from sqlite_utils import Database  # noqa: PLC0415

    # Foreign keys are checked at the end: a table that is rebuilt is gone for a moment.
    database.execute("PRAGMA foreign_keys = OFF")
    try:
        database.execute("BEGIN IMMEDIATE")
        for number in range(version + 1, target + 1):
            steps[number](Database(database, execute_plugins=False))
        broken = database.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise sqlite3.IntegrityError(f"version {target} leaves {len(broken)} broken references")
        database.execute(q.SET_META, {"key": "schema", "value": str(target)})
        with effect("migration.commit"):
            database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    finally:
        database.execute("PRAGMA foreign_keys = ON")
