"""Tables as CSV, JSON or Parquet, row by row: what has been written is not held."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import IO, Any
from zoneinfo import ZoneInfo

from actors.cli.export.columns import Column
from actors.cli.failures import CommandError, ExitCode

Row = Mapping[str, Any]
Add = Callable[[Row], None]
GROUP_ROWS = 5000
"""Of a row group: so many rows are held before they are written."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0", "＝", "＋", "－", "＠")
"""What makes spreadsheets compute a cell (OWASP ASVS 5.0, 1.2.10), also in its full width."""


@contextmanager
def csv_rows(out: IO[bytes], table: str, columns: Sequence[Column], zone: ZoneInfo) -> Iterator[Add]:
    """RFC 4180, UTF-8. Text that a spreadsheet would compute begins with an apostrophe."""
    text = _Text(out)
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])

    def add(row: Row) -> None:
        writer.writerow([_cell(column, row.get(column.name), zone) for column in columns])

    yield add


class _Text:
    """What csv writes to, in UTF-8."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode("utf-8", "backslashreplace"))


def _cell(column: Column, value: Any, zone: ZoneInfo) -> str:
    plain = plain_value(column, value, zone)
    if plain is None:
        return ""
    if column.kind == "flag":
        return "true" if plain else "false"
    if column.kind in ("number", "whole"):
        return repr(plain)
    line = " ".join(str(plain).splitlines())
    return f"'{line}" if line.startswith(_FORMULA) else line


@contextmanager
def json_rows(out: IO[bytes], table: str, columns: Sequence[Column], zone: ZoneInfo) -> Iterator[Add]:
    """One document: the columns with their meaning, and the rows as objects."""
    told = [{"name": column.name, "kind": column.kind, "meaning": column.meaning} for column in columns]
    out.write(f'{{"table": {json.dumps(table)}, "columns": {json.dumps(told)}, "rows": ['.encode())
    first = True

    def add(row: Row) -> None:
        nonlocal first
        values = {column.name: plain_value(column, row.get(column.name), zone) for column in columns}
        out.write((("\n" if first else ",\n") + json.dumps(values)).encode())
        first = False

    yield add
    out.write(b"\n]}\n")


@contextmanager
def parquet_rows(out: IO[bytes], table: str, columns: Sequence[Column], zone: ZoneInfo) -> Iterator[Add]:
    """Row groups of GROUP_ROWS; the meaning of each column is in its field's metadata. CommandError without pyarrow."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise CommandError(
            ExitCode.USAGE,
            "Parquet needs the package pyarrow, which is not installed.",
            "",
            "Install it beside this program (pip install pyarrow, in its .venv), or take --format csv or json.",
            "export-pyarrow",
        ) from None
    kinds = {"text": arrow.string(), "number": arrow.float64(), "whole": arrow.int64(), "flag": arrow.bool_()}
    kinds["time"] = arrow.timestamp("us", tz=zone.key)
    fields = [
        arrow.field(column.name, kinds[column.kind], metadata={"meaning": column.meaning.encode()})
        for column in columns
    ]
    schema = arrow.schema(fields, metadata={"table": table.encode()})
    held: list[dict[str, Any]] = []

    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(arrow.Table.from_pylist(held, schema=schema))
            held.clear()

        def add(row: Row) -> None:
            held.append({column.name: _typed(column, row.get(column.name)) for column in columns})
            if len(held) >= GROUP_ROWS:
                flush()

        yield add
        flush()


FORMATS = MappingProxyType({"csv": csv_rows, "json": json_rows, "parquet": parquet_rows})
"""How a table can be written."""


def plain_value(column: Column, value: Any, zone: ZoneInfo) -> Any:
    """As JSON has it: times ISO 8601 with the offset of the site's zone, None for what is not known."""
    typed = _typed(column, value)
    return typed.astimezone(zone).isoformat(timespec="seconds") if isinstance(typed, datetime) else typed


def _typed(column: Column, value: Any) -> Any:
    """A value of the column's kind; None where there is none, also for a number that is none."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return _MAKERS[column.kind](value)


def _number(value: Any) -> float:
    """To ten digits: what follows is rounding."""
    return float(f"{float(value):.10g}")


_MAKERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"number": _number, "whole": int, "flag": bool, "text": str, "time": lambda at: at}
)
