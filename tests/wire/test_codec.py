"""What holds for every message and for any bytes, the plain way and the compiled way."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.wire import codec, compiled
from holdfast.wire.codec import COMPILE_AFTER, WAYS_MAX, decode, encode
from holdfast.wire.compiled import compile_reader, compile_writer
from holdfast.wire.dialect import ASCII_1987, DIALECTS, UNIONPAY, Dialect, Field
from holdfast.wire.framing import FRAME_BYTES_MAX
from holdfast.wire.message import Message
from holdfast.wire.plain import bitmap_of, fields_of, read_message, write_message

HEX_1987 = Dialect("hex-1987", b"", b"", False, "hex", True, 128, ASCII_1987.rows)
"""The same rows behind a bitmap in hex characters: that this needs no code is what "a dialect is data" means."""

BOTH = [UNIONPAY, ASCII_1987]
ALL = [*BOTH, HEX_1987]
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
CHINESE = PRINTABLE + "预授权完成冻结　银联"


def within_bytes(text: str, encoding: str, length: int) -> str:
    """The longest beginning of a text that fits."""
    while len(text.encode(encoding)) > length:
        text = text[:-1]
    return text


def values(row: Field) -> st.SearchStrategy[str | bytes]:
    """Values that fit a row, in the form in which they are read."""
    exact = not row.prefix and row.pad != "right"
    match row.encoding:
        case "binary":
            return st.binary(min_size=0 if row.prefix else row.length, max_size=row.length)
        case "bcd" | "digits":
            return st.text("0123456789", min_size=0 if row.prefix else row.length, max_size=row.length)
        case "track" | "ascii-track":
            return st.text("0123456789=ABCEF", max_size=row.length)
        case "gbk" | "ascii":
            text = st.text(
                CHINESE if row.encoding == "gbk" else PRINTABLE,
                min_size=row.length if exact else 0,
                max_size=row.length,
            ).map(lambda text: within_bytes(text, row.encoding, row.length))
            return text if exact or row.prefix else text.map(lambda text: text.rstrip(" "))


@st.composite
def messages(draw: st.DrawFn, dialect: Dialect) -> Message:
    numbers = draw(st.lists(st.sampled_from(sorted(dialect.fields)), unique=True, max_size=12))
    mti = draw(st.text("0123456789", min_size=4, max_size=4))
    tpdu = draw(st.binary(min_size=len(dialect.tpdu), max_size=len(dialect.tpdu)))
    header = draw(st.binary(min_size=len(dialect.header), max_size=len(dialect.header)))
    fields = {number: draw(values(dialect.fields[number])) for number in numbers}
    return Message(mti, fields, b"", tpdu, header)


@st.composite
def bent(draw: st.DrawFn, body: bytes, first: int) -> bytes:
    """A good body with a few bytes from `first` on replaced, left out or put in."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(first, max(first, len(body))))
        gone = draw(st.integers(0, 3))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + gone :]
    return body


def outcome(do: Callable[[Any], Any], given: Any) -> Any:
    """The result, or the fault as a value, so that two ways can be compared."""
    try:
        return do(given)
    except WireError as error:
        return error.field, error.byte, error.reason


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
@given(draw=st.data())
@settings(max_examples=80)
def test_a_message_is_read_as_it_was_written(dialect: Dialect, draw: st.DataObject) -> None:
    message = draw.draw(messages(dialect))
    body = encode(dialect, message)
    again = decode(dialect, body)
    assert (again.mti, again.fields, again.raw) == (message.mti, message.fields, body)
    assert (again.tpdu, again.header) == (message.tpdu, message.header)
    assert fields_of(dialect, bitmap_of(dialect, message.fields)) == sorted(message.fields)


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
@given(draw=st.data())
@settings(max_examples=120)
def test_any_bytes_are_a_message_or_a_wire_error(dialect: Dialect, draw: st.DataObject) -> None:
    body = draw.draw(
        st.one_of(
            st.binary(max_size=80),
            messages(dialect).map(lambda message: encode(dialect, message)).flatmap(lambda body: bent(body, 0)),
        )
    )
    read = outcome(lambda body: decode(dialect, body), body)
    if isinstance(read, Message):
        written = encode(dialect, read)
        # The bytes are canonical. Only an ASCII track may have come with D for its separator.
        assert written == body or (35 in read.fields and written.replace(b"=", b"D") == body.replace(b"=", b"D"))
    else:
        _, byte, reason = read
        assert 0 <= byte <= len(body)
        assert reason


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
@given(draw=st.data())
@settings(max_examples=120)
def test_the_compiled_reader_agrees_with_the_plain_one(dialect: Dialect, draw: st.DataObject) -> None:
    message = draw.draw(messages(dialect))
    body = write_message(dialect, message)
    read = compile_reader(dialect, sorted(message.fields))
    assert read(body) == read_message(dialect, body)
    # The bitmap stays: it is what chose this reader. All else may be wrong.
    other = draw.draw(bent(body, dialect.bitmap_at + len(bitmap_of(dialect, message.fields))))
    assert outcome(read, other) == outcome(lambda body: read_message(dialect, body), other)


