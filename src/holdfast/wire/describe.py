"""A message laid out field by field for people, with what is secret hidden in the value and in the bytes alike.

Secret is what the dialect's row says, so a new field is hidden by one word; what a value says, explain.py knows. Bytes
are pointed at by their place in the frame body (the length prefix of the frame not counted), so that a diagnosis and a
capture can be laid side by side.
"""

from typing import NamedTuple

from holdfast.wire.codec import encode
from holdfast.wire.dialect import Dialect
from holdfast.wire.explain import Part, cut, explain
from holdfast.wire.header import HEADER_LAYOUT
from holdfast.wire.message import Message
from holdfast.wire.plain import Placed, read_placed

HIDDEN = "*"
"""Stands for one hex digit that is not shown."""


class FieldView(NamedTuple):
    """One field as it may be shown.

    `number` is 0 for what stands before the fields. `value` and `parts` are masked where secret. The field
    lies at byte `offset` of the body, `length` bytes long with its length prefix; `hex` are these bytes, two digits
    each, "*" for each digit that is hidden.
    """

    number: int
    name: str
    value: str
    parts: tuple[Part, ...]
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
            value = message.mti if name == "message type" else raw.hex().upper()
            parts = cut(value, _HEAD_LAYOUTS.get(name, ()), message.mti)
            views.append(FieldView(0, name, value, parts, start, len(raw), raw.hex()))
        start = end
    return views


_HEAD_LAYOUTS = {
    "TPDU": (("id", 2), ("destination", 4), ("source", 4)),
    "header": HEADER_LAYOUT,
    "message type": (("version", 1), ("class", 1), ("function", 1), ("origin", 1)),
}


def _view(placed: Placed, mti: str, body: bytes) -> FieldView:
    field, value = placed.field, placed.value
    explained = explain(field, mti, value)
    prefix = body[placed.start : placed.value_start].hex()
    raw = body[placed.value_start : placed.end]
    if explained.secret:
        shown, shown_hex = f"secret, {len(raw)} bytes", HIDDEN * 2 * len(raw)
    else:
        # A character of a packed value is one hex digit of its bytes, one of text is two.
        width = 2 if field.encoding in ("ascii", "gbk", "digits", "ascii-track") else 1
        shown = _starred(value if isinstance(value, str) else value.hex(), explained.hidden, 1)
        shown_hex = _starred(raw.hex(), explained.hidden, width)
    return FieldView(
        field.number, field.name, shown, explained.parts, placed.start, placed.end - placed.start, prefix + shown_hex
    )


def _starred(text: str, hidden: tuple[slice, ...], width: int) -> str:
    for each in hidden:
        start, end = each.start * width, each.stop * width
        text = text[:start] + HIDDEN * (end - start) + text[end:]
    return text
