"""From settings and ~/.ssh/config to the hops of a connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.ssh_connection.config import Hop, route
from actors.ssh_connection.target import Target


def hops(tmp_path: Path, config: str = "", **fields: object) -> tuple[Hop, ...]:
    (tmp_path / ".ssh").mkdir(exist_ok=True)
    (tmp_path / ".ssh" / "config").write_text(config)
    given: dict[str, object] = {"host": "gpu1", "address": "gpu1.site", **fields}
    return route(Target(**given), home=tmp_path)  # type: ignore[arg-type]


def refusal(tmp_path: Path, config: str) -> str:
    with pytest.raises(MqiError) as caught:
        hops(tmp_path, config)
    assert caught.value.fault.kind == "ssh-config-unusable"
    assert caught.value.fault.remedy
    return caught.value.fault.what


def test_without_a_config_openssh_defaults_hold(tmp_path: Path) -> None:
    (hop,) = hops(tmp_path, user="qa")
    assert (hop.address, hop.port, hop.user, hop.known_as) == ("gpu1.site", 22, "qa", "gpu1.site")
    assert hop.key_files[0] == tmp_path / ".ssh" / "id_ed25519"
    assert not hop.keys_required
    assert hop.known_hosts[0] == tmp_path / ".ssh" / "known_hosts"


def test_settings_come_before_the_config(tmp_path: Path) -> None:
    config = "Host gpu1.site\n HostName 10.0.0.1\n Port 2200\n User other\n IdentityFile ~/a\n UserKnownHostsFile /b\n"
    (hop,) = hops(tmp_path, config)
    assert (hop.address, hop.port, hop.user, hop.known_as) == ("10.0.0.1", 2200, "other", "[10.0.0.1]:2200")
    assert hop.keys_required
    assert hop.known_hosts == (Path("/b"),)
    (hop,) = hops(tmp_path, config, port=9, user="qa", key_file=Path("/k"), known_hosts=Path("/n"))
    assert (hop.port, hop.user, hop.key_files, hop.known_hosts) == (9, "qa", (Path("/k"),), (Path("/n"),))
    assert hop.keys_only


def test_the_default_port_of_the_settings_leaves_the_word_to_the_config() -> None:
    assert Target.of(name="a", address="b").port is None
    assert Target.of(name="a", address="b", port=2200).port == 2200


def test_included_files_and_their_blocks(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "more").write_text("Host elsewhere\n User wrong\n")
    config = "Host gpu1.site\n Include more\n User qa\nInclude /absent/*\nHost *\n Port 2200\n"
    (hop,) = hops(tmp_path, config)
    assert (hop.user, hop.port) == ("qa", 2200)


def test_known_hosts_and_aliases_of_keys(tmp_path: Path) -> None:
    config = 'Host *\n UserKnownHostsFile ~/.ssh/known_%h "%d/x"\n HostKeyAlias cluster\n IdentitiesOnly yes\n'
    (hop,) = hops(tmp_path, config, port=77)
    assert hop.known_hosts == (tmp_path / ".ssh" / "known_gpu1.site", tmp_path / "x")
    assert hop.known_as == "cluster"
    assert hop.keys_only


def test_servers_on_the_way_in_their_order(tmp_path: Path) -> None:
    config = (
        "Host gpu1.site\n ProxyJump a,bob@b:2201\n"
        "Host a\n HostName 10.0.0.1\n ProxyJump [::1]:2202\n"
        "Host b\n Port 9\n ProxyJump never\n"
    )
    way = hops(tmp_path, config, key_file=Path("/k"), user="qa")
    assert [(hop.address, hop.port) for hop in way] == [("::1", 2202), ("10.0.0.1", 22), ("b", 2201), ("gpu1.site", 22)]
    assert way[2].user == "bob"
    assert all(hop.key_files == (Path("/k"),) for hop in way)


def test_what_is_refused_by_name(tmp_path: Path) -> None:
    assert "circles" in refusal(tmp_path, "Host gpu1.site a\n ProxyJump b\nHost b\n ProxyJump a\n")
    assert "ProxyCommand" in refusal(tmp_path, "Host *\n ProxyCommand nc %h %p\n")
    assert "not understood" in refusal(tmp_path, "Host *\n ProxyJump gate:ssh\n")
    assert "cannot be understood" in refusal(tmp_path, "Host *\n Port many\n")
    assert "cannot be understood" in refusal(tmp_path, "Host *\n nonsense\n")
    assert len(hops(tmp_path, "Host *\n ProxyCommand none\n")) == 1
    assert [hop.address for hop in hops(tmp_path, "Host *\n ProxyJump gate\n")] == ["gate", "gpu1.site"]
