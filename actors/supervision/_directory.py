"""Addresses by path: the same object for as long as anybody holds it, an actor has it, or mail waits in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakValueDictionary

from actors.supervision._dead_letters import DeadLetters
from actors.supervision._mailbox import Address

UNCLAIMED_KEPT = 1000


class Directory:
    """Get-or-create by path. Mail to actors that never come cannot pile up: the oldest such mailboxes are given up."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._lock = threading.Lock()
        self._known: WeakValueDictionary[str, Address] = WeakValueDictionary()
        self._claimed: dict[str, Address] = {}
        self._unclaimed: OrderedDict[str, Address] = OrderedDict()

    def address(self, path: str) -> Address:
        with self._lock:
            address = self._known.get(path)
            if address is None:
                address = self._known[path] = Address(path, self._dead_letters, self._mail_waits)
            return address

    def claim(self, path: str) -> Address:
        """A child has this path from now on."""
        address = self.address(path)
        with self._lock:
            self._claimed[path] = address
            self._unclaimed.pop(path, None)
        return address

    def release(self, path: str, why: str) -> None:
        """The child is gone for good; its waiting mail becomes dead letters."""
        with self._lock:
            address = self._claimed.pop(path, None)
        if address is not None:
            address.forget(why)

    def _mail_waits(self, address: Address) -> None:
        evicted: Address | None = None
        with self._lock:
            if address.id in self._claimed:
                return
            self._unclaimed[address.id] = address
            if len(self._unclaimed) > UNCLAIMED_KEPT:
                _, evicted = self._unclaimed.popitem(last=False)
        if evicted is not None:
            evicted.discard("nobody has that name")
