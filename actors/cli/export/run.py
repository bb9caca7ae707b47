"""One export: the cases of the ledger in parts, each part's rows written before the next is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from actors.cli.export.columns import Column, columns_of
from actors.cli.export.rows import known_of, rows_of
from actors.cli.export.selection import Selection, selection_of
from actors.cli.export.writers import FORMATS
from actors.cli.failures import CommandError, ExitCode, ReaderLeftError
from actors.cli.site import Site
from actors.logs import Redaction
from messages.ledger import OutcomeRow

if TYPE_CHECKING:
    from actors.settings import Settings

PART = 500
"""Cases that are read at a time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked."""

    table: str
    format: str
    out: Path | None
    since: str = ""
    until: str = ""
    gantry: str = ""


@dataclass(slots=True)
class Count:
    """What came of it."""

    cases: int = 0
    rows: int = 0
    gaps: int = 0
    without_gantry: int = 0
    """Cases of which nobody knows the gantry yet: none of those asked for."""

    def words(self) -> str:
        said = f"{self.rows} rows of {self.cases} cases"
        if self.gaps:
            said += f", {self.gaps} with a gap (column gap says which)"
        if self.without_gantry:
            said += f"; {self.without_gantry} cases whose gantry is not known are left out"
        return said


def run_export(conf: Path | None, wanted: Wanted, *, as_json: bool) -> None:
    """Write the table to a file, or to stdout, and say on stderr what came of it."""
    site = Site(conf, os.environ)
    settings = site.settings
    selection = selection_of(wanted.since, wanted.until, wanted.gantry, settings.site.zone)
    if wanted.out is None and wanted.format == "parquet":
        raise CommandError(ExitCode.USAGE, "Parquet is no text.", "", "Name a file: --out FILE.", "export-file")
    criteria = (*settings.report.gamma, settings.report.gamma_judged)
    columns = columns_of(wanted.table, criteria)
    with _destination(wanted.out) as out:
        try:
            count = _write(site, wanted, selection, columns, out)
        except BrokenPipeError as error:
            raise ReaderLeftError from error
    _tell(wanted, count, as_json=as_json)


def _write(site: Site, wanted: Wanted, selection: Selection, columns: Sequence[Column], out: IO[bytes]) -> Count:
    settings, count = site.settings, Count()
    clean, names = _Cleaning(settings, columns), frozenset(column.name for column in columns)
    with FORMATS[wanted.format](out, wanted.table, columns, ZoneInfo(settings.site.zone)) as add:
        for part in _parts(site):
            chosen = [row for row in part if selection.takes(row)]
            nowhere = [row for row in part if selection.gantry and not row.gantry]
            count.without_gantry += len(nowhere)
            figures = site.reader.figures([row.case for row in chosen])
            of_case: dict[str, list[Any]] = {}
            for one in figures:
                of_case.setdefault(one.case, []).append(one)
            for row in chosen:
                count.cases += 1
                known = known_of(row, of_case.get(row.case, ()), settings.results.dir)
                for made in rows_of(wanted.table, known, names):
                    count.rows += 1
                    count.gaps += bool(made["gap"])
                    add(clean(made))
    out.flush()
    return count


def _parts(site: Site) -> Iterator[tuple[OutcomeRow, ...]]:
    after = ""
    while part := site.reader.outcomes(after, PART):
        yield part
        after = part[-1].case


class _Cleaning:
    """Takes out of a row's texts what can carry a patient's name: paths below the folders in which cases arrive."""

    def __init__(self, settings: Settings, columns: Sequence[Column]) -> None:
        self._texts = [column.name for column in columns if column.kind == "text"]
        self._clean = Redaction(map(str, settings.scan.roots))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in self._texts:
            if row.get(name):
                row[name] = self._clean(str(row[name]))
        return row


@contextmanager
def _destination(path: Path | None) -> Iterator[IO[bytes]]:
    """A file appears whole or not at all."""
    if path is None:
        yield sys.stdout.buffer
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except OSError as error:
        raise CommandError(
            ExitCode.FAILED, f"The export cannot be written: {error.strerror or error}.", str(path), "", "export-io"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _tell(wanted: Wanted, count: Count, *, as_json: bool) -> None:
    if as_json and wanted.out is not None:
        from actors.cli.commands import say

        document = {"path": str(wanted.out.absolute()), "cases": count.cases, "rows": count.rows, "gaps": count.gaps}
        say({**document, "without_gantry": count.without_gantry}, "", as_json=True)
        return
    where = f": {wanted.out}" if wanted.out is not None else ""
    print(f"{count.words()}{where}", file=sys.stderr)
