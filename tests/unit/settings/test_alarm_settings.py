"""[alarms]: one way to tell, an address that is one, secrets that no error repeats."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from actors.settings import Alarms, SettingsError, diff, load, merged

SECRET = "T0KEN-in-the-path"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "mqi-actors.toml"
    path.write_text(
        f"""
[daemon]
state_dir = "{tmp_path}/state"
log_dir = "{tmp_path}/log"
[scan]
roots = ["{tmp_path}/in"]
[results]
dir = "{tmp_path}/results"
[engine]
profile = "reference"
[[hosts]]
name = "this"
kind = "local"
workspace = "{tmp_path}/ws"
gpus = 1
"""
    )
    return path


def test_by_default_nobody_is_told(conf: Path) -> None:
    assert not load(conf, {}).alarms.wanted


@pytest.mark.parametrize(
    "values", [{"command": ["/bin/page", "--now"]}, {"webhook": "https://chat.example.org:8443/hooks/x?y=z"}]
)
def test_a_command_or_a_webhook(values: dict[str, object]) -> None:
    assert Alarms.model_validate(values).wanted


def test_not_both() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Alarms.model_validate({"command": ["x"], "webhook": "https://a.example.org/"})


@pytest.mark.promise("P32")
@pytest.mark.parametrize(
    "address",
    [
        f"ftp://a.example.org/{SECRET}",
        f"https:///{SECRET}",
        f"a.example.org/{SECRET}",
        f"https://a.example.org:99999/{SECRET}",
        f"https://a.example.org/{SECRET} x",
        f"https://[::1/{SECRET}",
        f"https://a.example.org/{SECRET}/é",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(conf: Path, address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(conf, {"MQI_ALARMS__WEBHOOK": address})
    assert "must be an address" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.promise("P32")
@pytest.mark.promise("P38")
def test_a_reload_takes_it_over_and_names_the_key_alone(conf: Path) -> None:
    old = load(conf, {})
    new = load(conf, {"MQI_ALARMS__WEBHOOK": f"https://a.example.org/{SECRET}"})
    changes = diff(old, new)
    assert changes.reload == ("alarms.webhook",)
    assert not changes.restart
    assert merged(old, new).alarms == new.alarms
