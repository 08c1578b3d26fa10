"""A dialect is data: one row per field, and secrecy is a column. No code asks which dialect it is working for.

What is packed where (BCD, ASCII, GBK, binary), how long it may be, which side is filled up: all of it is in these rows,
and both the plain and the compiled codec are driven by them.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from holdfast.wire.chain import CHAIN_FIELD

Encoding = Literal["bcd", "track", "ascii", "gbk", "binary", "digits", "ascii-track"]
"""How a value lies in the bytes.

`bcd`: two decimal digits a byte. `track`: two nibbles a byte, of which D is the separator, read as "="; the others may
be hex because a track can be partly encrypted (DE53). `digits` and `ascii-track` are the same values, one character a
byte. `ascii`: printable ASCII. `gbk`: printable ASCII and Chinese, length counted in bytes. `binary`: bytes.
"""

Pad = Literal["none", "left", "right"]
"""Which side is filled up when a value is short of whole bytes (a 0 nibble) or, for fixed text, of its length (spaces).

Fixed text filled on the right is read without its trailing spaces; all other text is exact.
"""

Layout = tuple[tuple[str, int], ...]
"""Names of sub-fields and how many characters each has, from the left."""

Form = Literal["layout", "card number", "amounts", "batch", "exchange", "chain", "operator", "keys", "chip"]
"""How a value is explained (see explain.py): cut by its layout, or by a form of its own. The codec does not care."""


class Field(NamedTuple):
    """One data element.

    `length` counts digits (bcd, digits, tracks), else bytes: exactly that many for a fixed field, at most that many
    behind a length prefix of `prefix` (2 or 3) digits. `secret` values are never shown, save what their `form` knows
    to be harmless.
    """

    number: int
    name: str
    encoding: Encoding
    length: int
    prefix: Literal[0, 2, 3] = 0
    pad: Pad = "none"
    secret: bool = False
    layout: Layout = ()
    form: Form = "layout"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Dialect:
    """How one kind of peer writes messages. Compared by identity, so that it is a quick key of a cache.

    `tpdu` and `header` are the defaults for messages of our own, and their lengths are what is expected of received
    ones. `packed` says that MTI and length prefixes are BCD, else ASCII digits. `wide` allows the second 64 fields.
    """

    name: str
    tpdu: bytes
    header: bytes
    packed: bool
    bitmap: Literal["binary", "hex"]
    wide: bool
    mac_field: int
    rows: tuple[Field, ...]
    fields: dict[int, Field] = field(init=False)
    """The rows by number."""
    mti_at: int = field(init=False)
    """The byte of the body where the MTI begins."""
    bitmap_at: int = field(init=False)
    """The byte of the body where the bitmap begins."""
    bitmap_bytes: int = field(init=False)
    """The bytes of one bitmap of 64 fields."""

    def __post_init__(self) -> None:
        fields = {row.number: row for row in self.rows}
        assert len(fields) == len(self.rows), "a field number appears twice"
        assert all(2 <= number <= (128 if self.wide else 64) for number in fields), "a field that no bitmap announces"
        assert max(fields) == self.mac_field, "the MAC is the last field"
        mti_at = len(self.tpdu) + len(self.header)
        for name, value in (
            ("fields", fields),
            ("mti_at", mti_at),
            ("bitmap_at", mti_at + (2 if self.packed else 4)),
            ("bitmap_bytes", 8 if self.bitmap == "binary" else 16),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Dialect({self.name})"


AMOUNT = (("amount", 12),)
CONDITION = (("condition", 2),)
CURRENCY = (("currency", 3),)
PROCESSING_CODE = (("transaction", 2), ("from account", 2), ("to account", 2))
ENTRY_MODE = (("card entry", 2), ("PIN entry", 1))
ADDITIONAL_AMOUNT = (("account type", 2), ("amount type", 2), ("currency", 3), ("sign", 1), ("amount", 12))
SECURITY_CONTROL = (("PIN format", 1), ("algorithm", 1), ("track encrypted", 1), ("reserved", 13))
CONTROL = (
    ("60.1 message type", 2),
    ("60.2 batch", 6),
    ("60.3 network management", 3),
    ("60.4 read capability", 1),
    ("60.5 chip condition", 1),
    ("60.6 partial approval", 1),
    ("60.7 account type", 3),
)
ORIGINAL = (
    ("61.1 original batch", 6),
    ("61.2 original trace", 6),
    ("61.3 original date", 4),
    ("61.4 authorization mode", 2),
    ("61.5 authorizing institution", 11),
)
ORIGINAL_DATA = (
    ("original message type", 4),
    ("original trace", 6),
    ("original transmission time", 10),
    ("original acquirer", 11),
    ("original forwarder", 11),
)
REPLACEMENT_AMOUNTS = (
    ("actual amount", 12),
    ("actual settlement amount", 12),
    ("actual fee", 9),
    ("actual settlement fee", 9),
)
INSTITUTIONS = (("issuer", 11), ("acquirer", 11))
TOTALS = (
    ("domestic debit amount", 12),
    ("domestic debit count", 3),
    ("domestic credit amount", 12),
    ("domestic credit count", 3),
    ("domestic reply", 1),
    ("foreign debit amount", 12),
    ("foreign debit count", 3),
    ("foreign credit amount", 12),
    ("foreign credit count", 3),
    ("foreign reply", 1),
)

_UNIONPAY_ROWS = (
    Field(2, "card number", "bcd", 19, prefix=2, pad="right", secret=True, form="card number"),
    Field(3, "processing code", "bcd", 6, layout=PROCESSING_CODE),
    Field(4, "amount", "bcd", 12, layout=AMOUNT),
    Field(11, "trace number", "bcd", 6),
    Field(12, "local time", "bcd", 6),
    Field(13, "local date", "bcd", 4),
    Field(14, "expiry date", "bcd", 4),
    Field(15, "settlement date", "bcd", 4),
    # The two fixed odd lengths differ: the entry mode stands left with a 0 nibble behind, all others stand right.
    Field(22, "entry mode", "bcd", 3, pad="right", layout=ENTRY_MODE),
    Field(23, "card sequence number", "bcd", 3, pad="left"),
    Field(25, "condition code", "bcd", 2, layout=CONDITION),
    Field(26, "PIN capture code", "bcd", 2),
    Field(32, "acquirer id", "bcd", 11, prefix=2, pad="right"),
    Field(35, "track 2", "track", 37, prefix=2, pad="right", secret=True),
    Field(36, "track 3", "track", 104, prefix=3, pad="right", secret=True),
    Field(37, "retrieval reference number", "ascii", 12, pad="right"),
    Field(38, "authorization code", "ascii", 6, pad="right"),
    Field(39, "response code", "ascii", 2),
    Field(41, "terminal id", "ascii", 8, pad="right"),
    Field(42, "merchant id", "ascii", 15, pad="right"),
    Field(44, "additional response", "ascii", 25, prefix=2, layout=INSTITUTIONS),
    Field(48, "private data", "bcd", 322, prefix=3, pad="right", secret=True, layout=TOTALS, form="batch"),
    Field(49, "currency", "ascii", 3, layout=CURRENCY),
    Field(52, "PIN block", "binary", 8, secret=True),
    Field(53, "security control", "bcd", 16, layout=SECURITY_CONTROL),
    Field(54, "additional amount", "ascii", 20, prefix=3, layout=ADDITIONAL_AMOUNT, form="amounts"),
    Field(55, "chip data", "binary", 255, prefix=3, secret=True, form="chip"),
    # Ours, and configurable: the terminal journal's chain.
    Field(CHAIN_FIELD, "private journal chain", "ascii", 100, prefix=3, form="chain"),
    Field(58, "electronic purse data", "binary", 100, prefix=3, secret=True),
    # Sources give 13 to 17 digits "and more": a longer control field is no reason to refuse a message.
    Field(60, "control", "bcd", 30, prefix=3, pad="right", layout=CONTROL),
    Field(61, "original transaction", "bcd", 29, prefix=3, pad="right", layout=ORIGINAL),
    # A device serial in the sign-on, working keys in its answer, an encrypted PIN under SM4.
    Field(62, "keys", "binary", 512, prefix=3, secret=True, form="keys"),
    Field(63, "operator or scheme", "gbk", 163, prefix=3, form="operator"),
    # Eight characters of hex, not eight binary bytes.
    Field(64, "MAC", "ascii", 8),
)

_ASCII_1987_ROWS = (
    Field(2, "card number", "digits", 19, prefix=2, secret=True, form="card number"),
    Field(3, "processing code", "digits", 6, layout=PROCESSING_CODE),
    Field(4, "amount", "digits", 12, layout=AMOUNT),
    Field(7, "transmission time", "digits", 10),
    Field(11, "trace number", "digits", 6),
    Field(12, "local time", "digits", 6),
    Field(13, "local date", "digits", 4),
    Field(14, "expiry date", "digits", 4),
    Field(15, "settlement date", "digits", 4),
    Field(18, "merchant category code", "digits", 4),
    Field(22, "entry mode", "digits", 3, layout=ENTRY_MODE),
    Field(23, "card sequence number", "digits", 3),
    Field(25, "condition code", "digits", 2, layout=CONDITION),
    Field(26, "PIN capture code", "digits", 2),
    Field(32, "acquirer id", "digits", 11, prefix=2),
    Field(33, "forwarder id", "digits", 11, prefix=2),
    Field(35, "track 2", "ascii-track", 37, prefix=2, secret=True),
    Field(37, "retrieval reference number", "ascii", 12, pad="right"),
    Field(38, "authorization code", "ascii", 6, pad="right"),
    Field(39, "response code", "ascii", 2),
    Field(41, "terminal id", "ascii", 8, pad="right"),
    Field(42, "merchant id", "ascii", 15, pad="right"),
    Field(43, "merchant name and place", "gbk", 40, pad="right"),
    # Ours: the acquirer's exchange id, the key of a request between acquirer and issuer.
    Field(48, "private exchange id", "ascii", 100, prefix=3, form="exchange"),
    Field(49, "currency", "ascii", 3, layout=CURRENCY),
    Field(52, "PIN block", "binary", 8, secret=True),
    Field(53, "security control", "digits", 16, layout=SECURITY_CONTROL),
    Field(54, "additional amount", "ascii", 120, prefix=3, layout=ADDITIONAL_AMOUNT, form="amounts"),
    Field(55, "chip data", "binary", 255, prefix=3, secret=True, form="chip"),
    Field(60, "control", "ascii", 100, prefix=3, layout=CONTROL),
    Field(61, "original transaction", "ascii", 100, prefix=3, layout=ORIGINAL),
    Field(63, "operator or scheme", "gbk", 163, prefix=3, form="operator"),
    Field(70, "network management", "digits", 3),
    Field(90, "original data elements", "digits", 42, layout=ORIGINAL_DATA),
    # What is left of an amount after a reversal of its rest.
    Field(95, "replacement amounts", "ascii", 42, layout=REPLACEMENT_AMOUNTS),
    # As in field 64: what computes and verifies MACs speaks hex, whichever link it is for.
    Field(128, "MAC", "ascii", 8),
)

UNIONPAY = Dialect(
    name="unionpay",
    tpdu=bytes.fromhex("6000000000"),
    # Application class 60, specification version 31, not a test, nothing asked of the terminal, sub-version 0.
    header=bytes.fromhex("603100000000"),
    packed=True,
    bitmap="binary",
    wide=False,
    mac_field=64,
    rows=_UNIONPAY_ROWS,
)
"""Terminal to acquirer: `[TPDU 5][header 6][MTI 2][bitmap 8][fields]`."""

ASCII_1987 = Dialect(
    name="ascii-1987",
    tpdu=b"",
    header=b"",
    packed=False,
    bitmap="binary",
    wide=True,
    mac_field=128,
    rows=_ASCII_1987_ROWS,
)
"""Acquirer to issuer: `[MTI 4][bitmap 8 or 16][fields]`, the MAC (X9.19) in DE128 as eight hex characters."""

DIALECTS = {dialect.name: dialect for dialect in (UNIONPAY, ASCII_1987)}
