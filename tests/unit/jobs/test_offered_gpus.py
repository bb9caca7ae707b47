"""Which GPUs and slots a host offers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actors.jobs.offered_gpus import Gpus
from messages.hosts import GpuReading

AT = datetime(2026, 1, 2, tzinfo=UTC)
READINGS = tuple(GpuReading(index, f"GPU-{index}", "card") for index in range(3))


def test_slots_are_not_asked() -> None:
    gpus = Gpus("here", 2)
    observed = gpus.slots(AT)
    assert not gpus.asked
    assert not observed.asked
    assert [(gpu.index, gpu.uuid) for gpu in observed.gpus] == [(0, "slot-0"), (1, "slot-1")]


def test_no_slots_is_no_slots() -> None:
    assert Gpus("here", 0).slots(AT).gpus == ()


def test_each_gpu_is_new_once() -> None:
    gpus = Gpus("here", "auto")
    assert [gpu.index for gpu in gpus.new(gpus.observed(READINGS[:2], AT))] == [0, 1]
    assert [gpu.index for gpu in gpus.new(gpus.observed(READINGS, AT))] == [2]
    assert gpus.new(gpus.observed(READINGS, AT)) == ()


def test_a_gpu_without_a_name_gets_no_worker() -> None:
    gpus = Gpus("here", "auto")
    assert gpus.new(gpus.observed((GpuReading(0, "", "", fault="lost"),), AT)) == ()


def test_only_the_wanted_ones_are_offered_and_the_lacking_named() -> None:
    gpus = Gpus("here", (0, 2))
    assert [gpu.index for gpu in gpus.observed(READINGS, AT).gpus] == [0, 2]
    assert gpus.lacking(gpus.observed(READINGS, AT)) == ""
    assert gpus.lacking(gpus.observed(READINGS[:2], AT)) == "GPU 2 of the settings is not there"
    assert gpus.lacking(gpus.observed((), AT)) == "GPU 0, 2 of the settings are not there"
    assert gpus.lacking(gpus.unknown("cannot tell", AT)) == ""
    assert Gpus("here", "auto").lacking(gpus.observed((), AT)) == ""


def test_the_same_is_said_once() -> None:
    gpus = Gpus("here", "auto")
    assert [gpus.news(word) for word in ("a", "a", "", "a", "b")] == ["a", "", "", "a", "b"]


@pytest.mark.promise("P21")
def test_a_gpu_that_is_not_offered_any_more_has_a_worker_while_something_is_open_there() -> None:
    left = ((0, "GPU-0"), (4, "GPU-4"))
    gpus = Gpus("here", "auto", left)
    assert gpus.new(gpus.unknown("the driver hangs", AT)) == (), "nobody can tell yet"
    assert [(gpu.index, gpu.uuid) for gpu in gpus.new(gpus.observed(READINGS[:1], AT))] == [(0, "GPU-0"), (4, "GPU-4")]
    assert gpus.new(gpus.observed(READINGS[:1], AT)) == ()
    lost = GpuReading(0, "", "", fault="lost")
    assert [gpu.uuid for gpu in Gpus("here", "auto", left[:1]).new(gpus.observed((lost,), AT))] == ["GPU-0"]
    other = GpuReading(4, "GPU-9", "another card")
    assert [gpu.uuid for gpu in Gpus("here", "auto", left[1:]).new(gpus.observed((other,), AT))] == ["GPU-9"], (
        "its heir"
    )
