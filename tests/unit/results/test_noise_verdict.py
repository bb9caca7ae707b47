"""The result's verdict and the report start from one amount of noise; the profile sets the one, the site the other."""

from __future__ import annotations

import pytest

from actors.settings import ReportSettings
from messages.engine import EngineProfile


def test_a_profile_that_says_nothing_has_the_starting_value_of_the_setting() -> None:
    assert ReportSettings().noise_percent == pytest.approx(100.0 * EngineProfile.model_fields["noise_limit"].default)
