"""The header's digits, and what a reply asks of the terminal, the plain way and the compiled way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.wire.compiled import compile_writer
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.header import (
    CA_KEYS,
    PROCESSING_REQUESTS,
    SIGN_ON_AGAIN,
    Header,
    pack_header,
    parse_header,
    with_processing_request,
)
from holdfast.wire.message import Message
from holdfast.wire.plain import read_message, write_message


def test_a_header_in_its_parts() -> None:
    header = Header("60", "31", "1", "3", "00FFF1")
    assert parse_header(bytes.fromhex("60311300fff1")) == header
    assert pack_header(header) == bytes.fromhex("60311300FFF1")
    assert parse_header(UNIONPAY.header) == Header("60", "31", "0", "0", "000000")


@given(st.binary(min_size=6, max_size=6))
def test_any_six_bytes_are_a_header(header: bytes) -> None:
    assert pack_header(parse_header(header)) == header


@given(st.binary(min_size=6, max_size=6), st.sampled_from("0123456789"))
def test_asking_changes_one_digit(header: bytes, request: str) -> None:
    asking = with_processing_request(header, request)
    assert parse_header(asking) == parse_header(header)._replace(processing_request=request)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (Header("6", "31", "0", "0", "000000"), "the application class is not 2 hex digits"),
        (Header("60", "31", "0", "", "000000"), "the processing request is not 1 hex digits"),
        (Header("60", "31", "0", "0", "00000 "), "the sub-version is not 6 hex digits"),
    ],
)
def test_what_is_no_header(header: Header, says: str) -> None:
    with pytest.raises(WireError) as caught:
        pack_header(header)
    assert str(caught.value) == f"header at byte 0: {says}"


def test_other_lengths_are_refused() -> None:
    with pytest.raises(WireError, match="header at byte 0: 5 bytes are not 6"):
        parse_header(bytes(5))
    with pytest.raises(WireError, match="header at byte 0: 7 bytes are not 6"):
        with_processing_request(bytes(7), SIGN_ON_AGAIN)


@pytest.mark.parametrize("request_digit", sorted(PROCESSING_REQUESTS))
@pytest.mark.parametrize("header", [b"", bytes.fromhex("60321700FFF1")])
def test_a_reply_asks_whatever_header_it_bears(header: bytes, request_digit: str) -> None:
    reply = Message("0810", {11: "000001", 39: "00"}, header=header, processing_request=request_digit)
    body = write_message(UNIONPAY, reply)
    assert compile_writer(UNIONPAY, [11, 39])(reply) == body
    read = read_message(UNIONPAY, body)
    expected = parse_header(header or UNIONPAY.header)._replace(processing_request=request_digit)
    assert parse_header(read.header) == expected
    # What was read is written as it came, without being told the digit again.
    assert write_message(UNIONPAY, read) == body


@pytest.mark.parametrize("write", [write_message, lambda dialect, message: compile_writer(dialect, [11])(message)])
def test_what_cannot_be_asked(write) -> None:  # type: ignore[no-untyped-def]
    for dialect, wrong, sentence in (
        (UNIONPAY, "F", "header at byte 2: the processing request is not one digit"),
        (UNIONPAY, "10", "header at byte 2: the processing request is not one digit"),
        (ASCII_1987, CA_KEYS, "header at byte 0: 0 bytes are not 6"),
    ):
        with pytest.raises(WireError) as caught:
            write(dialect, Message("0810", {11: "000001"}, processing_request=wrong))
        assert str(caught.value) == sentence
