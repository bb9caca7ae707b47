"""Where the overview comes from: the daemon while it answers, else the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from actors.cli.site import Site
from actors.console.client import ConsoleSilentError
from actors.console.looking import Look
from actors.errors import MqiError
from actors.logs import Redaction


class Source:
    """One overview per call; never raises for what a daemon or a ledger may be like."""

    def __init__(self, site: Site) -> None:
        settings = site.settings
        self._site = site
        self._look = Look(
            site.reader,
            settings.ledger_path,
            facts=self._facts,
            health=lambda: None,
            configured=[(host.name, host.kind) for host in settings.hosts],
            attempts=settings.retry.attempts,
            active_cases=settings.daemon.active_cases,
            clean=Redaction(map(str, settings.scan.roots)),
        )
        self._seen: Mapping[str, Any] = {}

    def overview(self) -> Mapping[str, Any]:
        """See ``documents.overview_document``; ``fault`` where nothing could be read."""
        holder = self._site.holder
        if holder is not None:
            with suppress(MqiError, ConsoleSilentError):
                return self._site.client(holder).overview()
        sight = self._look.look()
        if sight is not None:
            self._seen = sight.document
        return self._seen

    def _facts(self) -> dict[str, Any] | None:
        """Of a daemon that holds the state folder and does not answer; None: there is none."""
        holder = self._site.holder
        if holder is None:
            return None
        return {"pid": holder.pid, "since": holder.since, "boot": holder.boot, "socket": holder.socket, "silent": True}
