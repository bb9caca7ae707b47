"""The configuration is all right, or every error of it is shown at once with the nearest right key (P36)."""

from __future__ import annotations

import difflib
import pickle
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from actors.settings import SHIPPED, Settings, SettingsError, diff, load, merged, parse, template
from actors.settings.environment import LISTS
from actors.settings.lines import key_lines, line_of
from actors.settings.nearest import nearest

GOOD = """\
[daemon]
state_dir = "state"
log_dir = "~/log"
[scan]
roots = ["in", "/data/in"]
[results]
dir = "out"
[engine]
profile = "./engine.toml"
[[hosts]]
name = "here"
kind = "local"
workspace = "runs"
gpus = 2
[[hosts]]
name = "gpu1"
kind = "ssh"
address = "gpu1.example.org"
workspace = "/data/mqi"
[retry]
attempts = 5
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "engine.toml").write_text("")
    path = tmp_path / "mqi-actors.toml"
    path.write_text(GOOD)
    return path


def problems(text: str, site: Path, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        parse(text, site, environ)
    return refused.value.problems


def test_a_right_file_is_read_and_its_paths_are_resolved_against_it(site: Path) -> None:
    settings = load(site, {})
    assert settings.daemon.state_dir == site.parent / "state"
    assert settings.daemon.log_dir == Path("~/log").expanduser()
    assert settings.scan.roots == (site.parent / "in", Path("/data/in"))
    assert settings.engine.profile == site.parent / "engine.toml"
    assert settings.hosts[0].workspace == str(site.parent / "runs")
    assert settings.hosts[1].workspace == "/data/mqi"
    assert (settings.hosts[0].gpus, settings.hosts[1].gpus) == (2, "auto")
    assert (settings.retry.attempts, settings.scan.interval_s, settings.scan.give_up_h) == (5, 10.0, 24.0)
    assert settings.ledger_path.parent == settings.daemon.state_dir == settings.work_dir.parent
    assert settings.backups_dir == settings.daemon.state_dir / "backups"
    assert [label for label, _, _ in settings.disks] == ["state", "results", "workspace:here"]
    assert [host.kind for host in settings.hosts] == ["local", "ssh"]


def test_settings_cannot_be_changed(site: Path) -> None:
    settings = load(site, {})
    with pytest.raises(ValidationError):
        settings.retry.attempts = 4  # type: ignore[misc]


@pytest.mark.promise("P36")
def test_every_error_is_shown_at_once_with_its_line_and_the_nearest_key(site: Path) -> None:
    bad = (
        GOOD.replace('state_dir = "state"', 'stat_dir = "state"')
        .replace('roots = ["in", "/data/in"]', 'roots = ["in", 3]\nquiet_s = "30"')
        .replace("gpus = 2", "gpus = [0, 0]")
        .replace('address = "gpu1.example.org"\n', "")
        .replace("[retry]", "[rety]")
    )
    told = problems(bad, site, MQI_SCAN__INTERVALL_S="3")
    expected = [
        ("MQI_SCAN__INTERVALL_S", '"INTERVAL_S"'),
        (":2: ", 'stat_dir is no key of the configuration; did you mean "state_dir"'),
        (str(site), "state_dir is missing"),
        (":5: ", "roots must be a path"),
        (":6: ", "quiet_s must be a number, not '30'"),
        (":15: ", "[[hosts]] #1 gpus must be"),
        ("#2 ", "address is missing"),
        (":20: ", '[rety] is no section of the configuration; did you mean "retry"'),
    ]
    for place, words in expected:
        assert [line for line in told if place in line and words in line], (place, words, told)
    assert len(told) == len(expected)


@pytest.mark.promise("P36")
@given(data=st.data())
def test_any_misspelt_key_is_refused_and_names_the_right_one(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "engine.toml").write_text("")
    section = data.draw(st.sampled_from(["scan", "results", "retry", "daemon", "console", "monitor", "compute"]))
    model = Settings.model_fields[section].annotation
    assert isinstance(model, type) and issubclass(model, BaseModel)
    key = data.draw(st.sampled_from([k for k in model.model_fields if len(k) > 4] or list(model.model_fields)))
    at = data.draw(st.integers(0, len(key) - 1))
    wrong = key[:at] + data.draw(st.sampled_from(["", "x", key[at] * 2])) + key[at + 1 :]
    if not wrong or wrong in model.model_fields:
        return
    text = GOOD + (f"{wrong} = 1\n" if section == "retry" else "")
    if f"[{section}]\n" not in text:
        text += f"[{section}]\n"
    if section != "retry":
        text = text.replace(f"[{section}]\n", f"[{section}]\n{wrong} = 1\n")
    told = [line for line in problems(text, folder / "a.toml") if f" {wrong} is no key" in line]
    assert len(told) == 1
    best = difflib.get_close_matches(wrong, model.model_fields, n=1, cutoff=0.5)
    assert not best or f'"{best[0]}"' in told[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("attempts = 5", "attempts = true"), "must be a whole number, not True"),
        (("attempts = 5", "attempts = 0"), "must be greater than or equal to 1"),
        (('name = "gpu1"', 'name = "here"'), "is already that of #1"),
        (('kind = "local"', 'kind = "lokal"'), "must be 'ssh' or 'local'"),
        (('workspace = "/data/mqi"', 'workspace = "mqi"'), "absolute path on the host"),
        (('address = "gpu1.example.org"', 'address = "-oProxyCommand=x"'), "is no address"),
        (('workspace = "/data/mqi"', 'workspace = "/data/mqi"\nlauncher = "slurm"'), "[hosts.slurm]"),
        (("[retry]", '[hosts.slurm]\nextra = ["--array=1-3"]\n[retry]'), '"--array=1-3" would hide the job'),
        (("[retry]", '[hosts.slurm]\nextra = ["-Jx"]\n[retry]'), '"-Jx" would hide the job'),
        (("[retry]", '[hosts.slurm]\npartion = "gpu"\n[retry]'), 'did you mean "partition"'),
        (('profile = "./engine.toml"', 'profile = "nowhere-at-all"'), "no engine profile"),
        (('profile = "./engine.toml"', 'profile = "./none.toml"'), "no such file"),
        (('profile = "./engine.toml"', "profile = 3"), "name of an engine profile"),
        (('roots = ["in", "/data/in"]', "roots = []"), "at least one"),
        (('roots = ["in", "/data/in"]', 'roots = ["a"]\nmarker = "a/b"'), "no file name"),
        (("[retry]", '[site]\nzone = "Asia/Seol"\n[retry]'), "no such time zone"),
        (("[retry]", '[machines.calibrations]\nG1 = "none.txt"\n[retry]'), "G1: no such file"),
        (("[retry]", "[machines]\ncalibrations = 3\n[retry]"), "must be a table"),
        (("[retry]", '[console]\nlisten = "0.0.0.0:80"\n[retry]'), "not of this machine alone"),
        (("[retry]", '[console]\nlisten = "somewhere:80"\n[retry]'), "not of this machine alone"),
        (("[retry]", '[console]\nlisten = "127.0.0.1"\n[retry]'), 'like "127.0.0.1:8080"'),
        (("[retry]\nattempts = 5", "retry = 3"), "is no"),
    ],
)
def test_wrong_values_are_told_in_words(site: Path, change: tuple[str, str], words: str) -> None:
    assert change[0] in GOOD
    told = problems(GOOD.replace(*change), site)
    assert len(told) == 1, told
    assert words in told[0]


def test_a_section_that_is_no_table_is_told(site: Path) -> None:
    assert (
        "must be a table"
        in problems("scan = 3\n" + GOOD.replace("[scan]\nroots", "[retry]\nattempts").split("[retry]")[0], site)[-1]
    )


def test_no_toml_and_no_file_are_told(site: Path, tmp_path: Path) -> None:
    assert problems("[daemon]\nstate_dir = \n", site)[0].startswith(f"{site}:2: is no TOML")
    assert "is no TOML" in problems("[daemon", site)[0]
    with pytest.raises(SettingsError, match="mqi-actors init"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(tmp_path / "latin.toml", {})


def test_the_error_travels(site: Path) -> None:
    error = SettingsError("a.toml", ["one", "two"])
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == ("one", "two")
    assert again.fault.kind == "settings"


@pytest.mark.promise("P36")
def test_the_environment_overrides_every_kind_of_key(site: Path) -> None:
    settings = parse(
        GOOD,
        site,
        {
            "MQI_CONF": "ignored",
            "MQI_ATTEMPT": "ignored too",
            "MQI_DAEMON__STATE_DIR": "/elsewhere",
            "MQI_SCAN__ROOTS": '["/a", "/b c"]',
            "MQI_SCAN__QUIET_S": "1.5",
            "MQI_SCAN__MARKER": "123",
            "MQI_BACKUP__DIR": "copies",
            "MQI_HOSTS__LANES": "3",
            "MQI_HOSTS__HERE__GPUS": "[0, 1]",
            "MQI_HOSTS__1__GPUS": "auto",
            "MQI_HOSTS__GPU1__SLURM__PARTITION": "gpu",
            "MQI_MACHINES__CALIBRATIONS__G1": "engine.toml",
        },
    )
    assert settings.daemon.state_dir == Path("/elsewhere")
    assert settings.scan.roots == (Path("/a"), Path("/b c"))
    assert (settings.scan.quiet_s, settings.scan.marker) == (1.5, "123")
    assert settings.backups_dir == site.parent / "copies"
    assert [host.lanes for host in settings.hosts] == [3, 3]
    assert [host.gpus for host in settings.hosts] == [(0, 1), "auto"]
    assert settings.hosts[1].slurm is not None and settings.hosts[1].slurm.partition == "gpu"
    assert settings.machines.files == (("G1", str(site.parent / "engine.toml")),)
    assert parse(GOOD, site, {"MQI_SCAN__ROOTS": "/only"}).scan.roots == (Path("/only"),)


@pytest.mark.promise("P36")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MQI_SCNA__QUIET_S", 'did you mean "SCAN"'),
        ("MQI_SCAN__QUITE_S", 'did you mean "QUIET_S"'),
        ("MQI_SCAN_QUIET_S", 'did you mean "MQI_SCAN__QUIET_S"'),
        ("MQI_HOSTS_GPUS", 'did you mean "MQI_HOSTS__GPUS"'),
        ("MQI_HOSTS__GPPUS", 'did you mean "GPUS"'),
        ("MQI_HOSTS__GPU2__GPUS", 'did you mean "GPU1"'),
        ("MQI_HOSTS__GPU1__LAMES", 'did you mean "LANES"'),
        ("MQI_HOSTS__GPU1__SLURM__PARTION", 'did you mean "PARTITION"'),
        ("MQI_SCAN__A__B", "has no such key"),
    ],
)
def test_a_mistyped_variable_is_an_error(site: Path, name: str, words: str) -> None:
    told = problems(GOOD, site, **{name: "3"})
    assert len(told) == 1
    assert told[0].startswith(name) and words in told[0]


def test_a_wrong_value_from_the_environment_names_the_variable(site: Path) -> None:
    assert problems(GOOD, site, MQI_SCAN__QUIET_S="soon")[0].startswith("MQI_SCAN__QUIET_S: [scan] quiet_s must be")


def test_the_shipped_configuration_is_right_and_shows_every_setting(tmp_path: Path) -> None:
    text = template()
    parse(text, SHIPPED / "mqi-actors.toml", {"MQI_ENGINE__PROFILE": str(SHIPPED / "mqi-actors.toml")})
    shown = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    shown = shown.replace("# [hosts.slurm]", "[hosts.slurm]").replace("# [[send]]", "[[send]]")
    tables = tomllib.loads(shown)
    for section, info in Settings.model_fields.items():
        table = tables[section][0] if section in LISTS else tables[section]
        model = LISTS.get(section, info.annotation)
        assert isinstance(model, type) and issubclass(model, BaseModel)
        assert set(table) == set(model.model_fields), section
    slurm = (
        parse(
            GOOD.replace("[retry]", '[hosts.slurm]\nextra = ["--x"]\n[retry]'),
            tmp_path / "a.toml",
            {"MQI_ENGINE__PROFILE": str(SHIPPED / "mqi-actors.toml")},
        )
        .hosts[1]
        .slurm
    )
    assert slurm is not None
    assert set(tables["hosts"][0]["slurm"]) == set(type(slurm).model_fields)


def test_commented_defaults_are_the_defaults(site: Path) -> None:
    shown = tomllib.loads(
        "\n".join(line.removeprefix("# ") if " = " in line else line for line in template().splitlines())
        .replace("# [hosts.slurm]", "[hosts.slurm]")
        .replace("# [[send]]", "[[send]]")
    )
    settings = load(site, {})
    for section in ("scan", "compute", "monitor", "daemon"):
        for key, value in getattr(settings, section).model_dump().items():
            if key not in ("roots", "state_dir", "log_dir"):
                assert shown[section][key] == value, key


def test_diff_tells_what_can_be_reloaded_from_what_cannot(site: Path) -> None:
    old = load(site, {})
    changed = {"MQI_SCAN__QUIET_S": "5", "MQI_RESULTS__MIN_FREE_GB": "1", "MQI_RESULTS__DIR": "/r"}
    new = load(site, {**changed, "MQI_HOSTS__GPU1__LANES": "7", "MQI_MONITOR__MEMORY_PERCENT": "50.0"})
    changes = diff(old, new)
    assert changes
    assert changes.reload == ("monitor.memory_percent", "results.min_free_gb", "scan.quiet_s")
    assert changes.restart == ("hosts.gpu1.lanes", "results.dir")
    force = merged(old, new)
    assert diff(old, force).restart == ()
    assert diff(old, force).reload == changes.reload
    assert not diff(force, merged(force, force))


def test_a_host_that_went_is_a_change_that_waits(site: Path) -> None:
    old = load(site, {})
    new = parse(GOOD.replace('name = "here"', 'name = "there"'), site, {})
    assert {key.split(".")[1] for key in diff(old, new).restart} == {"here", "there"}


def test_lines_are_found_in_every_form_of_table() -> None:
    lines = key_lines('a.b = 1\n[x."y z"]\nk = [\n  "no = key",\n]\n[[h]]\nn = 1\n[[h]]\nn = 2\n[h.s]\np = 1\n')
    assert lines[("a", "b")] == 1
    assert lines[("x", "y z", "k")] == 3
    assert lines[("h", 1, "n")] == 9
    assert lines[("h", 1, "s", "p")] == 11
    assert line_of(("h", 0, "none"), lines) == 6
    assert line_of(("q",), lines) is None


def test_nothing_near_is_nothing() -> None:
    assert nearest("zzzz", ["quiet_s"]) == ""
