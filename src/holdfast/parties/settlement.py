"""The batch of a terminal: settled (0500), uploaded where the totals differ (0320), and what chips report (0620).

A settlement compares what the terminal and the register say of one batch, records both, and opens the next batch. When
they differ the terminal uploads what it believes, and each record is laid beside the register's: what the register
lacks becomes a `claimed` entry and a finding, because an upload bears no MAC and moves no money; so does what it has
and the terminal does not name (domain.md §4.6).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from holdfast.clock import business_date
from holdfast.domain import responses
from holdfast.domain.commands import (
    BATCH_UPLOAD,
    BY_NAME,
    BY_UPLOAD,
    CLAIM,
    SCRIPT_NOTICE,
    SETTLEMENT,
)
from holdfast.domain.policy import Policy
from holdfast.domain.projections import rows_of
from holdfast.domain.records import BATCHES, CARDS, REQUESTS, SCHEMES, SESSIONS, Batch, Card, Request
from holdfast.domain.rules import DOMESTIC, EVERYWHERE
from holdfast.domain.tables import Entry, Find, Write, put
from holdfast.errors import WireError
from holdfast.ids import TraceKey, batch_of, mask_pan, rrn_of
from holdfast.parties.admission import Admitted, admit, admit_unsealed, next_batch, seal_of, turned_away
from holdfast.parties.booking import book, finding
from holdfast.parties.ruling import rules_for
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn, pan_hash
from holdfast.parties.translate import answer_to, bare_answer, key_of
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    BALANCED,
    ERROR,
    FIELD,
    NOT_BALANCED,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_totals,
    parse_details,
    parse_end,
    parse_totals,
)

DETAILS_CODES = frozenset({"201"})
"""60.3 of an upload that carries a block of details; the other forms carry one record each, in the message's fields."""
REFUSED_CHIP_CODES = frozenset({"204", "206"})
"""60.3 of a record of a chip that refused: it moved no money, and is only noted."""
END_NOT_BALANCED = "202"
END_CODES = frozenset({END_NOT_BALANCED, "207"})
COUNTING_MTIS = ("0200", "0220")
CLAIM_MTI = "0330"
"""The key of a claim: no request bears it, so that what is claimed can still arrive under its own."""
BATCH_MAX = 2000
"""So many requests of one batch are laid beside an upload; a terminal settles long before."""


# --- settlement ---------------------------------------------------------------------------------------------------


def settle(event: Received, policy: Policy) -> Decision:
    """0500: the terminal's totals beside ours. Balanced or not, the batch is closed, and the next one opens."""
    message = event.message
    try:
        key = key_of(message)
        told = parse_totals(message.get(FIELD))
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    wants = (RowOf(REQUESTS, str(key)), RowOf(BATCHES, batch_of(str(key))), RowOf(SCHEMES, EVERYWHERE))
    admitted, read = yield from admit_unsealed(event, *wants)
    (turn,) = yield (TURN,)
    if isinstance(admitted, str):
        return turned_away(event, admitted, turn, policy)
    known, batch, everywhere = read
    if known is not None:
        return settled_again(event, known, batch, admitted, policy)
    if batch is None and key.batch != admitted.session.batch:
        return turned_away(event, responses.SIGN_ON_AGAIN, turn, policy)
    ours = compared(told, totals_of(batch))
    rules = rules_for("", admitted.merchant, (everywhere, None, None))
    facts = common_facts(event, key, admitted, turn, policy) | {
        "told": pack_totals(told),
        "batch": {
            "id": batch_of(str(key)),
            "version": batch.version + 1 if batch else 1,
            "settled": pack_totals(ours),
        },
        "reason": None if agree(ours) else "the terminal's totals differ from the register's",
    }
    step, after = book(SETTLEMENT, facts, rows_of(batch), turn)
    answer = settlement_answer(after[REQUESTS, str(key)], pack_totals(ours), event, policy)
    writes = step.write
    if key.batch == admitted.session.batch:
        opened = next_batch(key.batch, rules, turn, policy)
        writes += (put(SESSIONS, admitted.session._replace(batch=opened)),)
    return step._replace(write=writes, send=(Outgoing(event.link, answer, seal_of(event, admitted)),))


