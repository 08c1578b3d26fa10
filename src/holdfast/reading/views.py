"""What the register says, as people and programs ask for it: requests in their present state, facts, one in detail.

A request is shown by the entry that its terminal was told. What is not yet known shows as unknown, never as declined.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from holdfast.clock import DEFAULT_ZONE, local, rfc3339, to_us, zone
from holdfast.domain.commands import BY_NAME, PRE_AUTHORIZATION, REVERSAL
from holdfast.domain.hold import State
from holdfast.domain.records import HOLDS, MERCHANTS, REQUESTS, Hold, Request
from holdfast.domain.tables import Entry, Key
from holdfast.ids import entry_id, parse_entry_id
from holdfast.reading.order import in_order
from holdfast.register.canonical import decode_strict
from holdfast.store.interface import Reader

ROWS_AT_ONCE = 5000
ENTRIES_AT_ONCE = 1024
EVER_US = 2**62

SHOWN_OUTCOMES = {"asked": "unknown", "tombstone": "declined"}
"""Ours -> what is shown. A request that an issuer is being asked about is in doubt; one that is barred is declined."""


class RegisterRow(NamedTuple):
    """One request in its present state; the fields are a contract (amounts in minor units, `leaf` in hex)."""

    entry: str
    at: str
    date: str
    time: str
    kind: str
    outcome: str
    response_code: str | None
    merchant_id: str
    merchant_name: str | None
    terminal_id: str
    operator: str
    card: str | None
    issuer: str | None
    amount: int
    currency: str
    pre_auth_amount: int | None
    trace_key: str
    rrn: str
    authorization_code: str | None
    original: str | None
    reason: str | None
    leaf: str | None


class EntryRow(NamedTuple):
    """One fact: an entry of a log, what it says in `facts`, and its leaf in hex."""

    entry: str
    at: str
    date: str
    time: str
    kind: str
    phase: str | None
    outcome: str | None
    response_code: str | None
    amount: int | None
    trace_key: str | None
    reason: str | None
    leaf: str
    facts: dict[str, Any]


class Filters(NamedTuple):
    """What is asked for; None leaves it open."""

    day: date | None = None
    terminal: str | None = None
    merchant: str | None = None
    card_last4: str | None = None
    amount_minor: int | None = None
    kind: str | None = None
    rrn: str | None = None
    trace_key: str | None = None

    def equal(self) -> dict[str, str | int | bytes]:
        """The columns of a request that must have these values."""
        named = {
            "terminal_id": self.terminal,
            "merchant_id": self.merchant,
            "amount_minor": self.amount_minor,
            "kind": self.kind,
            "rrn": self.rrn,
            "trace_key": self.trace_key,
        }
        return {name: value for name, value in named.items() if value is not None}

    def between_us(self, zone_name: str) -> tuple[int, int]:
        """The day that is asked for, from midnight to midnight."""
        if self.day is None:
            return 0, EVER_US
        start = datetime.combine(self.day, time(), zone(zone_name))
        return to_us(start), to_us(start + timedelta(days=1))

    def fits_card(self, card: str | None) -> bool:
        """Whether the card ends in the digits that are asked for."""
        return self.card_last4 is None or (card or "").endswith(self.card_last4)


class _Beside(NamedTuple):
    """What rows are made from besides their requests: holds and originals by key, leaves in hex by entry."""

    holds: Mapping[Key, Hold]
    originals: Mapping[Key, Request]
    leaves: Mapping[str, str]


class Register:
    """The acquirer's register as it may be asked; `zone_name` is the installation's."""

    def __init__(self, reader: Reader, zone_name: str = DEFAULT_ZONE) -> None:
        self._reader = reader
        self._zone_name = zone_name
        self._merchant_names: dict[str, str | None] = {}

    # --- requests -------------------------------------------------------------------------------------------------

    async def rows(self, filters: Filters, limit: int | None = None) -> AsyncIterator[RegisterRow]:
        """One row per request, newest first."""
        left = limit
        async for page in self._pages(filters, limit):
            fitting = [request for request in page if filters.fits_card(request.card)][:left]
            for row in await self.rows_of(fitting):
                yield row
            if left is not None:
                left -= len(fitting)
                if left == 0:
                    return

    async def _pages(self, filters: Filters, limit: int | None) -> AsyncIterator[Sequence[Request]]:
        """Page by page, each from the time at which the one before it ended."""
        equal = filters.equal()
        low_us, high_us = filters.between_us(self._zone_name)
        at_once = ROWS_AT_ONCE if limit is None or filters.card_last4 else min(limit + 1, ROWS_AT_ONCE)
        while True:
            page = await self._reader.select(REQUESTS, equal, ("at_us", low_us, high_us), "at_us", at_once)
            if len(page) < at_once:
                yield page
                return
            # Requests of one batch have one time: all of the last one of the page are read together.
            high_us = page[-1].at_us
            yield [request for request in page if request.at_us > high_us]
            yield await self._reader.select(REQUESTS, equal, ("at_us", high_us, high_us + 1), "at_us")

    async def row_of(self, request: Request) -> RegisterRow:
        """A request as it is shown."""
        return (await self.rows_of([request]))[0]

    async def rows_of(self, requests: Sequence[Request]) -> list[RegisterRow]:
        """Requests as they are shown; all of them together cost a handful of questions."""
        beside = await self._beside(requests)
        return [self._row(request, beside) for request in requests]

    def _row(self, request: Request, beside: "_Beside") -> RegisterRow:
        hold = beside.holds.get(request.hold_id or "")
        original = beside.originals.get(_original_key(request, beside.holds))
        moment = local(request.at_us, self._zone_name)
        return RegisterRow(
            request.entry,
            rfc3339(request.at_us, self._zone_name),
            moment.date().isoformat(),
            moment.strftime("%H:%M:%S"),
            request.kind,
            _shown_outcome(request, hold),
            request.response_code,
            request.merchant_id,
            self._merchant_names[request.merchant_id],
            request.terminal_id,
            request.operator,
            request.card,
            request.issuer_id,
            request.amount_minor,
            request.currency,
            hold.requested_minor if hold else None,
            request.trace_key,
            request.rrn,
            request.authorization_code,
            original.entry if original else request.original,
            request.reason,
            beside.leaves.get(request.entry),
        )

    async def _beside(self, requests: Sequence[Request]) -> "_Beside":
        hold_ids = {hold_id for request in requests for hold_id in (request.hold_id, request.original) if hold_id}
        holds = await self._reader.rows(HOLDS, sorted(hold_ids))
        keys = {key for request in requests if (key := _original_key(request, holds))}
        originals = await self._reader.rows(REQUESTS, sorted(keys))
        unnamed = {request.merchant_id for request in requests} - self._merchant_names.keys()
        merchants = await self._reader.rows(MERCHANTS, sorted(unnamed)) if unnamed else {}
        for merchant_id in unnamed:
            self._merchant_names[merchant_id] = merchants[merchant_id].name if merchant_id in merchants else None
        return _Beside(holds, originals, await self._leaves(request.entry for request in requests))

    async def _leaves(self, entries: Iterable[str]) -> dict[str, str]:
        """Leaves in hex, by entry."""
        numbers: dict[str, list[int]] = {}
        for log, number in map(parse_entry_id, entries):
            numbers.setdefault(log, []).append(number)
        return {
            entry_id(log, number): leaf.hex()
            for log, wanted in numbers.items()
            for number, leaf in (await self._reader.leaves_of(log, wanted)).items()
        }

    # --- facts ----------------------------------------------------------------------------------------------------

    async def entries(self, filters: Filters, limit: int | None = None) -> AsyncIterator[EntryRow]:
        """The entries of all logs, newest first. What an entry does not say itself is asked of its request."""
        low_us, high_us = filters.between_us(self._zone_name)
        left = limit
        async for entry in self._backwards():
            if left == 0:
                return
            if not low_us <= entry.at_us < high_us:
                continue
            row = self.entry_row(entry)
            if await self._fits(filters, row):
                left = left if left is None else left - 1
                yield row

    async def _backwards(self) -> AsyncIterator[Entry]:
        streams = {head.log: self._log_backwards(head.log, head.frontier.size) for head in await self._reader.logs()}
        async for entry in in_order(streams, lambda entry: -entry.at_us):
            yield entry

    async def _log_backwards(self, log: str, last: int) -> AsyncIterator[Entry]:
        while last > 0:
            first = max(1, last - ENTRIES_AT_ONCE + 1)
            for entry in reversed(await self._reader.entries(log, first, last)):
                yield entry
            last = first - 1

    async def _fits(self, filters: Filters, row: EntryRow) -> bool:
        said: dict[str, Any] = dict(row.facts)
        if filters.kind not in (None, row.kind) or filters.trace_key not in (None, row.trace_key):
            return False
        wanted = filters.equal().keys() - {"kind", "trace_key"}
        if (wanted or filters.card_last4) and row.trace_key:
            request = await self._reader.row(REQUESTS, row.trace_key)
            said = {**(request._asdict() if request else {}), **said}
        said["amount_minor"] = said.get("amount", said.get("amount_minor"))
        return filters.fits_card(said.get("card")) and all(
            said.get(name) == value for name, value in filters.equal().items() if name in wanted
        )

    def entry_row(self, entry: Entry, log: str | None = None) -> EntryRow:
        """An entry as it is shown. RegisterBroken when its bytes cannot be read."""
        facts = decode_strict(entry.body)
        moment = local(entry.at_us, self._zone_name)
        said: Mapping[str, Any] = facts
        return EntryRow(
            entry_id(log or str(said["log"]), entry.number),
            rfc3339(entry.at_us, self._zone_name),
            moment.date().isoformat(),
            moment.strftime("%H:%M:%S"),
            entry.kind,
            said.get("phase"),
            said.get("outcome"),
            said.get("response_code"),
            said.get("amount"),
            said.get("trace_key"),
            said.get("reason"),
            entry.leaf.hex(),
            facts,
        )


def _shown_outcome(request: Request, hold: Hold | None) -> str:
    placed_it = request.kind == PRE_AUTHORIZATION.name and request.outcome == "approved"
    if placed_it and hold is not None and hold.state == State.EXPIRED:
        return "expired"
    return SHOWN_OUTCOMES.get(request.outcome, request.outcome)


def _original_key(request: Request, holds: Mapping[Key, Hold]) -> str:
    """The key of the request that this one refers to; "" when it refers to none that is known."""
    if request.original is None:
        return ""
    if request.kind == REVERSAL:
        terminal_id, batch, stan, _ = request.trace_key.split("/")
        return f"{terminal_id}/{batch}/{stan}/{BY_NAME[request.echoes].mti}"
    hold = holds.get(request.original)
    return f"{hold.terminal_id}/{hold.batch}/{hold.stan}/{PRE_AUTHORIZATION.mti}" if hold else ""
