"""Which hold is meant, and what is said of the nearest when none is."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import to_us, zone
from holdfast.domain.commands import Original
from holdfast.domain.originals import CANDIDATES_MAX, Match, match, normal_code
from holdfast.domain.records import Hold

HOTEL, OTHER = "102100070110001", "102100070110002"
ZONE = "Asia/Shanghai"
NOW_US = to_us(datetime(2027, 1, 3, 12, 0, tzinfo=zone()))


def hold(number: int, **changed: object) -> Hold:
    row = Hold(
        f"A-{number:06d}", 1, "held", "[]", "token1", "622000******0019", "01020000", HOTEL, "T0000001", "123456",
        "000001", f"{number:06d}", NOW_US + number, "2026-12-30", NOW_US, 500_00, 0,
    )  # fmt: skip
    return row._replace(**changed)  # type: ignore[arg-type]


def matched(holds: list[Hold], code: str = "123456", mmdd: str = "1230", trace: str = "0" * 12) -> Match:
    original = Original(code, trace[:6], trace[6:], mmdd)
    return match(holds, original, "token1", "622000******0019", HOTEL, NOW_US, ZONE)


@pytest.mark.parametrize(
    ("code", "normal"),
    [
        ("123456", "123456"),
        ("123", "000123"),
        ("000123", "000123"),
        ("123   ", "000123"),
        ("  123 ", "000123"),
        ("a1b2c3", "A1B2C3"),
        ("0", "000000"),
        ("000000", "000000"),
        ("", ""),
        ("      ", ""),
    ],
)
def test_codes_lose_their_padding(code: str, normal: str) -> None:
    assert normal_code(code) == normal


@given(st.text("0123456789ABCDEFabcdef", min_size=1, max_size=6))
def test_a_code_is_one_however_it_is_padded(code: str) -> None:
    assert (
        normal_code(code) == normal_code(code.ljust(6)) == normal_code(code.rjust(6, "0")) == normal_code(code.lower())
    )
    assert normal_code(normal_code(code)) == normal_code(code)
    assert len(normal_code(code)) == 6


def test_card_merchant_code_and_date_name_it() -> None:
    others = [
        hold(2, token="token2"),
        hold(3, merchant_id=OTHER),
        hold(4, authorization_code="654321"),
        hold(5, placed_on="2026-12-29"),
        hold(6, placed_on="2025-12-30"),
    ]
    assert matched([*others, hold(1)]).hold == hold(1)
    assert matched(others).hold is None


@pytest.mark.parametrize("mmdd", ["", "0000", "1332", "0230", "12", "abcd", "0104", "0105"])
def test_a_date_that_is_none_or_not_his(mmdd: str) -> None:
    found = matched([hold(1)], mmdd=mmdd)
    assert found.hold is None
    assert found.near[0].differs == (("date", mmdd, "1230"),)


def test_the_newest_fits_unless_batch_and_trace_name_another() -> None:
    holds = [hold(1), hold(3), hold(2)]
    assert matched(holds).hold == hold(3)
    assert matched(holds, trace="000001000002").hold == hold(2)
    assert matched(holds, trace="000002000002").hold == hold(3)


def test_the_nearest_are_named_first_and_only_so_many() -> None:
    far = hold(9, token="token2", merchant_id=OTHER, authorization_code="999999")
    two = hold(8, merchant_id=OTHER, authorization_code="999999")
    one = [hold(number, authorization_code="999999") for number in (1, 2, 3, 4)]
    found = matched([far, two, *one])
    assert [miss.hold_id for miss in found.near] == ["A-000004", "A-000003", "A-000002"]
    assert len(found.near) == CANDIDATES_MAX
    assert found.reason == "nearest hold A-000004: authorization code is 999999, not 123456"
    found = matched([far, two])
    assert [miss.hold_id for miss in found.near] == ["A-000008"], "what differs in three things is no near miss"
    assert matched([far]) == Match(None, (), matched([]).reason)


def test_a_near_miss_is_told_as_facts() -> None:
    (miss,) = matched([hold(1)], code="", mmdd="1231").near
    assert miss.as_facts() == {
        "hold": "A-000001",
        "differs": [["authorization code", "", "123456"], ["date", "1231", "1230"]],
    }


@given(st.lists(st.integers(1, 30), max_size=12), st.randoms())
def test_the_answer_does_not_depend_on_the_order_of_the_look_up(numbers: list[int], dice: object) -> None:
    holds = [hold(n, authorization_code="123456" if n % 3 else "999999") for n in numbers]
    shuffled = list(holds)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert matched(holds) == matched(shuffled)
