"""What must add up over all rows together, whatever each entry says by itself (I4).

An audit asks this of the rows that it has rebuilt: each of them follows from its entries, but an entry whose money does
not fit its meaning shows only here.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

from holdfast.domain.commands import BY_NAME
from holdfast.domain.ledger import CLEARING, contra_id
from holdfast.domain.projections import side_of
from holdfast.domain.records import ACCOUNTS, BATCHES, FREEZES, REQUESTS, Account, Batch, Request
from holdfast.domain.rules import DOMESTIC
from holdfast.domain.tables import Row, Table
from holdfast.money import format_amount

Rows: TypeAlias = Callable[[Table], Iterator[Row]]
"""All rows of a table."""

COUNTED = frozenset({"approved", "claimed"})
"""What an advice claims counts although nobody moved money for it: the terminal was answered 00 and counts it too."""

SIDES = tuple(side_of(total, foreign) for foreign in (False, True) for total in ("debit", "credit"))


# --- acquirer -----------------------------------------------------------------------------------------------------


def counts_on(request: Request) -> str | None:
    """The side of its batch's totals on which a request counts; None when it does not.

    What is known from an upload alone never counts: its key is not that of its kind.
    """
    kind = BY_NAME.get(request.kind)
    if kind is None or not kind.total or request.outcome not in COUNTED or not request.trace_key.endswith(kind.mti):
        return None
    return side_of(kind.total, foreign=(request.scheme or DOMESTIC) != DOMESTIC)


def register_sums(rows: Rows) -> Iterator[str]:
    """The totals of each batch are those of the requests that count in it; one sentence for each that differs."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for request in rows(REQUESTS):
        side = counts_on(request)
        if side is not None:
            counted[request.batch_id].update({f"{side}_minor": request.amount_minor, f"{side}_count": 1})
    for batch in rows(BATCHES):
        yield from _totals_differ(batch, counted.pop(batch.batch_id, Counter()))
    for batch_id in counted:
        yield f"batch {batch_id}: requests count in it, but there is no such batch"


def _totals_differ(batch: Batch, counted: Counter[str]) -> Iterator[str]:
    for column in (f"{side}_{what}" for side in SIDES for what in ("minor", "count")):
        said = getattr(batch, column)
        if said != counted[column]:
            yield f"batch {batch.batch_id}: {column} is {said}, its requests come to {counted[column]}"


# --- issuer -------------------------------------------------------------------------------------------------------


def book_sums(rows: Rows) -> Iterator[str]:
    """Money is where the holds say that it is, and of it all none was made or lost; one sentence for each fault."""
    held: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for freeze in rows(FREEZES):
        held[freeze.account_id] += freeze.held_minor
        taken[freeze.issuer_id] += freeze.completed_minor - freeze.refunded_minor
    whole: Counter[str] = Counter()
    for account in rows(ACCOUNTS):
        whole[account.issuer_id] += account.available_minor + account.held_minor
        yield from _account_differs(account, held.pop(account.account_id, 0), taken[account.issuer_id])
    for issuer_id, sum_minor in whole.items():
        if sum_minor:
            yield f"issuer {issuer_id}: its accounts come to {format_amount(sum_minor)} together, not to nothing"
    for account_id in held:
        yield f"account {account_id}: holds are placed on it, but there is no such account"


def _account_differs(account: Account, held_minor: int, taken_minor: int) -> Iterator[str]:
    name = f"account {account.account_id}"
    if account.held_minor != held_minor:
        yield f"{name}: {format_amount(account.held_minor)} is held, its holds come to {format_amount(held_minor)}"
    if account.account_id == contra_id(account.issuer_id, CLEARING) and account.available_minor != taken_minor:
        balance, posted = format_amount(account.available_minor), format_amount(taken_minor)
        yield f"{name}: its balance is {balance}, what holds and sales posted comes to {posted}"
