"""From what a survey found to the cases of a folder: which sessions, their names, what each lacks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from hashlib import sha256

from actors.scanner.facts import BeamFacts, DeliveryFacts, FolderSurvey, PlanFacts
from actors.scanner.identity import case_identity, case_name, folder_identity
from actors.scanner.register import Register
from actors.scanner.sentences import joined, layers_text
from actors.scanner.sessions import Session, sessions_of
from messages.cases import CaseSource
from messages.ledger import BeamName
from messages.states import CaseState

STOPPED_SHARE = 0.9
"""Below this share of what the same delivery's first layer had, its last layer was stopped on the way."""


class Standing(Enum):
    """What the files of a case amount to."""

    WHOLE = "whole"
    SHORT = "short"
    """Every delivery that is there is whole, but beams or layers were not delivered: it may be a partial treatment."""
    LACKING = "lacking"
    """Files are missing or not whole: they may still arrive."""
    WRONG = "wrong"
    """No further file mends it."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One case of a folder that is not admitted yet (or failed and has other files now)."""

    case: str
    identity: str
    path: str
    standing: Standing
    sentence: str = ""
    """What is missing or wrong; empty when whole."""
    keys: tuple[str, ...] = ()
    """Deliveries that no admitted case holds."""
    plan_uid: str = ""
    study_uid: str = ""
    source: CaseSource | None = None
    """For WHOLE and SHORT: what would be admitted."""
    beams: tuple[BeamName, ...] = ()
    failed_before: bool = False
    """An admitted case that failed before it was interpreted, whose files have changed since."""


def assess(
    survey: FolderSurvey,
    register: Register,
    *,
    names: tuple[str, ...],
    gap_h: float,
    zone: str,
    needs_ct: bool,
    now: datetime,
) -> tuple[Assessment, ...]:
    """The cases of a folder that still want something; ``names`` are its delivery folders.

    ``needs_ct``: the dose is scored in a CT, so a case without one is not whole. ``now`` (aware) dates a
    folder in which no delivery can be read yet.
    """
    pinned = register.pinned(delivery.source.key for delivery in survey.deliveries)
    sessions = sessions_of(
        survey.deliveries,
        admitted=pinned,
        partial=register.partial(set(pinned.values())),
        gap_h=gap_h,
        zone=zone,
    )
    folder = _Folder(survey, register, pinned, zone, needs_ct=needs_ct)
    found = [assessment for session in sessions if (assessment := folder.assess(session)) is not None]
    if found:
        return tuple(_with_unread(assessment, survey.lacking) for assessment in found)
    return folder.provisional(names, now)


def _with_unread(assessment: Assessment, lacking: tuple[str, ...]) -> Assessment:
    """What cannot be read yet may be the rest of a case that is not whole."""
    if assessment.standing in {Standing.WHOLE, Standing.WRONG} or not lacking:
        return assessment
    sentence = joined([*lacking, assessment.sentence])
    return replace(assessment, standing=Standing.LACKING, sentence=sentence)


class _Folder:
    """One folder while its sessions are given their names."""

    def __init__(
        self, survey: FolderSurvey, register: Register, pinned: dict[str, str], zone: str, *, needs_ct: bool
    ) -> None:
        self._survey, self._register, self._pinned, self._zone = survey, register, pinned, zone
        self._waits_for_ct = needs_ct and not survey.ct
        self._plans = {plan.uid: plan for plan in survey.plans}
        self._taken: set[str] = set()

    def assess(self, session: Session) -> Assessment | None:
        plan = self._plans.get(session.deliveries[0].plan)
        fresh = tuple(key for key in session.keys if key not in self._pinned)
        if not fresh:
            return self._failed_before(session, plan)
        identity = case_identity(
            session.deliveries[0].study_uid,
            plan.uid if plan else "",
            session.keys[0],
            fresh if session.case else (),
        )
        case = self._name(session, fresh, identity)
        return self._judged(session, plan, case, identity, fresh)

    def _failed_before(self, session: Session, plan: PlanFacts | None) -> Assessment | None:
        entry = self._register.entry(session.case)
        if entry is None or entry.state is not CaseState.FAILED or entry.interpreted or entry.path != self._survey.path:
            return None
        if plan is None or not entry.content or entry.content == _content(plan, session.deliveries):
            return None
        again = self._judged(session, plan, session.case, "", ())
        return replace(again, failed_before=True) if again.standing is Standing.WHOLE else None

    def _name(self, session: Session, fresh: tuple[str, ...], identity: str) -> str:
        """The name that the ledger knows it by (the earliest, if several), else that of its folder, else a new one."""
        entries = {entry.case: entry for key in fresh if (entry := self._register.entry(self._register.owner(key)))}
        known = sorted(
            (entry for entry in entries.values() if entry.open and entry.case not in self._taken),
            key=lambda entry: (entry.seen, entry.case),
        )
        folder = self._register.provisional(self._survey.path)
        if known:
            case = known[0].case
        elif folder is not None and folder.case not in self._taken:
            case = folder.case
        else:
            case = case_name(session.deliveries[0].source.irradiated, identity, self._zone)
        self._taken.add(case)
        return case

    def _judged(
        self, session: Session, plan: PlanFacts | None, case: str, identity: str, fresh: tuple[str, ...]
    ) -> Assessment:
        standing, sentences = _standing(session.deliveries, plan)
        if self._waits_for_ct and standing is not Standing.WRONG:
            standing, sentences = Standing.LACKING, ["no CT image yet", *sentences]
        assessment = Assessment(
            case=case,
            identity=identity,
            path=self._survey.path,
            standing=standing,
            sentence=joined(sentences),
            keys=fresh,
            plan_uid=plan.uid if plan else "",
            study_uid=session.deliveries[0].study_uid,
        )
        if plan is None or standing not in {Standing.WHOLE, Standing.SHORT}:
            return assessment
        source = self._source(session, plan, case, identity, tuple(sentences))
        beams = _beams(plan, session.deliveries)
        return replace(assessment, source=source, beams=beams)

    def _source(
        self, session: Session, plan: PlanFacts, case: str, identity: str, missing: tuple[str, ...]
    ) -> CaseSource:
        return CaseSource(
            case=case,
            identity=identity,
            path=self._survey.path,
            plan_path=plan.path,
            plan_uid=plan.uid,
            study_uid=plan.study_uid,
            machine=plan.machine,
            deliveries=tuple(delivery.source for delivery in session.deliveries),
            partial=bool(missing),
            missing=missing,
            supersedes=session.case,
            content=_content(plan, session.deliveries),
        )

    def provisional(self, names: tuple[str, ...], now: datetime) -> tuple[Assessment, ...]:
        """The folder itself as a case, while nothing in it can be read that would make one."""
        survey = self._survey
        sentences = list(survey.lacking)
        if not names:
            if not (survey.plans or survey.lacking) or self._register.knows_folder(survey.path):
                return ()
            sentences.append("no delivery yet")
        if not sentences:
            return ()
        entry = self._register.provisional(survey.path)
        identity = folder_identity(survey.path)
        case = entry.case if entry else case_name(now, identity, self._zone)
        return (
            Assessment(case, identity, survey.path, Standing.LACKING, joined(sentences), plan_uid=_only_plan(survey)),
        )


