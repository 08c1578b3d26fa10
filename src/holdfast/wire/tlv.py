"""What lies in DE55: the data objects of a chip, in BER-TLV as EMV uses it (EMV Book 3, annex B).

Rule 1: all bytes are read or none; what cannot be read is a WireError that names DE55, the byte and the reason.
Rule 2: a template (71, 72, …) is one object with bytes inside; it is opened only by whoever asks, with `inside`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holdfast.errors import WireError

FIELD = 55
VALUE_BYTES_MAX = 0xFFFF
TAG_BYTES_MAX = 3
"""Two in EMV's own lists; contactless kernels also have tags of three."""

_SUBSEQUENT = 0x1F
_TEMPLATE = 0x20
_MORE = 0x80

NAMES = {
    "4F": "application identifier",
    "50": "application label",
    "57": "track 2 equivalent data",
    "5A": "card number",
    "5F20": "cardholder name",
    "5F24": "expiry date",
    "5F2A": "transaction currency",
    "5F34": "card sequence number",
    "71": "issuer script, before the final cryptogram",
    "72": "issuer script, after the final cryptogram",
    "82": "application interchange profile",
    "84": "dedicated file name",
    "86": "issuer script command",
    "89": "authorization code",
    "8A": "authorization response code",
    "91": "issuer authentication",
    "95": "terminal verification results",
    "9A": "transaction date",
    "9B": "transaction status",
    "9C": "transaction type",
    "9F02": "amount, authorized",
    "9F03": "amount, other",
    "9F06": "application identifier of the terminal",
    "9F09": "application version",
    "9F10": "issuer application data",
    "9F12": "application preferred name",
    "9F18": "issuer script identifier",
    "9F1A": "terminal country",
    "9F1E": "interface device serial number",
    "9F21": "transaction time",
    "9F26": "application cryptogram",
    "9F27": "cryptogram kind",
    "9F33": "terminal capabilities",
    "9F34": "cardholder verification results",
    "9F35": "terminal kind",
    "9F36": "application transaction counter",
    "9F37": "unpredictable number",
    "9F39": "entry mode",
    "9F41": "transaction sequence counter",
    "9F5D": "available offline spending amount",
    "9F63": "card product",
    "9F66": "terminal transaction qualifiers",
    "9F6C": "card transaction qualifiers",
    "9F6E": "form factor",
    "9F74": "issuer authorization code of electronic cash",
    "DF31": "issuer script results",
    "DF32": "chip serial number",
    "DF33": "session key data",
    "DF34": "reading time",
}
"""The tags that occur in DE55, in words."""

SECRET_TAGS = frozenset({"56", "57", "5A", "5F20", "5F24", "9F1F", "9F20", "9F6B"})
"""Tags that hold card number, track, expiry or name: none of these is ever shown."""


class Element(NamedTuple):
    """One data object: its tag in upper-case hex, its value, and the byte of DE55 at which the value begins."""

    tag: str
    value: bytes
    value_at: int

    @property
    def is_template(self) -> bool:
        """Whether the value consists of data objects itself."""
        return bool(int(self.tag[:2], 16) & _TEMPLATE)


def elements(packed: bytes) -> list[Element]:
    """The data objects in the order in which they lie, templates unopened; the same tag may come twice."""
    return _elements(packed, 0)


def inside(template: Element) -> list[Element]:
    """The data objects within a template; WireError where it is none."""
    if not template.is_template:
        raise WireError(FIELD, template.value_at, f"tag {template.tag} is no template")
    return _elements(template.value, template.value_at)


def parse(packed: bytes) -> dict[str, bytes]:
    """The value of each tag, templates unopened; WireError when a tag comes twice."""
    values: dict[str, bytes] = {}
    for tag, value, value_at in elements(packed):
        if tag in values:
            raise WireError(FIELD, value_at, f"tag {tag} comes twice")
        values[tag] = value
    return values


def pack(values: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """The bytes of data objects in the order given; WireError for a tag that is none, or a value over 65535 bytes."""
    pairs = values.items() if isinstance(values, Mapping) else values
    packed = bytearray()
    for tag, value in pairs:
        packed += _tag_bytes(tag, len(packed)) + _length_bytes(tag, len(value), len(packed)) + value
    return bytes(packed)


def _elements(packed: bytes, base: int) -> list[Element]:
    """Reads data objects; `base` is where `packed` begins within DE55."""
    found: list[Element] = []
    at = 0
    while at < len(packed):
        value_at = _tag_end(packed, at, base)
        tag = packed[at:value_at].hex().upper()
        length, value_at = _length(packed, value_at, base, tag)
        at = value_at + length
        if at > len(packed):
            left = len(packed) - value_at
            raise WireError(FIELD, base + value_at, f"tag {tag}: {left} bytes left, {length} needed")
        found.append(Element(tag, packed[value_at:at], base + value_at))
    return found


def _tag_end(packed: bytes, start: int, base: int) -> int:
    """The byte after the tag that begins at `start`."""
    if packed[start] in (0x00, 0xFF):
        raise WireError(FIELD, base + start, f"byte {packed[start]:02X} begins no tag")
    end = start + 1
    if packed[start] & _SUBSEQUENT == _SUBSEQUENT:
        while end < len(packed) and packed[end] & _MORE:
            end += 1
        end += 1
    if end > len(packed):
        raise WireError(FIELD, base + start, f"tag {packed[start:].hex().upper()} is cut off")
    if end - start > TAG_BYTES_MAX:
        raise WireError(FIELD, base + start, f"tag is over {TAG_BYTES_MAX} bytes long")
    return end


def _length(packed: bytes, at: int, base: int, tag: str) -> tuple[int, int]:
    """The length of the value, and the byte after the length."""
    if at == len(packed):
        raise WireError(FIELD, base + at, f"tag {tag} has no length")
    first = packed[at]
    if not first & _MORE:
        return first, at + 1
    bytes_n = first & ~_MORE
    if bytes_n not in (1, 2):
        raise WireError(FIELD, base + at, f"tag {tag}: {first:02X} begins no length")
    end = at + 1 + bytes_n
    if end > len(packed):
        raise WireError(FIELD, base + at, f"tag {tag}: its length is cut off")
    return int.from_bytes(packed[at + 1 : end]), end


def _tag_bytes(tag: str, at: int) -> bytes:
    try:
        packed = bytes.fromhex(tag)
        whole = _tag_end(packed, 0, at) == len(packed)
    except (ValueError, IndexError, WireError):
        whole = False
    if not whole or tag != packed.hex().upper():
        raise WireError(FIELD, at, f"{tag!r} is no tag")
    return packed


def _length_bytes(tag: str, length: int, at: int) -> bytes:
    if length < _MORE:
        return bytes((length,))
    if length > VALUE_BYTES_MAX:
        raise WireError(FIELD, at, f"tag {tag}: {length} bytes are over {VALUE_BYTES_MAX}")
    return bytes((_MORE | 1, length)) if length <= 0xFF else bytes((_MORE | 2,)) + length.to_bytes(2)
