"""What stands in a beam's way: blocks, compensators, leaves, range shifters (PS3.3 C.8.8.25)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from actors.formats import plan_values as values
from actors.formats.plan import Modifiers, Opening, RangeShifter
from actors.formats.plan_context import BeamContext


def read_modifiers(item: Dataset, points: Sequence[Dataset], context: BeamContext) -> Modifiers:
    """Modifiers of a beam; a number and a sequence that disagree count as the larger."""

    def count(keyword: str, sequence: str) -> int:
        return max(values.whole(item, keyword, context, default=0), len(values.items(item, sequence)))

    return Modifiers(
        blocks=count("NumberOfBlocks", "IonBlockSequence"),
        compensators=count("NumberOfCompensators", "IonRangeCompensatorSequence"),
        boli=count("NumberOfBoli", "ReferencedBolusSequence"),
        modulators=count("NumberOfRangeModulators", "RangeModulatorSequence"),
        wedges=count("NumberOfWedges", "IonWedgeSequence"),
        spreaders=tuple(
            values.text(device, "LateralSpreadingDeviceType").upper()
            for device in values.items(item, "LateralSpreadingDeviceSequence")
        ),
        openings=_openings(item, points, context),
        range_shifters=_range_shifters(item, points, context),
    )


def _openings(item: Dataset, points: Sequence[Dataset], context: BeamContext) -> tuple[Opening, ...]:
    """Every device's opening at every control point that sets one, each once."""
    bounds = {
        values.text(device, "RTBeamLimitingDeviceType").upper(): values.numbers(
            device, "LeafPositionBoundaries", context
        )
        for device in values.items(item, "IonBeamLimitingDeviceSequence")
    }
    found: dict[Opening, None] = {}
    for index, point in enumerate(points):
        for device in values.items(point, "BeamLimitingDevicePositionSequence"):
            kind = values.text(device, "RTBeamLimitingDeviceType").upper()
            leaves = values.numbers(device, "LeafJawPositions", context.at(index))
            found[Opening(kind, bounds.get(kind, ()), leaves)] = None
    return tuple(found)


def _range_shifters(item: Dataset, points: Sequence[Dataset], context: BeamContext) -> tuple[RangeShifter, ...]:
    shifters = []
    for shifter in values.items(item, "RangeShifterSequence"):
        number = values.whole(shifter, "RangeShifterNumber", context, default=0)
        name = values.text(shifter, "RangeShifterID") or values.text(shifter, "AccessoryCode") or str(number)
        shifters.append(RangeShifter(name, _settings(number, points, context)))
    if not shifters and values.whole(item, "NumberOfRangeShifters", context, default=0):
        shifters.append(RangeShifter("unnamed", ()))
    return tuple(shifters)


def _settings(number: int, points: Sequence[Dataset], context: BeamContext) -> tuple[str, ...]:
    """The shifter's setting at each control point; absent: as at the one before."""
    settings: list[str] = []
    held = ""
    for index, point in enumerate(points):
        for setting in values.items(point, "RangeShifterSettingsSequence"):
            if values.whole(setting, "ReferencedRangeShifterNumber", context.at(index), default=0) == number:
                held = values.text(setting, "RangeShifterSetting").upper()
        settings.append(held)
    return tuple(settings)
