"""``export``: what became of the cases, for statistics elsewhere."""

from actors.cli.export.columns import TABLES, Column, columns_of
from actors.cli.export.run import Wanted, run_export

__all__ = ["TABLES", "Column", "Wanted", "columns_of", "run_export"]
