"""DE48 of a batch: totals and details, to the digit."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.money import AMOUNT_MINOR_MAX
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.settlement import (
    COUNT_MAX,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_details,
    pack_end,
    pack_totals,
    parse_details,
    parse_end,
    parse_totals,
)

PAN = "6200000000000018"
NONE = ClassTotals()

AMOUNTS = st.integers(0, AMOUNT_MINOR_MAX)
COUNTS = st.integers(0, COUNT_MAX)
CLASS_TOTALS = st.builds(ClassTotals, AMOUNTS, COUNTS, AMOUNTS, COUNTS, st.sampled_from("0123"))
DETAILS = st.builds(
    Detail,
    st.sampled_from(CardClass),
    st.text("0123456789", min_size=6, max_size=6),
    st.integers(10**11, 10**19 - 1).map(str),
    AMOUNTS,
)


def test_totals_as_they_lie_in_the_field() -> None:
    asked = Totals(ClassTotals(46050, 2, 1000, 1), ClassTotals(debit_amount_minor=99, debit_count=1))
    text = "000000046050" + "002" + "000000001000" + "001" + "0" + "000000000099" + "001" + "000000000000" + "000" + "0"
    assert pack_totals(asked) == text
    assert parse_totals(text) == asked
    answered = pack_totals(Totals(asked.domestic._replace(reply="1"), asked.foreign._replace(reply="2")))
    assert (answered[30], answered[61]) == ("1", "2")


def test_details_as_they_lie_in_the_field() -> None:
    details = [
        Detail(CardClass.DOMESTIC, "000123", PAN, 46050),
        Detail(CardClass.FOREIGN, "000124", "4000000000000002", 1),
    ]
    text = "02" + "00" + "000123" + "00006200000000000018" + "000000046050"
    text += "01" + "000124" + "00004000000000000002" + "000000000001"
    assert pack_details(details) == text
    assert parse_details(text) == details
    assert (pack_end(7), parse_end("0007")) == ("0007", 7)


@given(st.builds(Totals, CLASS_TOTALS, CLASS_TOTALS))
def test_totals_are_read_as_they_were_written(totals: Totals) -> None:
    text = pack_totals(totals)
    assert len(text) == 62
    assert parse_totals(text) == totals


@given(st.lists(DETAILS, min_size=1, max_size=8))
def test_details_are_read_as_they_were_written(details: list[Detail]) -> None:
    text = pack_details(details)
    assert len(text) <= UNIONPAY.fields[48].length
    assert parse_details(text) == details


@pytest.mark.parametrize(
    "again",
    [
        lambda text: pack_totals(parse_totals(text)),
        lambda text: pack_details(parse_details(text)),
        lambda text: pack_end(parse_end(text)),
    ],
    ids=["totals", "details", "end"],
)
@given(text=st.one_of(st.text("0123456789", max_size=70), st.text("01", min_size=42, max_size=42), st.text(max_size=5)))
def test_any_text_is_read_to_its_last_digit_or_refused(again: Callable[[str], str], text: str) -> None:
    try:
        written = again(text)
    except WireError:
        return
    assert written == text


@pytest.mark.parametrize(
    ("totals", "sentence"),
    [
        (Totals(ClassTotals(debit_count=1000), NONE), "12: domestic debit count 1000 does not fit 3 digits"),
        (Totals(ClassTotals(credit_count=1000), NONE), "27: domestic credit count 1000 does not fit 3 digits"),
        (Totals(NONE, ClassTotals(credit_count=1000)), "58: foreign credit count 1000 does not fit 3 digits"),
        (Totals(NONE, ClassTotals(10**12)), "31: foreign debit amount 1000000000000 does not fit 12 digits"),
        (Totals(ClassTotals(-1), NONE), "0: domestic debit amount -1 does not fit 12 digits"),
        (Totals(ClassTotals(reply="4"), NONE), "30: domestic reply flag '4' is none of 0 to 3"),
        (Totals(NONE, ClassTotals(reply="")), "61: foreign reply flag '' is none of 0 to 3"),
    ],
)
def test_totals_that_do_not_fit_are_never_cut(totals: Totals, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        pack_totals(totals)
    assert str(caught.value) == f"field 48 at byte {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "0: not only decimal digits"),
        ("0" * 61, "0: 61 digits are not the 62 of totals"),
        ("0" * 61 + "x", "61: not only decimal digits"),
        ("0" * 30 + "4" + "0" * 31, "30: reply flag 4 is none of 0 to 3"),
        ("0" * 61 + "9", "61: reply flag 9 is none of 0 to 3"),
    ],
)
def test_what_is_no_totals(text: str, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_totals(text)
    assert str(caught.value) == f"field 48 at byte {sentence}"


GOOD = Detail(CardClass.DOMESTIC, "000123", PAN, 46050)


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ([], "0: 0 details are not 1 to 8"),
        ([GOOD] * 9, "0: 9 details are not 1 to 8"),
        ([GOOD._replace(trace="123")], "4: the trace is not six digits"),
        ([GOOD, GOOD._replace(pan="62000")], "50: the card number is not 12 to 19 digits"),
        ([GOOD._replace(pan="0200000000000018")], "10: the card number is not 12 to 19 digits"),
        ([GOOD._replace(amount_minor=10**12)], "30: amount 1000000000000 does not fit 12 digits"),
    ],
)
def test_what_is_no_detail_is_not_written(details: list[Detail], sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        pack_details(details)
    assert str(caught.value) == f"field 48 at byte {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1", "0: count 1 is not 01 to 08"),
        ("00", "0: count 00 is not 01 to 08"),
        ("09" + "0" * 360, "0: count 09 is not 01 to 08"),
        ("02" + "0" * 40, "2: 40 digits are not 02 times 40"),
        ("01" + "02" + "000123" + PAN.zfill(20) + "0" * 12, "2: card class 02 is neither 00 nor 01"),
        ("01" + "00" + "000123" + "6" * 20 + "0" * 12, "10: the card number is not 12 to 19 digits"),
        ("01" + "00" + "000123" + "0" * 32, "10: the card number is not 12 to 19 digits"),
    ],
)
def test_what_is_no_details(text: str, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_details(text)
    assert str(caught.value) == f"field 48 at byte {sentence}"


@pytest.mark.parametrize("count", [-1, 10_000])
def test_an_end_counts_with_four_digits(count: int) -> None:
    with pytest.raises(WireError, match=f"field 48 at byte 0: details {count} does not fit 4 digits"):
        pack_end(count)


def test_a_detail_shows_no_card() -> None:
    assert PAN not in repr([GOOD])
