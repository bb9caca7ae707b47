"""Engine profiles for tests, derived from the reference engine's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HALVES = 'outputs = ["*_Dose.raw"]\nhalves = ["*_half1.raw", "*_half2.raw"]'
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


def ct_profile(folder: Path, *, name: str = "reference-ct", noise_histories: float = 0.0) -> Path:
    """The reference engine scoring in the case's CT; with ``noise_histories``, noisy and with two half-runs."""
    text = _set((CONF / "engines" / "reference.toml").read_text(encoding="utf-8"), "name", f'"{name}"')
    text = _set(text, "geometry", '"ct"')
    text = re.sub(r"(?s)\[grid\].*?(?=\n\[)", "", text, count=1)
    text = re.sub(r'\[\[input\]\]\nkey = "Phantom\w+"\nvalue = "[^"]*"\n', "", text)
    text = text.replace('key = "UsingPhantomGeo"\nvalue = "true"', 'key = "UsingPhantomGeo"\nvalue = "false"')
    if noise_histories:
        text = text.replace('outputs = ["*_Dose.raw"]', HALVES, 1)
        text += f'\n[[input]]\nkey = "NoiseHistories"\nvalue = "{noise_histories:g}"\n'
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _set(text: str, key: str, value: str) -> str:
    changed, times = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}".replace("\\", r"\\"), text, count=1)
    assert times == 1, f"reference.toml has no {key}"
    return changed
