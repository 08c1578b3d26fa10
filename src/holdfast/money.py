"""Money is an integer of minor units (fen). There is no float anywhere, and no rounding that is not written here."""

import re

from holdfast.errors import BadInput

AMOUNT_MINOR_MAX = 999_999_999_999
"""DE4 has twelve digits."""

CURRENCY_CNY = "156"
"""ISO 4217 number of the renminbi, the currency of DE49."""

_AMOUNT = re.compile(r"(\d{1,10})(?:\.(\d{1,2}))?")


def parse_amount(text: str) -> int:
    """`500`, `500.5` or `500.00` -> minor units; anything else, zero included, is a BadInput."""
    match = _AMOUNT.fullmatch(text)
    if match is None or not text.isascii():
        raise BadInput(f"amount {text!r} is not money: write it like 500.00")
    whole, cents = match.group(1), (match.group(2) or "").ljust(2, "0")
    amount_minor = int(whole) * 100 + int(cents)
    if amount_minor == 0:
        raise BadInput("amount 0.00 is not money: it must be at least 0.01")
    return amount_minor


def format_amount(amount_minor: int) -> str:
    """Minor units -> `500.00`."""
    sign = "-" if amount_minor < 0 else ""
    whole, cents = divmod(abs(amount_minor), 100)
    return f"{sign}{whole}.{cents:02d}"


def percent_of(amount_minor: int, percent: int) -> int:
    """`percent` hundredths of an amount, fractions of a fen dropped: the ceiling must never exceed the rule."""
    return amount_minor * percent // 100
