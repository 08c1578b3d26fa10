"""DE48 of a batch: the totals of a settlement (0500, 0510) and the details of a batch upload (0320).

All of it is digits. A count has three of them and an amount twelve; what does not fit is an error that says so, because
totals that were silently cut would balance by accident. In a WireError of this module `byte` counts digits of the text.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from holdfast.errors import WireError

FIELD = 48

COUNT_MAX = 999
"""Requests of one side and class in one batch: the count has three digits. A terminal settles before that."""

TOTALS_DIGITS = 62

DETAILS_MAX = 8
"""Details in one upload."""

DETAIL_DIGITS = 40

PAN_DIGITS = range(12, 20)

NOT_ANSWERED, BALANCED, NOT_BALANCED, ERROR = "0", "1", "2", "3"
"""The reply flag: 0 in a request; where a host answers 2, the totals beside it are its own."""

REPLY_FLAGS = {NOT_ANSWERED: "asked", BALANCED: "balanced", NOT_BALANCED: "not balanced", ERROR: "error"}


class CardClass(StrEnum):
    """Whose card it was: totals are kept apart by this."""

    DOMESTIC = "00"
    FOREIGN = "01"


class ClassTotals(NamedTuple):
    """The totals of one card class, amounts in minor units, and the host's verdict on them."""

    debit_amount_minor: int = 0
    debit_count: int = 0
    credit_amount_minor: int = 0
    credit_count: int = 0
    reply: str = NOT_ANSWERED


class Totals(NamedTuple):
    """What DE48 of a settlement says."""

    domestic: ClassTotals
    foreign: ClassTotals


class Detail(NamedTuple):
    """One request of the batch, as the terminal believes it; amount in minor units."""

    card_class: CardClass
    trace: str
    pan: str
    amount_minor: int

    def __repr__(self) -> str:
        """Without the card number: a detail may end up in a log or a traceback."""
        return f"Detail({self.card_class}, trace {self.trace}, {self.amount_minor})"


_CLASS_LAYOUT = (("debit amount", 12), ("debit count", 3), ("credit amount", 12), ("credit count", 3))


def pack_totals(totals: Totals) -> str:
    """The 62 digits of DE48 in a 0500 or 0510; WireError when a count is over 999 or an amount over twelve digits."""
    text = ""
    for name, each in zip(Totals._fields, totals, strict=True):
        for (what, width), number in zip(_CLASS_LAYOUT, each[:4], strict=True):
            text += _digits_of(number, width, f"{name} {what}", len(text))
        if each.reply not in REPLY_FLAGS:
            raise WireError(FIELD, len(text), f"{name} reply flag {each.reply!r} is none of 0 to 3")
        text += each.reply
    return text


def parse_totals(text: str) -> Totals:
    """What the 62 digits say."""
    _require_digits(text)
    if len(text) != TOTALS_DIGITS:
        raise WireError(FIELD, 0, f"{len(text)} digits are not the {TOTALS_DIGITS} of totals")
    half = TOTALS_DIGITS // 2
    return Totals(_class_totals(text, 0), _class_totals(text, half))


def pack_details(details: Sequence[Detail]) -> str:
    """DE48 of an upload of one to eight details: their count, then forty digits each."""
    if not 1 <= len(details) <= DETAILS_MAX:
        raise WireError(FIELD, 0, f"{len(details)} details are not 1 to {DETAILS_MAX}")
    text = f"{len(details):02d}"
    for each in details:
        text += _packed_detail(each, len(text))
    return text


def parse_details(text: str) -> list[Detail]:
    """The details of an upload; WireError when their count is not what follows, or one of them is none."""
    _require_digits(text)
    count, follow = text[:2], len(text) - 2
    if follow < 0 or not 1 <= int(count) <= DETAILS_MAX:
        raise WireError(FIELD, 0, f"count {count} is not 01 to {DETAILS_MAX:02d}")
    if follow != int(count) * DETAIL_DIGITS:
        raise WireError(FIELD, 2, f"{follow} digits are not {count} times {DETAIL_DIGITS}")
    return [_detail(text, at) for at in range(2, len(text), DETAIL_DIGITS)]


def pack_end(count: int) -> str:
    """DE48 of the upload's end: how many details were sent, four digits."""
    return _digits_of(count, 4, "details", 0)


def parse_end(text: str) -> int:
    """How many details the terminal says that it has sent."""
    _require_digits(text)
    if len(text) != 4:
        raise WireError(FIELD, 0, f"{len(text)} digits are not the 4 of an upload's end")
    return int(text)


def _class_totals(text: str, at: int) -> ClassTotals:
    half = text[at : at + TOTALS_DIGITS // 2]
    reply = half[30]
    if reply not in REPLY_FLAGS:
        raise WireError(FIELD, at + 30, f"reply flag {reply} is none of 0 to 3")
    return ClassTotals(int(half[:12]), int(half[12:15]), int(half[15:27]), int(half[27:30]), reply)


def _packed_detail(detail: Detail, at: int) -> str:
    if len(detail.trace) != 6 or not _decimal(detail.trace):
        raise WireError(FIELD, at + 2, "the trace is not six digits")
    if len(detail.pan) not in PAN_DIGITS or not _decimal(detail.pan) or detail.pan[0] == "0":
        raise WireError(FIELD, at + 8, "the card number is not 12 to 19 digits")
    amount = _digits_of(detail.amount_minor, 12, "amount", at + 28)
    return CardClass(detail.card_class) + detail.trace + detail.pan.zfill(20) + amount


def _detail(text: str, at: int) -> Detail:
    card_class, pan = text[at : at + 2], text[at + 8 : at + 28].lstrip("0")
    if card_class not in list(CardClass):
        raise WireError(FIELD, at, f"card class {card_class} is neither 00 nor 01")
    if len(pan) not in PAN_DIGITS:
        raise WireError(FIELD, at + 8, "the card number is not 12 to 19 digits")
    return Detail(CardClass(card_class), text[at + 2 : at + 8], pan, int(text[at + 28 : at + 40]))


def _digits_of(number: int, width: int, what: str, at: int) -> str:
    if not 0 <= number < 10**width:
        raise WireError(FIELD, at, f"{what} {number} does not fit {width} digits")
    return str(number).zfill(width)


def _require_digits(text: str) -> None:
    if not _decimal(text):
        at = next((at for at, digit in enumerate(text) if digit not in "0123456789"), 0)
        raise WireError(FIELD, at, "not only decimal digits")


def _decimal(text: str) -> bool:
    return text.isascii() and text.isdecimal()
