"""The report behind a case's page: the files that were made, and nothing else of this machine (P14, P32)."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger import next_boot, open_store
from messages.operators import AlarmCleared
from tests.integration.console.around import Around, free_port
from tests.kit.followed import Deliveries


class Place:
    """A console with a page, and two cases whose reports are made."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.around = Around(folder, f'listen = "127.0.0.1:{self.port}"')
        ledger, self.results = self.around.settings.ledger_path, self.around.settings.results.dir
        ledger.parent.mkdir(parents=True, exist_ok=True)
        next_boot(ledger, ledger.parent / "backups")
        made = Deliveries(2, results=self.results)
        with closing(open_store(ledger)) as database:
            made.write(database)
        self.ledger, (self.case, self.other) = ledger, made.names

    @property
    def folder(self) -> Path:
        return self.results / self.case / "report"

    def get(self, name: str, case: str = "") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            connection.request("GET", f"/cases/{case or self.case}/report/{name}")
            answer = connection.getresponse()
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()

    def point(self, path: str) -> None:
        """The ledger says that the report lies elsewhere."""
        with closing(open_store(self.ledger)) as database:
            database.execute('UPDATE reports SET path = ? WHERE "case" = ?', (path, self.case))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    with made.around.console():
        made.around.monitor.expect(AlarmCleared)
        yield made


@pytest.mark.promise("P32")
def test_a_report_is_shown_where_it_can_do_nothing(place: Place) -> None:
    status, headers, page = place.get("report.html")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page == (place.folder / "report.html").read_bytes()
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "img-src data:", "frame-ancestors 'none'"} <= set(policy)
    assert "script-src" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    status, headers, paper = place.get("report.pdf")
    assert (status, headers["content-type"], paper[:5]) == (200, "application/pdf", b"%PDF-")
    assert headers["content-disposition"] == f'attachment; filename="{place.case}.pdf"'


@pytest.mark.parametrize(
    "name",
    ["report.json", "manifest.json", "..%2f..%2fmanifest.json", "..", "report.html%00", "/etc/passwd", "REPORT.HTML"],
)
def test_other_files_are_not_served(place: Place, name: str) -> None:
    status, headers, _ = place.get(name)
    assert status == 404
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.promise("P14")
def test_no_link_is_followed(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    page = place.folder / "report.html"
    content = page.read_bytes()
    (secret / "report.html").write_bytes(content)  # the very page: it is the link that is refused
    page.unlink()
    page.symlink_to(secret / "report.html")
    assert place.get("report.html")[0] == 404
    page.unlink()
    page.write_bytes(content)
    assert place.get("report.html")[0] == 200
    elsewhere = place.folder.rename(tmp_path / "elsewhere")
    place.folder.symlink_to(elsewhere)
    assert place.get("report.html")[0] == 404
    place.folder.unlink()
    os.mkfifo(place.folder)
    assert place.get("report.html")[0] == 404
    assert place.get("report.html", place.other)[0] == 200


@pytest.mark.promise("P14")
def test_a_path_outside_the_results_is_not_read_whatever_the_ledger_says(place: Place, tmp_path: Path) -> None:
    for path in ("/etc", str(tmp_path), str(place.results), f"{place.results}/{place.case}/report/../../..", "report"):
        place.point(path)
        assert place.get("report.html")[0] == 404, path


def test_what_was_changed_is_not_shown_as_the_report(place: Place) -> None:
    (place.folder / "report.html").write_text("pass")
    status, _, told = place.get("report.html")
    assert (status, b"was changed after it was made" in told) == (404, True)
    (place.folder / "manifest.json").write_text("{}")
    assert place.get("report.pdf")[0] == 404


def test_a_pipe_in_its_place_makes_nobody_wait(place: Place) -> None:
    (place.folder / "report.pdf").unlink()
    os.mkfifo(place.folder / "report.pdf")
    assert place.get("report.pdf")[0] == 404


def test_what_is_larger_than_any_report_is_not_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.console.reports.MOST_BYTES", 10)
    assert place.get("report.html")[0] == 404


def test_a_case_without_a_report_says_so(place: Place) -> None:
    assert place.get("report.html", "20990101-000000-ffffffff")[0] == 404
    with closing(open_store(place.ledger)) as database:
        database.execute("UPDATE reports SET state = 'due', manifest_sha256 = ''")
    status, _, told = place.get("report.html")
    assert (status, b"no report of case" in told) == (404, True)
