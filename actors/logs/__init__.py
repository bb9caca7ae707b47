"""The daemon's log: for people, for machines, and one per case; the libraries' own logging led into it."""

from actors.logs.files import LineFile, old_logs
from actors.logs.redaction import Redaction
from actors.logs.sinks import Logs, start_logs

__all__ = ["LineFile", "Logs", "Redaction", "old_logs", "start_logs"]
