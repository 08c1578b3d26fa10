"""The codec, field by field: slow, complete, and the definition of what is right.

Every message that is refused is refused here, so that the sentence can name the field, the byte and the reason. The
compiled codec (compiled.py) only repeats what this one does with good messages, and gives up to it at the least doubt.
What is accepted is canonical: a message that was read and is written again has the same bytes. (One exception: an ASCII
track may separate with D, which is written as "=".)
"""

from collections.abc import Iterable
from typing import NamedTuple

from holdfast.errors import WireError
from holdfast.wire.dialect import Dialect, Field
from holdfast.wire.header import with_processing_request
from holdfast.wire.message import Message

_DECIMAL = frozenset("0123456789")
_TRACK = frozenset("0123456789ABCDEF=")
_HEX = frozenset("0123456789ABCDEF")


class Placed(NamedTuple):
    """A field's value and where it lies in the body: bytes `start` to `end`, a length prefix before `value_start`."""

    field: Field
    start: int
    value_start: int
    end: int
    value: str | bytes


def read_message(dialect: Dialect, body: bytes) -> Message:
    """The message that a whole frame body is; WireError when it is none of the dialect."""
    mti, placed = read_placed(dialect, body)
    fields = {each.field.number: each.value for each in placed}
    tpdu_bytes = len(dialect.tpdu)
    return Message(mti, fields, body, body[:tpdu_bytes], body[tpdu_bytes : dialect.mti_at])


def read_placed(dialect: Dialect, body: bytes) -> tuple[str, list[Placed]]:
    """The MTI and every field with its place, in ascending order; WireError as for read_message."""
    _take(body, 0, dialect.mti_at, "header")
    raw = _take(body, dialect.mti_at, dialect.bitmap_at - dialect.mti_at, "mti")
    mti = _bcd(raw, dialect.mti_at, "mti") if dialect.packed else _digits(raw, dialect.mti_at, "mti")
    numbers, at = _read_bitmap(dialect, body)
    placed: list[Placed] = []
    for number in numbers:
        placed.append(_read_field(dialect, dialect.fields[number], body, at))
        at = placed[-1].end
    if at != len(body):
        raise WireError("message", at, f"{len(body) - at} bytes after the last field")
    return mti, placed


def write_message(dialect: Dialect, message: Message) -> bytes:
    """The body of a message; WireError (byte 0) naming the field whose value does not fit its row."""
    tpdu, header = message.tpdu or dialect.tpdu, message.header or dialect.header
    if message.processing_request:
        header = with_processing_request(header, message.processing_request)
    if len(tpdu) != len(dialect.tpdu) or len(header) != len(dialect.header):
        raise WireError("header", 0, f"{len(tpdu)} and {len(header)} bytes are not the lengths of {dialect.name}")
    if len(message.mti) != 4 or not _DECIMAL.issuperset(message.mti):
        raise WireError("mti", 0, "not four digits")
    parts = [tpdu, header, bytes.fromhex(message.mti) if dialect.packed else message.mti.encode()]
    for number in message.fields:
        if number not in dialect.fields:
            raise WireError(number, 0, "not in our dialect")
    parts.append(bitmap_of(dialect, message.fields))
    for number, value in sorted(message.fields.items()):
        parts.append(_write_field(dialect, dialect.fields[number], value))
    return b"".join(parts)


def bitmap_of(dialect: Dialect, numbers: Iterable[int]) -> bytes:
    """The bitmap that announces these fields, in the dialect's encoding."""
    bits = sum(1 << (128 - number) for number in numbers)
    wide = bits & (1 << 64) - 1 != 0
    raw = (bits | 1 << 127).to_bytes(16, "big") if wide else bits.to_bytes(16, "big")[:8]
    return raw if dialect.bitmap == "binary" else raw.hex().upper().encode()


def fields_of(dialect: Dialect, bitmap: bytes) -> list[int]:
    """The numbers that a well-formed bitmap (one or two halves, in the dialect's encoding) announces, without 1."""
    raw = bitmap if dialect.bitmap == "binary" else bytes.fromhex(bitmap.decode())
    bits = int.from_bytes(raw.ljust(16, b"\0"), "big")
    first = 2 if dialect.wide else 1
    return [number for number in range(first, 129) if bits >> (128 - number) & 1]


