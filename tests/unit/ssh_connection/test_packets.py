"""Packets as this side reads them: what paramiko's own reader would find, packet for packet."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko import SSHException
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

from actors.ssh_connection.packets import Packets

KEY, IV = bytes(range(16)), bytes(range(12))
DATA, EXTENDED_DATA, IGNORE = 94, 95, 2


@dataclass
class Line:
    """A sender of paramiko's own, and our reader at the other end."""

    sender: Packetizer
    reader: Packets
    wire: socket.socket
    """The sender's end."""

    def send(self, kind: int, content: bytes) -> None:
        message = Message()
        message.add_byte(bytes([kind]))
        message.add_bytes(content)
        self.sender.send_message(message)


class Tunnel:
    """What stands for a socket behind a jump host: no recv_into."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def recv(self, size: int) -> bytes:
        return self._raw.recv(size)

    def close(self) -> None:
        self._raw.close()


@pytest.fixture(params=[lambda raw: raw, Tunnel], ids=["socket", "tunnel"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    near, far = socket.socketpair()
    for end in (near, far):
        end.settimeout(0.01)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sender, reader = Packetizer(far), Packets(request.param(near))
    _encrypt(sender, reader)
    yield Line(sender, reader, far)
    near.close()
    far.close()


def _encrypt(sender: Packetizer, reader: Packetizer, key: bytes = KEY) -> None:
    engine: Any = AESGCM(key)
    nothing: Any = None
    sender.set_outbound_cipher(engine, 16, nothing, 16, b"", aead=True, iv_out=IV)
    reader.set_inbound_cipher(engine, 16, nothing, 16, b"", aead=True, iv_in=IV)


def _text(content: bytes) -> bytes:
    return (7).to_bytes(4, "big") + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize("kind", [DATA, EXTENDED_DATA, IGNORE])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32_768, 200_000])
def test_a_packet_says_what_was_sent(line: Line, kind: int, size: int) -> None:
    content = os.urandom(size)
    line.send(kind, _text(content))
    found, message = line.reader.read_message()
    assert found == kind
    assert message.get_int() == 7
    assert message.get_binary() == content


def test_many_packets_come_in_their_order_and_are_numbered(line: Line) -> None:
    contents = [os.urandom(20_000 + 7 * n) for n in range(60)]  # more than are taken from the socket at once
    waiting = 0
    for number, content in enumerate(contents):
        line.send(DATA, _text(content))
        if number % 3:
            continue  # so that several, and parts of one, lie here at a time
        for expected in contents[waiting : number + 1]:
            _, message = line.reader.read_message()
            message.get_int()
            assert (message.seqno, message.get_binary()) == (waiting, expected)
            waiting += 1


def test_a_packet_that_comes_in_pieces_is_waited_for(line: Line) -> None:
    whole = bytearray()
    line.sender.write_all = whole.extend  # type: ignore[method-assign,assignment]
    line.send(DATA, _text(b"slow"))
    pieces = [bytes(whole[at : at + 9]) for at in range(0, len(whole), 9)]
    checks = list[int]()

    def next_piece() -> None:
        """Asked whenever nothing came for a while."""
        checks.append(1)
        if pieces:
            line.wire.sendall(pieces.pop(0))

    line.reader._check_keepalive = next_piece
    _, message = line.reader.read_message()
    message.get_int()
    assert message.get_binary() == b"slow"
    assert len(checks) > 2


def test_one_byte_that_is_not_what_was_sent_ends_it(line: Line) -> None:
    sent = bytearray()
    line.sender.write_all = sent.extend  # type: ignore[method-assign,assignment]
    line.send(DATA, _text(b"whole"))
    sent[10] ^= 1
    line.wire.sendall(sent)
    with pytest.raises(InvalidTag):
        line.reader.read_message()


def test_the_end_of_the_connection_is_told(line: Line) -> None:
    line.wire.close()
    with pytest.raises(EOFError):
        line.reader.read_message()


def test_a_connection_that_is_given_up_ends_the_wait(line: Line) -> None:
    line.reader._check_keepalive = line.reader.close
    with pytest.raises(EOFError):
        line.reader.read_message()


def test_a_length_that_no_packet_has_is_refused() -> None:
    near, far = socket.socketpair()
    with near, far:
        reader = Packets(near)
        _encrypt(Packetizer(far), reader)
        far.sendall((1 << 30).to_bytes(4, "big") + bytes(64))
        with pytest.raises(SSHException, match="length"):
            reader.read_message()


def test_new_keys_are_due_after_so_many_bytes_and_what_came_before_them_is_still_read(line: Line) -> None:
    line.reader.REKEY_BYTES = 1000
    for _ in range(3):
        line.send(DATA, _text(bytes(600)))
    line.reader.read_message()
    assert not line.reader.need_rekey()
    line.reader.read_message()
    assert line.reader.need_rekey()
    line.reader.read_message()
    with pytest.raises(NeedRekeyException):
        line.reader.read_message()
    _encrypt(line.sender, line.reader, key=bytes(16))
    line.send(DATA, _text(b"under the new key"))
    _, message = line.reader.read_message()
    message.get_int()
    assert message.get_binary() == b"under the new key"


def test_a_server_that_gives_no_new_keys_is_given_up(line: Line) -> None:
    line.reader.REKEY_BYTES, line.reader.REKEY_BYTES_OVERFLOW_MAX = 1000, 1500
    for _ in range(6):
        line.send(DATA, _text(bytes(600)))
    with pytest.raises(SSHException, match="rekey"):
        for _ in range(6):
            line.reader.read_message()


def test_without_aes_gcm_the_library_reads_on_from_where_this_stood(line: Line) -> None:
    line.send(DATA, _text(b"first"))
    line.send(DATA, _text(b"second"))
    line.reader.read_message()
    second = line.reader.read_all(4)
    assert int.from_bytes(second, "big") > 0
    plain, reader = socket.socketpair()
    with plain, reader:
        sender, other = Packetizer(plain), Packets(reader)
        message = Message()
        message.add_byte(bytes([IGNORE]))
        message.add_string(b"in the clear")
        sender.send_message(message)
        assert other.read_message()[1].get_binary() == b"in the clear"
