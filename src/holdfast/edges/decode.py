"""`holdfast decode`: one frame explained field by field, what is secret hidden. Needs no installation."""

import string
import sys
from typing import Annotated, Any, NamedTuple

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from holdfast.domain import responses
from holdfast.edges.output import person, print_json
from holdfast.edges.places import JsonOption
from holdfast.errors import BadInput, KeyRefused, WireError
from holdfast.keys.algorithms import MAC_CHARS, mac_ecb, mac_x919, same_mac
from holdfast.wire.codec import decode as decode_body
from holdfast.wire.describe import FieldView, describe, describe_head
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.explain import Part
from holdfast.wire.framing import FRAME_BYTES_MAX, PREFIX_BYTES
from holdfast.wire.message import Message
from holdfast.wire.security import MAC_BYTES, mac_block

DIALECTS = {"unionpay": UNIONPAY, "ascii": ASCII_1987}
BYTES_SHOWN_MAX = 24
"""More bytes of one field would fill the screen; the JSON and the value say the rest."""


class Explained(NamedTuple):
    """A frame: what stands before its fields, its fields, and what its MAC is worth."""

    message: Message
    head: list[FieldView]
    fields: list[FieldView]
    bitmap: str
    mac: str


NO = 1
"""The exit code of a MAC that does not hold."""


