"""DE62 of a private request (0800, 60.3 = 901): a terminal whose journal was damaged asks for the register's records.

Request: `HR1|<position>|<since>|<kept>`. Answer: `HR1|<position>|<next position, or empty>;<record>;<record>…`, where
a record is its values joined by `|`, in the order of `Record`. A position is the batch, trace number and message type
after which the records are wanted; the answer repeats it, and says where the next question begins.

Rule 1: one text for one meaning: what is not written as `pack_…` writes it is a WireError.
Rule 2: a card is a mask. A record with a whole card number can neither be written nor read.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from holdfast.errors import WireError
from holdfast.wire.chain import ENTRY

FIELD = 62
FIELD_BYTES_MAX = 512

OUTCOMES = ("asked", "approved", "declined", "unknown", "reversed", "tombstone", "claimed")

MARK = "HR1"
_POSITION = "[0-9]{12}0[0-9]{2}0"
_NUMBER = "0|[1-9][0-9]{0,17}"
_CODE = "[ -:<-{}~]{0,6}"
"""Printable, save what separates."""
_VALUES = (
    "[0-9]{6}0[0-9]{2}0",
    "[a-z][a-z-]{0,31}",
    "|".join(OUTCOMES),
    "0|[1-9][0-9]{0,11}",
    "(?:[0-9A-Z]{2})?",
    _CODE,
    "[0-9A-Za-z]{0,12}",
    f"(?:{ENTRY})?",
    "20[0-9]{6}(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]",
    r"(?:[0-9]{6}\*{2,9}[0-9]{4})?",
    "[0-9A-Za-z]{0,2}",
    _CODE,
    f"(?:{_POSITION})?",
    "[0-9A-Z]{0,3}",
)
_RECORD = re.compile(r"\|".join(f"({value})" for value in _VALUES))
_ASKED = re.compile(rf"{MARK}\|({_POSITION})\|({_NUMBER})\|({_NUMBER})")
_TOLD = re.compile(rf"{MARK}\|({_POSITION})\|({_POSITION})?")


class Asked(NamedTuple):
    """What is asked: records after this position of requests whose own sequence in the journal is over `since`.

    `kept` is the number of the last entry that the damaged journal kept.
    """

    position: str
    since: int
    kept: int


class Record(NamedTuple):
    """One request in the register.

    `named` is its trace number and message type, `at` the local date and time of its answer (YYYYMMDDhhmmss),
    `original_code` the authorization code of the hold that it is about. `original` is batch, trace number and message
    type of what it refers to, where that is this terminal's: the hold, or what a reversal undoes.
    """

    named: str
    kind: str
    outcome: str
    amount_minor: int
    response_code: str
    authorization_code: str
    rrn: str
    register_entry: str
    at: str
    card: str
    operator: str
    original_code: str
    original: str
    scheme: str


class Told(NamedTuple):
    """An answer: some records, in the order of their trace numbers; `following` is '' when there are no more."""

    position: str
    following: str
    records: tuple[Record, ...]


def pack_asked(asked: Asked) -> bytes:
    """DE62 of the request."""
    text = f"{MARK}|{asked.position}|{asked.since}|{asked.kept}"
    if _ASKED.fullmatch(text) is None:
        raise WireError(FIELD, 0, "not a position and two entry numbers")
    return text.encode("ascii")


def parse_asked(raw: bytes) -> Asked:
    """What DE62 of a request asks."""
    match = _ASKED.fullmatch(_text(raw))
    if match is None:
        raise WireError(FIELD, 0, "asks for no records")
    return Asked(match[1], int(match[2]), int(match[3]))


def pack_told(told: Told) -> bytes:
    """DE62 of the answer; WireError when a value does not have its form, or all of it does not fit."""
    head = f"{MARK}|{told.position}|{told.following}"
    if _TOLD.fullmatch(head) is None:
        raise WireError(FIELD, 0, "not a position and the next one")
    raw = ";".join((head, *map(_packed, told.records))).encode("ascii")
    if len(raw) > FIELD_BYTES_MAX:
        raise WireError(FIELD, FIELD_BYTES_MAX, f"{len(raw)} bytes do not fit")
    return raw


def parse_told(raw: bytes) -> Told:
    """What DE62 of an answer tells."""
    head, *records = _text(raw).split(";")
    match = _TOLD.fullmatch(head)
    if match is None:
        raise WireError(FIELD, 0, "tells no records")
    return Told(match[1], match[2] or "", tuple(map(_parsed, records)))


def how_many_fit(records: Sequence[Record]) -> int:
    """How many of these, from the first on, one answer can hold: at least one where there is any."""
    room = FIELD_BYTES_MAX - len(f"{MARK}|{'0' * 16}|{'0' * 16}")
    for count, record in enumerate(records):
        room -= 1 + len(_packed(record))
        if room < 0:
            return count
    return len(records)


def fitting(record: Record) -> Record | None:
    """A record as it can be told: '' for each value without its form; None when one of these must be there.

    What an issuer or a standard terminal sends may be anything; it is never a reason to tell nothing.
    """
    told = (text if re.fullmatch(form, text) else "" for form, text in zip(_VALUES, map(str, record), strict=True))
    try:
        return _parsed("|".join(told))
    except WireError:
        return None


def _packed(record: Record) -> str:
    text = "|".join(map(str, record))
    if _parsed(text) != record:
        raise WireError(FIELD, 0, "a value of a record does not have its form")
    return text


def _parsed(text: str) -> Record:
    match = _RECORD.fullmatch(text)
    if match is None:
        raise WireError(FIELD, 0, "a record does not have its form")
    named, kind, outcome, amount, *others = match.groups()
    at = others[4]
    try:
        date(int(at[:4]), int(at[4:6]), int(at[6:8]))
    except ValueError:
        raise WireError(FIELD, 0, f"{at[:8]} of a record is no date") from None
    return Record(named, kind, outcome, int(amount), *others)


def _text(raw: bytes) -> str:
    if not raw.isascii() or len(raw) > FIELD_BYTES_MAX:
        raise WireError(FIELD, 0, "not a text of records")
    return raw.decode("ascii")