@pytest.mark.parametrize("dialect", BOTH, ids=lambda dialect: dialect.name)
@given(draw=st.data())
@settings(max_examples=120)
def test_the_compiled_writer_agrees_with_the_plain_one(dialect: Dialect, draw: st.DataObject) -> None:
    message = draw.draw(messages(dialect))
    write = compile_writer(dialect, sorted(message.fields))
    assert write(message) == write_message(dialect, message)
    strange = st.one_of(st.text(max_size=20), st.text("0123456789D٣ ", max_size=20), st.binary(max_size=20))
    for number in draw.draw(st.lists(st.sampled_from(sorted(message.fields) or [0]), max_size=2)):
        message.fields[number] = draw.draw(strange)
    message.mti = draw.draw(st.one_of(st.just(message.mti), st.text("01a٣", max_size=5)))
    message.header = draw.draw(st.one_of(st.just(message.header), st.binary(max_size=7)))
    message.processing_request = draw.draw(st.sampled_from(["", "", "3", "F", "٣", "12"]))
    write = compile_writer(dialect, sorted(set(message.fields) - {0}))
    if 0 not in message.fields:
        assert outcome(write, message) == outcome(lambda message: write_message(dialect, message), message)


@given(track=st.text("0123456789ABCDEF=", max_size=37))
@example(track="6200000000000005D30121A3F")
def test_a_partly_encrypted_track_keeps_its_nibbles(track: str) -> None:
    for dialect in BOTH:
        message = decode(dialect, encode(dialect, Message("0100", {35: track})))
        assert message.get(35) == track.replace("D", "=")


def test_a_usual_message_needs_no_plain_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(dialect: Dialect, given: object) -> None:
        raise AssertionError("the compiled codec gave up")

    usual = {2, 3, 4, 11, 14, 22, 23, 25, 26, 35, 37, 38, 39, 41, 42, 49, 52, 53, 55, 60, 61, 63}
    for dialect in ALL:
        fields = {
            number: bytes(row.length) if row.encoding == "binary" else "1" * row.length
            for number, row in dialect.fields.items()
            if number in usual or number == dialect.mac_field
        }
        body = write_message(dialect, Message("0100", fields))
        with monkeypatch.context() as patched:
            patched.setattr(compiled, "read_message", refused)
            patched.setattr(compiled, "write_message", refused)
            assert compile_reader(dialect, sorted(fields))(body).fields == fields
            assert compile_writer(dialect, sorted(fields))(Message("0100", fields)) == body


def test_both_ways_take_a_message_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[int]] = []

    def watched(dialect: Dialect, numbers: list[int]) -> Callable[[bytes], Message]:
        made.append(numbers)
        return compile_reader(dialect, numbers)

    monkeypatch.setattr(codec, "compile_reader", watched)
    codec._reading.cache_clear()
    body = encode(UNIONPAY, Message("0800", {11: "000001", 41: "T1", 60: "00000001003"}))
    read = [decode(UNIONPAY, body) for _ in range(COMPILE_AFTER)]
    assert made == [[11, 41, 60]]
    assert decode(UNIONPAY, body) == read[0]
    assert len(made) == 1


def test_invented_bitmaps_are_never_compiled_and_soon_forgotten() -> None:
    codec._reading.cache_clear()
    for bits in range(2 * WAYS_MAX):
        body = UNIONPAY.tpdu + UNIONPAY.header + b"\x01\x00" + bits.to_bytes(8, "big") + b"\xff"
        with pytest.raises(WireError):
            decode(UNIONPAY, body)
    assert codec._reading.cache_info().currsize == WAYS_MAX


def test_text_comes_without_the_spaces_that_fill_it_up() -> None:
    body = encode(UNIONPAY, Message("0100", {38: "1234", 41: "T1", 42: "M 1"}))
    assert body.endswith(b"1234  T1      M 1            ")
    assert decode(UNIONPAY, body).fields == {38: "1234", 41: "T1", 42: "M 1"}


def test_gbk_lengths_count_bytes() -> None:
    body = encode(UNIONPAY, Message("0110", {63: "银联"}))
    assert body.endswith(bytes.fromhex("0004") + "银联".encode("gbk"))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_the_longest_message_fits_a_frame(dialect: Dialect) -> None:
    fullest: dict[int, str | bytes] = {
        row.number: bytes(row.length) if row.encoding == "binary" else "0" * row.length for row in dialect.rows
    }
    assert len(encode(dialect, Message("0100", fullest))) <= FRAME_BYTES_MAX


def test_rows_that_could_be_read_two_ways_are_in_no_dialect() -> None:
    for dialect in DIALECTS.values():
        for row in dialect.rows:
            odd = row.encoding in ("bcd", "track") and (row.prefix or row.length % 2)
            assert not odd or row.pad != "none", (
                f"{dialect.name} field {row.number}: which side has the filling nibble?"
            )
            assert row.prefix != 2 or row.length < 100, f"{dialect.name} field {row.number}: two digits are too few"
            assert row.prefix or row.encoding not in ("track", "ascii-track")
