"""Engine profiles for tests, derived from the reference engine's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"


def profile(
    folder: Path,
    *,
    name: str = "test-engine",
    command: str = "",
    environment: Mapping[str, str] | None = None,
    grid: tuple[int, int, int] | None = None,
    wall_limit_s: int | None = None,
) -> Path:
    """Write a copy of conf/engines/reference.toml with these things changed; its path."""
    text = (CONF / "engines" / "reference.toml").read_text(encoding="utf-8")
    text = _set(text, "name", f'"{name}"')
    if command:
        text = _set(text, "command", command)
    if wall_limit_s is not None:
        text = _set(text, "wall_limit_s", str(wall_limit_s))
    if grid is not None:
        text = _set(text, "size", str(list(grid)))
    for key, value in (environment or {}).items():
        text += f'\n[[environment]]\nkey = "{key}"\nvalue = "{value}"\n'
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def quick_profile(folder: Path, seconds: float = 0.0) -> Path:
    """An engine of no time (or of so many seconds) and a small grid, for what lies around an engine."""
    return profile(
        folder,
        name="quick-engine",
        command='["sh", "{root}/actors/demo/quick_engine.sh", "{input}"]',
        environment={"MQI_ENGINE_SECONDS": str(seconds)} if seconds else None,
        grid=(20, 20, 30),
    )


def _set(text: str, key: str, value: str) -> str:
    changed, times = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}".replace("\\", r"\\"), text, count=1)
    assert times == 1, f"reference.toml has no {key}"
    return changed
