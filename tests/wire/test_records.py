"""The text in which a terminal with a damaged journal asks for records, and is told them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.ids import entry_id, mask_pan
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.records import (
    FIELD,
    FIELD_BYTES_MAX,
    OUTCOMES,
    Asked,
    Record,
    Told,
    fitting,
    how_many_fit,
    pack_asked,
    pack_told,
    parse_asked,
    parse_told,
)
from tests.wire.test_describe import told as told_parts
from tests.wire.test_describe import views

POSITION, NEXT = "0000010000000000", "0000010001230100"
RECORD = Record(
    "0001230100",
    "pre-authorization",
    "approved",
    500_00,
    "00",
    "123456",
    "A00000000012",
    "A-000012",
    "20261122213405",
    "622000******0019",
    "01",
    "",
    "",
    "CUP",
)
TEXT = (
    b"HR1|0000010000000000|0000010001230100;0001230100|pre-authorization|approved|50000|00|123456|A00000000012|"
    b"A-000012|20261122213405|622000******0019|01|||CUP"
)
LARGEST = Record(
    "9999990400",
    "x" * 32,
    "tombstone",
    999_999_999_999,
    "A4",
    "######",
    "Z" * 12,
    "Z" * 20 + "-" + "9" * 18,
    "20991231235959",
    "622000*********0019",
    "99",
    "######",
    "9999999999990400",
    "CUP",
)

DIGITS = "0123456789"
STANS = st.text(DIGITS, min_size=6, max_size=6)
MTIS = st.sampled_from(["0100", "0200", "0220", "0400", "0500", "0000"])
POSITIONS = st.builds(lambda batch, stan, mti: batch + stan + mti, STANS, STANS, MTIS)
CODES = st.text(st.sampled_from([chr(code) for code in range(32, 127) if chr(code) not in ";|"]), max_size=6)
ENTRIES = st.builds(entry_id, st.sampled_from(["A", "QB", "Z9"]), st.integers(1, 10**12))
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
MOMENTS = st.builds(lambda day, at: f"{day:%Y%m%d}{at:%H%M%S}", DAYS, st.times())
CARDS = st.text(DIGITS, min_size=12, max_size=19).map(mask_pan)
RECORDS = st.builds(
    Record,
    st.builds(lambda stan, mti: stan + mti, STANS, MTIS),
    st.sampled_from(["pre-authorization", "completion", "reversal", "settlement"]),
    st.sampled_from(OUTCOMES),
    st.integers(0, 10**12 - 1),
    st.sampled_from(["", "00", "51", "A4"]),
    CODES,
    st.text("ABC" + DIGITS, max_size=12),
    st.one_of(st.just(""), ENTRIES),
    MOMENTS,
    st.one_of(st.just(""), CARDS),
    st.sampled_from(["", "01", "99"]),
    CODES,
    st.one_of(st.just(""), POSITIONS),
    st.sampled_from(["", "CUP", "VIS"]),
)


def test_what_it_looks_like() -> None:
    assert pack_asked(Asked(POSITION, 11, 12)) == b"HR1|0000010000000000|11|12"
    assert pack_told(Told(POSITION, NEXT, (RECORD,))) == TEXT
    assert pack_told(Told(POSITION, "", ())) == b"HR1|0000010000000000|"


@given(st.builds(Asked, POSITIONS, st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1)))
def test_a_question_is_read_as_it_was_written(asked: Asked) -> None:
    assert parse_asked(pack_asked(asked)) == asked


@given(POSITIONS, st.one_of(st.just(""), POSITIONS), st.lists(RECORDS, max_size=12))
def test_an_answer_is_read_as_it_was_written_and_fits_its_field(
    position: str, following: str, records: list[Record]
) -> None:
    fitting = tuple(records[: how_many_fit(records)])
    assert len(fitting) == len(records) or len(fitting) >= 2
    answer = Told(position, following, fitting)
    raw = pack_told(answer)
    assert parse_told(raw) == answer
    assert len(raw) <= FIELD_BYTES_MAX == UNIONPAY.fields[FIELD].length
    assert decode(UNIONPAY, encode(UNIONPAY, Message("0810", {FIELD: raw}))).get_bytes(FIELD) == raw
    for record in records[len(fitting) :][:1]:
        more = Told(position, POSITION, (*fitting, record))
        with pytest.raises(WireError):
            pack_told(more)


def test_even_the_largest_record_fits() -> None:
    assert how_many_fit([LARGEST] * 5) == 2
    pack_told(Told(POSITION, NEXT, (LARGEST, LARGEST)))


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for parse in (parse_asked, parse_told):
        with pytest.raises(WireError):
            parse(raw)


@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=2))
def test_what_is_read_is_written_in_the_same_way(at: int, other: bytes) -> None:
    changed = TEXT[:at] + other + TEXT[at + 1 :]
    try:
        answer = parse_told(changed)
    except WireError:
        return
    assert pack_told(answer) == changed


@pytest.mark.parametrize(
    "changes",
    [
        {"card": "6200000000000018"},
        {"card": "622000*0019"},
        {"named": "000123010"},
        {"named": "0001230101"},
        {"kind": "Pre-Authorization"},
        {"outcome": "perhaps"},
        {"amount_minor": -1},
        {"amount_minor": 10**12},
        {"response_code": "0"},
        {"authorization_code": "12|456"},
        {"authorization_code": "12;456"},
        {"authorization_code": "1234567"},
        {"register_entry": "A-12"},
        {"at": "20260231120000"},
        {"at": "20261122246000"},
        {"at": ""},
        {"operator": "terminal"},
        {"original": "000001000123"},
        {"scheme": "CUP\n"},
    ],
)
def test_a_record_that_is_none_is_neither_written_nor_read(changes: dict[str, object]) -> None:
    record = RECORD._replace(**changes)  # type: ignore[arg-type]
    with pytest.raises(WireError):
        pack_told(Told(POSITION, "", (record,)))
    raw = ";".join(("HR1|0000010000000000|", "|".join(map(str, record)))).encode()
    with pytest.raises(WireError):
        parse_told(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HR1",
        b"HR2|0000010000000000|0|0",
        b"HR1|0000010000000000|00|0",
        b"HR1|0000010000000000|0|0\n",
        b"HR1|0000010000000000|-1|0",
        b"HR1|000001000000000|0|0",
        "HR1|0000010000000000|٣|0".encode(),
    ],
)
def test_what_asks_for_nothing(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse_asked(raw)


def test_a_question_out_of_form_is_not_written() -> None:
    for asked in (Asked("", 0, 0), Asked(POSITION, -1, 0), Asked(POSITION, 0, 10**18)):
        with pytest.raises(WireError):
            pack_asked(asked)
    with pytest.raises(WireError):
        pack_told(Told(POSITION, "1", ()))


ANY = st.text(max_size=12)


@given(st.tuples(*[st.one_of(ANY, st.just(str(value))) for value in RECORD]), st.integers())
def test_whatever_a_record_says_it_is_told_as_far_as_it_has_its_form(
    values: tuple[str, ...], amount_minor: int
) -> None:
    record = Record(*values)._replace(amount_minor=amount_minor)  # type: ignore[arg-type]
    told = fitting(record)
    if told is None:
        needed = record._replace(
            response_code="", authorization_code="", rrn="", register_entry="",
            card="", operator="", original_code="", original="", scheme="",
        )  # fmt: skip
        assert fitting(needed) is None
        return
    assert parse_told(pack_told(Told(POSITION, "", (told,)))).records == (told,)
    assert all(value in ("", said) for value, said in zip(told, record, strict=True))


@given(RECORDS)
def test_what_has_its_form_is_told_as_it_is(record: Record) -> None:
    assert fitting(record) == record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_code", "e1"),
        ("response_code", "5 "),
        ("response_code", "*1"),
        ("operator", "*1"),
        ("operator", "1-"),
        ("operator", "terminal"),
        ("authorization_code", "12|456"),
        ("authorization_code", "12;456"),
        ("authorization_code", "1234567"),
        ("original_code", "1|3"),
        ("card", "6200000000000018"),
        ("rrn", "A 0000000012"),
        ("scheme", "visa"),
    ],
)
def test_a_value_that_has_not_its_form_is_left_out_and_the_rest_is_told(name: str, value: str) -> None:
    assert fitting(RECORD._replace(**{name: value})) == RECORD._replace(**{name: ""})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"kind": "Sale"}, {"outcome": "x"}, {"amount_minor": -1}, {"at": "19700101000000"}, {"named": "1"}]
)
def test_without_what_must_be_there_nothing_can_be_told(changes: dict[str, object]) -> None:
    assert fitting(RECORD._replace(**changes)) is None  # type: ignore[arg-type]


def test_it_is_explained_and_its_bytes_are_hidden() -> None:
    question = views(UNIONPAY, Message("0800", {FIELD: b"HR1|0000010001230100|11|12"}))[FIELD]
    assert told_parts(question) == [
        "after: batch 000001, trace 000123, message type 0100",
        "since entry: 11",
        "entries kept: 12",
    ]
    answer = views(UNIONPAY, Message("0810", {FIELD: TEXT}))[FIELD]
    assert answer.value == f"secret, {len(TEXT)} bytes"
    assert told_parts(answer)[2:8] == [
        "1 trace: 000123",
        "1 message type: 0100",
        "1 kind: pre-authorization",
        "1 outcome: approved",
        "1 amount: 50000 500.00",
        "1 card number: 622000******0019",
    ]