def settled_again(event: Received, known: Request, batch: Batch | None, admitted: Admitted, policy: Policy) -> Step:
    """A settlement that we know gets its first answer."""
    settled = batch.settled if batch else pack_totals(totals_of(None))
    answer = settlement_answer(known, settled, event, policy)
    return Step(send=(Outgoing(event.link, answer, seal_of(event, admitted)),))


def totals_of(batch: Batch | None) -> Totals:
    """What the register counts in a batch."""
    if batch is None:
        return Totals(ClassTotals(), ClassTotals())
    return Totals(
        ClassTotals(batch.debit_minor, batch.debit_count, batch.credit_minor, batch.credit_count),
        ClassTotals(
            batch.foreign_debit_minor,
            batch.foreign_debit_count,
            batch.foreign_credit_minor,
            batch.foreign_credit_count,
        ),
    )


def compared(told: Totals, ours: Totals) -> Totals:
    """Our totals, with what we think of theirs. What does not fit the digits of the field is an error, never cut."""
    flagged = []
    for mine, theirs in zip(ours, told, strict=True):
        if max(mine.debit_count, mine.credit_count) > 999:
            flagged.append(ClassTotals(reply=ERROR))
            continue
        flagged.append(mine._replace(reply=BALANCED if mine[:4] == theirs[:4] else NOT_BALANCED))
    return Totals(*flagged)


def agree(totals: Totals) -> bool:
    """Whether both halves balance."""
    return all(half.reply == BALANCED for half in totals)


def settlement_answer(request: Request, settled: str, event: Received, policy: Policy) -> Message:
    """0510: our totals and the flags. It has no response code (domain.md §4.6), but names its entry where one asks."""
    answer = answer_of(request, event, policy)
    del answer.fields[39]
    answer.fields[FIELD] = settled
    return answer


# --- upload -------------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """One record of an upload: what the terminal believes. `kind` names what it was, '' where that is not said."""

    stan: str
    amount_minor: int
    pan: str
    foreign: bool
    kind: str


class Beside(NamedTuple):
    """A record beside the register's of that trace number, an earlier claim of it, and the card's vault row."""

    record: Record
    registered: Request | None
    claimed: Request | None
    card: Card | None


class Upload(NamedTuple):
    """One message of an upload, beside the register. `missing` is what the register counts and no message named."""

    key: TraceKey
    batch: Batch | None
    beside: list[Beside]
    missing: list[Request]
    details: int | None


def take_upload(event: Received, policy: Policy) -> Decision:
    """0320: a block of details, one record, or the end of the upload. Always recorded and acknowledged."""
    message = event.message
    code = message.get(60)[8:11]
    try:
        key = key_of(message)
        records = () if code in REFUSED_CHIP_CODES | END_CODES else records_of(message, code)
        count = parse_end(message.get(FIELD)) if code in END_CODES else None
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    hashes = yield tuple(pan_hash(record.pan) for record in records)
    keys = {str(key): RowOf(REQUESTS, str(key))}
    for named in (str(key._replace(stan=r.stan, mti=mti)) for r in records for mti in (*COUNTING_MTIS, CLAIM_MTI)):
        keys[named] = RowOf(REQUESTS, named)
    cards = tuple(RowOf(CARDS, hashed) for hashed in hashes)
    batch_id = batch_of(str(key))
    whole = (Find(REQUESTS, (("batch_id", batch_id),), BATCH_MAX),) if code == END_NOT_BALANCED else ()
    admitted, read = yield from admit_unsealed(event, RowOf(BATCHES, batch_id), *cards, *keys.values(), *whole)
    (turn,) = yield (TURN,)
    if isinstance(admitted, str):
        return turned_away(event, admitted, turn, policy)
    batch, rows = read[0], dict(zip(keys, read[1 + len(cards) :], strict=False))
    if rows[str(key)] is not None:
        answer = answer_of(rows[str(key)], event, policy)
        return Step(send=(Outgoing(event.link, answer, seal_of(event, admitted)),))
    beside = [laid_beside(each, key, card, rows) for each, card in zip(records, read[1:], strict=False)]
    upload = Upload(key, batch, beside, not_uploaded(read[-1], batch) if whole else [], count)
    return uploaded(event, upload, admitted, turn, policy)


