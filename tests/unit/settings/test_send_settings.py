"""Nodes to which results are sent: what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.settings import SettingsError, diff, parse
from tests.unit.settings.test_settings_loading import GOOD

PACS = '\n[[send]]\nname = "pacs"\nhost = "pacs.example.org"\ncalled = "ARCHIVE"\n'
DROP = '\n[[send]]\nname = "drop"\nkind = "folder"\nfolder = "out"\nwhen = "accepted"\n'


def told(text: str, tmp_path: Path, **environ: str) -> str:
    (tmp_path / "engine.toml").touch()
    with pytest.raises(SettingsError) as caught:
        parse(GOOD + text, tmp_path / "a.toml", {"MQI_ENGINE__PROFILE": str(tmp_path / "engine.toml"), **environ})
    return " | ".join(caught.value.problems)


def right(text: str, tmp_path: Path, **environ: str) -> object:
    (tmp_path / "engine.toml").touch()
    return parse(GOOD + text, tmp_path / "a.toml", {"MQI_ENGINE__PROFILE": str(tmp_path / "engine.toml"), **environ})


def test_none_is_the_default_and_a_node_needs_little(tmp_path: Path) -> None:
    assert right("", tmp_path).send == ()  # type: ignore[attr-defined]
    pacs, drop = right(PACS + DROP, tmp_path).send  # type: ignore[attr-defined]
    assert (pacs.kind, pacs.when, pacs.port, pacs.ae_title, pacs.commitment) == ("dicom", "approved", 104, "MQI", False)
    assert (drop.when, drop.folder) == ("accepted", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('\n[[send]]\nname = "p"\nhost = "h"\n', "[[send]] #1 called is missing"),
        ('\n[[send]]\nname = "p"\ncalled = "A"\n', "[[send]] #1 host is missing"),
        ('\n[[send]]\nname = "p"\nkind = "folder"\n', '[[send]] #1 folder is missing; a node of kind "folder"'),
        (PACS + PACS, '[[send]] #2 name "pacs" is already that of #1'),
        (PACS + "when = 'done'\n", "[[send]] #1 when must be"),
        (PACS.replace("ARCHIVE", "A" * 17), "is no AE title"),
        (PACS.replace("ARCHIVE", "A\\\\B"), "is no AE title"),
        (PACS + "comitment = true\n", 'did you mean "commitment"'),
        (PACS + 'tls = true\ncert_file = "c"\n', "needs both cert_file and key_file"),
        (
            PACS + "commitment_port = 11113\n" + PACS.replace('"pacs"', '"b"') + "commitment_port = 11113\n",
            "[[send]] #2 commitment_port 11113 is already that of #1",
        ),
    ],
)
def test_what_is_wrong_with_a_node_is_said(text: str, words: str, tmp_path: Path) -> None:
    assert words in told(text, tmp_path)


def test_the_environment_reaches_one_node_or_all(tmp_path: Path) -> None:
    one = {"MQI_SEND__PACS__HOST": "other.example.org", "MQI_SEND__TIMEOUT_S": "5.0"}
    pacs, drop = right(PACS + DROP, tmp_path, **one).send  # type: ignore[attr-defined]
    assert (pacs.host, pacs.timeout_s, drop.timeout_s, drop.host) == ("other.example.org", 5.0, 5.0, "")
    assert "MQI_SEND__PACS__HSOT" in told(PACS, tmp_path, MQI_SEND__PACS__HSOT="x")
    assert "no such [[send]]" in told(PACS, tmp_path, MQI_SEND__TAPE__HOST="x")
    assert 'did you mean "MQI_SEND__TLS"' in told(PACS, tmp_path, MQI_SEND_TLS="true")


def test_a_changed_node_waits_for_the_next_start(tmp_path: Path) -> None:
    old, new = right(PACS, tmp_path), right(PACS + "port = 11112\n", tmp_path)
    assert diff(old, new).restart == ("send.pacs.port",)  # type: ignore[arg-type]
