"""The ledger: the durable truth about every case, in one SQLite file with one writer."""

from actors.ledger.actor import Ledger
from actors.ledger.backups import backup_to, restore
from actors.ledger.reader import Reader
from actors.ledger.store import next_boot, open_store

__all__ = ["Ledger", "Reader", "backup_to", "next_boot", "open_store", "restore"]
