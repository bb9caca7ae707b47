"""Lines of known_hosts: which host they are about, and what they say of a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.ssh_connection import hostkeys
from actors.ssh_connection.config import Hop

KEY, OTHER = b"\0\0\0\x0bssh-ed25519 key", b"\0\0\0\x0bssh-ed25519 other"
FILE = Path("/home/qa/.ssh/known_hosts")


def hop(address: str = "gpu1", port: int = 22, alias: str = "") -> Hop:
    return Hop(address, port, "qa", (), keys_only=False, keys_required=False, known_hosts=(FILE,), key_alias=alias)


def line(names: str, key: bytes = KEY, kind: str = "ssh-ed25519", marker: str = "") -> str:
    return f"{marker + ' ' if marker else ''}{names} {kind} {base64.b64encode(key).decode()} a comment\n"


def hashed(name: str) -> str:
    salt = b"01234567890123456789"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def entries(*lines: str) -> tuple[hostkeys.Entry, ...]:
    return tuple(hostkeys.parse("".join(lines).encode(), FILE))


def kind(place: Hop, *lines: str, key: bytes = KEY) -> str:
    try:
        hostkeys.check("gpu1", place, "ssh-ed25519", key, entries(*lines))
    except MqiError as error:
        return error.fault.kind
    return ""


@pytest.mark.promise("P32")
@pytest.mark.parametrize(
    ("names", "place", "result"),
    [
        ("gpu1", hop(), ""),
        ("GPU1", hop(), ""),
        ("10.0.0.1,gpu1", hop(), ""),
        ("gpu1", hop(port=2222), "host-key-unknown"),
        ("[gpu1]:2222", hop(port=2222), ""),
        ("[gpu1]:2222", hop(), "host-key-unknown"),
        ("gpu*", hop(), ""),
        ("gpu?,!gpu1", hop(), "host-key-unknown"),
        ("[gpu*]:2222", hop(port=2222), ""),
        ("gpu2", hop(), "host-key-unknown"),
        (hashed("gpu1"), hop(), ""),
        (hashed("[gpu1]:2222"), hop(port=2222), ""),
        (hashed("gpu2"), hop(), "host-key-unknown"),
        ("|1|not base64|x", hop(), "host-key-unknown"),
        ("cluster", hop("10.0.0.9", 2222, "cluster"), ""),
    ],
)
def test_which_host_a_line_is_about(names: str, place: Hop, result: str) -> None:
    assert kind(place, line(names)) == result


@pytest.mark.promise("P32")
def test_another_key_for_a_known_host_has_changed_and_names_the_line() -> None:
    with pytest.raises(MqiError) as caught:
        known = entries("# a comment\n", line("gpu9"), line("[gpu1]:2222", OTHER))
        hostkeys.check("gpu1", hop(port=2222), "ssh-ed25519", KEY, known)
    fault = caught.value.fault
    assert fault.kind == "host-key-changed"
    assert "line 3 of /home/qa/.ssh/known_hosts" in fault.what
    assert "ssh-keygen -R '[gpu1]:2222' -f /home/qa/.ssh/known_hosts && ssh-keyscan -p 2222 gpu1 >>" in fault.remedy
    assert hostkeys.fingerprint(KEY) in fault.what


def test_a_revoked_key_is_refused_though_it_is_known() -> None:
    assert kind(hop(), line("gpu1"), line("*", marker="@revoked")) == "host-key-revoked"
    assert kind(hop(), line("gpu1"), line("*", OTHER, marker="@revoked")) == ""
    assert kind(hop(), line("*", marker="@cert-authority")) == "host-key-unknown"


def test_the_remedy_for_an_alias_writes_the_alias() -> None:
    with pytest.raises(MqiError) as caught:
        hostkeys.check("gpu1", hop("10.0.0.9", 22, "cluster"), "ssh-ed25519", KEY, ())
    assert "ssh-keyscan 10.0.0.9 | sed 's/^[^ ]*/cluster/' >> " in caught.value.fault.remedy


def test_algorithms_of_the_types_that_we_know() -> None:
    known = entries(line("gpu1", kind="ssh-rsa"), line("gpu1"), line("gpu2", kind="ecdsa-sha2-nistp256"))
    assert hostkeys.known_types(known, "gpu1") == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")


def test_files_that_are_not_there_have_no_entries(tmp_path: Path) -> None:
    (tmp_path / "known").write_text(line("gpu1"))
    assert len(hostkeys.read([tmp_path / "absent", tmp_path / "known"])) == 1


@given(st.binary(max_size=400))
def test_no_content_breaks_the_reader(content: bytes) -> None:
    for entry in hostkeys.parse(content, FILE):
        entry.names_host("gpu1")