def _only_plan(survey: FolderSurvey) -> str:
    return survey.plans[0].uid if len(survey.plans) == 1 else ""


def _content(plan: PlanFacts, deliveries: tuple[DeliveryFacts, ...]) -> str:
    """State of a case's files: 32 hexadecimal digits that change when one of them does."""
    parts = [plan.content, *(f"{delivery.source.key} {delivery.content}" for delivery in deliveries)]
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def _beams(plan: PlanFacts, deliveries: tuple[DeliveryFacts, ...]) -> tuple[BeamName, ...]:
    delivered = {delivery.source.beam_number for delivery in deliveries}
    return tuple(BeamName(beam.number, beam.name) for beam in plan.beams if beam.number in delivered)


def _standing(deliveries: tuple[DeliveryFacts, ...], plan: PlanFacts | None) -> tuple[Standing, list[str]]:
    """How a session stands, with the sentences that say why."""
    fault = next((delivery.fault for delivery in deliveries if delivery.fault), None)
    fault = plan.fault if plan is not None and plan.fault is not None else fault
    if fault is not None:
        return Standing.WRONG, [f"{fault.what} {fault.remedy}".strip()]
    lacking = [sentence for delivery in deliveries for sentence in delivery.lacking]
    if plan is None:
        return Standing.LACKING, lacking or ["no RTPLAN yet"]
    undelivered = [sentence for beam in plan.beams for sentence in _undelivered(beam, deliveries)]
    if lacking:
        return Standing.LACKING, lacking + undelivered
    return (Standing.SHORT, undelivered) if undelivered else (Standing.WHOLE, [])


def _undelivered(beam: BeamFacts, deliveries: tuple[DeliveryFacts, ...]) -> list[str]:
    """What of a beam was not delivered."""
    parts = [delivery for delivery in deliveries if delivery.source.beam_number == beam.number]
    if not parts:
        return [f"{beam.label} was not delivered"]
    delivered = {layer for part in parts for layer in range(part.source.start_layer, part.source.stop_layer + 1)}
    sentences = []
    missing = [layer for layer in range(1, beam.layers + 1) if layer not in delivered]
    if missing:
        sentences.append(f"{beam.label}: {layers_text(missing)} of {beam.layers} not delivered")
    for part in parts:
        share = _stopped_at(part, parts)
        if share is not None:
            sentences.append(f"{beam.label}: layer {part.source.stop_layer} was stopped at {share:.0%} of its MU")
    return sentences


def _stopped_at(part: DeliveryFacts, parts: list[DeliveryFacts]) -> float | None:
    """Share at which the last layer of a delivery was left for good; None: it was not, or is not known."""
    layer = part.source.stop_layer
    last, first = part.share(layer), _first_share(part, parts)
    if last is None or first is None:
        return None
    others = [other for other in parts if other is not part and layer in _span(other)]
    whole = first if part.source.start_layer != layer and not others else 1.0
    total = last + sum(other.share(layer) or 1.0 for other in others)
    return total if total < STOPPED_SHARE * whole else None


def _first_share(part: DeliveryFacts, parts: list[DeliveryFacts]) -> float | None:
    """What a whole layer of this delivery amounts to, by its first layer: 1 at most, and where that is only a rest."""
    start = part.source.start_layer
    own = part.share(start)
    if own is None:
        return None
    total = own + sum(other.share(start) or 0.0 for other in parts if other is not part and start in _span(other))
    return 1.0 if start > 1 and total < STOPPED_SHARE else min(1.0, total)


def _span(delivery: DeliveryFacts) -> range:
    return range(delivery.source.start_layer, delivery.source.stop_layer + 1)
