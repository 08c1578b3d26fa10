"""The rows of an import file: what each type of line has, and what each of its cells may hold.

A complaint says what a cell may hold; it never repeats what might be a key or a card number.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from holdfast.domain.rules import DOMESTIC, parse_habit, parse_rule
from holdfast.errors import BadInput, KeyRefused
from holdfast.ids import luhn_valid
from holdfast.keys.algorithms import MACS
from holdfast.keys.interface import IMK_AC, TMK, ZONE_MAC, ZONE_PIN
from holdfast.keys.keyblock import CLEAR_DIGITS, check_key_text
from holdfast.money import parse_amount
from holdfast.runtime.config import HERE, parse_address

SHOWN_CHARS_MAX = 20
NAME_CHARS_MAX = 100

Row = dict[str, Any]
Parse = Callable[[str], Any]


# --- what a cell may hold -----------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """A cell as a complaint may show it: in the wrong column there may be a key or a card number."""
    return repr(text) if len(text) <= SHOWN_CHARS_MAX and not _may_be_secret(text) else "this"


def _may_be_secret(text: str) -> bool:
    return sum(char in "0123456789abcdefABCDEF" for char in text) >= 12


def _matching(pattern: str, says: str) -> Parse:
    matches = re.compile(pattern).fullmatch

    def parse(text: str) -> str:
        if matches(text) is None:
            raise BadInput(f"{shown(text)} is not {says}{_spreadsheet_hint(text)}")
        return text

    return parse


def _spreadsheet_hint(text: str) -> str:
    if re.fullmatch(r"[0-9]+([.,][0-9]+)?E\+[0-9]+", text):
        return ": a spreadsheet has made a number of it, format the column as text"
    return ""


def _one_of(**meaning: Any) -> Parse:
    def parse(text: str) -> Any:
        if text not in meaning:
            raise BadInput(f"{shown(text)} is not one of {', '.join(meaning)}")
        return meaning[text]

    return parse


def _number(low: int, high: int) -> Parse:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise BadInput(f"{shown(text)} is not a number from {low} to {high}")
        return int(text)

    return parse


def _pan(text: str) -> str:
    if not luhn_valid(text):
        if re.fullmatch("[0-9]{12,19}", text):
            raise BadInput("this is not a card number: its check digit is wrong")
        raise BadInput(f"this is not a card number of 12 to 19 digits{_spreadsheet_hint(text)}")
    return text


def _key(purpose: str, *sizes: int) -> Parse:
    """A key: in hex, of one of these sizes in digits, or a TR-31 block. Whether a block holds is asked later."""

    def parse(text: str) -> str:
        if is_block(text):
            try:
                check_key_text(purpose, text)
            except KeyRefused as error:
                raise BadInput(str(error)) from None
            return text
        hexadecimal = re.match("[0-9A-Fa-f]*", text)
        if hexadecimal is None or hexadecimal.end() < len(text):
            at = hexadecimal.end() + 1 if hexadecimal else 1
            raise BadInput(f"this is no key in hex: character {at} is none of 0-9 and A-F")
        if len(text) not in sizes:
            raise BadInput(f"{len(text)} hex digits are no key of {_or(sizes)}")
        return text.upper()

    return parse


def _or(sizes: tuple[int, ...]) -> str:
    *others, last = map(str, sizes)
    return f"{', '.join(others)} or {last}" if others else last


def _said(parse_one: Callable[[str, str], Any]) -> Parse:
    """`ceiling_percent=100;completions=several` -> values by name."""

    def parse(text: str) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for part in filter(str.strip, text.split(";")):
            name, _, value = (word.strip() for word in part.partition("="))
            if name in said:
                raise BadInput(f"{name} is said twice")
            said[name] = _one(parse_one, name)(value)
        return said

    return parse


def _one(parse_one: Callable[[str, str], Any], name: str) -> Parse:
    """One rule or habit."""

    def parse(text: str) -> Any:
        try:
            return parse_one(name, text)
        except BadInput:
            if _may_be_secret(name) or _may_be_secret(text):
                raise BadInput("this is none of the rules or habits that there are") from None
            raise

    return parse


def _address(text: str) -> str:
    if text == HERE:
        return text
    try:
        return str(parse_address(text))
    except BadInput:
        raise BadInput(f"{shown(text)} is neither `here` nor a host and a port, like 10.1.2.3:7000") from None


def _amount(text: str) -> int:
    if re.fullmatch(r"0(\.0{1,2})?", text):
        return 0
    try:
        return parse_amount(text)
    except BadInput:
        raise BadInput(f"{shown(text)} is not money: write it like 500.00") from None


def _name(text: str) -> str:
    # Printable, because it is shown on screens and slips, and no database holds a NUL.
    if not text.isprintable() or len(text) > NAME_CHARS_MAX:
        raise BadInput(f"{shown(text)} is not a printable name of at most {NAME_CHARS_MAX} characters")
    return text


_MERCHANT_ID = _matching(r"[0-9A-Za-z]{15}", "a merchant number of 15 digits or letters")
_TERMINAL_ID = _matching(r"[0-9A-Za-z]{8}", "a terminal number of 8 digits or letters")
_ISSUER_ID = _matching(r"[0-9A-Za-z]{1,11}", "an issuer number of at most 11 digits or letters")
_RULES = _said(parse_rule)
_HABITS = _said(parse_habit)
_YES_NO = _one_of(yes=True, no=False)

REQUIRED = None
NOT_SAID: Mapping[str, Any] = {}


class Column(NamedTuple):
    """One column of a type: how its cells are read, and what an empty one means (`REQUIRED`: not allowed)."""

    parse: Parse
    default: Any = REQUIRED


KINDS: dict[str, dict[str, Column]] = {
    "scheme": {
        "scheme": Column(_matching(r"\*|[A-Z]{3}(/[0-9]{4})?", "a scheme like CUP, VIS/7011 (for one category) or *")),
        "rules": Column(_RULES),
    },
    "merchant": {
        "merchant_id": Column(_MERCHANT_ID),
        "name": Column(_name),
        "name_en": Column(_name, ""),
        "mcc": Column(_matching(r"[0-9]{4}", "a merchant category of 4 digits")),
        "pre_auth_right": Column(_YES_NO, True),
        "ceiling_percent": Column(_one(parse_rule, "ceiling_percent"), ""),
        "validity_days": Column(_one(parse_rule, "validity_days"), ""),
        "rules": Column(_RULES, NOT_SAID),
    },
    "terminal": {
        "terminal_id": Column(_TERMINAL_ID),
        "merchant_id": Column(_MERCHANT_ID),
        "tmk": Column(_key(TMK, *CLEAR_DIGITS)),
        "enabled": Column(_YES_NO, True),
        "mac_algorithm": Column(_one_of(**{name: name for name in MACS}), "ecb"),
        "notice": Column(_matching("[0-9]", "the digit that the header of an answer holds"), "0"),
    },
    "issuer": {
        "issuer_id": Column(_ISSUER_ID),
        "name": Column(_name),
        "address": Column(_address),
        "zone_mac": Column(_key(ZONE_MAC, 32)),
        "zone_pin": Column(_key(ZONE_PIN, 32)),
        "imk_ac": Column(_key(IMK_AC, 32), ""),
        "validity_days": Column(_one(parse_habit, "validity_days"), ""),
        "over_hold": Column(_one(parse_habit, "over_hold"), ""),
        "habits": Column(_HABITS, NOT_SAID),
    },
    "bin": {
        "prefix": Column(_matching(r"[0-9]{6,8}", "6 to 8 digits")),
        "issuer_id": Column(_ISSUER_ID),
        "scheme": Column(_matching(r"[A-Z]{3}", "a scheme of three capital letters, like CUP"), DOMESTIC),
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
"""Type -> its columns; the first is what names a row."""

UNIQUE = {kind: (next(iter(columns)),) for kind, columns in KINDS.items()} | {"account": ("account_id", "pan")}
"""What may stand in a file once, for each type: of two lines that speak of one terminal, one would not count."""

REFERENCES = {
    ("terminal", "merchant_id"): "merchant",
    ("bin", "issuer_id"): "issuer",
    ("account", "issuer_id"): "issuer",
}

KEYS = {
    ("terminal", "tmk"): TMK,
    ("issuer", "zone_mac"): ZONE_MAC,
    ("issuer", "zone_pin"): ZONE_PIN,
    ("issuer", "imk_ac"): IMK_AC,
}
"""Where keys stand, and what for."""

SHORTHANDS = {
    "merchant": ("rules", ("ceiling_percent", "validity_days")),
    "issuer": ("habits", ("validity_days", "over_hold")),
}
"""Columns of their own for what is said most often; a row's rules or habits are both together."""


def is_block(text: str) -> bool:
    """Whether a key is a TR-31 block, not hex."""
    return len(text) > CLEAR_DIGITS[-1]


def together(kind: str, row: Row) -> dict[str, Any]:
    """All rules of a merchant's line, or all habits of an issuer's."""
    column, shorthands = SHORTHANDS[kind]
    said: dict[str, Any] = row[column]
    return {name: row[name] for name in shorthands if row[name] != ""} | said


def contradictions(kind: str, row: Row) -> Iterator[tuple[str, str]]:
    """Shorthands that say something else than the rules or habits do: each column with what is wrong."""
    column, shorthands = SHORTHANDS.get(kind, ("", ()))
    said = row.get(column, NOT_SAID)
    for name in shorthands:
        if row.get(name, "") != "" and said.get(name, row[name]) != row[name]:
            yield name, f"the column {column} says {name}={said[name]}: say it once"