def _read_bitmap(dialect: Dialect, body: bytes) -> tuple[list[int], int]:
    at, size = dialect.bitmap_at, dialect.bitmap_bytes
    bitmap = _take_bitmap(dialect, body, at)
    if dialect.wide and bitmap[:1] >= (b"\x80" if dialect.bitmap == "binary" else b"8"):
        second = _take_bitmap(dialect, body, at + size)
        if not second.strip(b"\0" if dialect.bitmap == "binary" else b"0"):
            raise WireError("bitmap", at + size, "a second half that announces nothing")
        bitmap += second
    numbers = fields_of(dialect, bitmap)
    for number in numbers:
        if number not in dialect.fields:
            raise WireError(number, at + (number - 1) * size // 64, "not in our dialect")
    return numbers, at + len(bitmap)


def _take_bitmap(dialect: Dialect, body: bytes, at: int) -> bytes:
    half = _take(body, at, dialect.bitmap_bytes, "bitmap")
    if dialect.bitmap == "hex":
        for offset, byte in enumerate(half):
            if chr(byte) not in _HEX:
                raise WireError("bitmap", at + offset, f"byte {byte:02X} is not an upper-case hex digit")
    return half


def _read_field(dialect: Dialect, field: Field, body: bytes, start: int) -> Placed:
    length, at = field.length, start
    if field.prefix:
        size = (field.prefix + 1) // 2 if dialect.packed else field.prefix
        raw = _take(body, start, size, field.number)
        length = int(_bcd(raw, start, field.number) if dialect.packed else _digits(raw, start, field.number))
        if length > field.length:
            raise WireError(field.number, start, f"length {length} is over {field.length}")
        at = start + size
    size = (length + 1) // 2 if field.encoding in ("bcd", "track") else length
    raw = _take(body, at, size, field.number)
    return Placed(field, start, at, at + size, _read_value(field, raw, length, at))


def _read_value(field: Field, raw: bytes, length: int, at: int) -> str | bytes:
    number = field.number
    match field.encoding:
        case "binary":
            return raw
        case "bcd":
            return _without_filler(field, _bcd(raw, at, number), length, at)
        case "track":
            return _without_filler(field, raw.hex().upper(), length, at).replace("D", "=")
        case "digits":
            return _digits(raw, at, number)
        case "ascii-track":
            return _characters(raw, at, number, _TRACK, "a digit or a separator").replace("D", "=")
        case "ascii" | "gbk":
            text = _text(field, raw, at)
            return text.rstrip(" ") if field.pad == "right" and not field.prefix else text


def _take(body: bytes, at: int, size: int, what: int | str) -> bytes:
    raw = body[at : at + size]
    if len(raw) != size:
        raise WireError(what, at, f"{len(raw)} bytes left, {size} needed")
    return raw


def _bcd(raw: bytes, at: int, what: int | str) -> str:
    digits = raw.hex()
    for offset, nibble in enumerate(digits):
        if nibble not in _DECIMAL:
            raise WireError(what, at + offset // 2, f"nibble {nibble.upper()} is not a decimal digit")
    return digits


def _digits(raw: bytes, at: int, what: int | str) -> str:
    return _characters(raw, at, what, _DECIMAL, "a decimal digit")


def _characters(raw: bytes, at: int, what: int | str, allowed: frozenset[str], name: str) -> str:
    for offset, byte in enumerate(raw):
        if chr(byte) not in allowed:
            raise WireError(what, at + offset, f"byte {byte:02X} is not {name}")
    return raw.decode()


def _without_filler(field: Field, nibbles: str, length: int, at: int) -> str:
    """The value without the nibble that fills up an odd length, which must be 0 so that bytes and value agree."""
    if len(nibbles) == length:
        return nibbles
    left = field.pad == "left"
    if nibbles[0 if left else -1] != "0":
        raise WireError(field.number, at if left else at + len(nibbles) // 2 - 1, "the filling nibble is not 0")
    return nibbles[1:] if left else nibbles[:-1]


def _text(field: Field, raw: bytes, at: int) -> str:
    # Control characters are refused: nobody means them, and a NUL cannot be stored by every database.
    for offset, byte in enumerate(raw):
        if byte < 0x20 or byte == 0x7F or (byte > 0x7F and field.encoding == "ascii"):
            raise WireError(field.number, at + offset, f"byte {byte:02X} is not printable {field.encoding.upper()}")
    try:
        return raw.decode(field.encoding)
    except UnicodeDecodeError as error:
        offset = error.start
        raise WireError(field.number, at + offset, f"byte {raw[offset]:02X} begins no GBK character") from None


def _write_field(dialect: Dialect, field: Field, value: str | bytes) -> bytes:
    raw, length = _write_value(field, value)
    if field.prefix:
        if length > field.length:
            raise WireError(field.number, 0, f"length {length} is over {field.length}")
        prefix = str(length).zfill(field.prefix)
        return (bytes.fromhex(prefix.zfill((field.prefix + 1) // 2 * 2)) if dialect.packed else prefix.encode()) + raw
    if length > field.length or (length < field.length and not _may_be_short(field)):
        raise WireError(field.number, 0, f"length {length} is not {field.length}")
    return raw.ljust(field.length) if _may_be_short(field) else raw


def _may_be_short(field: Field) -> bool:
    return field.pad == "right" and field.encoding in ("ascii", "gbk")


def _write_value(field: Field, value: str | bytes) -> tuple[bytes, int]:
    """The value's bytes and the length that its row counts."""
    if field.encoding == "binary":
        if not isinstance(value, bytes):
            raise WireError(field.number, 0, "bytes expected, not text")
        return value, len(value)
    if not isinstance(value, str):
        raise WireError(field.number, 0, "text expected, not bytes")
    match field.encoding:
        case "ascii" | "gbk":
            raw = _encoded(field, value)
            return raw, len(raw)
        case "bcd" | "digits":
            allowed, what, text = _DECIMAL, "not only decimal digits", value
        case "track" | "ascii-track":
            allowed, what, text = _TRACK, "not only digits and separators", value.replace("D", "=")
    if not allowed.issuperset(text):
        raise WireError(field.number, 0, what)
    if field.encoding in ("digits", "ascii-track"):
        return text.encode(), len(text)
    nibbles = text.replace("=", "D")
    if len(text) % 2:
        nibbles = "0" + nibbles if field.pad == "left" else nibbles + "0"
    return bytes.fromhex(nibbles), len(text)


def _encoded(field: Field, text: str) -> bytes:
    try:
        raw = text.encode(field.encoding)
    except UnicodeEncodeError:
        raise WireError(field.number, 0, f"not {field.encoding.upper()} text") from None
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise WireError(field.number, 0, f"not printable {field.encoding.upper()} text")
    return raw
