"""The batches of terminals: what the register counts in each, what its settlement said, and what changed since.

A settlement says what the register counted then. What is counted later in a batch that was settled (an advice that
came late, a reversal) is carried over: it is the difference between now and then.
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from holdfast.clock import DEFAULT_ZONE, rfc3339
from holdfast.domain.commands import SETTLEMENT
from holdfast.domain.records import BATCHES, REQUESTS, Batch
from holdfast.ids import parse_entry_id
from holdfast.register.canonical import decode_strict
from holdfast.store.interface import Reader
from holdfast.wire.settlement import BALANCED, ERROR, ClassTotals, Totals, parse_totals

OPEN, BALANCES, DIFFERS, NOT_COMPARED = "open", "balanced", "not balanced", "not compared"


class BatchRow(NamedTuple):
    """One batch. `opened` is when its first request came, `state` what its last settlement said (`open`: none did).

    `ours` is what the register counts now, `settled_as` what it counted then, `told` what the terminal said;
    `carried_over` is by how much `ours` has changed since, None where it has not. `uploaded` are the trace numbers that
    its uploads named. Times as RFC 3339; None where it is not known, or not settled.
    """

    batch: str
    terminal_id: str
    opened: str | None
    state: str
    settled: str | None
    settlement: str | None
    ours: Totals
    settled_as: Totals | None
    told: Totals | None
    carried_over: Totals | None
    uploaded: list[str]

    def as_json(self) -> dict[str, Any]:
        """The same with its totals by name."""
        totals = {name: said_of(value) for name, value in self._asdict().items() if isinstance(value, Totals)}
        return self._asdict() | totals


class _Settled(NamedTuple):
    """What the last settlement of a batch says."""

    entry: str
    told: Totals


async def batches(reader: Reader, terminal: str | None = None, zone: str = DEFAULT_ZONE) -> AsyncIterator[BatchRow]:
    """The batches in which anything counts or that were settled, by terminal, the oldest first."""
    async for batch in reader.scan(BATCHES):
        if terminal is None or batch.batch_id.startswith(f"{terminal}/"):
            yield await _row(reader, batch, zone)


async def _row(reader: Reader, batch: Batch, zone: str) -> BatchRow:
    first = await reader.select(REQUESTS, {"batch_id": batch.batch_id}, limit=1)
    settlement = await _settlement(reader, batch) if batch.settled else None
    then = parse_totals(batch.settled) if batch.settled else None
    ours = totals_of(batch)
    return BatchRow(
        batch.batch_id,
        batch.batch_id.partition("/")[0],
        rfc3339(first[0].at_us, zone) if first else None,
        state_of(then),
        rfc3339(batch.settled_us, zone) if batch.settled else None,
        settlement.entry if settlement else None,
        ours,
        then,
        settlement.told if settlement else None,
        difference(ours, then) if then is not None else None,
        batch.uploaded.split(),
    )


async def _settlement(reader: Reader, batch: Batch) -> _Settled | None:
    """The newest settlement of the batch; None when its entry is gone."""
    settled = await reader.select(REQUESTS, {"batch_id": batch.batch_id, "kind": SETTLEMENT}, order="at_us", limit=1)
    for request in settled:
        log, number = parse_entry_id(request.entry)
        for entry in await reader.entries(log, number, number):
            return _Settled(request.entry, parse_totals(str(decode_strict(entry.body)["told"])))
    return None


def totals_of(batch: Batch) -> Totals:
    """What the register counts in a batch now."""
    return Totals(
        ClassTotals(batch.debit_minor, batch.debit_count, batch.credit_minor, batch.credit_count),
        ClassTotals(
            batch.foreign_debit_minor,
            batch.foreign_debit_count,
            batch.foreign_credit_minor,
            batch.foreign_credit_count,
        ),
    )


def state_of(settled: Totals | None) -> str:
    """What a settlement said of its batch."""
    if settled is None:
        return OPEN
    replies = {half.reply for half in settled}
    if ERROR in replies:
        return NOT_COMPARED
    return BALANCES if replies == {BALANCED} else DIFFERS


def difference(now: Totals, then: Totals) -> Totals | None:
    """By how much the totals have changed; None when they have not, or were never compared."""
    if state_of(then) == NOT_COMPARED:
        return None
    changed = Totals(*(_minus(half, before) for half, before in zip(now, then, strict=True)))
    return changed if changed != Totals(ClassTotals(), ClassTotals()) else None


def _minus(now: ClassTotals, then: ClassTotals) -> ClassTotals:
    return ClassTotals(
        now.debit_amount_minor - then.debit_amount_minor,
        now.debit_count - then.debit_count,
        now.credit_amount_minor - then.credit_amount_minor,
        now.credit_count - then.credit_count,
    )


def said_of(totals: Totals) -> dict[str, dict[str, int]]:
    """Totals by name, amounts in minor units."""
    return {
        name: {
            "debit_amount": half.debit_amount_minor,
            "debit_count": half.debit_count,
            "credit_amount": half.credit_amount_minor,
            "credit_count": half.credit_count,
        }
        for name, half in totals._asdict().items()
    }
