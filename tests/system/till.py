"""The standard terminal of `tests.standard_terminal` on a real line: one question, one answer, over TCP."""

import socket
from dataclasses import dataclass, field
from typing import Self

from holdfast.edges import sample
from holdfast.keys.algorithms import decrypt_blocks, encrypt_blocks, pin_block
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import frame
from holdfast.wire.header import parse_header
from holdfast.wire.message import Message
from holdfast.wire.security import parse_working_keys
from tests.standard_terminal import Fields, StandardTerminal
from tests.system.installation import HOTEL, Installation

ANSWER_S = 20.0
"""Longer than the acquirer waits for an issuer."""


class Line:
    """A TCP connection to an acquirer. OSError when nobody listens, TimeoutError when no answer comes."""

    def __init__(self, at: str) -> None:
        host, _, port = at.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=ANSWER_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, body: bytes) -> None:
        """One frame."""
        self.socket.sendall(frame(body))

    def read(self) -> bytes:
        """The body of the next frame; EOFError when the other end has hung up."""
        return self._exactly(int.from_bytes(self._exactly(2)))

    def ask(self, body: bytes) -> bytes:
        """One question, one answer."""
        self.send(body)
        return self.read()

    def hung_up(self, patience_s: float = 5.0) -> bool:
        """Whether the other end hangs up, without another byte, within that time."""
        self.socket.settimeout(patience_s)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(ANSWER_S)

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            chunk = self.socket.recv(size - len(read))
            if not chunk:
                raise EOFError(f"hung up after {len(read)} of {size} bytes")
            read += chunk
        return read


@dataclass
class Till(StandardTerminal):
    """A standard terminal with its line. A field that is given as "" is left out of the message."""

    line: Line = field(kw_only=True)
    pik: bytes = b""
    notice: str = "0"
    """What the header of the last answer asks of the terminal."""

    @classmethod
    def of(
        cls,
        installation: Installation,
        terminal_id: str = "",
        merchant_id: str = HOTEL,
        tmk: str = "",
        mac: str = "ecb",
    ) -> Self:
        """A terminal of an installation, a fresh one where none is named; it has not signed on."""
        terminal_id = terminal_id or installation.new_terminal()
        key = tmk or sample.test_key(f"terminal {terminal_id}")
        return cls(terminal_id, merchant_id, bytes.fromhex(key), mac_algorithm=mac, line=Line(installation.at))

    @classmethod
    def signed_on(cls, installation: Installation, terminal_id: str = "", merchant_id: str = HOTEL) -> Self:
        """The same, signed on."""
        till = cls.of(installation, terminal_id, merchant_id)
        assert till.signs_on() == "00"
        return till

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.socket.close()

    def signs_on(self, network: str = "003") -> str:
        """0800; -> response code."""
        return self.take_keys(self.line.ask(self.sign_on(network)))

    def take_keys(self, body: bytes) -> str:
        """The PIN key is kept too."""
        code = super().take_keys(body)
        if code == "00":
            keys = parse_working_keys(decode(UNIONPAY, body).get_bytes(62))
            self.pik = decrypt_blocks(self.tmk, keys.pik, self.cipher)
        return code

    def asks(self, body: bytes) -> Message:
        """One question, and its answer: echoed fields and MAC are checked."""
        return self.read(self.line.ask(body))

    @property
    def asked(self) -> Message:
        """What was made last, whether it was sent or not."""
        assert self.sent is not None, "nothing was asked"
        return self.sent

    def done(self, body: bytes) -> tuple[Message, Message]:
        """One question that is approved: what was sent, and the answer."""
        answer = self.asks(body)
        assert answer.get(39) == "00", f"{self.asked!r} was answered {answer.get(39)}"
        return self.asked, answer

    def code(self, body: bytes) -> str:
        """One question, and DE39 of its answer."""
        return self.asks(body).get(39)

    def block_of(self, pin: str, pan: str) -> bytes:
        """DE52: the PIN under this session's PIN key."""
        return encrypt_blocks(self.pik, pin_block(pin, pan))

    def _business(
        self, mti: str, code: str, kind: str, pan: str, amount: int | None, more: dict[str, str | bytes]
    ) -> bytes:
        return super()._business(mti, code, kind, pan, amount, {"de14": sample.EXPIRY, **more})

    def read(self, body: bytes, mak: bytes = b"") -> Message:
        """The header's processing request is kept."""
        answer = super().read(body, mak)
        self.notice = parse_header(answer.header).processing_request
        return answer

    def _body(self, mti: str, fields: Fields) -> bytes:
        return super()._body(mti, {number: value for number, value in fields.items() if value != ""})


def key_of(message: Message) -> str:
    """The trace key of a request."""
    return f"{message.get(41)}/{message.get(60)[2:8]}/{message.get(11)}/{message.mti}"


def sample_pan(name: str) -> str:
    """The number of a sample card."""
    found = sample.card(name)
    assert found is not None, f"{name} is no sample card"
    return str(found["pan"])
