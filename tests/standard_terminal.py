"""A standard UnionPay terminal: knows domain.md's tables and nothing of our private field. For tests only.

Sans-IO: it makes frame bodies and reads answers; a test carries the bytes. It takes any parsed answer for the end of a
request, as such terminals do.
"""

from dataclasses import dataclass, field

from holdfast.keys.algorithms import check_value, decrypt_blocks, mac_ecb
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac

Fields = dict[int, str | bytes]


@dataclass
class StandardTerminal:
    """One terminal with its batch, trace and keys."""

    terminal_id: str
    merchant_id: str
    tmk: bytes
    batch: str = "000000"
    stan: int = 0
    mak: bytes = b""
    sent: Message | None = field(default=None, repr=False)

    def _trace(self) -> str:
        self.stan = self.stan % 999_999 + 1
        return f"{self.stan:06d}"

    def _body(self, mti: str, fields: Fields) -> bytes:
        self.sent = Message(mti, {**fields, 41: self.terminal_id, 42: self.merchant_id})
        if 64 not in fields:
            return encode(UNIONPAY, self.sent)
        body = encode(UNIONPAY, self.sent)
        return put_mac(body, mac_ecb(self.mak, mac_block(UNIONPAY, body)))

    def sign_on(self, network: str = "003") -> bytes:
        """0800."""
        return self._body("0800", {11: self._trace(), 60: f"00{self.batch}{network}", 63: "01 "})

    def take_keys(self, body: bytes) -> str:
        """0810: the working keys, each tried against its check value; -> response code."""
        answer = decode(UNIONPAY, body)
        if answer.get(39) == "00":
            keys = parse_working_keys(answer.get_bytes(62))
            self.mak = decrypt_blocks(self.tmk, keys.mak)
            assert check_value(self.mak) == keys.mak_check, "the MAC key does not fit its check value"
            assert check_value(decrypt_blocks(self.tmk, keys.pik)) == keys.pik_check
            self.batch = answer.get(60)[2:8]
        return answer.get(39)

    def pre_auth(self, pan: str, amount_minor: int, **more: str | bytes) -> bytes:
        """0100, keyed."""
        return self._business("0100", "030000", "10", pan, amount_minor, more)

    def complete(self, pan: str, amount_minor: int, code: str, mmdd: str, **more: str | bytes) -> bytes:
        """0200 60.1 = 20."""
        return self._business("0200", "000000", "20", pan, amount_minor, {"38": code, "61": "0" * 12 + mmdd, **more})

    def void(self, pan: str, amount_minor: int, code: str, mmdd: str, **more: str | bytes) -> bytes:
        """0100 60.1 = 11."""
        return self._business("0100", "200000", "11", pan, amount_minor, {"38": code, "61": "0" * 12 + mmdd, **more})

    def reverse(self, of: Message) -> bytes:
        """0400: same trace, no track, no PIN."""
        kept: Fields = {n: v for n, v in of.fields.items() if n in (2, 3, 4, 11, 14, 22, 25, 38, 49, 60, 61)}
        return self._body("0400", {**kept, 39: "98", 64: "00000000"})

    def repeat(self, of: Message) -> bytes:
        """The same request with the repeat digit set."""
        return self._body(of.mti[:3] + "1", {n: v for n, v in of.fields.items() if n not in (35, 36, 52, 55)})

    def _business(self, mti: str, code: str, kind: str, pan: str, amount: int, more: dict[str, str | bytes]) -> bytes:
        fields: Fields = {
            2: pan,
            3: code,
            4: f"{amount:012d}",
            11: self._trace(),
            14: "3012",
            22: "012",
            25: "06",
            49: "156",
            60: f"{kind}{self.batch}00050",
            63: "01 ",
            64: "00000000",
        }
        return self._body(mti, fields | {int(n.removeprefix("de")): v for n, v in more.items()})

    def read(self, body: bytes, mak: bytes = b"") -> Message:
        """An answer to what was sent last: type, echoed fields and MAC checked, this under the key it was sent with."""
        answer = decode(UNIONPAY, body)
        assert self.sent is not None, "nothing was asked"
        assert answer.mti == f"{int(self.sent.mti) // 10 * 10 + 10:04d}"
        for number in (3, 4, 11, 41, 42):
            if number in self.sent.fields:
                assert answer.fields[number] == self.sent.fields[number], f"DE{number} is not echoed"
        if 64 in answer.fields:
            assert mac_ecb(mak or self.mak, mac_block(UNIONPAY, body)) == answer.fields[64]
        return answer
