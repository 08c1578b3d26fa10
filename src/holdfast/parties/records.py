"""What the register has of a terminal whose journal was damaged, told to it page by page (`wire.records`).

Rule 1: telling places nothing and moves no money. Only the first question of a mending is recorded, with a finding:
what the terminal had stored and never sent is known to nobody any more, and somebody must compare its slips.
Rule 2: a terminal is told of its own requests alone, with masked cards, under its MAC key; what it asked under older
keys is not received any more from the first question on, so that nothing comes in behind what it was told.
Rule 3: one question looks at one batch, and at so many numbers behind it for the next one that has requests.
"""

from collections.abc import Sequence
from typing import Any

from holdfast.clock import local
from holdfast.domain import responses
from holdfast.domain.commands import (
    BY_NAME,
    COMPLETION_VOID,
    PRE_AUTHORIZATION,
    RECORDS,
    REVERSAL,
    SETTLEMENT,
    Means,
)
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, SESSIONS, Hold, Request
from holdfast.domain.tables import Find, put
from holdfast.errors import WireError
from holdfast.ids import TraceKey
from holdfast.parties.admission import BATCH_MAX, Admitted, admit, turned_away
from holdfast.parties.booking import book, finding
from holdfast.parties.settlement import answered, asked_otherwise, common_facts, question_of, unreadable
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn
from holdfast.parties.translate import key_of
from holdfast.wire.records import FIELD, Asked, Record, Told, fitting_code, how_many_fit, pack_told, parse_asked

REQUESTS_MAX = 5000
"""More than one batch of a terminal has: 999 requests, each reversed, uploaded by itself, and claimed."""

LOOKED_AT_MAX = 64
"""So many batch numbers are looked at for the next batch that has requests."""

PAGE_MAX = 8
"""More records than one answer ever holds."""

START = "0" * 10
OPERATOR_CHARS = 2
COMPARE_SLIPS = "compare the merchant's slips with the register"


def tell(event: Received, policy: Policy) -> Decision:
    """0800/901: the records that come next after the position that is named."""
    message = event.message
    try:
        key, asked = key_of(message), parse_asked(message.get_bytes(FIELD))
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    admitted, read = yield from admit(event, RowOf(REQUESTS, str(key)))
    if isinstance(admitted, str):
        (turn,) = yield (TURN,)
        return turned_away(event, admitted, turn, policy)
    batch, last = asked.position[:6], admitted.session.batch
    candidates = batches_behind(batch, last)
    found = yield tuple(of_batch(key.terminal, number) for number in (batch, *candidates))
    page = [row for row in sorted(found[0], key=named) if is_wanted(row, asked)][: PAGE_MAX + 1]
    holds = (yield tuple(RowOf(HOLDS, row.hold_id or "") for row in page)) if page else ()
    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    if not admitted.session.signed_on:
        return turned_away(event, responses.SIGN_ON_AGAIN, turn, policy)
    records = [record_of(row, hold, policy) for row, hold in zip(page, holds, strict=True)]
    count = how_many_fit(records)
    following = batch + named(page[count - 1]) if count < len(page) else next_with(candidates, found[1:], last)
    told = Told(asked.position, following, tuple(records[:count]))
    return answer(event, key, asked, told, read[0], admitted, turn, policy)


def of_batch(terminal_id: str, batch: str, at_most: int = REQUESTS_MAX) -> Find:
    """The requests of one batch of a terminal."""
    return Find(REQUESTS, (("batch_id", f"{terminal_id}/{batch}"),), at_most)


def batches_behind(batch: str, last: str) -> list[str]:
    """The next numbers after a batch, up to the one that is open."""
    numbers: list[str] = []
    while batch != last and len(numbers) < LOOKED_AT_MAX:
        batch = f"{int(batch) % BATCH_MAX + 1:06d}"
        numbers.append(batch)
    return numbers


def next_with(candidates: Sequence[str], found: Sequence[Sequence[Request]], last: str) -> str:
    """Where the next question begins: at the first of these batches that has requests; '' when there is none left."""
    for batch, rows in zip(candidates, found, strict=True):
        if rows:
            return batch + START
    return candidates[-1] + START if candidates and candidates[-1] != last else ""


def named(row: Request) -> str:
    """Trace number and message type: the order of records in a batch."""
    _, _, stan, mti = row.trace_key.split("/")
    return stan + mti


def is_wanted(row: Request, asked: Asked) -> bool:
    """Whether it is told of: a request, reversal or settlement after the position, that the journal may have lost.

    What bears no sequence of its own was barred by a reversal that came first.
    """
    kind = BY_NAME.get(row.kind)
    known = row.trace_key.endswith(kind.mti) if kind else row.kind in (REVERSAL, SETTLEMENT)
    after = named(row) > asked.position[6:]
    return known and after and (row.sequence == 0 or row.sequence > asked.since)


def record_of(row: Request, hold: Hold | None, policy: Policy) -> Record:
    """A request as it is told of."""
    kind = BY_NAME.get(row.kind)
    linked = hold if kind and (kind.means is Means.HOLD or kind is COMPLETION_VOID) else None
    return Record(
        named(row),
        row.kind,
        row.outcome,
        row.amount_minor,
        row.response_code or "",
        fitting_code(row.authorization_code),
        row.rrn,
        row.entry,
        local(row.answered_us or row.at_us, policy.zone).strftime("%Y%m%d%H%M%S"),
        row.card or "",
        row.operator if len(row.operator) <= OPERATOR_CHARS else "",
        fitting_code(linked.authorization_code) if linked else "",
        original_of(row, linked),
        row.scheme,
    )


def original_of(row: Request, hold: Hold | None) -> str:
    """Batch, trace number and message type of what a request refers to, where it is this terminal's."""
    if row.kind == REVERSAL:
        _, batch, stan, _ = row.trace_key.split("/")
        return batch + stan + BY_NAME[row.echoes].mti
    if hold is None or hold.terminal_id != row.terminal_id:
        return ""
    return hold.batch + hold.stan + PRE_AUTHORIZATION.mti


def answer(
    event: Received,
    key: TraceKey,
    asked: Asked,
    told: Told,
    known: Request | None,
    admitted: Admitted,
    turn: Turn,
    policy: Policy,
) -> Step:
    """The page; the first time an entry and a finding, too."""
    question = question_of(event.message, RECORDS, str(asked.kept))
    if known is not None and known.question != question:
        return asked_otherwise(event, known, admitted, turn, policy)
    if known is not None:
        return Step(send=(_paged(answered(event, known, admitted, policy), told),))
    facts: dict[str, Any] = common_facts(event, key, admitted, turn, policy) | {
        "question": question.hex(),
        "kept": asked.kept,
        "reason": f"the terminal's journal was damaged after its entry {asked.kept}",
    }
    step, after = book(RECORDS, facts, {}, turn)
    request = after[REQUESTS, str(key)]
    reason = f"{facts['reason']}: what it had stored and not sent may be lost"
    note = finding(request, reason, COMPARE_SLIPS, turn.after(step.entries[0]), policy)
    session = put(SESSIONS, admitted.session._replace(previous_mak=None))
    sends = (_paged(answered(event, request, admitted, policy), told),)
    return step._replace(entries=(*step.entries, note), write=(*step.write, session), send=sends)


def _paged(outgoing: Outgoing, told: Told) -> Outgoing:
    outgoing.message.fields[FIELD] = pack_told(told)
    return outgoing
