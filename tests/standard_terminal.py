"""A standard UnionPay terminal: knows domain.md's tables and nothing of our private field. For tests only.

Sans-IO: it makes frame bodies and reads answers; a test carries the bytes. It takes any parsed answer for the end of a
request, as such terminals do.
"""

from dataclasses import dataclass, field

from holdfast.keys.algorithms import DES, SM4, check_value, decrypt_blocks, mac
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac
from holdfast.wire.settlement import FIELD, Detail, Totals, pack_details, pack_end, pack_totals

Fields = dict[int, str | bytes]
NOTHING_NAMED = "0" * 16


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
    mac_algorithm: str = "ecb"

    @property
    def cipher(self) -> str:
        """What its keys travel under."""
        return SM4 if self.mac_algorithm == "sm4" else DES

    def _trace(self) -> str:
        self.stan = self.stan % 999_999 + 1
        return f"{self.stan:06d}"

    def _body(self, mti: str, fields: Fields) -> bytes:
        self.sent = Message(mti, {**fields, 41: self.terminal_id, 42: self.merchant_id})
        if 64 not in fields:
            return encode(UNIONPAY, self.sent)
        body = encode(UNIONPAY, self.sent)
        return put_mac(body, mac(self.mac_algorithm, self.mak, mac_block(UNIONPAY, body)))

    def sign_on(self, network: str = "003", **more: str | bytes) -> bytes:
        """0800."""
        fields: Fields = {11: self._trace(), 60: f"00{self.batch}{network}", 63: "01 "}
        return self._body("0800", fields | {int(n.removeprefix("de")): v for n, v in more.items()})

    def take_keys(self, body: bytes) -> str:
        """0810: the working keys, each tried against its check value; -> response code."""
        answer = decode(UNIONPAY, body)
        if answer.get(39) == "00":
            keys = parse_working_keys(answer.get_bytes(62))
            self.mak = decrypt_blocks(self.tmk, keys.mak, self.cipher)
            assert check_value(self.mak, self.cipher) == keys.mak_check, "the MAC key does not fit its check value"
            assert check_value(decrypt_blocks(self.tmk, keys.pik, self.cipher), self.cipher) == keys.pik_check
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

    # --- the other kinds ---

    def increment(self, pan: str, amount_minor: int, code: str, **more: str | bytes) -> bytes:
        """0100 with DE25 = 60."""
        named: dict[str, str | bytes] = {"25": "60", "38": code, "61": NOTHING_NAMED}
        return self._business("0100", "030000", "10", pan, amount_minor, named | more)

    def moto(self, pan: str, amount_minor: int, **more: str | bytes) -> bytes:
        """0100 with DE25 = 18."""
        return self._business("0100", "030000", "10", pan, amount_minor, {"25": "18", **more})

    def advise(self, pan: str, amount_minor: int, code: str, mmdd: str, **more: str | bytes) -> bytes:
        """0220 60.1 = 24."""
        named: dict[str, str | bytes] = {"38": code, "61": "0" * 12 + mmdd}
        return self._business("0220", "000000", "24", pan, amount_minor, named | more)

    def sell(self, pan: str, amount_minor: int, **more: str | bytes) -> bytes:
        """0200 60.1 = 22."""
        return self._business("0200", "000000", "22", pan, amount_minor, {"25": "00", **more})

    def void_completion(self, of: Message, answer: Message, **more: str | bytes) -> bytes:
        """0200 60.1 = 21: the completion by its reference, code, batch, trace and date."""
        named: dict[str, str | bytes] = {"37": answer.get(37), "38": of.get(38), "61": trace_of(of) + answer.get(13)}
        return self._business("0200", "200000", "21", of.get(2), int(of.get(4)), named | more)

    def void_sale(self, of: Message, **more: str | bytes) -> bytes:
        """0200 60.1 = 23: the sale by its batch and trace."""
        named: dict[str, str | bytes] = {"25": "00", "61": trace_of(of)}
        return self._business("0200", "200000", "23", of.get(2), int(of.get(4)), named | more)

    def refund(self, of: Message, answer: Message, amount_minor: int, **more: str | bytes) -> bytes:
        """0220 60.1 = 25: what was posted by its reference, batch, trace and date."""
        named: dict[str, str | bytes] = {"25": "00", "37": answer.get(37), "61": trace_of(of) + answer.get(13)}
        return self._business("0220", "200000", "25", of.get(2), amount_minor, named | more)

    def ask_balance(self, pan: str, **more: str | bytes) -> bytes:
        """0200 60.1 = 01, without an amount."""
        return self._business("0200", "310000", "01", pan, None, {"25": "00", **more})

    # --- about the terminal and its batch: no MAC ---

    def sign_off(self) -> bytes:
        """0820/002."""
        return self._body("0820", {11: self._trace(), 60: f"00{self.batch}002", 63: "01 "})

    def download(self) -> bytes:
        """0800/360: the parameters."""
        return self._body("0800", {11: self._trace(), 60: f"00{self.batch}360", 63: "01 "})

    def settle(self, totals: Totals) -> bytes:
        """0500."""
        fields: Fields = {11: self._trace(), FIELD: pack_totals(totals), 49: "156", 60: f"00{self.batch}201"}
        return self._body("0500", {**fields, 63: "01 "})

    def upload_block(self, batch: str, *details: Detail) -> bytes:
        """0320/201 with up to eight records."""
        return self._body("0320", {11: self._trace(), FIELD: pack_details(details), 60: f"00{batch}201"})

    def upload_alone(self, batch: str, of: Message, form: str) -> bytes:
        """0320 with one record in its own fields, under the trace of its request; 29 digits name an advice's hold."""
        kept: Fields = {n: of.fields[n] for n in (2, 4, 11, 22) if n in of.fields}
        if of.mti == "0220":
            kept |= {3: of.get(3), 25: of.get(25)}
        if of.get(60)[:2] == "24":
            kept |= {38: of.get(38), 61: of.get(61) + "0" * 13}
        return self._body("0320", {**kept, 60: of.get(60)[:2] + batch + form})

    def upload_end(self, batch: str, sent_n: int, form: str) -> bytes:
        """0320/202, or 207 of a batch that balances."""
        return self._body("0320", {11: self._trace(), FIELD: pack_end(sent_n), 60: f"00{batch}{form}"})

    def tell_script(self, of: Message, results: bytes) -> bytes:
        """0620/951: what became of an issuer's script in the chip (DE55)."""
        kept: Fields = {n: of.fields[n] for n in (2, 3, 4, 22, 23, 49) if n in of.fields}
        about: Fields = {11: self._trace(), 55: results, 60: f"{of.get(60)[:2]}{self.batch}951", 64: "00000000"}
        return self._body("0620", {**kept, **about, 61: trace_of(of) + "0000"})

    # --- once more ---

    def reverse(self, of: Message) -> bytes:
        """0400: same trace, no track, no PIN."""
        kept: Fields = {n: v for n, v in of.fields.items() if n in (2, 3, 4, 11, 14, 22, 25, 38, 49, 60, 61)}
        return self._body("0400", {**kept, 39: "98", 64: "00000000"})

    def repeat(self, of: Message) -> bytes:
        """The same request with the repeat digit set."""
        return self._body(of.mti[:3] + "1", {n: v for n, v in of.fields.items() if n not in (35, 36, 52, 55)})

    def _business(
        self, mti: str, code: str, kind: str, pan: str, amount: int | None, more: dict[str, str | bytes]
    ) -> bytes:
        fields: Fields = {
            2: pan,
            3: code,
            **({} if amount is None else {4: f"{amount:012d}"}),
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
            assert mac(self.mac_algorithm, mak or self.mak, mac_block(UNIONPAY, body)) == answer.fields[64]
        return answer


def trace_of(message: Message) -> str:
    """Batch and trace of a request, as DE61 of a linked one names it."""
    return message.get(60)[2:8] + message.get(11)