def records_of(message: Message, code: str) -> tuple[Record, ...]:
    """The records of one message."""
    if code in DETAILS_CODES and FIELD in message.fields:
        return tuple(_of_detail(detail) for detail in parse_details(message.get(FIELD)))
    kind = BY_UPLOAD.get(message.get(60)[:2])
    amount, pan = message.get(4), message.get(2)
    if not amount.isdecimal() or not pan:
        raise ValueError("an upload of one record names no card (DE2) or amount (DE4)")
    foreign = message.get(63)[:3] not in ("", DOMESTIC)
    return (Record(message.get(11), int(amount), pan, foreign, kind.name if kind else ""),)


def _of_detail(detail: Detail) -> Record:
    return Record(detail.trace, detail.amount_minor, detail.pan, detail.card_class is CardClass.FOREIGN, "")


def laid_beside(record: Record, key: TraceKey, card: Card | None, rows: Mapping[str, Request | None]) -> Beside:
    """The register's request with the record's trace number, if there is one that counts in totals."""
    named = (rows.get(str(key._replace(stan=record.stan, mti=mti))) for mti in COUNTING_MTIS)
    counting = [row for row in named if row is not None and BY_NAME[row.kind].total]
    claimed = rows.get(str(key._replace(stan=record.stan, mti=CLAIM_MTI)))
    return Beside(record, counting[0] if counting else None, claimed, card)


def differs(beside: Beside) -> str | None:
    """What the register and the record do not agree on; None where they agree."""
    record, row, _, card = beside
    if row is None:
        return "the register has no such record"
    if row.outcome not in ("approved", "claimed"):
        return f"the register has it as {row.outcome}"
    if row.amount_minor != record.amount_minor:
        return f"the amount is {record.amount_minor} in the upload and {row.amount_minor} in the register"
    return None if card is not None and card.token == row.token else "the card is another one"


def not_uploaded(requests: list[Request], batch: Batch | None) -> list[Request]:
    """At the end of an upload: what counts in the register's totals and was not named by it."""
    named = set(batch.uploaded.split()) if batch else set()
    counts = [row for row in requests if row.outcome == "approved" and row.kind in BY_NAME and BY_NAME[row.kind].total]
    return [row for row in counts if row.trace_key.split("/")[2] not in named]


def uploaded(event: Received, upload: Upload, admitted: Admitted, turn: Turn, policy: Policy) -> Step:
    """One entry for the upload; for each record that differs a finding, and a claim where the register has none."""
    key, batch, beside, missing, details = upload
    facts = common_facts(event, key, admitted, turn, policy) | {
        "results": [[each.record.stan, differs(each) or "agrees"] for each in beside] or None,
        "count": details,
        "batch": {
            "id": batch_of(str(key)),
            "version": batch.version + 1 if batch else 1,
            "uploaded": [each.record.stan for each in beside],
        },
    }
    step, after = book(BATCH_UPLOAD, facts, rows_of(batch), turn)
    entries, writes = list(step.entries), list(step.write)
    for each in beside:
        reason = differs(each)
        if reason is None or each.claimed is not None:
            continue
        about = each.registered or claim(each, facts, entries, writes, turn)
        note = f"batch upload: {reason}"
        entries.append(finding(about, note, "find out what happened, then repair", turn.after(entries[-1]), policy))
    for row in missing:
        note = "it counts in the register, and the terminal's upload does not name it"
        entries.append(finding(row, note, "ask the merchant", turn.after(entries[-1]), policy))
    answer = answer_of(after[REQUESTS, str(key)], event, policy)
    return Step(tuple(entries), tuple(writes), (Outgoing(event.link, answer, seal_of(event, admitted)),))