def decode(
    frame: Annotated[
        str,
        typer.Argument(metavar="HEX", help="The frame in hex, with or without its two bytes of length; - is stdin."),
    ],
    mac_key: Annotated[str, typer.Option("--mac-key", metavar="KEY", help="The MAC key in hex: checks the MAC.")] = "",
    dialect: Annotated[
        str, typer.Option(metavar="unionpay|ascii", help="Which messages these are; told from the bytes if not given.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Explain one ISO 8583 frame field by field, with secrets masked, and say whether its MAC holds."""
    body = body_of(sys.stdin.read() if frame == "-" else frame)
    explained = explain(body, dialect_of(dialect, body), hex_bytes(mac_key, "the MAC key"))
    if json:
        print_json(as_json(explained))
    else:
        print_explained(explained)
    if explained.mac == "invalid":
        raise typer.Exit(NO)


def hex_bytes(text: str, what: str) -> bytes:
    """Bytes out of hex digits, blanks and line ends allowed; BadInput says where it is not hex."""
    digits = "".join(text.split())
    odd = next((at for at, digit in enumerate(digits) if digit not in string.hexdigits), None)
    if odd is not None:
        raise BadInput(f"{what} is not hex: {digits[odd]!r} at digit {odd + 1}")
    if len(digits) % 2:
        raise BadInput(f"{what} has {len(digits)} hex digits, and a byte has two: one is missing")
    return bytes.fromhex(digits)


def body_of(text: str) -> bytes:
    """The frame's body. A length prefix is known by its size: read as one, the first bytes of a body are too large."""
    raw = hex_bytes(text, "the frame")
    if len(raw) <= PREFIX_BYTES:
        raise BadInput(f"{len(raw)} bytes are no frame: give it whole")
    length, follow = int.from_bytes(raw[:PREFIX_BYTES]), len(raw) - PREFIX_BYTES
    if length > FRAME_BYTES_MAX:
        return raw
    if length > follow:
        raise BadInput(f"the frame is torn: its length says {length} bytes, {follow} are there")
    if length < follow:
        raise BadInput(f"the frame's length says {length} bytes, {follow} are there: give one frame")
    return raw[PREFIX_BYTES:]


def dialect_of(name: str, body: bytes) -> Dialect:
    """The dialect of that name; without one, a body that begins with the digits of a message type is ASCII."""
    if name:
        if name not in DIALECTS:
            raise BadInput(f"there is no dialect {name!r}: choose {' or '.join(DIALECTS)}")
        return DIALECTS[name]
    return ASCII_1987 if body[:4].isdigit() else UNIONPAY


def explain(body: bytes, dialect: Dialect, mac_key: bytes) -> Explained:
    """Everything there is to say of a body; WireError names the field that cannot be read."""
    message = decode_body(dialect, body)
    head = describe_head(dialect, message)
    bitmap = next(view.hex for view in head if view.name == "bitmap")
    if dialect.bitmap == "hex":
        bitmap = bytes.fromhex(bitmap).decode("ascii")
    fields = [_in_words(view, message.mti) for view in describe(dialect, message)]
    return Explained(message, head, fields, bitmap.upper(), mac_state(dialect, body, mac_key))


REVERSAL_REASONS = {"98": "no answer came", "A0": "the answer's MAC was wrong", "06": "the answer could not be used"}
"""DE39 of a terminal's reversal: why it reverses."""


def _in_words(view: FieldView, mti: str) -> FieldView:
    """The view with DE39 in words: what an answer means is the domain's, and not known to the wire."""
    if view.number != 39:
        return view
    if mti[:3] in ("040", "042"):
        return view._replace(parts=(Part("reason", view.value, REVERSAL_REASONS.get(view.value, "")),))
    return view._replace(parts=(Part("response", view.value, responses.says(view.value)),))


def mac_state(dialect: Dialect, body: bytes, key: bytes) -> str:
    """valid, invalid, absent, or unchecked where no key was given."""
    try:
        block = mac_block(dialect, body)
    except WireError:
        return "absent"
    if not key:
        return "unchecked"
    try:
        made = mac_ecb(key, block) if dialect is UNIONPAY else mac_x919(key, block).hex()[:MAC_CHARS].upper()
    except KeyRefused as refused:
        raise BadInput(f"the MAC key does not fit: {refused}") from None
    return "valid" if same_mac(made, body[-MAC_BYTES:].decode("latin-1")) else "invalid"


def as_json(explained: Explained) -> dict[str, Any]:
    """What other tools read. `parts` has a list for each field that has sub-fields, and for what stands before them."""
    return {
        "mti": explained.message.mti,
        "bitmap": explained.bitmap,
        "fields": {str(view.number): view.value for view in explained.fields},
        "parts": {
            str(view.number or view.name): [part._asdict() for part in view.parts]
            for view in (*explained.head, *explained.fields)
            if view.parts
        },
        "mac": explained.mac,
    }


def print_explained(explained: Explained) -> None:
    """A table for a person: where each field lies, what it is, its value and parts, its bytes."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("byte", justify="right", no_wrap=True)
    table.add_column("field", justify="right", no_wrap=True)
    for column in ("name", "value"):
        table.add_column(column, overflow="fold")
    table.add_column("bytes", overflow="fold", max_width=BYTES_SHOWN_MAX, style="dim")
    for view in (*explained.head, *explained.fields):
        table.add_row(
            str(view.offset), str(view.number or ""), view.name, Text(_value(view)), Text(_shortened(view.hex))
        )
    console = person()
    console.print(table)
    console.print(f"MAC: {explained.mac}")


def _value(view: FieldView) -> str:
    match view.parts:
        case [only] if only.value == view.value:
            return _with_meaning(only.value, only.meaning)
        case parts:
            told = (f"{part.name}: {_with_meaning(part.value, part.meaning)}" for part in parts if part.value)
            return "\n  ".join([_beginning(view.value) if parts else view.value, *told])


def _beginning(value: str) -> str:
    """Of a long value, what fits a line: its parts tell the rest."""
    shown = 2 * BYTES_SHOWN_MAX
    return value if len(value) <= shown else f"{value[:shown]}…"


def _with_meaning(value: str, meaning: str) -> str:
    return f"{value} ({meaning})" if meaning else value


def _shortened(digits: str) -> str:
    shown = 2 * BYTES_SHOWN_MAX
    return digits if len(digits) <= shown else f"{digits[:shown]}… {len(digits) // 2} bytes"
