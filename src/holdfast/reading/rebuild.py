"""How an audit makes a party's rows anew from what its log says, by the functions that the party itself uses.

Rule 1: one `Book` per party: which rows follow from its log, which of them an entry changes, what may be compared.
Rule 2: several logs of one party say nothing of each other's order, so an entry comes when what it builds on is there:
holds go by their version, a request is opened before it goes on. What is left open goes by time.
Rule 3: of a due row only that it is there can follow from a log: its time and its attempts are the worker's affair.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from holdfast.domain import ledger, projections
from holdfast.domain.commands import BY_NAME, EXPIRY, REVERSAL
from holdfast.domain.hold import Reversal, State
from holdfast.domain.records import (
    ACCOUNTS,
    ACQUIRER_LOGS,
    ANSWERS,
    FREEZES,
    HOLDS,
    ISSUER_LOGS,
    REQUESTS,
    Account,
    Hold,
    Request,
)
from holdfast.domain.tables import DUE, Due, Key, Row, Table

Facts: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[Table, Key]
Rows: TypeAlias = Mapping[Place, Row]

OPENING = frozenset({"asked", "refused", "barred", "recorded"})
UNDELIVERED = frozenset({"owed", "objected"})
GOING_ON = frozenset({"answered", "unknown", "late", "undone", "objected"})


class Book(NamedTuple):
    """How to rebuild and compare the rows of one party.

    `changes` gives the rows that an entry changes, out of those before it (None: no row any more). `ready` says whether
    what an entry builds on is there. `comparable` leaves out of a row what no entry says. `may_stay` says whether a row
    that the log does not ask for may be there all the same. `complaint` is what is wrong with an entry by itself.
    """

    party: str
    logs: Sequence[str]
    tables: tuple[Table, ...]
    changes: Callable[[Rows, Facts], dict[Place, Row]]
    ready: Callable[[Rows, Facts], bool]
    comparable: Callable[[Row], Row]
    may_stay: Callable[[Rows, Row], bool]
    complaint: Callable[[Facts], str | None]


# --- acquirer -----------------------------------------------------------------------------------------------------


def acquirer_changes(known: Rows, facts: Facts) -> dict[Place, Row]:
    """Requests, holds and duties after an entry of the register. KeyError when it goes on with what nobody opened."""
    kind, phase = facts["kind"], facts.get("phase")
    if kind not in BY_NAME and kind not in (REVERSAL, EXPIRY):
        return {}
    after: dict[Place, Row] = {}
    if phase in OPENING:
        _request(after, projections.opened(facts))
    elif phase in GOING_ON:
        _request(after, _went_on(known[REQUESTS, facts["trace_key"]], facts))
    if facts.get("undoes") == Reversal.TAKEN_OUT:
        _request(after, projections.reversed_by(known[REQUESTS, facts["reverses"]], facts))
    if "hold" in facts:
        hold_id = facts["hold"]["id"]
        hold = known.get((HOLDS, hold_id)) or projections.placed(facts, known[REQUESTS, facts["trace_key"]])
        _hold(after, projections.hold_after(hold, facts))
    return after


def _went_on(request: Request, facts: Facts) -> Request:
    after = projections.continued(request, facts)
    if facts["phase"] == "unknown" and request.outcome == "reversed":
        # The reversal was written by another worker, into another log. Only a request that is still asked can become
        # unknown, so this came first.
        return after._replace(outcome=request.outcome, undo=request.undo)
    return after


def _request(after: dict[Place, Row], request: Request) -> None:
    """A request, and the due rows for what is in flight and for what is owed to the issuer."""
    after[REQUESTS, request.trace_key] = request
    _duty(after, f"answer:{request.trace_key}", request.outcome == "asked")
    _duty(after, f"undo:{request.trace_key}", request.undo in UNDELIVERED)


def _hold(after: dict[Place, Row], hold: Hold) -> None:
    after[HOLDS, hold.hold_id] = hold
    _duty(after, f"expire:{hold.hold_id}", hold.state == State.HELD)


def _duty(after: dict[Place, Row], key: str, stands: bool) -> None:
    after[DUE, key] = Due(key, 0, 0, 0) if stands else None


def acquirer_ready(known: Rows, facts: Facts) -> bool:
    """Whether the version of the hold and the state of the request that an entry builds on are there."""
    change = facts.get("hold")
    if change is not None:
        hold = known.get((HOLDS, change["id"]))
        if (hold.version if hold else 0) != change["version"] - 1:
            return False
    if facts.get("undoes") == Reversal.TAKEN_OUT and (REQUESTS, facts["reverses"]) not in known:
        return False
    phase = facts.get("phase")
    if phase not in GOING_ON:
        return True
    request = known.get((REQUESTS, facts["trace_key"]))
    if request is None:
        return False
    if phase == "late":
        return bool(request.outcome != "asked")
    if phase == "undone":
        return bool(request.undo in UNDELIVERED)
    return bool(request.undo == "owed") if phase == "objected" else True


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


def _expiry_of_known_hold(known: Rows, row: Row) -> bool:
    """The due row of a hold's end stays until its time, also when the hold was completed or voided before."""
    kind, _, hold_id = row[0].partition(":")
    return isinstance(row, Due) and kind == "expire" and (HOLDS, hold_id) in known


def _no_complaint(facts: Facts) -> str | None:
    return None


REGISTER = Book(
    "acquirer",
    ACQUIRER_LOGS,
    (REQUESTS, HOLDS, DUE),
    acquirer_changes,
    acquirer_ready,
    _without_worker,
    _expiry_of_known_hold,
    _no_complaint,
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
)
