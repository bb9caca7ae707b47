"""Who may ask over TCP: names against rebinding, tokens, sessions, and orders from our own pages only (P32)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.console.access import COOKIE, SESSION_S, Access, Asked
from actors.console.peers import Peer, tcp_uid
from actors.console.token import read_token
from actors.errors import MqiError
from tests.unit.console.stand_ins import NOW, TOKEN

OPEN = Access(names=frozenset({"console.example"}), token="", secret=b"one start")
LOCKED = Access(names=frozenset(), token=TOKEN, secret=b"one start")


def asked(method: str = "GET", path: str = "/", host: str = "127.0.0.1:8080", **headers: str) -> Asked:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    cookies = {COOKIE: named.pop("session")} if "session" in named else {}
    return Asked(method, path, {"host": host, **named}, cookies)


def status(access: Access, request: Asked, **later: Any) -> int:
    denied = access.denied(request, NOW + timedelta(**later))
    return denied.status if denied else 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "console.example", "LOCALHOST"]
)
def test_our_own_names_and_addresses_are_ours(host: str) -> None:
    assert status(OPEN, asked(host=host)) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::1", "a@b:1", "localhost.evil"]
)
def test_any_other_name_is_refused_so_that_no_name_can_be_made_to_point_here(host: str) -> None:
    assert status(OPEN, asked(host=host)) == 421


def order(**changes: str) -> Asked:
    headers = {"x_mqi_page": OPEN.page_key, "origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"}
    return asked("POST", "/api/orders", **{**headers, **changes})


def test_an_order_of_our_own_page_is_taken() -> None:
    assert status(OPEN, order()) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"x_mqi_page": ""},
        {"x_mqi_page": "f" * 64},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9090"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_an_order_from_anywhere_else_is_not(changes: dict[str, str]) -> None:
    assert status(OPEN, order(**changes)) == 403


def test_another_start_has_another_page_key() -> None:
    assert Access(names=frozenset(), token="", secret=b"another").page_key != OPEN.page_key


def test_a_token_opens_what_it_locks() -> None:
    for path in ("/", "/api/status", "/cases/x", "/live", "/metrics"):
        assert status(LOCKED, asked(path=path)) == 401
        assert status(LOCKED, asked(path=path, authorization=f"Bearer {TOKEN}")) == 200
        assert status(LOCKED, asked(path=path, authorization=f"Bearer {TOKEN}x")) == 401
        assert status(LOCKED, asked(path=path, authorization=f"Basic {TOKEN}")) == 401
    for path in ("/healthz", "/login", "/assets/1/page.css"):
        assert status(LOCKED, asked(path=path)) == 200
    assert LOCKED.token_ok(TOKEN)
    assert not LOCKED.token_ok("")
    assert not OPEN.token_ok("")


def test_a_session_is_good_for_its_time_and_for_its_token() -> None:
    session = LOCKED.session(NOW)
    assert status(LOCKED, asked(session=session)) == 200
    assert status(LOCKED, asked(session=session), seconds=SESSION_S) == 401
    until, proof = session.split(".")
    for forged in (f"{int(until) + 9}.{proof}", f"{until}.", ".", "x.y", "", f"٣.{proof}"):
        assert status(LOCKED, asked(session=forged)) == 401
    assert status(Access(names=frozenset(), token=TOKEN[::-1], secret=b"s"), asked(session=session)) == 401


def test_a_session_orders_only_through_our_page_and_a_bearer_anyhow() -> None:
    session = LOCKED.session(NOW)
    assert status(LOCKED, asked("POST", "/api/orders", session=session)) == 403
    assert status(LOCKED, asked("POST", "/api/orders", session=session, x_mqi_page=LOCKED.page_key)) == 200
    assert status(LOCKED, asked("POST", "/api/orders", authorization=f"Bearer {TOKEN}")) == 200


def test_a_login_comes_from_our_own_site() -> None:
    assert status(LOCKED, asked("POST", "/login", origin="http://127.0.0.1:8080")) == 200
    assert status(LOCKED, asked("POST", "/login", origin="http://evil.example")) == 403


def test_a_token_is_read_from_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    file.chmod(0o640)
    with pytest.raises(MqiError, match="chmod 600"):
        read_token(file)
    for short in ("short", "", "two words of more than 24 characters", "é" * 30):
        file.chmod(0o600)
        file.write_text(short)
        with pytest.raises(MqiError) as caught:
            read_token(file)
        assert caught.value.fault.remedy
        assert short == "" or short not in str(caught.value)
    with pytest.raises(MqiError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_the_kernel_tells_who_holds_the_other_end(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {} {} {} 00000000:00000000 00:00000000 00000000  {}        0 9 1 0000000000000000 20 4 0 10 -1\n"
    four, six = tmp_path / "tcp", tmp_path / "tcp6"
    four.write_text(
        head
        + row.format("0100007F:1F90", "0100007F:C350", "01", 0)
        + row.format("0100007F:C350", "0100007F:1F90", "01", 1001)
        + row.format("0100007F:C351", "0100007F:1F90", "06", 0)
    )
    six.write_text(
        head
        + row.format("0000000000000000FFFF00000100007F:D903", "0000000000000000FFFF00000100007F:1F90", "01", 1002)
        + row.format("00000000000000000000000001000000:D904", "00000000000000000000000001000000:1F90", "01", 1003)
    )
    tables = (four, six, tmp_path / "none")

    def uid(host: str, port: int) -> int | None:
        here = "::1" if ":" in host else "127.0.0.1"
        return tcp_uid(Peer(local=False, address=(host, port), here=(here, 8080)), tables)

    assert uid("127.0.0.1", 50000) == 1001
    assert uid("127.0.0.1", 50001) is None  # on its way out: it holds nothing any more
    assert uid("127.0.0.1", 0xD903) == 1002
    assert uid("::1", 0xD904) == 1003
    assert uid("10.0.0.9", 50000) is None
    assert tcp_uid(Peer(local=False), tables) is None


def test_somebody_elses_connection_from_the_same_port_is_not_taken_for_the_one_that_asks(tmp_path: Path) -> None:
    row = "   0: {} {} 01 00000000:00000000 00:00000000 00000000  {}        0 9 1 0000000000000000 20 4 0 10 -1\n"
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st\n"
        + row.format("0100007F:C350", "0100007F:0016", 0)  # root's, to another place
        + row.format("0100007F:C350", "0100007F:1F90", 1001)
    )
    asking = Peer(local=False, address=("127.0.0.1", 50000), here=("127.0.0.1", 8080))
    assert tcp_uid(asking, (table,)) == 1001
