"""How a golden frame is written: by hand, one line per field, so that bytes and meaning can be compared by eye.

    title
    TPDU header MTI bitmap
    number | bytes in hex, with its length prefix | value | what it is
           | more of the same field               | value | what it is

A value stands as it is read, in quotes where its last blanks count, after 0x where it is bytes; `bytes:` means that
it is the bytes of the lines below, which have no number. Blocks are kept apart by an empty line.
"""

from ast import literal_eval
from typing import NamedTuple


class Golden(NamedTuple):
    """One frame: its body, and what the codec must read in it."""

    title: str
    body: bytes
    tpdu: bytes
    header: bytes
    mti: str
    fields: dict[int, str | bytes]


def golden_frames(table: str) -> list[Golden]:
    """All frames of a table; an assertion fails where a bitmap does not announce the fields that are written."""
    return [_frame(*block.strip().splitlines()) for block in table.strip().split("\n\n")]


def _frame(title: str, head: str, *lines: str) -> Golden:
    tpdu, header, mti, bitmap = head.split()
    body = [tpdu, header, mti, bitmap]
    fields: dict[int, str | bytes] = {}
    for line in lines:
        number, digits, value, _ = (cell.strip() for cell in line.split(" | "))
        body.append(digits.replace(" ", ""))
        if number:
            last = int(number)
            fields[last] = _value(value)
        else:
            before = fields[last]
            fields[last] = before + bytes.fromhex(digits) if isinstance(before, bytes) else before + _text(value)
    announced = [number for number in range(1, 65) if int(bitmap, 16) >> (64 - number) & 1]
    assert announced == list(fields), f"{title}: the bitmap announces {announced}, written are {list(fields)}"
    return Golden(title, bytes.fromhex("".join(body)), bytes.fromhex(tpdu), bytes.fromhex(header), mti, fields)


def _value(cell: str) -> str | bytes:
    if cell == "bytes:":
        return b""
    return bytes.fromhex(cell[2:]) if cell.startswith("0x") else _text(cell)


def _text(cell: str) -> str:
    return str(literal_eval(cell)) if cell.startswith("'") else cell
