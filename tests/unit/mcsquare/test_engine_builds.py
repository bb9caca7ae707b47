"""Which of the engine's builds a processor runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.mcsquare import installation
from actors.mcsquare.errors import DriverError
from actors.mcsquare.installation import binary

NAMES = ("", "_sse4", "_avx", "_avx2", "_avx512")
SSE4 = "fpu sse sse2 sse4_2 popcnt"
AVX = f"{SSE4} avx"
AVX2 = f"{AVX} avx2 fma bmi1 f16c movbe"
AVX512 = f"{AVX2} avx512f avx512dq avx512cd avx512bw avx512vl adx"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / f"MCsquare_linux{name}"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return tmp_path


def cpuinfo(vendor: str, flags: str) -> str:
    return f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n\nprocessor\t: 1\nvendor_id\t: other\n"


@pytest.mark.parametrize(
    ("vendor", "flags", "build"),
    [
        ("AuthenticAMD", AVX512, ""),
        ("GenuineIntel", AVX512, "_avx512"),
        ("GenuineIntel", AVX2, "_avx2"),
        ("GenuineIntel", AVX, "_avx"),
        ("GenuineIntel", SSE4, "_sse4"),
        ("GenuineIntel", "fpu sse", ""),
        ("", "", ""),
    ],
)
def test_only_intel_s_processors_get_a_special_build(engine: Path, vendor: str, flags: str, build: str) -> None:
    assert binary(engine, cpuinfo=cpuinfo(vendor, flags)).name == f"MCsquare_linux{build}"


def test_a_build_that_is_not_there_is_passed_over(engine: Path) -> None:
    (engine / "MCsquare_linux_avx512").unlink()
    assert binary(engine, cpuinfo=cpuinfo("GenuineIntel", AVX512)).name == "MCsquare_linux_avx2"


def test_a_profile_can_name_the_build(engine: Path) -> None:
    assert binary(engine, "plain").name == "MCsquare_linux"
    assert binary(engine, "sse4").name == "MCsquare_linux_sse4"
    with pytest.raises(DriverError, match="no build fast"):
        binary(engine, "fast")


def test_another_kind_of_machine_is_told_so(tmp_path: Path, engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (engine / "Materials").mkdir()
    (engine / "Materials" / "list.dat").write_text("17 Water\n")
    monkeypatch.setenv(installation.DIRECTORY, str(engine))
    monkeypatch.setattr(installation.platform, "machine", lambda: "aarch64")
    with pytest.raises(DriverError, match="no build for aarch64"):
        installation.installed()
