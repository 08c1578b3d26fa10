"""A message explained field by field for people, with what is secret hidden in the value and in the bytes alike.

Secret is what the dialect's row says, so a new field is hidden by one word. Bytes are pointed at by their place in the
frame body (the length prefix of the frame not counted), so that a diagnosis and a capture can be laid side by side.
"""

from typing import NamedTuple

from holdfast.ids import mask_pan
from holdfast.wire.chain import CHAIN_FIELD, parse_request, parse_response
from holdfast.wire.codec import encode
from holdfast.wire.dialect import Dialect, Field
from holdfast.wire.message import Message
from holdfast.wire.plain import Placed, read_placed

HIDDEN = "*"
"""Stands for one hex digit that is not shown."""

_PAN_DIGITS_MIN = 12
"""A shorter number would be bared by showing its first six and last four digits, so it is hidden whole."""

_SM4_PIN = "SM016"
"""Announces an encrypted PIN inside DE63."""


class FieldView(NamedTuple):
    """One field as it may be shown.

    `number` is 0 for what stands before the fields. `value` and `parts` (name and value of each sub-field) are masked
    where secret. The field lies at byte `offset` of the body, `length` bytes long with its length prefix; `hex` are
    these bytes, two digits each, "*" for each digit that is hidden.
    """

    number: int
    name: str
    value: str
    parts: tuple[tuple[str, str], ...]
    offset: int
    length: int
    hex: str


def describe(dialect: Dialect, message: Message) -> list[FieldView]:
    """The fields of a message in ascending order. One of our own is described as it would be sent."""
    body = message.raw or encode(dialect, message)
    _, placed = read_placed(dialect, body)
    return [_view(each, message.mti, body) for each in placed]


def describe_head(dialect: Dialect, message: Message) -> list[FieldView]:
    """What stands before the fields: TPDU and header (where the dialect has them), message type, bitmap."""
    body = message.raw or encode(dialect, message)
    _, placed = read_placed(dialect, body)
    fields_at = placed[0].start if placed else len(body)
    tpdu_bytes = len(dialect.tpdu)
    ends = [
        ("TPDU", tpdu_bytes),
        ("header", dialect.mti_at),
        ("message type", dialect.bitmap_at),
        ("bitmap", fields_at),
    ]
    views: list[FieldView] = []
    start = 0
    for name, end in ends:
        raw = body[start:end]
        if raw:
            views.append(FieldView(0, name, raw.hex(), _head_parts(name, raw), start, len(raw), raw.hex()))
        start = end
    return [view._replace(value=message.mti) if view.name == "message type" else view for view in views]


def _head_parts(name: str, raw: bytes) -> tuple[tuple[str, str], ...]:
    widths = {
        "TPDU": (("id", 2), ("destination", 4), ("source", 4)),
        "header": (
            ("application class", 2),
            ("specification version", 2),
            ("terminal status", 1),
            ("asked of the terminal", 1),
            ("software sub-version", 6),
        ),
    }
    return _cut(raw.hex(), widths.get(name, ()))


def _view(placed: Placed, mti: str, body: bytes) -> FieldView:
    field, value = placed.field, placed.value
    prefix = body[placed.start : placed.value_start].hex()
    raw = body[placed.value_start : placed.end]
    text = value if isinstance(value, str) else value.hex()
    shown, shown_hex, parts = text, raw.hex(), _parts(field, text)
    if _is_secret(field, mti, text):
        shown, shown_hex, parts = f"secret, {len(raw)} bytes", HIDDEN * 2 * len(raw), ()
        if field.number == 2 and len(text) >= _PAN_DIGITS_MIN:
            shown, shown_hex = mask_pan(text), _masked_pan_hex(field, text, raw)
    return FieldView(
        field.number, field.name, shown, parts, placed.start, placed.end - placed.start, prefix + shown_hex
    )


def _is_secret(field: Field, mti: str, text: str) -> bool:
    if field.secret:
        return mti not in field.open_in
    return text.startswith(_SM4_PIN)


def _masked_pan_hex(field: Field, pan: str, raw: bytes) -> str:
    """The bytes of a card number with the hidden digits hidden: half a byte each in BCD, a byte in ASCII."""
    width = 1 if field.encoding == "bcd" else 2
    digits = raw.hex()
    first, last = 6 * width, (len(pan) - 4) * width
    return digits[:first] + HIDDEN * (last - first) + digits[last:]


def _parts(field: Field, text: str) -> tuple[tuple[str, str], ...]:
    if field.number != CHAIN_FIELD:
        return _cut(text, field.layout)
    request, response = parse_request(text), parse_response(text)
    if request is not None:
        sequence, link, last_entry = request
        return ("sequence", str(sequence)), ("link", link), ("last register entry", last_entry)
    return () if response is None else (("register entry", response.register_entry),)


def _cut(text: str, layout: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str], ...]:
    """The sub-fields that a text is long enough for; what is left over is shown as "rest"."""
    parts: list[tuple[str, str]] = []
    at = 0
    for name, width in layout:
        if at < len(text):
            parts.append((name, text[at : at + width].rstrip(" ")))
        at += width
    if layout and at < len(text):
        parts.append(("rest", text[at:]))
    return tuple(parts)
