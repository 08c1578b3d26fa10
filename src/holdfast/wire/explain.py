"""What a field's value says: its parts, their meaning in words, and which of its characters are never shown.

Rule 1: a secret row is hidden whole, unless its form knows which of its characters are harmless.
Rule 2: nothing is refused here. A value that does not have its form has no parts, and is hidden when its row is secret.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from holdfast.errors import WireError
from holdfast.ids import mask_pan
from holdfast.money import format_amount
from holdfast.wire import tlv
from holdfast.wire.chain import parse_request, parse_response
from holdfast.wire.dialect import Field, Form, Layout
from holdfast.wire.meanings import meaning_of
from holdfast.wire.records import parse_asked, parse_told
from holdfast.wire.security import parse_working_keys
from holdfast.wire.settlement import DETAIL_DIGITS, parse_details

_PAN_DIGITS_MIN = 12
"""A shorter number would be bared by showing its first six and last four digits, so it is hidden whole."""

_SM4_PIN = "SM016"
"""Announces an encrypted PIN inside DE63."""

_EXCHANGE = "HX1"
_EXCHANGE_PARTS = ("issuer", "exchange id", "hold", "trace key", "rest")
"""Our form of the private field between acquirer and issuer: its parts stand between bars."""

_SERIAL = re.compile(rb"Sequence No[0-9]{2}([ -~]+)")
"""How a terminal names its device when it signs on."""

_SECRET_TAGS = tlv.SECRET_TAGS | {"86", "DF33"}
"""A script's command may carry an encrypted PIN, and session key data is what it is called."""

_SCHEME_CHARS = 3
_TEXT_BYTES = 20


class Part(NamedTuple):
    """A sub-field: its value as it may be shown, and what that means in words ("" when there are none)."""

    name: str
    value: str
    meaning: str = ""


class Explanation(NamedTuple):
    """What may be told of a value.

    `hidden` are ranges of its characters (hex digits, where it is bytes) that are not to be shown; `secret` hides it
    whole.
    """

    parts: tuple[Part, ...] = ()
    hidden: tuple[slice, ...] = ()
    secret: bool = False


def explain(field: Field, mti: str, value: str | bytes) -> Explanation:
    """The value of a field in a message of that type."""
    if isinstance(value, bytes):
        return _BYTES[field.form](field, mti, value)
    return _TEXTS[field.form](field, mti, value)


def cut(text: str, layout: Layout, mti: str) -> tuple[Part, ...]:
    """The sub-fields that a text is long enough for; what is left over is shown as "rest"."""
    parts: list[Part] = []
    at = 0
    for name, width in layout:
        if at < len(text):
            parts.append(_part(name, text[at : at + width].rstrip(" "), mti))
        at += width
    if layout and at < len(text):
        parts.append(Part("rest", text[at:]))
    return tuple(parts)


def _part(name: str, code: str, mti: str) -> Part:
    amount = name.endswith("amount") and len(code) == 12 and code.isdecimal()
    return Part(name, code, format_amount(int(code)) if amount else meaning_of(name, code, mti))


def _numbered(number: int, parts: tuple[Part, ...]) -> Iterator[Part]:
    return (part._replace(name=f"{number} {part.name}") for part in parts)


# --- text ---------------------------------------------------------------------------------------------------------


def _by_layout(field: Field, mti: str, text: str) -> Explanation:
    return Explanation(secret=True) if field.secret else Explanation(cut(text, field.layout, mti))


def _card_number(field: Field, mti: str, text: str) -> Explanation:
    if len(text) < _PAN_DIGITS_MIN:
        return Explanation(secret=True)
    return Explanation(hidden=(slice(6, len(text) - 4),))


def _amounts(field: Field, mti: str, text: str) -> Explanation:
    """Additional amounts, each laid out like the others; they are numbered when there are several."""
    size = sum(width for _, width in field.layout)
    if len(text) <= size:
        return Explanation(cut(text, field.layout, mti))
    parts: list[Part] = []
    for number, at in enumerate(range(0, len(text), size), 1):
        parts += _numbered(number, cut(text[at : at + size], field.layout, mti))
    return Explanation(tuple(parts))


def _batch(field: Field, mti: str, text: str) -> Explanation:
    """Totals in a settlement, but card numbers in a batch upload."""
    if mti[:2] == "05":
        return Explanation(cut(text, field.layout, mti))
    if mti[:2] != "03":
        return Explanation(secret=True)
    if len(text) == 4:
        return Explanation((Part("details sent", text, str(int(text))),))
    try:
        details = parse_details(text)
    except WireError:
        return Explanation(secret=True)
    parts: list[Part] = []
    hidden: list[slice] = []
    for number, detail in enumerate(details, 1):
        end = 2 + number * DETAIL_DIGITS
        told = (
            _part("card class", detail.card_class, mti),
            Part("trace", detail.trace),
            Part("card number", mask_pan(detail.pan)),
            _part("amount", text[end - 12 : end], mti),
        )
        parts += _numbered(number, told)
        hidden.append(slice(end - 12 - len(detail.pan) + 6, end - 12 - 4))
    return Explanation(tuple(parts), tuple(hidden))


def _exchange(field: Field, mti: str, text: str) -> Explanation:
    form, *values = text.split("|", len(_EXCHANGE_PARTS))
    if form != _EXCHANGE:
        return Explanation()
    return Explanation(tuple(map(Part, _EXCHANGE_PARTS, values)))


def _chain(field: Field, mti: str, text: str) -> Explanation:
    request, response = parse_request(text), parse_response(text)
    if request is not None:
        sequence, link, last_entry = request
        return Explanation(
            (Part("sequence", str(sequence)), Part("link", link), Part("last register entry", last_entry))
        )
    return Explanation() if response is None else Explanation((Part("register entry", response.register_entry),))


