"""Which hold is meant, and what is said of the nearest when none is."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import to_us, zone
from holdfast.domain.commands import Original
from holdfast.domain.hold import Act, Acts, InForce, Terms, dump, fold
from holdfast.domain.originals import CANDIDATES_MAX, Given, Match, match, match_posting, normal_code
from holdfast.domain.records import Hold

HOTEL, OTHER = "102100070110001", "102100070110002"
ZONE = "Asia/Shanghai"
NOW_US = to_us(datetime(2027, 1, 3, 12, 0, tzinfo=zone()))


def hold(number: int, **changed: object) -> Hold:
    row = Hold(
        f"A-{number:06d}", 1, "held", "[]", "token1", "622000******0019", "01020000", HOTEL, "T0000001", "123456",
        "000001", f"{number:06d}", NOW_US + number, "2026-12-30", NOW_US, 500_00, 0, 0,
    )  # fmt: skip
    return row._replace(**changed)  # type: ignore[arg-type]


def living(number: int, *acts: InForce, **changed: object) -> Hold:
    return hold(number, acts=dump(acts), state=fold(acts).state.value, **changed)


def given_of(
    code: str = "123456",
    mmdd: str = "1230",
    trace: str = "0" * 12,
    rrn: str = "",
    any_merchant: bool = False,
    any_date: bool = False,
) -> Given:
    original = Original(code, trace[:6], trace[6:], mmdd, rrn)
    return Given(original, "token1", "622000******0019", HOTEL, NOW_US, ZONE, any_merchant, any_date)


def matched(holds: list[Hold], code: str = "123456", mmdd: str = "1230", trace: str = "0" * 12) -> Match:
    return match(holds, given_of(code, mmdd, trace))


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


def test_of_several_the_one_that_stands_is_meant() -> None:
    holds = [hold(1), hold(2, state="completed")]
    assert matched(holds).hold == hold(1)
    assert matched(holds, trace="000001000002").hold == hold(2, state="completed"), "unless the trace names another"


def test_where_rules_say_so_neither_merchant_nor_date_counts() -> None:
    elsewhere = hold(1, merchant_id=OTHER, placed_on="2026-12-01")
    assert match([elsewhere], given_of(any_merchant=True)).hold is None
    assert match([elsewhere], given_of(any_date=True)).hold is None
    assert match([elsewhere], given_of(any_merchant=True, any_date=True)).hold == elsewhere


PLACE: InForce = InForce(Act.PLACE, "A-000001", 500_00, Terms(code="123456", on="2026-12-30"))
MORE = InForce(Act.INCREASE, "A-000002", 200_00, Terms(code="654321", on="2027-01-02"))


@pytest.mark.parametrize(("code", "mmdd"), [("123456", "1230"), ("654321", "0102"), ("654321", "1230")])
def test_a_hold_has_the_codes_and_dates_of_all_its_slips(code: str, mmdd: str) -> None:
    increased = living(1, PLACE, MORE, authorization_code="654321")
    assert matched([increased], code, mmdd).hold == increased
    assert matched([increased], "111111", mmdd).hold is None
    assert matched([increased], code, "0101").hold is None


# --- postings -----------------------------------------------------------------------------------------------------

POSTED = InForce(Act.COMPLETE_PART, "A-000007", 300_00, Terms(on="2027-01-02", batch_id="T0000001/000001"))
AGAIN = POSTED._replace(by="A-000008")
VOIDED = InForce(Act.REOPEN, "A-000009", 300_00)
SOLD = InForce(Act.SELL, "A-000001", 80_00, Terms(code="123456", on="2027-01-02"))

POSTINGS: list[tuple[Acts, str, str | None, str | None]] = [
    ((PLACE, POSTED), "A00000000007", None, "A-000007"),
    ((PLACE, POSTED), "", "A-000007", "A-000007"),
    ((PLACE, POSTED), "", None, "A-000007"),
    ((SOLD,), "", None, "A-000001"),
    ((PLACE, POSTED, AGAIN), "A00000000007", None, "A-000007"),
    ((PLACE, POSTED, AGAIN), "", None, "A-000008"),  # named by the code alone, it is the last that stands
    ((PLACE, POSTED, VOIDED), "A00000000007", None, "A-000007"),  # found, and refused with its own reason
    ((PLACE, POSTED, VOIDED), "", None, None),
    ((PLACE, POSTED), "A00000000007", "A-000008", "A-000007"),
    ((PLACE, POSTED, AGAIN), "A00000000007", "A-000008", None),  # names two
    ((PLACE, POSTED), "A00000000001", None, None),  # names the pre-authorization
    ((PLACE, POSTED), "X99999999999", None, None),
    ((PLACE,), "", None, None),
]


@pytest.mark.parametrize(("acts", "rrn", "own_entry", "named"), POSTINGS)
def test_a_posting_is_named_by_reference_or_trace_or_code(
    acts: Acts, rrn: str, own_entry: str | None, named: str | None
) -> None:
    row = living(1, *acts)
    found = match_posting([row], given_of(rrn=rrn), own_entry)
    assert (found.posting.by if found.posting else None) == named
    assert found.hold == (row if named else None)
    assert (found.reason is None) == (named is not None)


def test_a_posting_of_another_card_or_merchant_is_none() -> None:
    for changed in ({"token": "token2"}, {"merchant_id": OTHER}):
        found = match_posting([living(1, PLACE, POSTED, **changed)], given_of(rrn="A00000000007"), "A-000007")
        assert (found.hold, found.posting) == (None, None)
        assert found.reason is not None
        assert found.reason.startswith("no posting of this card at this merchant is named")


def test_a_code_that_two_postings_share_names_neither() -> None:
    two = [living(1, SOLD), living(2, SOLD._replace(by="A-000002"))]
    found = match_posting(two, given_of(), None)
    assert found.hold is None
    assert found.reason is not None
    assert found.reason.startswith("several postings are named")
    assert match_posting(two, given_of(rrn="A00000000002"), None).hold == two[1]


@given(st.lists(st.integers(1, 30), max_size=12), st.randoms())
def test_the_answer_does_not_depend_on_the_order_of_the_look_up(numbers: list[int], dice: object) -> None:
    holds = [hold(n, authorization_code="123456" if n % 3 else "999999") for n in numbers]
    shuffled = list(holds)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert matched(holds) == matched(shuffled)
