"""The rows of an import file: what each type of line may hold, and all that is wrong with a file, each with its place.

A complaint never repeats what might be a key or a card number.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.domain.policy import CEILING_PERCENT, RELEASED_BY_ISSUER, VALIDITY_DAYS
from holdfast.errors import BadInput
from holdfast.ids import luhn_valid
from holdfast.money import parse_amount
from holdfast.runtime.config import HERE, parse_address

FILE_BYTES_MAX = 32 * 1024 * 1024
SHOWN_CHARS_MAX = 20
NAME_CHARS_MAX = 100

Row = dict[str, Any]
Parse = Callable[[str], Any]


# --- what a cell may hold -----------------------------------------------------------------------------------------


def _shown(text: str) -> str:
    """A cell as a complaint may show it: in the wrong column there may be a key or a card number."""
    digits = sum(char in "0123456789abcdefABCDEF" for char in text)
    return repr(text) if len(text) <= SHOWN_CHARS_MAX and digits < 12 else "this"


def _matching(pattern: str, says: str) -> Parse:
    def parse(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise BadInput(f"{_shown(text)} is not {says}")
        return text

    return parse


def _one_of(**meaning: Any) -> Parse:
    def parse(text: str) -> Any:
        if text not in meaning:
            raise BadInput(f"{_shown(text)} is not one of {', '.join(meaning)}")
        return meaning[text]

    return parse


def _number(low: int, high: int) -> Parse:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise BadInput(f"{_shown(text)} is not a number from {low} to {high}")
        return int(text)

    return parse


def _pan(text: str) -> str:
    if not luhn_valid(text):
        raise BadInput("this is not a card number: its check digit is wrong")
    return text


def _address(text: str) -> str:
    if text == HERE:
        return text
    try:
        return str(parse_address(text))
    except BadInput:
        raise BadInput(f"{_shown(text)} is neither `here` nor a host and a port, like 10.1.2.3:7000") from None


def _amount(text: str) -> int:
    if re.fullmatch(r"0(\.0{1,2})?", text):
        return 0
    try:
        return parse_amount(text)
    except BadInput:
        raise BadInput(f"{_shown(text)} is not money: write it like 500.00") from None


def _name(text: str) -> str:
    # Printable, because it is shown on screens and slips, and no database holds a NUL.
    if not text.isprintable() or len(text) > NAME_CHARS_MAX:
        raise BadInput(f"{_shown(text)} is not a printable name of at most {NAME_CHARS_MAX} characters")
    return text


_MERCHANT_ID = _matching(r"[0-9A-Za-z]{15}", "a merchant number of 15 digits or letters")
_TERMINAL_ID = _matching(r"[0-9A-Za-z]{8}", "a terminal number of 8 digits or letters")
_ISSUER_ID = _matching(r"[0-9A-Za-z]{1,11}", "an issuer number of at most 11 digits or letters")
_KEY_16 = _matching(r"[0-9A-Fa-f]{32}", "a key of 16 bytes in hex")
_YES_NO = _one_of(yes=True, no=False)

REQUIRED = None


class Column(NamedTuple):
    """One column of a type: how its cells are read, and what an empty one means (`REQUIRED`: not allowed)."""

    parse: Parse
    default: Any = REQUIRED


KINDS: dict[str, dict[str, Column]] = {
    "merchant": {
        "merchant_id": Column(_MERCHANT_ID),
        "name": Column(_name),
        "name_en": Column(_name, ""),
        "mcc": Column(_matching(r"[0-9]{4}", "a merchant category of 4 digits")),
        "pre_auth_right": Column(_YES_NO, True),
        "ceiling_percent": Column(_number(100, 200), CEILING_PERCENT),
        "validity_days": Column(_number(1, 365), VALIDITY_DAYS),
    },
    "terminal": {
        "terminal_id": Column(_TERMINAL_ID),
        "merchant_id": Column(_MERCHANT_ID),
        "tmk": Column(_KEY_16),
        "enabled": Column(_YES_NO, True),
    },
    "issuer": {
        "issuer_id": Column(_ISSUER_ID),
        "name": Column(_name),
        "address": Column(_address),
        "zone_mac": Column(_KEY_16),
        "zone_pin": Column(_KEY_16),
        "validity_days": Column(_number(1, 365), VALIDITY_DAYS),
        "over_hold": Column(_one_of(guaranteed=RELEASED_BY_ISSUER, if_available="if_available"), RELEASED_BY_ISSUER),
    },
    "bin": {
        "prefix": Column(_matching(r"[0-9]{6,8}", "6 to 8 digits")),
        "issuer_id": Column(_ISSUER_ID),
        "scheme": Column(_name, "unionpay"),
        "kind": Column(_one_of(debit="debit", credit="credit"), "debit"),
    },
    "hot-card": {
        "pan": Column(_pan),
        "reason": Column(_one_of(lost="41", stolen="43")),
    },
    "account": {
        "account_id": Column(_matching(r"[0-9A-Za-z-]{1,40}", "an account of at most 40 digits, letters and dashes")),
        "issuer_id": Column(_ISSUER_ID),
        "pan": Column(_pan),
        "expiry": Column(_matching(r"[0-9]{2}(0[1-9]|1[0-2])", "an expiry YYMM")),
        "kind": Column(_one_of(debit="debit", credit="credit"), "debit"),
        "status": Column(_one_of(normal="normal", lost="lost", stolen="stolen"), "normal"),
        "pin": Column(_matching(r"[0-9]{4,12}", "a PIN of 4 to 12 digits"), ""),
        "frozen_percent": Column(_number(100, 200), 100),
        "available": Column(_amount),
    },
}
"""Type -> its columns; the first is what names a row, and it may stand in a file once."""

REFERENCES = {
    ("terminal", "merchant_id"): "merchant",
    ("bin", "issuer_id"): "issuer",
    ("account", "issuer_id"): "issuer",
}


class Problem(NamedTuple):
    """What is wrong, and where; `column` counts from 1 and is 0 where the whole line is meant."""

    line: int
    column: int
    says: str


class Content(NamedTuple):
    """What a file says: the rows of each type, each with its line, and what is wrong with it."""

    rows: dict[str, list[tuple[int, Row]]]
    columns: dict[str, int]
    problems: list[Problem]


# --- reading ------------------------------------------------------------------------------------------------------


def read_rows(file: Path) -> Content:
    """What the file says. BadInput when it is no CSV file with a header at all."""
    lines = csv.reader(io.StringIO(_text_of(file), newline=""), strict=True)
    content = Content({kind: [] for kind in KINDS}, {}, [])
    try:
        header = [cell.strip() for cell in next(lines, [])]
        content.problems.extend(_problems_of_header(header))
        if content.problems:
            return content
        content.columns.update({name: at for at, name in enumerate(header, 1)})
        for cells in lines:
            if any(cell.strip() for cell in cells):
                _take_line(content, header, lines.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        content.problems.append(Problem(lines.line_num, 0, f"not CSV: {error}"))
    content.problems.extend(_repeated(content))
    return content


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadInput(f"{file} has over {FILE_BYTES_MAX >> 20} MiB: split it")
        raw = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    for encoding in ("utf-8-sig", "gb18030"):  # The second is what spreadsheets write where Chinese is spoken.
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInput(f"{file} is neither UTF-8 nor GB18030: save it as one of these")


def _problems_of_header(header: Sequence[str]) -> Iterator[Problem]:
    known = {"type"}.union(*KINDS.values())
    if "type" not in header:
        yield Problem(1, 0, "the header has no column `type`: see `holdfast import --help`")
    for at, name in enumerate(header, 1):
        if name not in known:
            yield Problem(1, at, f"no type has a column {_shown(name)}")
        elif name in header[: at - 1]:
            yield Problem(1, at, f"column {name!r} stands twice")


def _take_line(content: Content, header: Sequence[str], line: int, cells: Sequence[str]) -> None:
    if len(cells) > len(header):
        content.problems.append(Problem(line, len(header) + 1, f"more cells than the header's {len(header)}"))
        return
    given = dict(zip(header, cells, strict=False))
    kind = given.pop("type", "")
    if kind not in KINDS:
        says = f"type {_shown(kind)} is not one of {', '.join(KINDS)}"
        content.problems.append(Problem(line, content.columns["type"], says))
        return
    row: Row = {}
    for name, column in KINDS[kind].items():
        try:
            row[name] = _value(given.pop(name, ""), name, column)
        except BadInput as error:
            content.problems.append(Problem(line, content.columns.get(name, 0), str(error)))
    for name, text in given.items():
        if text:
            content.problems.append(Problem(line, content.columns[name], f"a {kind} has no {name}"))
    content.rows[kind].append((line, row))


def _value(text: str, name: str, column: Column) -> Any:
    if text:
        try:
            return column.parse(text)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from error
    if column.default is REQUIRED:
        raise BadInput(f"{name} is missing")
    return column.default


def _repeated(content: Content) -> Iterator[Problem]:
    for kind, rows in content.rows.items():
        name = next(iter(KINDS[kind]))
        first: dict[str, int] = {}
        for line, row in rows:
            earlier = first.setdefault(row.get(name, f"line {line}"), line)
            if earlier != line:
                yield Problem(line, content.columns.get(name, 0), f"this {kind} stands in line {earlier} already")
