"""The notifier: tells people outside of alarms, by a command or a webhook, as durably as the ledger."""

from actors.notifier.actor import Notifier

__all__ = ["Notifier"]
