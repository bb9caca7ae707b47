"""Packets of a connection, read many at a time: of a large file the library's own way costs more than its cipher."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from paramiko import SSHException
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer

__all__ = ["Packets"]

_LENGTH = 4
_TAG = 16
_CHANNEL_DATA = 94
_AT_ONCE = 1 << 19
"""Bytes taken from the socket in one go; no packet of OpenSSH is half as long."""


class _Aead(Protocol):
    def decrypt(self, nonce: bytes, data: memoryview, associated_data: memoryview) -> bytes: ...


class Packets(Packetizer):
    """Reads as paramiko's does, under AES-GCM with fewer calls and copies; under any other cipher it is paramiko's.

    That one asks the system twice for each packet of 32 KiB and copies it five times on the way to its channel. Here
    the system is asked for all that came, and a packet is deciphered where it lies. The names below are those of
    paramiko's own class, whose state this one shares: keys, counters, and when new keys are due.
    """

    _Packetizer__aead_in: bool
    _Packetizer__block_engine_in: _Aead
    _Packetizer__compress_engine_in: Callable[[bytes], bytes] | None
    _Packetizer__iv_in: bytes
    _Packetizer__mac_size_in: int
    _Packetizer__need_rekey: bool
    _Packetizer__received_bytes: int
    _Packetizer__received_bytes_overflow: int
    _Packetizer__received_packets: int
    _Packetizer__received_packets_overflow: int
    _Packetizer__sequence_number_in: int
    _check_keepalive: Callable[[], None]
    _inc_iv_counter: Callable[[bytes], bytes]
    _trigger_rekey: Callable[[], None]

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._socket = socket
        self._fit = hasattr(socket, "recv_into")  # a tunnel through another server has none
        self._view = memoryview(bytearray(_AT_ONCE if self._fit else 0))
        self._at = self._end = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Exactly so many bytes; those that lie here already come first."""
        ahead = bytes(self._view[self._at : min(self._at + n, self._end)])
        self._at += len(ahead)
        return ahead + super().read_all(n - len(ahead), check_rekey and not ahead) if len(ahead) < n else ahead

    def read_message(self) -> tuple[int, Message]:
        """Kind and content of the next packet, as the library's own."""
        if not self._fit or not self._Packetizer__aead_in or self._Packetizer__compress_engine_in or self.get_hexdump():
            return super().read_message()
        self._fill(_LENGTH, check_rekey=True)
        size = int.from_bytes(self._view[self._at : self._at + _LENGTH], "big")
        whole = _LENGTH + size + _TAG
        if not _TAG <= size <= _AT_ONCE - _LENGTH - _TAG:
            raise SSHException(f"Invalid packet length {size}")
        self._fill(whole)
        begin = self._at + _LENGTH
        plain = self._Packetizer__block_engine_in.decrypt(
            self._Packetizer__iv_in, self._view[begin : self._at + whole], self._view[self._at : begin]
        )
        self._at += whole
        self._Packetizer__iv_in = self._inc_iv_counter(self._Packetizer__iv_in)
        message = _message(plain, size)
        message.seqno = self._Packetizer__sequence_number_in
        self._Packetizer__sequence_number_in = (message.seqno + 1) & 0xFFFFFFFF
        self._count(whole)
        return plain[1], message

    def _fill(self, size: int, *, check_rekey: bool = False) -> None:
        """Until so many bytes lie here. Raises EOFError, OSError, and, before the first, NeedRekeyException."""
        if self._end - self._at >= size:
            return
        if self._at + size > len(self._view) or self._at == self._end:
            rest = bytes(self._view[self._at : self._end])
            self._at, self._end = 0, len(rest)
            self._view[: self._end] = rest
        while self._end - self._at < size:
            if self.handshake_timed_out():
                raise EOFError
            if not self._took():
                if check_rekey and self._at == self._end and self.need_rekey():
                    raise NeedRekeyException
                self._check_keepalive()

    def _took(self) -> bool:
        """Whatever came; False when nothing did in the time that the socket waits. Raises EOFError, OSError."""
        try:
            taken = self._socket.recv_into(self._view[self._end :])
        except (TimeoutError, BlockingIOError) as error:
            if self.closed:
                raise EOFError from error
            return False
        except OSError as error:
            if self.closed:
                raise EOFError from error
            raise
        if not taken:
            raise EOFError
        self._end += taken
        return True

    def _count(self, size: int) -> None:
        """Enough came under one key, and a new one is asked for; a server that goes on without it is given up."""
        self._Packetizer__received_bytes += size
        self._Packetizer__received_packets += 1
        if self._Packetizer__need_rekey:
            self._Packetizer__received_bytes_overflow += size
            self._Packetizer__received_packets_overflow += 1
            if (
                self._Packetizer__received_bytes_overflow >= self.REKEY_BYTES_OVERFLOW_MAX
                or self._Packetizer__received_packets_overflow >= self.REKEY_PACKETS_OVERFLOW_MAX
            ):
                raise SSHException("Remote transport is ignoring rekey requests")
        elif (
            self._Packetizer__received_bytes >= self.REKEY_BYTES
            or self._Packetizer__received_packets >= self.REKEY_PACKETS
        ):
            self._Packetizer__received_bytes_overflow = self._Packetizer__received_packets_overflow = 0
            self._trigger_rekey()


def _message(plain: bytes, size: int) -> Message:
    """What stands behind the kind of a packet."""
    if plain[1] != _CHANNEL_DATA:
        return Message(plain[2 : size - plain[0]])
    message = Message()  # says its own length; it is not copied
    message.packet = BytesIO(plain)
    message.packet.seek(2)
    return message
