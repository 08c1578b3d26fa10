"""How an audit makes a party's rows anew from what its log says, by the functions that the party itself uses.

Rule 1: one `Book` per party: which rows follow from its log, which of them an entry changes, what may be compared.
Rule 2: several logs of one party say nothing of each other's order, so an entry comes when what it builds on is there:
holds and batches go by their version, a request is opened before it goes on. What is left open goes by time.
Rule 3: of a due row only that it is there can follow from a log: its time and its attempts are the worker's affair.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from holdfast.domain import ledger, projections
from holdfast.domain.hold import Reversal, State
from holdfast.domain.records import (
    ACCOUNTS,
    ACQUIRER_LOGS,
    ANSWERS,
    BATCHES,
    FREEZES,
    HOLDS,
    ISSUER_LOGS,
    REQUESTS,
    Account,
    Request,
)
from holdfast.domain.tables import DUE, Due, Key, Row, Table
from holdfast.reading.open_items import ANSWER, EXPIRE, RELEASE, TELL, UNDELIVERED, UNDO, waits_of
from holdfast.reading.sums import Rows as AllRows
from holdfast.reading.sums import book_sums, register_sums

Facts: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[Table, Key]
Rows: TypeAlias = Mapping[Place, Row]

BEFORE_A_REVERSAL = frozenset({"answered", "unknown", "delivered"})
"""Phases that no request goes through any more once its reversal was recorded."""

GOES_ON: dict[str, Callable[[Request], bool]] = {
    "answered": lambda request: True,
    "unknown": lambda request: True,
    "late": lambda request: request.outcome != "asked",
    "undone": lambda request: request.undo in UNDELIVERED,
    "objected": lambda request: request.undo == "owed",
    "delivered": lambda request: request.delivery == "owed" or request.outcome == "reversed",
    "disputed": lambda request: request.delivery == "owed",
}
"""Phases of a request that is open -> whether it is at the point at which they can come."""


class Book(NamedTuple):
    """How to rebuild and compare the rows of one party.

    `changes` gives the rows that an entry changes, out of those before it (None: no row any more). `ready` says whether
    what an entry builds on is there. `comparable` leaves out of a row what no entry says. `may_stay` says whether a row
    that the log does not ask for may be there all the same. `complaint` is what is wrong with an entry by itself,
    `sums` what does not add up over all rows together.
    """

    party: str
    logs: Sequence[str]
    tables: tuple[Table, ...]
    changes: Callable[[Rows, Facts], dict[Place, Row]]
    ready: Callable[[Rows, Facts], bool]
    comparable: Callable[[Row], Row]
    may_stay: Callable[[Rows, Row], bool]
    complaint: Callable[[Facts], str | None]
    sums: Callable[[AllRows], Iterator[str]]


# --- acquirer -----------------------------------------------------------------------------------------------------


def acquirer_changes(known: Rows, facts: Facts) -> dict[Place, Row]:
    """Requests, holds, batches and duties after an entry of the register.

    KeyError when it goes on with what nobody opened.
    """
    after: dict[Place, Row] = dict(projections.changes(known, facts))
    for place, row in tuple(after.items()):
        if place[0] is REQUESTS:
            after[place] = request = _as_reversed(known, row, facts)
            waits = waits_of(request)
            for kind in (ANSWER, UNDO, TELL, RELEASE):
                _duty(after, f"{kind}:{request.trace_key}", kind in waits)
        elif place[0] is HOLDS:
            _duty(after, f"{EXPIRE}:{row.hold_id}", row.state == State.HELD)
    return after


def _as_reversed(known: Rows, after: Request, facts: Facts) -> Request:
    """The request after an entry; one that another worker's reversal has outrun came before that all the same."""
    before = known.get((REQUESTS, after.trace_key))
    if before is None or before.outcome != "reversed" or facts["phase"] not in BEFORE_A_REVERSAL:
        return after
    return after._replace(outcome=before.outcome, undo=before.undo, delivery=before.delivery)