def _operator(field: Field, mti: str, text: str) -> Explanation:
    """Whose hands a request came from; whose card and what texts an answer speaks of, cut by bytes."""
    if _SM4_PIN in text:
        return Explanation(secret=True)
    if mti[2:3] in ("0", "2"):
        return Explanation(cut(text, (("operator", 3),), mti))
    parts = [_part("scheme", text[:_SCHEME_CHARS].rstrip(" "), mti)] if text else []
    rest = text[_SCHEME_CHARS:].encode("gbk")
    names = ("issuer's text", "centre's text", "acquirer's text", "rest")
    for name, at in zip(names, range(0, len(rest), _TEXT_BYTES), strict=False):
        end = at + _TEXT_BYTES if name != "rest" else len(rest)
        parts.append(Part(name, rest[at:end].decode("gbk", "replace").rstrip(" ")))
    return Explanation(tuple(parts))


# --- bytes --------------------------------------------------------------------------------------------------------


def _opaque(field: Field, mti: str, raw: bytes) -> Explanation:
    return Explanation(secret=field.secret)


def _keys(field: Field, mti: str, raw: bytes) -> Explanation:
    """A device serial in the sign-on; in its answer working keys, of which only the lengths are told. Or records."""
    told = _records(mti, raw)
    if told:
        return Explanation(told, secret=True)
    if mti == "0800":
        serial = _SERIAL.fullmatch(raw)
        return Explanation((Part("device serial", serial[1].decode("ascii")),) if serial else ())
    if mti != "0810":
        return Explanation(secret=True)
    try:
        keys = parse_working_keys(raw)
    except WireError:
        return Explanation(secret=True)
    if len(keys.pik) == 8:
        form = "single-length keys"
    else:
        form = "SM4 or double-length keys" if len(keys.mak) == 16 else "double-length PIN key, single-length MAC key"
    parts = [Part("form", f"{len(raw)} bytes", form + (", and a track key" if keys.tdk else ""))]
    for name, key in (("PIN key", keys.pik), ("MAC key", keys.mak), ("track key", keys.tdk)):
        if key is not None:
            parts.append(Part(name, f"secret, {len(key)} bytes and a check value"))
    return Explanation(tuple(parts), secret=True)


def _records(mti: str, raw: bytes) -> tuple[Part, ...]:
    """What a terminal with a damaged journal asks of the register, and what it is told; nothing for other values."""
    try:
        if mti == "0800":
            position, since, kept = parse_asked(raw)
            return (*_position("after", position), Part("since entry", str(since)), Part("entries kept", str(kept)))
        told = parse_told(raw)
    except WireError:
        return ()
    parts = [*_position("after", told.position), *_position("next after", told.following)]
    for number, record in enumerate(told.records, 1):
        says = (
            Part("trace", record.named[:6]),
            Part("message type", record.named[6:]),
            Part("kind", record.kind),
            Part("outcome", record.outcome),
            Part("amount", str(record.amount_minor), format_amount(record.amount_minor)),
            Part("card number", record.card),
            Part("register entry", record.register_entry),
        )
        parts += _numbered(number, says)
    return tuple(parts)


def _position(name: str, position: str) -> tuple[Part, ...]:
    if not position:
        return ()
    return (Part(name, f"batch {position[:6]}, trace {position[6:12]}, message type {position[12:]}"),)


def _chip(field: Field, mti: str, raw: bytes) -> Explanation:
    """The chip's data objects: what we have no name for may be anything, so it is hidden like what is known to be."""
    parts: list[Part] = []
    hidden: list[slice] = []
    try:
        _open(tlv.elements(raw), parts, hidden)
    except WireError:
        return Explanation(secret=True)
    return Explanation(tuple(parts), tuple(hidden))


def _open(elements: list[tlv.Element], parts: list[Part], hidden: list[slice]) -> None:
    for element in elements:
        name = f"{element.tag} {tlv.NAMES.get(element.tag, 'unknown')}"
        size = len(element.value)
        if element.tag not in tlv.NAMES or element.tag in _SECRET_TAGS:
            parts.append(Part(name, f"secret, {size} bytes"))
            hidden.append(slice(2 * element.value_at, 2 * (element.value_at + size)))
        elif element.is_template:
            parts.append(Part(name, f"{size} bytes"))
            _open(tlv.inside(element), parts, hidden)
        else:
            parts.append(Part(name, element.value.hex().upper(), _chip_meaning(element)))


_CRYPTOGRAMS = {0x00: "AAC: declined by the chip", 0x40: "TC: approved by the chip", 0x80: "ARQC: asks the issuer"}
_CHIP_AMOUNTS = ("9F02", "9F03", "9F5D")
_CHIP_TEXTS = ("50", "89", "8A", "9F12", "9F1E")


def _chip_meaning(element: tlv.Element) -> str:
    tag, value = element.tag, element.value
    if tag == "9F27" and len(value) == 1:
        return _CRYPTOGRAMS.get(value[0] & 0xC0, "")
    if tag in _CHIP_AMOUNTS and len(value) == 6 and value.hex().isdecimal():
        return format_amount(int(value.hex()))
    if tag in _CHIP_TEXTS and value.isascii():
        text = value.decode("ascii")
        return text if text.isprintable() else ""
    return ""


_TEXTS: dict[Form, Callable[[Field, str, str], Explanation]] = {
    "layout": _by_layout,
    "card number": _card_number,
    "amounts": _amounts,
    "batch": _batch,
    "exchange": _exchange,
    "chain": _chain,
    "operator": _operator,
}

_BYTES: dict[Form, Callable[[Field, str, bytes], Explanation]] = {"layout": _opaque, "keys": _keys, "chip": _chip}
