"""Engine profiles: ``conf/engines/<name>.toml`` as a checked value."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from math import nan
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from actors.errors import MqiError
from messages.engine import EngineProfile, Grid, InputLine, Progress
from messages.faults import Blame, Fault

# What an engine's input must say so that the dose is that of one fraction, without RBE, and linear in the counts: the
# public engine multiplies by RBE (1.1 where it is not told) and by the planned fractions; the dose of the clinical one
# grows with the square of ParticlesPerHistory.
_MUST_SAY = {"moqui": {"RBE": 1.0, "NumberOfFraction": 1.0}, "moqui-smc": {"ParticlesPerHistory": 1.0}}
# TwoCentimeterMode writes this plane whatever PhantomDim says: voxels, and their size in mm.
_TWO_CENTIMETER = ((400, 400, 1), (1.0, 1.0, 2.0))

_KEYS = sorted({key for model in (EngineProfile, Grid, InputLine, Progress) for key in model.model_fields})


class ProfileError(MqiError):
    """An engine profile is missing or wrong; the message names every wrong key at once."""


def load_profile(name_or_path: str | Path, search: Path) -> EngineProfile:
    """Profile by name (``<search>/<name>.toml``) or by path (anything with a slash or ending in ``.toml``).

    Raises ProfileError that names the file and each wrong key with the nearest right one.
    """
    path = _path(str(name_or_path), search)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in search.glob("*.toml"))) or "none"
        raise _error(
            f"There is no engine profile {name_or_path}; here are: {known}.", path, "Mend engine.profile."
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # not there, not text, or no TOML
        raise _error(f"The engine profile cannot be read: {error}.", path, "Mend the file.") from None
    table.setdefault("name", path.stem)
    return parse_profile(table, str(path))


def parse_profile(table: dict[str, Any], where: str) -> EngineProfile:
    """Profile of a table as TOML gives it."""
    try:
        profile = EngineProfile.model_validate(table)
    except ValidationError as error:
        sentences = "; ".join(_sentence(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors())
        raise _error(f"The engine profile is wrong: {sentences}.", where, "Mend these keys.") from None
    wrong = next((what for is_wrong, what in _contradictions(profile) if is_wrong), "")
    if wrong:
        raise _error(f"The engine profile is wrong: {wrong}.", where, "Mend these keys.")
    return profile


def _contradictions(profile: EngineProfile) -> tuple[tuple[bool, str], ...]:
    """(is it so, what is wrong) of keys that are right one by one but not together."""
    log_plan = profile.dialect == "moqui"
    return (
        (profile.geometry != "ct" and profile.grid is None, "grid: it is needed unless geometry is ct"),
        (log_plan != (profile.scale == "meterset"), "scale: moqui takes meterset, moqui-smc takes counts"),
        (profile.shorten < 1, "shorten: it is 1 or more"),
        (log_plan and profile.shorten != 1, "shorten: it divides counts, which moqui does not take"),
        (log_plan and profile.histories_per_mu <= 0, "histories_per_mu: moqui needs it to bound the truncation loss"),
        (profile.dose_factor <= 0, "dose_factor: it is positive"),
        (len(profile.halves) not in (0, 2), "halves: there are two of them, or none"),
        (
            profile.dose_per_mu is not None and not 0 <= profile.dose_per_mu[0] < profile.dose_per_mu[1],
            "dose_per_mu: least and most, such as [5, 60]",
        ),
        (profile.energies_mev[0] >= profile.energies_mev[1], "energies_mev: the lowest comes first"),
        (not profile.command, "command: it is empty"),
        (
            profile.interpret == "host" and not profile.host_python,
            'host_python: interpret = "host" needs a Python on the hosts that has this package',
        ),
        *((True, wrong) for wrong in _misread(profile)),
    )


def _misread(profile: EngineProfile) -> Iterator[str]:
    """What the engine's input says or leaves out so that its dose would be another one."""
    said: dict[str, str] = {}
    for line in profile.input:
        said.setdefault(line.key.casefold(), line.value)
    for key, wanted in _MUST_SAY[profile.dialect].items():
        if _number(said.get(key.casefold(), "")) != wanted:
            yield f"input: {profile.dialect} needs the line {key} {wanted:g}, or it gives another dose"
    if profile.dialect == "moqui" and not _number(said.get("particlesperhistory", "")) > 0:
        yield "input: moqui needs ParticlesPerHistory over 0; without it its dose is negative"
    grid = profile.grid
    if profile.geometry == "two-centimeter" and grid and (grid.size, grid.spacing_mm) != _TWO_CENTIMETER:
        yield "grid: two-centimeter writes 400 x 400 x 1 voxels of 1 x 1 x 2 mm, whatever it is asked for"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _path(name: str, search: Path) -> Path:
    if "/" in name or name.endswith(".toml"):
        return Path(name).expanduser()
    return search / f"{name}.toml"


def _sentence(location: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"{key}: {message}"
    near = get_close_matches(str(location[-1]), _keys_at(location), n=1) or get_close_matches(
        str(location[-1]), _KEYS, n=1
    )
    return f"{key}: unknown key" + (f", perhaps {near[0]}" if near else "")


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "grid": Grid,
        "progress": Progress,
        "input": InputLine,
        "environment": InputLine,
    }
    model = models.get(str(location[0]), EngineProfile) if len(location) > 1 else EngineProfile
    return sorted(model.model_fields)


def _error(what: str, where: Path | str, remedy: str) -> ProfileError:
    return ProfileError(Fault(what=what, where=str(where), remedy=remedy, blame=Blame.OURS, kind="profile-invalid"))
