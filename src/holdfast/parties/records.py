"""What the register has of a terminal whose journal was damaged, told to it page by page (`wire.records`).

Rule 1: telling places nothing and moves no money. Only the first question of a mending is recorded, with a finding:
what the terminal had stored and never sent is known to nobody any more, and somebody must compare its slips. A mending
begins with a sign-on, and behind what was kept the journal has no question that this batch has: else it is the same.
Rule 2: a terminal is told of its own requests alone, with masked cards, under its MAC key; what it asked under older
keys is not received any more from the first question on, so that nothing comes in behind what it was told.
Rule 3: one question looks at one batch and the open one, and at so many numbers behind it for the next one that has
requests.
Rule 4: a value that does not fit is told as nothing, and a request that cannot be told at all is left out and said, so
that the rebuild ends whatever an issuer or a terminal once sent.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from holdfast.clock import local
from holdfast.domain import responses
from holdfast.domain.commands import (
    BY_NAME,
    COMPLETION_VOID,
    PRE_AUTHORIZATION,
    RECORDS,
    REVERSAL,
    REVERSAL_MTI,
    SETTLEMENT,
    SETTLEMENT_MTI,
    Means,
)
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, SESSIONS, SESSIONS_TO_CHANGE, Hold, Request, Session
from holdfast.domain.tables import Find, put
from holdfast.errors import WireError
from holdfast.ids import TraceKey
from holdfast.parties.admission import BATCH_MAX, Admitted, admit, turned_away
from holdfast.parties.booking import book, finding
from holdfast.parties.settlement import answered, common_facts, question_of, unreadable
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn
from holdfast.parties.translate import key_of
from holdfast.wire.records import FIELD, Asked, Record, Told, fitting, how_many_fit, pack_told, parse_asked

REQUESTS_MAX = 5000
"""More than one batch of a terminal has: 999 requests, each reversed, uploaded by itself, and claimed."""

LOOKED_AT_MAX = 64
"""So many batch numbers are looked at for the next batch that has requests."""

PAGE_MAX = 8
"""More records than one answer ever holds."""

START = "0" * 10
MTI_OF = {name: kind.mti for name, kind in BY_NAME.items()} | {REVERSAL: REVERSAL_MTI, SETTLEMENT: SETTLEMENT_MTI}
COMPARE_SLIPS = "compare the merchant's slips with the register"


class Question(NamedTuple):
    """What was asked, under which key.

    `known` is what this key has named, and `before` the newest question for records in the open batch, if any.
    """

    key: TraceKey
    asked: Asked
    known: Request | None
    before: Request | None


class Page(NamedTuple):
    """What is told, and the trace keys of what cannot be."""

    told: Told
    left_out: list[str]


def tell(event: Received, policy: Policy) -> Decision:
    """0800/901: the records that come next after the position that is named."""
    message = event.message
    try:
        key, asked = key_of(message), parse_asked(message.get_bytes(FIELD))
    except (ValueError, WireError) as error:
        return (yield from unreadable(event, error, policy))
    admitted, read = yield from admit(event, RowOf(REQUESTS, str(key)), sessions=SESSIONS_TO_CHANGE)
    if isinstance(admitted, str):
        (turn,) = yield (TURN,)
        return turned_away(event, admitted, turn, policy)
    batch, last = asked.position[:6], admitted.session.batch
    candidates = batches_behind(batch, last)
    behind = (of_batch(key.terminal, number, 1) for number in candidates)
    in_batch, in_last, *found = yield (of_batch(key.terminal, batch), of_batch(key.terminal, last), *behind)
    rows = [row for row in sorted(in_batch, key=named) if is_wanted(row, asked)][: PAGE_MAX + 1]
    holds = (yield tuple(RowOf(HOLDS, row.hold_id or "") for row in rows)) if rows else ()
    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    if not admitted.session.signed_on:
        return turned_away(event, responses.SIGN_ON_AGAIN, turn, policy)
    records = [record_of(row, hold, policy) for row, hold in zip(rows, holds, strict=True)]
    page = page_of(asked, rows, records, next_with(candidates, found, last))
    question = Question(key, asked, read[0], newest_question(in_last))
    return answer(event, question, page, admitted, turn, policy)


def page_of(asked: Asked, rows: Sequence[Request], records: Sequence[Record | None], behind: str) -> Page:
    """As many records as fit; `behind` is where it goes on after these rows."""
    tellable = [(row, record) for row, record in zip(rows, records, strict=True) if record is not None]
    count = how_many_fit([record for _, record in tellable])
    end = None
    if count < len(tellable):
        end = named(tellable[count - 1][0])
    elif len(rows) > PAGE_MAX:
        end = named(rows[-1])
    following = behind if end is None else asked.position[:6] + end
    told = tuple(record for _, record in tellable[:count])
    left_out = [
        row.trace_key
        for row, record in zip(rows, records, strict=True)
        if record is None and (end is None or named(row) <= end)
    ]
    return Page(Told(asked.position, following, told), left_out)


def newest_question(rows: Sequence[Request]) -> Request | None:
    """The question for records that stands latest in the terminal's journal."""
    return max((row for row in rows if row.kind == RECORDS), key=lambda row: row.sequence, default=None)


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
    known = row.kind in MTI_OF and row.trace_key.endswith("/" + MTI_OF[row.kind])
    after = named(row) > asked.position[6:]
    return known and after and (row.sequence == 0 or row.sequence > asked.since)


