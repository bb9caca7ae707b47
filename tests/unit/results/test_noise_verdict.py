"""The result's verdict and the report start from one amount of noise; only the report's is a site's to set."""

from __future__ import annotations

import pytest

from actors.results.verdict import NOISE
from actors.settings import ReportSettings


def test_the_fixed_amount_is_the_starting_value_of_the_setting() -> None:
    assert ReportSettings().noise_percent == pytest.approx(100.0 * NOISE)
