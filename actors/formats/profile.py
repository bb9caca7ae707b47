"""Engine profiles: ``conf/engines/<name>.toml`` as a checked value."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from actors.errors import MqiError
from messages.engine import EngineProfile, Grid, InputLine, Progress
from messages.faults import Blame, Fault

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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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
        (profile.energies_mev[0] >= profile.energies_mev[1], "energies_mev: the lowest comes first"),
        (not profile.command, "command: it is empty"),
    )


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
