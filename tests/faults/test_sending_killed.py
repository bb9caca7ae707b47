"""SIGKILL at every instant of a sending: what is sent arrives once, whole, under the same UIDs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from actors.demo.recipe import CaseRecipe
from actors.ledger import Reader
from actors.results import verify_published
from actors.settings import SendNode
from messages.ledger import SendingState
from tests.integration.reporter.published_cases import PublishedCase, in_ct, publish
from tests.kit.dicom_nodes import Archive, archive, node
from tests.kit.sending_site import launch, prepare, rows

pytestmark = pytest.mark.xdist_group("sending killed")  # one fixture for all of them

ALWAYS = ("send.store:after", "send.commit:after", "send.rename:before", "send.rename:after")
"""Struck in every run of the suite; the rest with ``bin/test -m campaign`` and this file."""


def _points() -> Iterator[object]:
    pacs = ("errand.start", "errand.kill", "send.store", "send.commit")
    for name in (*pacs, "send.make", "send.rename", "send.clear"):
        for side in ("before", "after"):
            point = f"{name}:{side}"
            marks = () if point in ALWAYS else (pytest.mark.campaign,)
            yield pytest.param(point, name in pacs, marks=marks, id=point)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("case")
    return publish(CaseRecipe(beams=2, layers=1, spots=6, ct=True), folder, in_ct(folder))


def killed_at(folder: Path, point: str) -> None:
    """One life that ends there, and one that brings all to its end."""
    first = launch(folder, point)
    assert first.wait(90) == -signal.SIGKILL, (folder / "said").read_text()[-3000:]
    second = launch(folder)
    assert second.wait(90) == 0, (folder / "said").read_text()[-3000:]


def history(folder: Path, case: str) -> list[str]:
    return [event.what for event in Reader(folder / "ledger.sqlite").events(case)]


@pytest.mark.timeout(200)
@pytest.mark.promise("P15")
@pytest.mark.parametrize(("point", "to_a_node"), tuple(_points()))
def test_a_sending_that_is_killed_ends_as_if_it_had_not_been(
    case: PublishedCase, tmp_path: Path, point: str, *, to_a_node: bool
) -> None:
    if to_a_node:
        _at_a_node(case, tmp_path / "site", point)
    else:
        _in_a_folder(case, tmp_path / "site", point)


def _at_a_node(case: PublishedCase, site: Path, point: str) -> None:
    behaviour = Archive()
    with archive(behaviour) as port:
        prepare(site, case.folder, [node(port, when="accepted", commitment=True)])
        killed_at(site, point)
    instances = {str(dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in case.folder.glob("*.dcm")}
    assert set(behaviour.stored) == instances, "no instance has two UIDs"
    row = rows(site)["pacs"]
    assert (row.state, row.reason) == (SendingState.COMMITTED, "ARCHIVE keeps all 3 files")
    assert history(site, case.folder.name) == ["sending: stored", "sending: committed"]


def _in_a_folder(case: PublishedCase, site: Path, point: str) -> None:
    site.mkdir()
    drop = site / "out"
    drop.mkdir()
    prepare(site, case.folder, [SendNode(name="drop", kind="folder", folder=drop, when="accepted")])
    killed_at(site, point)
    assert [path.name for path in drop.iterdir()] == [case.folder.name]
    assert verify_published(drop / case.folder.name) == ()
    assert rows(site)["drop"].state == SendingState.SENT
    assert history(site, case.folder.name) == ["sending: sent"]
