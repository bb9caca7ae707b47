"""The notifier: tells people outside of alarms, by a command or a webhook, as durably as the ledger."""

from actors.notifier.actor import Notifier
from actors.notifier.trial import tell_a_trial

__all__ = ["Notifier", "tell_a_trial"]
