"""What the ledger knows, as the scanner needs it: which case a delivery belongs to, and how those cases stand.

Of a case that is admitted and whole only its deliveries' keys are kept, so that years of cases stay small in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from messages.cases import CaseSource
from messages.ledger import CaseRow, KnownCase, SightCase
from messages.states import BeamState, CaseState

WAITING = frozenset({CaseState.INCOMING, CaseState.INCOMPLETE})
"""States of a case that the scanner still may admit, besides a held or failed one that never was admitted."""
_UNSURE = frozenset({CaseState.FAILED, CaseState.HELD})


@dataclass(frozen=True, slots=True)
class Entry:
    """One case that is not over and done with for the scanner."""

    case: str
    state: CaseState
    path: str
    keys: tuple[str, ...]
    """Empty: sighted before any delivery could be read."""
    seen: datetime
    reason: str
    admitted: bool
    partial: bool = False
    content: str = ""
    """Of an admitted case: state of its files then."""
    interpreted: bool = False
    failed_beams: tuple[int, ...] = ()
    identity: str = ""
    plan_uid: str = ""
    study_uid: str = ""

    @property
    def open(self) -> bool:
        """The scanner decides what becomes of it."""
        return not self.admitted and self.state in WAITING | _UNSURE

    @property
    def restless(self) -> bool:
        """Its files are watched: it is open, or it failed before it was interpreted and they may be mended."""
        return self.open or (self.state is CaseState.FAILED and not self.interpreted)


class Settled:
    """Deliveries that are settled at the moment of the question. For any thread: where something changes meanwhile, the
    answer may be "not settled" for one more round, which costs a look.

    A copy of all keys for each round would be megabytes, and milliseconds of the scanner's thread, after some years.
    """

    def __init__(self, is_settled: Callable[[str], bool]) -> None:
        self._is_settled = is_settled

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._is_settled(key)


class Register:
    """Cases by delivery key and by name."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._at: dict[str, set[str]] = {}
        self._folders: set[int] = set()  # hashes: thousands of paths would be megabytes

    def learn_known(self, cases: Iterable[KnownCase]) -> None:
        """Everything that the ledger has, oldest first: of two cases with one delivery the later one supersedes."""
        for known in cases:
            entry = Entry(
                case=known.case,
                state=known.state,
                path=known.path,
                keys=known.delivery_keys,
                seen=known.seen,
                reason=known.reason,
                admitted=known.state not in WAITING,
                partial=known.partial,
                identity=known.identity,
            )
            self._put(entry, takes=True)

    def learn_row(self, row: CaseRow) -> None:
        """How one case stands now; more exact than ``learn_known`` about failed and held ones."""
        source = row.source
        known = self._entries.get(row.case)
        keys = tuple(delivery.key for delivery in source.deliveries) if source else known.keys if known else ()
        entry = Entry(
            case=row.case,
            state=row.state,
            path=row.path,
            keys=keys or self._keys_of(row.case),
            seen=row.seen,
            reason=row.reason,
            admitted=source is not None or row.state is CaseState.CANCELLED,
            partial=source is not None and source.partial,
            content=source.content if source else "",
            interpreted=bool(row.interpretation),
            failed_beams=tuple(beam.number for beam in row.beams if beam.state is BeamState.FAILED),
            identity=row.identity,
            plan_uid=row.plan_uid,
            study_uid=row.study_uid,
        )
        # An operator's order had it computed again: not the scanner, which took the deliveries of all others itself.
        before = source.supersedes if source is not None and source.recalculated_because else ""
        self._put(entry, takes=bool(before) and all(self.owner(key) == before for key in entry.keys))

    def sighted(self, sight: SightCase, at: datetime) -> None:
        """The ledger has a sighting of a case that is not complete; it is incoming (again), or stays held."""
        known = self._entries.get(sight.case)
        self._put(
            Entry(
                case=sight.case,
                state=CaseState.HELD if known and known.state is CaseState.HELD else CaseState.INCOMING,
                path=sight.path,
                keys=sight.delivery_keys,
                seen=known.seen if known else at,
                reason=sight.reason,
                admitted=False,
                identity=sight.identity,
                plan_uid=sight.plan_uid,
                study_uid=sight.study_uid,
            )
        )

    def moved(self, case: str, state: CaseState, reason: str) -> None:
        """The ledger has a new state of a case that was not admitted."""
        known = self._entries.get(case)
        if known is not None:
            over = known.admitted or state is CaseState.CANCELLED
            self._put(replace(known, state=state, reason=reason, admitted=over))

    def admitted(self, source: CaseSource, at: datetime) -> None:
        """The ledger has the admission of a case."""
        known = self._entries.get(source.case)
        self._put(
            Entry(
                case=source.case,
                state=CaseState.QUEUED,
                path=source.path,
                keys=tuple(delivery.key for delivery in source.deliveries),
                seen=known.seen if known else at,
                reason="",
                admitted=True,
                partial=source.partial,
                content=source.content,
            ),
            takes=True,
        )

    def owner(self, key: str) -> str:
        """Case that holds this delivery; empty: none."""
        return self._owners.get(key, "")

    def entry(self, case: str) -> Entry | None:
        return self._entries.get(case)

    def waiting(self) -> tuple[Entry, ...]:
        """Cases that are not admitted."""
        return tuple(entry for entry in self._entries.values() if entry.open)

    def restless(self) -> tuple[Entry, ...]:
        """Cases whose files are watched: what is not admitted, and what failed for its files' sake."""
        return tuple(entry for entry in self._entries.values() if entry.restless)

    def at(self, path: str) -> tuple[Entry, ...]:
        """Cases of this folder that are not over for the scanner."""
        return tuple(self._entries[case] for case in sorted(self._at.get(path, ())))

    def provisional(self, path: str) -> Entry | None:
        """The case under which a folder without readable deliveries was sighted."""
        return next((entry for entry in self.at(path) if entry.open and not entry.keys), None)

    def knows_folder(self, path: str) -> bool:
        """Whether a case with deliveries was ever seen in this folder."""
        return hash(path) in self._folders

    def pinned(self, keys: Iterable[str]) -> dict[str, str]:
        """Of these deliveries the ones that an admitted case holds, with that case."""
        return {key: case for key in keys if (case := self._owners.get(key)) and not self._is_open(case)}

    def partial(self, cases: Iterable[str]) -> frozenset[str]:
        """Of these cases the admitted partial ones: later data may complete them."""
        return frozenset(
            case for case in cases if (entry := self._entries.get(case)) and entry.partial and entry.admitted
        )

    def closed(self, keys: Iterable[str]) -> frozenset[str]:
        """Of these deliveries the ones that nothing can happen to any more."""
        return frozenset(key for key in keys if (case := self._owners.get(key)) and case not in self._entries)

    def is_settled(self, key: str) -> bool:
        """Whether nothing is to be done about this delivery unless something new arrives beside it."""
        case = self._owners.get(key)
        entry = self._entries.get(case) if case is not None else None
        return case is not None and (entry is None or not entry.restless)

    def settled(self) -> Settled:
        """All deliveries that are settled: what a scan in another thread is given."""
        return Settled(self.is_settled)

    def _is_open(self, case: str) -> bool:
        entry = self._entries.get(case)
        return entry is not None and entry.open

    def _keys_of(self, case: str) -> tuple[str, ...]:
        return tuple(key for key, owner in self._owners.items() if owner == case)

    def _put(self, entry: Entry, *, takes: bool = False) -> None:
        """``takes``: its deliveries are its own even if another admitted case (that it supersedes) had them."""
        keeps = entry.open or entry.partial or entry.state in _UNSURE
        if (before := self._entries.get(entry.case)) is not None:
            self._leave(before)
        if keeps:
            # Before its keys: a scan that asks in between finds them unknown, not settled.
            self._entries[entry.case] = entry
            self._at.setdefault(entry.path, set()).add(entry.case)
        for key in entry.keys:
            if takes or self._owners.get(key, entry.case) == entry.case or self._is_open(self._owners[key]):
                self._owners[key] = entry.case
        if entry.keys:
            self._folders.add(hash(entry.path))
        if not keeps:
            self._entries.pop(entry.case, None)

    def _leave(self, entry: Entry) -> None:
        here = self._at[entry.path]
        here.discard(entry.case)
        if not here:
            del self._at[entry.path]