def record_of(row: Request, hold: Hold | None, policy: Policy) -> Record | None:
    """A request as it is told of; None when it cannot be."""
    kind = BY_NAME.get(row.kind)
    linked = hold if kind and (kind.means is Means.HOLD or kind is COMPLETION_VOID) else None
    record = fitting(
        Record(
            named(row),
            row.kind,
            row.outcome,
            row.amount_minor,
            row.response_code or "",
            row.authorization_code or "",
            row.rrn,
            row.entry,
            moment_of(row, policy),
            row.card or "",
            row.operator,
            linked.authorization_code or "" if linked else "",
            original_of(row, linked),
            row.scheme,
        )
    )
    return None if record and record.kind == REVERSAL and not record.original else record


def moment_of(row: Request, policy: Policy) -> str:
    """When it was answered, by the clock on the wall; '' for a time that no calendar has."""
    try:
        return local(row.answered_us or row.at_us, policy.zone).strftime("%Y%m%d%H%M%S")
    except (OSError, OverflowError, ValueError):
        return ""


def original_of(row: Request, hold: Hold | None) -> str:
    """Batch, trace number and message type of what a request refers to, where it is this terminal's."""
    if row.kind == REVERSAL:
        _, batch, stan, _ = row.trace_key.split("/")
        return batch + stan + BY_NAME[row.echoes].mti if row.echoes in BY_NAME else ""
    if hold is None or hold.terminal_id != row.terminal_id:
        return ""
    return hold.batch + hold.stan + PRE_AUTHORIZATION.mti


def answer(event: Received, question: Question, page: Page, admitted: Admitted, turn: Turn, policy: Policy) -> Step:
    """The page; the first time an entry and a finding, too."""
    key, asked, known, before = question
    asks = question_of(event.message, RECORDS, str(asked.kept))
    if known is not None and known.question != asks:
        other = known._replace(response_code=responses.DUPLICATE)
        says = f"terminal {key.terminal}: {key} named another question for records"
        return Step(send=(answered(event, other, admitted, policy),), says=says)
    session = put(SESSIONS, admitted.session._replace(previous_mak=None))
    says_left = f"terminal {key.terminal}: cannot be told of {', '.join(page.left_out)}" if page.left_out else None
    if known is not None:
        return Step(send=(_paged(answered(event, known, admitted, policy), page.told),), says=says_left)
    if before is not None and not begins_a_mending(asked, before, admitted.session):
        same = before._replace(trace_key=str(key), answered_us=turn.now_us)
        sends = (_paged(answered(event, same, admitted, policy), page.told),)
        return Step(write=(session,), send=sends, says=says_left)
    facts: dict[str, Any] = common_facts(event, key, admitted, turn, policy) | {
        "question": asks.hex(),
        "kept": asked.kept,
        "reason": f"the terminal's journal was damaged after its entry {asked.kept}",
    }
    step, after = book(RECORDS, facts, {}, turn)
    request = after[REQUESTS, str(key)]
    reason = f"{facts['reason']}: what it had stored and not sent may be lost"
    note = finding(request, reason, COMPARE_SLIPS, turn.after(step.entries[0]), policy)
    sends = (_paged(answered(event, request, admitted, policy), page.told),)
    return step._replace(entries=(*step.entries, note), write=(*step.write, session), send=sends, says=says_left)


def begins_a_mending(asked: Asked, before: Request, session: Session) -> bool:
    """Whether another damage is told of than the question before: since a sign-on, and of what came behind it.

    Had the journal lost that question, too, the sign-on would have opened another batch. A sign-on leaves a key before,
    and the question that is recorded takes it away.
    """
    return session.previous_mak is not None and asked.kept >= before.sequence


def _paged(outgoing: Outgoing, told: Told) -> Outgoing:
    outgoing.message.fields[FIELD] = pack_told(told)
    return outgoing