def _duty(after: dict[Place, Row], key: str, stands: bool) -> None:
    after[DUE, key] = Due(key, 0, 0, 0) if stands else None


def acquirer_ready(known: Rows, facts: Facts) -> bool:
    """Whether the versions and the state of the request that an entry builds on are there."""
    if not (_follows(known, HOLDS, facts.get("hold")) and _follows(known, BATCHES, facts.get("batch"))):
        return False
    if facts.get("undoes") == Reversal.TAKEN_OUT and (REQUESTS, facts["reverses"]) not in known:
        return False
    goes_on = GOES_ON.get(facts.get("phase", ""))
    if goes_on is None or "trace_key" not in facts:
        return True
    request = known.get((REQUESTS, facts["trace_key"]))
    return request is not None and goes_on(request)


def _follows(known: Rows, table: Table, change: Facts | None) -> bool:
    """Whether a change makes the next version of its row."""
    if change is None:
        return True
    row = known.get((table, change["id"]))
    return bool((row.version if row else 0) == change["version"] - 1)


class OpenOrders:
    """Requests whose late answer and whose acknowledged reversal stand in two logs.

    Which of them came last decides whether a reversal is owed again, and no entry says it: both may be so.
    """

    def __init__(self) -> None:
        self._logs: dict[str, dict[str, set[str]]] = {}

    def note(self, facts: Facts) -> None:
        """Take an entry into account."""
        phase = facts.get("phase")
        if phase in ("late", "undone"):
            logs = self._logs.setdefault(facts["trace_key"], {"late": set(), "undone": set()})
            logs[phase].add(facts["log"])

    def excuse(self, place: Place, stored: Row | None, rebuilt: Row | None) -> bool:
        """Whether a row differs from the rebuilt one in nothing but that."""
        table, key = place
        logs = self._logs.get(str(key).removeprefix("undo:") if table is DUE else str(key))
        if logs is None or len(logs["late"] | logs["undone"]) < 2 or not all(logs.values()):
            return False
        if table is DUE or stored is None or rebuilt is None:
            return table is DUE
        return bool(stored._replace(undo=rebuilt.undo) == rebuilt)


def _without_worker(row: Row) -> Row:
    return row._replace(due_us=0, attempts=0, since_us=0) if isinstance(row, Due) else row


def _until_its_time(known: Rows, row: Row) -> bool:
    """A due row stays until its time when its hold was completed or voided before, or its completion reversed."""
    if not isinstance(row, Due):
        return False
    kind, _, key = row.key.partition(":")
    return (kind == EXPIRE and (HOLDS, key) in known) or (kind == RELEASE and (REQUESTS, key) in known)


def _no_complaint(facts: Facts) -> str | None:
    return None


REGISTER = Book(
    "acquirer",
    ACQUIRER_LOGS,
    (REQUESTS, HOLDS, BATCHES, DUE),
    acquirer_changes,
    acquirer_ready,
    _without_worker,
    _until_its_time,
    _no_complaint,
    register_sums,
)

# --- issuer -------------------------------------------------------------------------------------------------------


def _issuer_comparable(row: Row) -> Row:
    return ledger.without_secrets(row) if isinstance(row, Account) else _without_worker(row)


def unbalanced(facts: Facts) -> str | None:
    """Money is neither made nor lost: the lines of a posting sum to zero (I4)."""
    sum_minor = sum(amount_minor for _, _, amount_minor in facts.get("postings", ()))
    return f"its postings sum to {sum_minor}, not to zero" if sum_minor else None


def _issuer_changes(known: Rows, facts: Facts) -> dict[Place, Row]:
    after = ledger.changes(known, facts)
    return {place: row and _issuer_comparable(row) for place, row in after.items()}


ISSUER_BOOK = Book(
    "issuer",
    ISSUER_LOGS,
    (ACCOUNTS, FREEZES, ANSWERS, DUE),
    _issuer_changes,
    lambda known, facts: True,
    _issuer_comparable,
    lambda known, row: False,
    unbalanced,
    book_sums,
)
