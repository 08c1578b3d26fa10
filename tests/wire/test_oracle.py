"""pyiso8583 is another's codec. Told of our rows, it must write the same bytes and read the same values."""

import iso8583
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect, Field
from holdfast.wire.message import Message

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def specification(dialect: Dialect) -> dict[str, dict[str, object]]:
    """The dialect's rows in the words of pyiso8583."""
    packed = dialect.packed
    head = {"len_enc": "ascii", "len_type": 0, "desc": ""}
    rows: dict[str, dict[str, object]] = {
        "h": {**head, "data_enc": "b", "max_len": dialect.mti_at},
        "t": {**head, "data_enc": "b" if packed else "ascii", "max_len": 2 if packed else 4},
        "p": {**head, "data_enc": "b", "max_len": 8},
        "1": {**head, "data_enc": "b", "max_len": 8},
    }
    for row in dialect.rows:
        rows[str(row.number)] = {
            "data_enc": {"gbk": "gbk", "bcd": "b", "track": "b", "binary": "b"}.get(row.encoding, "ascii"),
            "len_enc": "bcd" if packed else "ascii",
            "len_type": (row.prefix + 1) // 2 if packed else row.prefix,
            "max_len": row.length,
            "desc": row.name,
        }
        if row.encoding in ("bcd", "track"):
            rows[str(row.number)]["len_count"] = "nibbles"
            if row.pad != "none":
                rows[str(row.number)][f"{row.pad}_pad"] = "0"
    return rows


def values(row: Field) -> st.SearchStrategy[str]:
    """Values that both take, as pyiso8583 writes them: binary in hex, fixed text filled up."""
    least = 0 if row.prefix else row.length
    match row.encoding:
        case "binary":
            return st.binary(min_size=least, max_size=row.length).map(lambda value: value.hex().upper())
        case "track":
            return st.text("0123456789D", min_size=least, max_size=row.length)
        case "ascii-track":
            return st.text("0123456789=", min_size=least, max_size=row.length)
        case "bcd" | "digits":
            return st.text("0123456789", min_size=least, max_size=row.length)
        case "gbk":
            text = st.text("CUP银联 预授权", max_size=row.length // 2)
            return text if row.prefix else text.map(lambda text: text + " " * (row.length - len(text.encode("gbk"))))
        case "ascii":
            return st.text(PRINTABLE, min_size=least, max_size=row.length)


def ours(row: Field, value: str) -> str | bytes:
    """The same value as our Message has it."""
    if row.encoding == "binary":
        return bytes.fromhex(value)
    if row.encoding == "track":
        return value.replace("D", "=")
    return value.rstrip(" ") if row.pad == "right" and not row.prefix else value


@pytest.mark.parametrize("dialect", [UNIONPAY, ASCII_1987], ids=lambda dialect: dialect.name)
@given(draw=st.data())
@settings(max_examples=150)
def test_pyiso8583_writes_and_reads_the_same(dialect: Dialect, draw: st.DataObject) -> None:
    numbers = draw.draw(st.lists(st.sampled_from(sorted(dialect.fields)), unique=True, min_size=1, max_size=15))
    theirs = {str(number): draw.draw(values(dialect.fields[number])) for number in numbers}
    mti = draw.draw(st.sampled_from(["0100", "0210", "0420", "0800"]))
    head = (dialect.tpdu + dialect.header).hex().upper()
    body, _ = iso8583.encode({"h": head, "t": mti, **theirs}, specification(dialect))

    fields = {number: ours(dialect.fields[number], theirs[str(number)]) for number in numbers}
    message = decode(dialect, bytes(body))
    assert (message.mti, message.fields) == (mti, fields)
    assert encode(dialect, Message(mti, fields)) == body

    read, _ = iso8583.decode(encode(dialect, message), specification(dialect))
    assert {number: read[str(number)] for number in numbers} == {number: theirs[str(number)] for number in numbers}