def claim(each: Beside, upload: Mapping[str, Any], entries: list[Entry], writes: list[Write], turn: Turn) -> Request:
    """A record that the register lacks stands in it as what it is: a claim. It moves nothing."""
    record, turn = each.record, turn.after(entries[-1])
    terminal_id, batch, _, _ = upload["trace_key"].split("/")
    facts = {name: value for name, value in upload.items() if name not in ("results", "count", "batch")} | {
        "trace_key": str(TraceKey(terminal_id, batch, record.stan, CLAIM_MTI)),
        "outcome": "claimed",
        "amount": record.amount_minor,
        "card": mask_pan(record.pan),
        "token": each.card.token if each.card else None,
        "issuer": each.card.issuer_id if each.card else None,
        "rrn": rrn_of(turn.log, turn.number),
        "reason": "known from a batch upload alone",
    }
    step, after = book(record.kind or CLAIM, facts, {}, turn)
    entries += step.entries
    writes += step.write
    return cast("Request", after[REQUESTS, facts["trace_key"]])


# --- what both have in common -------------------------------------------------------------------------------------


def common_facts(event: Received, key: TraceKey, admitted: Admitted, turn: Turn, policy: Policy) -> dict[str, Any]:
    """What an entry about a batch says."""
    operator = event.message.get(63)[:2].strip()
    return {
        "trace_key": str(key),
        "phase": "recorded",
        "outcome": "approved",
        "response_code": responses.APPROVED,
        "question": b"".hex(),
        "terminal_id": key.terminal,
        "merchant_id": admitted.terminal.merchant_id,
        "actor": operator or admitted.session.operator or "terminal",
        "business_date": business_date(turn.now_us, policy.zone).isoformat(),
        "currency": policy.currency,
        "rrn": rrn_of(turn.log, turn.number),
        "management": event.message.get(60)[8:11] or None,
    }


def answer_of(request: Request, event: Received, policy: Policy) -> Message:
    """The answer to a message about a batch: such requests are of no kind of business, so what they say is echoed."""
    answer = answer_to(request, policy)
    answer.fields[60] = event.message.get(60)
    return answer


def unreadable(event: Received, error: Exception, policy: Policy) -> Decision:
    """What cannot be read is answered 30, without a record."""
    (turn,) = yield (TURN,)
    answer = bare_answer(event.message, responses.FORMAT_ERROR, turn.now_us, policy)
    says = f"terminal {event.message.get(41)!r}: {event.message.mti} cannot be read: {error}"
    return Step(send=(Outgoing(event.link, answer),), says=says)


def note_script(event: Received, policy: Policy) -> Decision:
    """0620: what became of an issuer's script in the chip. Recorded, acknowledged, and judged by nobody here."""
    message = event.message
    try:
        key = key_of(message)
    except ValueError as error:
        return (yield from unreadable(event, error, policy))
    admitted, read = yield from admit(event, RowOf(REQUESTS, str(key)))
    (turn,) = yield (TURN,)
    if isinstance(admitted, str) or admitted.too_late(turn):
        return turned_away(event, admitted if isinstance(admitted, str) else responses.MAC_ERROR, turn, policy)
    if read[0] is not None:
        return Step(send=(Outgoing(event.link, answer_of(read[0], event, policy), admitted.seal),))
    de61 = message.get(61)
    facts = common_facts(event, key, admitted, turn, policy) | {"original": None, "about": de61[:12] or None}
    step, after = book(SCRIPT_NOTICE, facts, {}, turn)
    answer = answer_of(after[REQUESTS, str(key)], event, policy)
    return step._replace(send=(Outgoing(event.link, answer, admitted.seal),))
