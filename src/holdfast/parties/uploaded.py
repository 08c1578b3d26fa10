"""What a batch upload says, laid beside the register: nothing here decides what becomes of it.

Rule 1: a record is laid beside the request of that terminal, batch and trace number that counts in totals (0200, 0220).
Rule 2: what differs is said in one sentence. State comes first, then amount, card, and whether the card is foreign.
Rule 3: a record never moves money and never counts, whatever it says; the kind of a record is its own word (60.1).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holdfast.domain.commands import BATCH_UPLOAD, BY_NAME, BY_UPLOAD
from holdfast.domain.records import Batch, Card, Request
from holdfast.domain.rules import DOMESTIC
from holdfast.ids import TraceKey
from holdfast.money import format_amount
from holdfast.wire.message import Message
from holdfast.wire.settlement import FIELD, PAN_DIGITS, CardClass, parse_details

DETAILS_CODE = "201"
"""60.3 of a block of details (DE48) or, where there is none, of an advice or refund in the message's own fields."""
CHIP_CODES = frozenset({"203", "205"})
REFUSED_CHIP_CODES = frozenset({"204", "206"})
"""60.3 of a record of a chip that refused: it moved no money, and is only noted."""
END_NOT_BALANCED = "202"
END_CODES = frozenset({END_NOT_BALANCED, "207"})
CODES = CHIP_CODES | REFUSED_CHIP_CODES | END_CODES | {DETAILS_CODE}

COUNTING_MTIS = ("0200", "0220")
CLAIM_MTI = "0330"
"""The key of a claim: no request bears it, so that what is claimed can still arrive under its own."""

COUNTED = frozenset({"approved", "claimed"})
"""Outcomes that a terminal was answered 00 for. An advice that a rule speaks against is one: it counts all the same."""

REFUSED_CHIP = "the chip refused: only noted"
ENDED = "the upload ends: the totals differed"
"""The reason in the register of such a message, by which a later one knows that it came."""


class Record(NamedTuple):
    """One record of an upload: what the terminal believes.

    `kind` names what it was, '' where that is not said; `foreign` is None where the card's class is not. `code` and
    `original` are DE38 and DE61, as an advice or a chip's record may carry them.
    """

    stan: str
    amount_minor: int
    pan: str
    foreign: bool | None
    kind: str = ""
    code: str = ""
    original: str = ""


class Beside(NamedTuple):
    """A record beside the register's of that trace number, an earlier claim of it, and the card's vault row."""

    record: Record
    registered: Request | None
    claimed: Request | None
    card: Card | None


def records_of(message: Message, code: str) -> tuple[Record, ...]:
    """The records of one message; what is none is a WireError or ValueError."""
    if code not in CODES:
        raise ValueError(f"60.3 {code or 'missing'} is no form of an upload")
    if code in REFUSED_CHIP_CODES | END_CODES:
        return ()
    if code == DETAILS_CODE and FIELD in message.fields:
        details = parse_details(message.get(FIELD))
        return tuple(Record(d.trace, d.amount_minor, d.pan, d.card_class is CardClass.FOREIGN) for d in details)
    amount, pan, kind = message.get(4), message.get(2), BY_UPLOAD.get(message.get(60)[:2])
    if not amount.isdecimal() or len(pan) not in PAN_DIGITS:
        raise ValueError("an upload of one record names no card (DE2) or no amount (DE4)")
    name = kind.name if kind else ""
    return (Record(message.get(11), int(amount), pan, None, name, message.get(38).strip(), message.get(61)),)


def keys_beside(key: TraceKey, records: Iterable[Record]) -> list[str]:
    """The keys under which the register may have these records, each once."""
    mtis = (*COUNTING_MTIS, CLAIM_MTI)
    return list(dict.fromkeys(str(key._replace(stan=record.stan, mti=mti)) for record in records for mti in mtis))


def laid_beside(record: Record, key: TraceKey, card: Card | None, rows: Mapping[str, Request | None]) -> Beside:
    """The register's request with the record's trace number, if one counts in totals; that of its kind first."""
    named = (rows.get(str(key._replace(stan=record.stan, mti=mti))) for mti in COUNTING_MTIS)
    counting = [row for row in named if row is not None and BY_NAME[row.kind].total]
    counting.sort(key=lambda row: row.kind != record.kind)
    claimed = rows.get(str(key._replace(stan=record.stan, mti=CLAIM_MTI)))
    return Beside(record, counting[0] if counting else None, claimed, card)


def differs(beside: Beside) -> str | None:
    """What the register and the record do not agree on; None where they agree."""
    if beside.registered is None:
        return "the register has no such record"
    return differs_from(beside.registered, beside)


def differs_from(row: Request, beside: Beside) -> str | None:
    """What a row and the record do not agree on."""
    record, card = beside.record, beside.card
    if row.outcome not in COUNTED:
        return f"the register has it as {row.outcome}"
    if row.amount_minor != record.amount_minor:
        uploaded, registered = format_amount(record.amount_minor), format_amount(row.amount_minor)
        return f"the amount is {uploaded} in the upload and {registered} in the register"
    if row.token != (card.token if card else None):
        return "the card is another one"
    if record.foreign is not None and row.scheme and record.foreign != (row.scheme != DOMESTIC):
        return f"the card is uploaded as {'foreign' if record.foreign else 'domestic'}, and it is one of {row.scheme}"
    return None


def not_named(requests: Sequence[Request], batch: Batch | None) -> list[Request]:
    """At the end of an upload: what counts in the register's totals and no message named, and no earlier end found."""
    named = set(batch.uploaded.split()) if batch else set()
    found_us = max((row.at_us for row in requests if row.kind == BATCH_UPLOAD and row.reason == ENDED), default=-1)
    counts = [row for row in requests if row.kind in BY_NAME and BY_NAME[row.kind].total and row.outcome in COUNTED]
    of_its_key = [row for row in counts if row.trace_key.endswith(BY_NAME[row.kind].mti)]
    return [row for row in of_its_key if row.trace_key.split("/")[2] not in named and row.answered_us > found_us]


def lost(requests: Sequence[Request], batch: Batch | None, sent_n: int) -> str | None:
    """Whether fewer records came than the end of an upload says were sent. Some terminals count refused chips, too."""
    came = len(set(batch.uploaded.split())) if batch else 0
    noted = sum(row.kind == BATCH_UPLOAD and row.reason == REFUSED_CHIP for row in requests)
    return f"the terminal sent {sent_n} records, and {came} came" if sent_n > came + noted else None
