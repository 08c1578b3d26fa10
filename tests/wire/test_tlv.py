"""DE55: what a chip says is read whole or refused by a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.wire.tlv import NAMES, SECRET_TAGS, Element, elements, inside, pack, parse

tags = st.sampled_from([*NAMES, "9F8101"])


def test_a_field_written_by_hand() -> None:
    packed = bytes.fromhex("9F260801020304050607089F2701809505000000080082009F36020001")
    assert parse(packed) == {
        "9F26": bytes(range(1, 9)),
        "9F27": b"\x80",
        "95": bytes.fromhex("0000000800"),
        "82": b"",
        "9F36": b"\x00\x01",
    }
    assert pack(parse(packed)) == packed
    assert elements(packed)[2] == Element("95", bytes.fromhex("0000000800"), 17)


def test_long_values_have_long_lengths() -> None:
    for size, prefix in ((127, "917F"), (128, "918180"), (255, "9181FF"), (256, "91820100"), (65535, "9182FFFF")):
        packed = pack({"91": bytes(size)})
        assert packed == bytes.fromhex(prefix) + bytes(size)
        assert parse(packed) == {"91": bytes(size)}
    assert parse(bytes.fromhex("91810155")) == {"91": b"\x55"}, "more bytes of length than needed are still BER"


def test_a_template_is_opened_only_by_whoever_asks() -> None:
    packed = bytes.fromhex("910101720C9F1804000000018603840000")
    issuer_authentication, script = elements(packed)
    assert (issuer_authentication.is_template, script.is_template) == (False, True)
    assert list(parse(packed)) == ["91", "72"]
    assert [(each.tag, each.value_at) for each in inside(script)] == [("9F18", 8), ("86", 14)]
    with pytest.raises(WireError, match="field 55 at byte 2: tag 91 is no template"):
        inside(issuer_authentication)


def test_scripts_may_come_twice_but_not_where_one_value_is_meant() -> None:
    packed = pack([("72", b""), ("72", b"")])
    assert [each.tag for each in elements(packed)] == ["72", "72"]
    with pytest.raises(WireError, match="field 55 at byte 4: tag 72 comes twice"):
        parse(packed)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("00", "field 55 at byte 0: byte 00 begins no tag"),
        ("8200FF", "field 55 at byte 2: byte FF begins no tag"),
        ("9F", "field 55 at byte 0: tag 9F is cut off"),
        ("9F81", "field 55 at byte 0: tag 9F81 is cut off"),
        ("9F81828301", "field 55 at byte 0: tag is over 3 bytes long"),
        ("9F26", "field 55 at byte 2: tag 9F26 has no length"),
        ("95058000", "field 55 at byte 2: tag 95: 2 bytes left, 5 needed"),
        ("9580", "field 55 at byte 1: tag 95: 80 begins no length"),
        ("9583000001AA", "field 55 at byte 1: tag 95: 83 begins no length"),
        ("958201", "field 55 at byte 1: tag 95: its length is cut off"),
    ],
)
def test_what_is_no_chip_data(text: str, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        elements(bytes.fromhex(text))
    assert str(caught.value) == sentence


def test_a_fault_within_a_template_is_placed_within_the_field() -> None:
    (script,) = elements(bytes.fromhex("7203860500"))
    with pytest.raises(WireError, match="field 55 at byte 4: tag 86: 1 bytes left, 5 needed"):
        inside(script)


@pytest.mark.parametrize("tag", ["", "9F", "9f26", "9F2601", "00", "5G", "9F 26"])
def test_what_is_no_tag_is_not_packed(tag: str) -> None:
    with pytest.raises(WireError, match=f"field 55 at byte 2: '{tag}' is no tag"):
        pack([("82", b""), (tag, b"")])


def test_a_value_that_no_length_can_tell() -> None:
    with pytest.raises(WireError, match="tag 91: 65536 bytes are over 65535"):
        pack({"91": bytes(65536)})


def test_secret_tags_are_those_that_name_a_card() -> None:
    assert {"57", "5A"} <= SECRET_TAGS
    assert not {"9F26", "9F10", "9F36"} & SECRET_TAGS


@given(st.dictionaries(tags, st.binary(max_size=300)))
def test_what_is_packed_is_read(values: dict[str, bytes]) -> None:
    assert parse(pack(values)) == values


@given(st.binary(max_size=80))
def test_any_bytes_are_data_objects_or_a_wire_error(packed: bytes) -> None:
    try:
        found = elements(packed)
    except WireError:
        return
    assert sum(len(each.tag) // 2 + 1 + len(each.value) for each in found) <= len(packed)
