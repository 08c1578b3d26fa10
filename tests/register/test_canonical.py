"""One body, one run of bytes; anything else is refused."""

import json
from collections import OrderedDict
from enum import StrEnum

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RegisterBroken
from holdfast.register.canonical import DEPTH_MAX, INTEGER_MAX, INTEGER_MIN, decode_strict, encode, leaf_hash

values = st.recursive(
    st.text() | st.integers(INTEGER_MIN, INTEGER_MAX) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text().filter(lambda key: key != "v"), values, max_size=6)


class Colour(StrEnum):
    RED = "red"


def test_golden_bytes() -> None:
    body = {"kind": "pre-authorization", "amount": 50000, "merchant": "北京饭店", "parts": [1, {"z": True, "a": "ä"}]}
    assert encode(body).decode() == (
        '{"amount":50000,"kind":"pre-authorization","merchant":"北京饭店","parts":[1,{"a":"ä","z":true}],"v":1}'
    )
    assert leaf_hash(encode(body)).hex() == "dd6a38e70f841b55ca9101af0d65aa088272e88dcb02ba56239b3c9b51193563"


@given(bodies)
def test_what_is_encoded_is_decoded(body: dict[str, object]) -> None:
    assert decode_strict(encode(body)) == body


@given(bodies)
def test_order_of_keys_does_not_matter(body: dict[str, object]) -> None:
    assert encode(OrderedDict(reversed(body.items()))) == encode(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"a": None}, "field a: NoneType has no canonical form"),
        ({"a": 1.0}, "field a: float has no canonical form"),
        ({"a": {"b": [1, 2.5]}}, "field a.b.1: float has no canonical form"),
        ({"a": 2**63}, "field a: 9223372036854775808 is over 64 bits"),
        ({"a": -(2**63) - 1}, "field a: -9223372036854775809 is over 64 bits"),
        ({"a": b"x"}, "field a: bytes has no canonical form"),
        ({"a": (1, 2)}, "field a: tuple has no canonical form"),
        ({"a": Colour.RED}, "field a: Colour has no canonical form"),
        ({"v": 1}, "field v: reserved for the version of the encoding"),
    ],
)
def test_nothing_is_dropped_or_rounded(body: dict[str, object], says: str) -> None:
    with pytest.raises(TypeError) as refused:
        encode(body)
    assert str(refused.value) == says


def test_deep_nesting_is_refused_before_it_hurts() -> None:
    deep: dict[str, object] = {}
    for _ in range(DEPTH_MAX + 1):
        deep = {"a": deep}
    with pytest.raises(TypeError, match="nested deeper"):
        encode(deep)
    with pytest.raises(RegisterBroken):
        decode_strict(b'{"a":' * 5000 + b"1" + b"}" * 5000)


@pytest.mark.parametrize(
    "refused",
    [
        b'{"a":1,"a":2,"v":1}',
        b'{"a":2,"a":2,"v":1}',
        b'{"a": 1,"v":1}',
        b'{"a":1,"v":1}\n',
        b'\xef\xbb\xbf{"a":1,"v":1}',
        b'{"v":1,"a":1}',
        b'{"a":1.0,"v":1}',
        b'{"a":1e3,"v":1}',
        b'{"a":-0,"v":1}',
        b'{"a":null,"v":1}',
        b'{"a":18446744073709551615,"v":1}',
        b'{"a":99999999999999999999999,"v":1}',
        b'{"a":"\\u0041","v":1}',
        b'{"a":"\\/","v":1}',
        b'{"a":NaN,"v":1}',
        b'{"a":1}',
        b'{"a":1,"v":2}',
        b'{"a":1,"v":true}',
        b'{"a":1,"v":1.0}',
        b'[{"a":1,"v":1}]',
        b'{"a":"\xff","v":1}',
        b"",
    ],
)
def test_bytes_that_are_not_canonical_are_refused(refused: bytes) -> None:
    with pytest.raises(RegisterBroken):
        decode_strict(refused)


@given(bodies, st.data())
def test_no_other_bytes_decode_to_the_same_body(body: dict[str, object], draw: st.DataObject) -> None:
    canonical = encode(body)
    other = draw.draw(
        st.sampled_from(
            [
                json.dumps(orjson.loads(canonical)).encode(),
                orjson.dumps(orjson.loads(canonical), option=orjson.OPT_INDENT_2),
                canonical + b" ",
                canonical[:-1],
            ]
        )
    )
    with pytest.raises(RegisterBroken):
        decode_strict(other)
