"""The batch of a terminal: settled (0500), uploaded where the totals differ (0320), and what chips report (0620).

A settlement compares what the terminal and the register say of one batch, records both, and opens the next batch. When
they differ the terminal uploads what it believes, and each record is laid beside the register's: what the register
lacks becomes a `claimed` entry and a finding, because an upload bears no MAC and moves no money; so does what it has
and the terminal does not name (domain.md §4.6). What is not said there:

Rule 1: whatever a request does counts in the batch of its own key, for ever. An advice, an answer or a reversal that
comes after the settlement changes the totals then: they are carried over, and nothing is compared again by itself.
Rule 2: balanced or not, a batch is closed when its totals come; only that of the session opens the next. Any batch that
the register knows may be settled again under another trace number, and is compared as it is now. One that is neither
known nor open is answered 77, unless nothing counts in it: then both sides agree, and the terminal may go on.
Rule 3: the same key with the same totals gets the first answer; with others 94. The same holds for an upload.
Rule 4: totals that do not fit their digits are flagged 3 and told as zeros, never cut.
Rule 5: a settlement that does not balance is no finding yet: its upload finds which records differ. Each is found once.
Rule 6: neither type needs a MAC, save by rule or where the terminal seals its own (`admission`); one that is there
must hold, and then the answer bears one. What an unsealed one says of a chain is not believed.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, cast

from holdfast.clock import business_date
from holdfast.domain import responses
from holdfast.domain.commands import BATCH_UPLOAD, CLAIM, SCRIPT_NOTICE, SETTLEMENT
from holdfast.domain.policy import Policy
from holdfast.domain.projections import rows_of
from holdfast.domain.records import (
    BATCHES,
    CARDS,
    REQUESTS,
    SCHEMES,
    SESSIONS,
    SESSIONS_TO_CHANGE,
    Batch,
    Request,
)
from holdfast.domain.rules import EVERYWHERE
from holdfast.domain.tables import Entry, Find, Write, put
from holdfast.errors import WireError
from holdfast.ids import TraceKey, batch_of, mask_pan, rrn_of
from holdfast.money import AMOUNT_MINOR_MAX
from holdfast.parties.admission import MAC_FIELD, Admitted, admit, admit_about_batch, next_batch, seal_of, turned_away
from holdfast.parties.booking import COMPLETE_OR_ASK, book, finding
from holdfast.parties.ruling import rules_for
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn, pan_hash
from holdfast.parties.translate import CHIP_FIELD, answer_to, bare_answer, key_of
from holdfast.parties.uploaded import (
    CLAIM_MTI,
    END_CODES,
    END_NOT_BALANCED,
    ENDED,
    REFUSED_CHIP,
    REFUSED_CHIP_CODES,
    Beside,
    differs,
    differs_from,
    keys_beside,
    laid_beside,
    lost,
    not_named,
    records_of,
)
from holdfast.wire import chain, tlv
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    BALANCED,
    COUNT_MAX,
    ERROR,
    FIELD,
    NOT_BALANCED,
    ClassTotals,
    Totals,
    pack_totals,
    parse_end,
    parse_totals,
)

BATCH_MAX = 2000
"""So many requests of one batch are laid beside the end of an upload; a terminal settles long before."""

RESPONSE_CODE_FIELD, CONTROL_FIELD = 39, 60
ECHOED = frozenset({3, 4, 25, CONTROL_FIELD})
"""Terminals look for these in an answer where they were in the request (domain.md §1), as a record in an upload has."""
SCRIPT_RESULTS = "DF31"
ASK_MERCHANT = "ask the merchant"


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
    admitted, read = yield from admit_about_batch(event, *wants, sessions=SESSIONS_TO_CHANGE)
    (turn,) = yield (TURN,)
    if isinstance(admitted, str) or admitted.too_late(turn):
        return turned_away(event, admitted if isinstance(admitted, str) else responses.MAC_ERROR, turn, policy)
    known, batch, everywhere = read
    question = question_of(message, message.get(FIELD))
    if known is not None and known.question != question:
        return asked_otherwise(event, known, admitted, turn, policy)
    if known is not None:
        before = parse_totals(batch.settled) if batch else totals_of(None)
        return Step(send=(answered(event, known, admitted, policy, compared(told, before)),))
    strange = batch is None and key.batch != admitted.session.batch
    if strange and not agree(compared(told, totals_of(None))):
        return turned_away(event, responses.SIGN_ON_AGAIN, turn, policy)
    ours = compared(told, totals_of(batch))
    facts = common_facts(event, key, admitted, turn, policy) | {
        "question": question.hex(),
        "told": pack_totals(told),
        "batch": {"id": batch_of(str(key)), "version": batch.version + 1 if batch else 1, "settled": pack_totals(ours)},
        "reason": None if agree(ours) else "the terminal's totals differ from the register's",
    }
    step, after = book(SETTLEMENT, facts, rows_of(batch), turn)
    writes = step.write
    if key.batch == admitted.session.batch:
        rules = rules_for("", admitted.merchant, (everywhere, None, None))
        opened = next_batch(key.batch, rules, turn, policy)
        session = admitted.session._replace(batch=opened)
        if session.unproven_batch:
            session = session._replace(unproven_batch=next_batch(opened, rules, turn, policy))
        writes += (put(SESSIONS, session),)
    return step._replace(write=writes, send=(answered(event, after[REQUESTS, str(key)], admitted, policy, ours),))


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
    return Totals(*(_flagged(mine, theirs) for mine, theirs in zip(ours, told, strict=True)))


def _flagged(mine: ClassTotals, theirs: ClassTotals) -> ClassTotals:
    counts, amounts = (mine.debit_count, mine.credit_count), (mine.debit_amount_minor, mine.credit_amount_minor)
    if mine.reply == ERROR or max(counts) > COUNT_MAX or max(amounts) > AMOUNT_MINOR_MAX:
        return ClassTotals(reply=ERROR)
    return mine._replace(reply=BALANCED if mine[:4] == theirs[:4] else NOT_BALANCED)


def agree(totals: Totals) -> bool:
    """Whether both halves balance."""
    return all(half.reply == BALANCED for half in totals)


# --- upload -------------------------------------------------------------------------------------------------------


class Upload(NamedTuple):
    """One message of an upload, beside the register.

    `requests` are those of the whole batch, where it is the end of an upload whose totals differed; `sent_n` is how
    many records an end says were sent.
    """

    key: TraceKey
    code: str
    question: bytes
    batch: Batch | None
    beside: Sequence[Beside]
    requests: Sequence[Request]
    sent_n: int | None


def take_upload(event: Received, policy: Policy) -> Decision:
    """0320: a block of details, one record, or the end of the upload. Always recorded and acknowledged."""
    message = event.message
    code = message.get(CONTROL_FIELD)[8:11]
    try:
        key, records = key_of(message), records_of(message, code)
        sent_n = parse_end(message.get(FIELD)) if code in END_CODES else None
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    hashes = yield tuple(pan_hash(record.pan) for record in records)
    # Card numbers are part of the question, and stand in no hash that has no key.
    said = [f"{record.stan} {record.amount_minor} {record.foreign}" for record in records]
    question = question_of(message, code, message.get(4), *said, *(hashed.hex() for hashed in hashes), str(sent_n))
    keys, batch_id = keys_beside(key, records), batch_of(str(key))
    whole = (Find(REQUESTS, (("batch_id", batch_id),), BATCH_MAX),) if code == END_NOT_BALANCED else ()
    cards = tuple(RowOf(CARDS, hashed) for hashed in hashes)
    own = RowOf(REQUESTS, str(key)), RowOf(BATCHES, batch_id)
    beside_them = (RowOf(REQUESTS, named) for named in keys)
    admitted, read = yield from admit_about_batch(event, *own, *cards, *beside_them, *whole)
    (turn,) = yield (TURN,)
    if isinstance(admitted, str) or admitted.too_late(turn):
        return turned_away(event, admitted if isinstance(admitted, str) else responses.MAC_ERROR, turn, policy)
    known, batch, *others = read
    if known is not None and known.question != question:
        return asked_otherwise(event, known, admitted, turn, policy)
    if known is not None:
        return Step(send=(answered(event, known, admitted, policy),))
    if batch is None and key.batch != admitted.session.batch:
        return turned_away(event, responses.SIGN_ON_AGAIN, turn, policy)
    rows = dict(zip(keys, others[len(cards) :], strict=False))
    beside = [laid_beside(each, key, card, rows) for each, card in zip(records, others, strict=False)]
    upload = Upload(key, code, question, batch, beside, others[-1] if whole else (), sent_n)
    return uploaded(event, upload, admitted, turn, policy)


def uploaded(event: Received, upload: Upload, admitted: Admitted, turn: Turn, policy: Policy) -> Step:
    """One entry for the message; for each record that differs a finding, and a claim where the register has none."""
    key, code, batch, beside = upload.key, upload.code, upload.batch, upload.beside
    reasons = {END_NOT_BALANCED: ENDED} | dict.fromkeys(REFUSED_CHIP_CODES, REFUSED_CHIP)
    facts = common_facts(event, key, admitted, turn, policy) | {
        "question": upload.question.hex(),
        "results": [[each.record.stan, differs(each) or "agrees"] for each in beside] or None,
        "count": upload.sent_n,
        "reason": reasons.get(code),
    }
    named = [each.record.stan for each in beside]
    if named:
        version = batch.version + 1 if batch else 1
        facts["batch"] = {"id": batch_of(str(key)), "version": version, "uploaded": named}
    step, after = book(BATCH_UPLOAD, facts, rows_of(batch), turn)
    request = after[REQUESTS, str(key)]
    found = Found(list(step.entries), list(step.write), turn, policy)
    for each in beside:
        found.of_record(each, facts)
    if code == END_NOT_BALANCED:
        found.at_the_end(request, upload)
    return Step(tuple(found.entries), tuple(found.writes), (answered(event, request, admitted, policy),))


class Found:
    """What a message of an upload finds: `entries` and `writes` of its step so far."""

    def __init__(self, entries: list[Entry], writes: list[Write], turn: Turn, policy: Policy) -> None:
        self.entries = entries
        self.writes = writes
        self._turn = turn
        self._policy = policy

    def of_record(self, each: Beside, upload: Mapping[str, Any]) -> None:
        """A record that differs is found, unless it was claimed just so before."""
        reason = differs(each)
        if reason is None:
            return
        if each.registered is None and each.claimed is not None:
            changed = differs_from(each.claimed, each)
            if changed is not None:
                self.note(each.claimed, f"it was claimed before, and {changed}", ASK_MERCHANT)
            return
        about = each.registered or self.claim(each, upload)
        self.note(about, reason, COMPLETE_OR_ASK if each.registered is None else ASK_MERCHANT)

    def at_the_end(self, request: Request, upload: Upload) -> None:
        """What counts in the register and was not named, and what was sent and did not come."""
        for row in not_named(upload.requests, upload.batch):
            self.note(row, "it counts in the register, and the terminal does not name it", ASK_MERCHANT)
        fewer = lost(upload.requests, upload.batch, upload.sent_n or 0)
        if fewer is not None:
            self.note(request, fewer, "have the terminal upload its batch again")

    def note(self, about: Request, reason: str, next_action: str) -> None:
        """One finding."""
        note = finding(about, f"batch upload: {reason}", next_action, self._after(), self._policy)
        self.entries.append(note)

    def claim(self, each: Beside, upload: Mapping[str, Any]) -> Request:
        """A record that the register lacks stands in it as what it is: a claim. It moves nothing."""
        record, turn = each.record, self._after()
        terminal_id, batch, _, _ = upload["trace_key"].split("/")
        said_of_the_message = ("results", "count", "batch", "response_code", "sequence")
        facts = {name: value for name, value in upload.items() if name not in said_of_the_message} | {
            "trace_key": str(TraceKey(terminal_id, batch, record.stan, CLAIM_MTI)),
            "outcome": "claimed",
            "amount": record.amount_minor,
            "card": mask_pan(record.pan),
            "token": each.card.token if each.card else None,
            "issuer": each.card.issuer_id if each.card else None,
            "authorization_code": record.code or None,
            "about": record.original or None,
            "rrn": rrn_of(turn.log, turn.number),
            "reason": "known from a batch upload alone",
        }
        step, after = book(record.kind or CLAIM, facts, {}, turn)
        self.entries += step.entries
        self.writes += step.write
        return cast("Request", after[REQUESTS, facts["trace_key"]])

    def _after(self) -> Turn:
        return self._turn.after(self.entries[-1])


# --- what both have in common -------------------------------------------------------------------------------------


def common_facts(event: Received, key: TraceKey, admitted: Admitted, turn: Turn, policy: Policy) -> dict[str, Any]:
    """What an entry about a batch says."""
    message = event.message
    link = chain.parse_request(message.get(CHAIN_FIELD))
    return {
        "trace_key": str(key),
        "phase": "recorded",
        "outcome": "approved",
        "response_code": responses.APPROVED,
        "question": b"".hex(),
        "terminal_id": key.terminal,
        "merchant_id": admitted.terminal.merchant_id,
        "actor": message.get(63)[:2].strip() or admitted.session.operator or "terminal",
        "business_date": business_date(turn.now_us, policy.zone).isoformat(),
        "currency": policy.currency,
        "rrn": rrn_of(turn.log, turn.number),
        "management": message.get(CONTROL_FIELD)[8:11] or None,
        "sequence": link.sequence if link and MAC_FIELD in message.fields else None,
    }


def question_of(message: Message, *parts: str) -> bytes:
    """What makes a message about a batch the same one under its key; its link tells two copies of a journal apart."""
    link = chain.parse_request(message.get(CHAIN_FIELD))
    return sha256("|".join((*parts, link.link if link else "")).encode()).digest()[:16]


def answered(
    event: Received, request: Request, admitted: Admitted, policy: Policy, totals: Totals | None = None
) -> Outgoing:
    """The answer to a message about a batch. Such requests are of no kind of business: what they say is echoed.

    A 0510 has our totals and flags, and no response code (domain.md §4.6).
    """
    answer = answer_to(request, policy)
    answer.fields |= {number: value for number, value in event.message.fields.items() if number in ECHOED}
    if totals is not None:
        del answer.fields[RESPONSE_CODE_FIELD]
        answer.fields[FIELD] = pack_totals(totals)
    seal = seal_of(event, admitted)
    if seal is None:
        del answer.fields[MAC_FIELD]
    return Outgoing(event.link, answer, seal)


def asked_otherwise(event: Received, known: Request, admitted: Admitted, turn: Turn, policy: Policy) -> Step:
    """The key names a message that said something else. That one stands; this one is a duplicate."""
    facts = {
        "phase": "duplicate",
        "trace_key": known.trace_key,
        "actor": event.message.get(63)[:2].strip() or admitted.session.operator or "terminal",
        "terminal_id": known.terminal_id,
        "response_code": responses.DUPLICATE,
        "reason": f"the key names {known.entry}, which said something else",
    }
    entry = turn.record(known.kind, facts)
    other = known._replace(
        response_code=responses.DUPLICATE,
        entry=turn.entry,
        rrn=rrn_of(turn.log, turn.number),
        answered_us=turn.now_us,
    )
    return Step((entry,), send=(answered(event, other, admitted, policy),))


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
        chip = tlv.parse(message.get_bytes(CHIP_FIELD))
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    admitted, read = yield from admit(event, RowOf(REQUESTS, str(key)))
    (turn,) = yield (TURN,)
    if isinstance(admitted, str) or admitted.too_late(turn):
        return turned_away(event, admitted if isinstance(admitted, str) else responses.MAC_ERROR, turn, policy)
    results, about = chip.get(SCRIPT_RESULTS, b"").hex(), message.get(61)[:16]
    question, known = question_of(message, results, about), read[0]
    if known is not None and known.question != question:
        return asked_otherwise(event, known, admitted, turn, policy)
    if known is not None:
        return Step(send=(answered(event, known, admitted, policy),))
    facts = common_facts(event, key, admitted, turn, policy)
    facts |= {"question": question.hex(), "about": about or None, "script_results": results or None}
    step, after = book(SCRIPT_NOTICE, facts, {}, turn)
    return step._replace(send=(answered(event, after[REQUESTS, str(key)], admitted, policy),))
