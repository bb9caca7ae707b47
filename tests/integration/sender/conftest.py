"""One published result for all tests of sending: in a CT, accepted, in gray."""

from __future__ import annotations

import pytest

from actors.demo.recipe import CaseRecipe
from tests.integration.reporter.published_cases import PublishedCase, in_ct, in_water, publish


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("case")
    return publish(CaseRecipe(beams=2, layers=1, spots=6, ct=True), folder, in_ct(folder))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    """The same in water."""
    return publish(CaseRecipe(beams=1, layers=1, spots=6), tmp_path_factory.mktemp("phantom"), in_water())
