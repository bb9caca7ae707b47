"""What a survey found in a case folder: small frozen values, without layers' data and without patient data."""

from __future__ import annotations

from dataclasses import dataclass

from actors.formats.reading import shown
from messages.cases import DeliverySource
from messages.faults import Fault


@dataclass(frozen=True, slots=True)
class BeamFacts:
    """One beam that a fraction must deliver."""

    number: int
    """DICOM beam number."""
    name: str
    layers: int
    """Energy layers; they count from 1."""

    @property
    def label(self) -> str:
        """How sentences call it."""
        return f"beam {self.number} '{shown(self.name)}'" if self.name else f"beam {self.number}"


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """One RT Ion Plan of the folder."""

    path: str
    uid: str
    """SOPInstanceUID."""
    study_uid: str
    machine: str
    """TreatmentMachineName."""
    beams: tuple[BeamFacts, ...]
    """Expected beams: treatment beams that the fraction group references with a BeamMeterset above zero."""
    fault: Fault | None = None
    """Why no case of this plan can ever be computed, such as an unknown machine."""
    content: str = ""
    """Changes with the file's name, size and modification time."""


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One delivery folder whose PlanInfo could be read."""

    source: DeliverySource
    study_uid: str
    plan: str = ""
    """SOPInstanceUID of the plan that it belongs to; empty: none is known yet."""
    lacking: tuple[str, ...] = ()
    """Sentences: what is missing or not whole yet, and may still arrive."""
    fault: Fault | None = None
    """What no further file mends."""
    shares: tuple[tuple[int, float], ...] = ()
    """(layer, delivered share of its planned MU) of the first and the last layer, where they could be read."""
    content: str = ""
    """Changes with the name, size and modification time of any file of the folder."""

    def share(self, layer: int) -> float | None:
        """Delivered share of a boundary layer's MU; None: not known."""
        return dict(self.shares).get(layer)


@dataclass(frozen=True, slots=True)
class SurveyRequest:
    """Argument of ``actors.scanner.survey:survey_folder``."""

    path: str
    """Case folder, absolute, decoded with surrogateescape."""
    zone: str
    """IANA zone of the machine's clock."""
    settled: frozenset[str] = frozenset()
    """Keys of deliveries here that belong to admitted cases: their layers are not looked at again."""


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """What one case folder holds."""

    path: str
    digest: bytes
    """State of the folder's files as the survey met them (see ``looks.Look``)."""
    plans: tuple[PlanFacts, ...]
    deliveries: tuple[DeliveryFacts, ...]
    """Each key once, in order of irradiation."""
    lacking: tuple[str, ...]
    """Sentences about what belongs to no readable delivery: files that cannot be read yet."""
    ct: bool = False
    """A CT image lies in the folder."""
    took_s: float = 0.0
