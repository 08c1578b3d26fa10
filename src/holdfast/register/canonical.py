"""One canonical encoding of a log entry, because a leaf hash is only as good as the certainty of its bytes.

Rule 1: two bodies that are equal encode to the same bytes, and no other bytes decode to that body.
Rule 2: nothing is dropped, rounded or added silently. None, floats and integers over 64 bits are refused.
Rule 3: the encoding carries its version (`"v":1`), so that a later encoding can never be mistaken for this one.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import orjson

from holdfast.errors import RegisterBroken

ENCODING_VERSION = 1
VERSION_KEY = "v"
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DEPTH_MAX = 16
"""An entry is two or three levels deep; the limit keeps hostile nesting from exhausting the stack."""


def encode(body: Mapping[str, object]) -> bytes:
    """The canonical bytes: UTF-8 JSON, keys sorted, no spaces. TypeError names the field that has no canonical form."""
    if VERSION_KEY in body:
        raise TypeError(f"field {VERSION_KEY}: reserved for the version of the encoding")
    _refuse_odd_values(body.items(), "", DEPTH_MAX)
    return orjson.dumps({VERSION_KEY: ENCODING_VERSION, **body}, option=orjson.OPT_SORT_KEYS)


def decode_strict(canonical: bytes) -> dict[str, object]:
    """The body of these bytes; RegisterBroken for whatever `encode` would not have written byte for byte."""
    try:
        body = orjson.loads(canonical)
    except orjson.JSONDecodeError as error:
        raise RegisterBroken(f"entry is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise RegisterBroken("entry is not a JSON object")
    version = body.pop(VERSION_KEY, None)
    if version != ENCODING_VERSION:
        raise RegisterBroken(f"entry has encoding version {version!r}, this Holdfast reads {ENCODING_VERSION}")
    try:
        again = encode(body)
    except TypeError as error:
        raise RegisterBroken(f"entry is not canonical: {error}") from None
    if again != canonical:
        raise RegisterBroken("entry is not canonical: its order, spaces or repeated keys are not those of its encoding")
    return body


def leaf_hash(canonical: bytes) -> bytes:
    """The hash of one entry in the tree (RFC 6962): 32 bytes, prefixed so that a leaf is never taken for a node."""
    return sha256(b"\x00" + canonical).digest()


def _refuse_odd_values(items: Iterable[tuple[object, object]], path: str, depth_left: int) -> None:
    for key, value in items:
        # Exact types: a str or int subclass (an Enum, say) could be written in its own way.
        kind = type(value)
        if kind is str or kind is bool:
            continue
        if kind is int and INTEGER_MIN <= value <= INTEGER_MAX:  # type: ignore[operator]
            continue
        _refuse_odd_value(value, f"{path}{key}", depth_left)


def _refuse_odd_value(value: object, path: str, depth_left: int) -> None:
    if depth_left == 0:
        raise TypeError(f"field {path}: nested deeper than {DEPTH_MAX}")
    if type(value) is dict:
        _refuse_odd_values(value.items(), f"{path}.", depth_left - 1)
    elif type(value) is list:
        _refuse_odd_values(enumerate(value), f"{path}.", depth_left - 1)
    elif type(value) is int:
        raise TypeError(f"field {path}: {value} is over 64 bits")
    else:
        raise TypeError(f"field {path}: {type(value).__name__} has no canonical form")
