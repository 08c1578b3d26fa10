"""Names of things: trace keys, register entries, reference numbers, cards."""

from typing import NamedTuple

from holdfast.errors import BadInput


class TraceKey(NamedTuple):
    """Names one request for ever: terminal, batch, STAN, and the MTI without its repeat digit."""

    terminal: str
    batch: str
    stan: str
    mti: str

    def __str__(self) -> str:
        return f"{self.terminal}/{self.batch}/{self.stan}/{self.mti}"


_FIRST_TIME = {"1": "0", "3": "2", "5": "4", "7": "6", "9": "8"}


def without_repeat(mti: str) -> str:
    """0201 -> 0200, 0421 -> 0420: a repeat is the same request."""
    return mti[:3] + _FIRST_TIME[mti[3]] if mti[3] in _FIRST_TIME else mti


def parse_trace_key(text: str) -> TraceKey:
    """`T0000001/000001/000123/0100` -> TraceKey, or BadInput."""
    parts = text.split("/")
    sizes = (8, 6, 6, 4)
    if len(parts) != len(sizes) or any(len(p) != n for p, n in zip(parts, sizes, strict=True)):
        raise BadInput(f"trace key {text!r} is not terminal/batch/trace/MTI, like T0000001/000001/000123/0100")
    return TraceKey(*parts)


def entry_id(log: str, number: int) -> str:
    """The id of a log entry: `A-000123`."""
    return f"{log}-{number:06d}"


def parse_entry_id(text: str) -> tuple[str, int]:
    """`A-000123` -> ("A", 123), or BadInput."""
    log, dash, digits = text.rpartition("-")
    if not dash or not log.isalnum() or not digits.isdecimal() or not text.isascii() or len(digits) < 6:
        raise BadInput(f"register entry {text!r} is not a log and a number, like A-000123")
    if entry_id(log, int(digits)) != text:
        raise BadInput(f"register entry {text!r} is not written as {entry_id(log, int(digits))}")
    return log, int(digits)


def rrn_of(log: str, number: int) -> str:
    """The retrieval reference number (DE37, 12 characters), unique because log and number are."""
    return log + str(number).zfill(12 - len(log))


def entry_of_rrn(rrn: str) -> str | None:
    """The entry that a reference number of ours names, None for another's."""
    log = rrn.rstrip("0123456789")
    number = rrn[len(log) :]
    if len(rrn) != 12 or not (log.isascii() and log.isalpha() and number):
        return None
    return entry_id(log, int(number))


def batch_of(trace_key: str) -> str:
    """The batch that a request counts in: `T0000001/000001`."""
    return trace_key[:15]


def mask_pan(pan: str) -> str:
    """BIN and last four, the rest stars: the most that may ever be shown (PCI DSS 3.4.1)."""
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


_ZERO = ord("0")
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Twice a digit, with its digits added up: 7 -> 14 -> 5."""


def luhn_valid(pan: str) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1)."""
    if not (pan.isdecimal() and pan.isascii() and 12 <= len(pan) <= 19):
        return False
    doubled = pan[-2::-2].translate(_DOUBLED)
    return (sum(pan[-1::-2].encode()) + sum(doubled.encode()) - _ZERO * len(pan)) % 10 == 0
