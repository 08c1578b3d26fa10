"""What the register says, as people and programs ask for it: requests in their present state, facts, one in detail.

A request is shown by the entry that its terminal was told (`entry`); the one that opened it, by which holds and texts
name it, stands beside it (`asked_entry`). What is not yet known shows as unknown, never as declined.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from holdfast.clock import DEFAULT_ZONE, local, rfc3339, to_us, zone
from holdfast.domain.commands import BY_NAME, REFUND, REVERSAL, SALE, SALE_VOID
from holdfast.domain.hold import Act, State, load
from holdfast.domain.records import HOLDS, MERCHANTS, REQUESTS, Hold, Request
from holdfast.domain.tables import Entry, Key
from holdfast.ids import TraceKey, entry_id, parse_entry_id
from holdfast.reading.open_items import EXPIRE, open_requests, placing_keys, waits_of
from holdfast.reading.order import in_order
from holdfast.register.canonical import decode_strict
from holdfast.store.interface import Reader

ROWS_AT_ONCE = 5000
ENTRIES_AT_ONCE = 1024
EVER_US = 2**62

SHOWN_OUTCOMES = {"asked": "unknown", "tombstone": "declined"}
"""Ours -> what is shown. A request that an issuer is being asked about is in doubt; one that is barred is declined."""


class RegisterRow(NamedTuple):
    """One request in its present state; the fields are a contract (amounts in minor units, `leaf` in hex).

    `hold` is the hold that it placed or belongs to, `pre_auth_amount` what that asked for in all. `waits_for` are the
    kinds of due rows under which something is open, with spaces between them (None where nothing is): an issuer's
    `answer`; a reversal to `undo` it, an advice to `tell` or the rest of a hold to `release`, not acknowledged yet;
    `expire`, the end of the hold that it placed.
    """

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
    asked_entry: str
    business_date: str
    batch: str
    scheme: str | None
    hold: str | None
    hold_state: str | None
    completed_amount: int | None
    refunded_amount: int | None
    rest: str | None
    waits_for: str | None


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
    authorization_code: str | None = None

    def equal(self) -> dict[str, str | int | bytes]:
        """The columns of a request that must have these values."""
        named = {
            "terminal_id": self.terminal,
            "merchant_id": self.merchant,
            "amount_minor": self.amount_minor,
            "kind": self.kind,
            "rrn": self.rrn,
            "trace_key": self.trace_key,
            "authorization_code": self.authorization_code,
        }
        return {name: value for name, value in named.items() if value is not None}

    def between_us(self, zone_name: str) -> tuple[int, int]:
        """The day that is asked for, from midnight to midnight."""
        if self.day is None:
            return 0, EVER_US
        start = datetime.combine(self.day, time(), zone(zone_name))
        return to_us(start), to_us(start + timedelta(days=1))

    def fits(self, request: Request, zone_name: str) -> bool:
        """Whether a request is asked for."""
        low_us, high_us = self.between_us(zone_name)
        equal = all(getattr(request, name) == value for name, value in self.equal().items())
        return equal and low_us <= request.at_us < high_us and self.fits_card(request.card)

    def fits_card(self, card: str | None) -> bool:
        """Whether the card ends in the digits that are asked for."""
        return self.card_last4 is None or (card or "").endswith(self.card_last4)


class _Beside(NamedTuple):
    """What rows are made from besides their requests: holds by key, originals by the entry that opened them, and leaves
    in hex by entry.
    """

    holds: Mapping[Key, Hold]
    originals: Mapping[str, Request]
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

    async def open_rows(self, filters: Filters, limit: int | None = None) -> AsyncIterator[RegisterRow]:
        """What is open, newest first: holds that stand, requests in doubt, what an issuer must still be told."""
        found = [
            (request.at_us, request.trace_key)
            async for request in open_requests(self._reader)
            if filters.fits(request, self._zone_name)
        ]
        keys = [key for _, key in sorted(found, reverse=True)][:limit]
        for at in range(0, len(keys), ROWS_AT_ONCE):
            page = keys[at : at + ROWS_AT_ONCE]
            requests = await self._reader.rows(REQUESTS, page)
            for row in await self.rows_of([requests[key] for key in page if key in requests]):
                yield row

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
        original = beside.originals.get(request.original or "")
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
            _asked_in_all(request, hold),
            request.trace_key,
            request.rrn,
            request.authorization_code,
            original.entry if original else request.original,
            request.reason,
            beside.leaves.get(request.entry),
            request.asked_entry,
            request.business_date,
            request.batch_id,
            request.scheme or None,
            hold.hold_id if hold else None,
            hold.state if hold else None,
            hold.completed_minor if hold else None,
            hold.refunded_minor if hold else None,
            request.rest or None,
            " ".join(_waits(request, hold)) or None,
        )

    async def _beside(self, requests: Sequence[Request]) -> "_Beside":
        hold_ids = {hold_id for request in requests for hold_id in (request.hold_id, request.original) if hold_id}
        holds = await self._reader.rows(HOLDS, sorted(hold_ids))
        unnamed = {request.merchant_id for request in requests} - self._merchant_names.keys()
        merchants = await self._reader.rows(MERCHANTS, sorted(unnamed)) if unnamed else {}
        for merchant_id in unnamed:
            self._merchant_names[merchant_id] = merchants[merchant_id].name if merchant_id in merchants else None
        originals = await self._originals(requests, holds)
        return _Beside(holds, originals, await self._leaves(request.entry for request in requests))

    async def _originals(self, requests: Sequence[Request], holds: Mapping[Key, Hold]) -> dict[str, Request]:
        """The requests that these refer to, by the entry that opened them."""
        wanted = {request.original for request in requests if request.original}
        found = {request.asked_entry: request for request in requests if request.asked_entry in wanted}
        keys = {
            key for request in requests for key in _keys_of_original(request, holds) if request.original not in found
        }
        rows = await self._reader.rows(REQUESTS, sorted(keys)) if keys else {}
        found |= {row.asked_entry: row for row in rows.values() if row.asked_entry in wanted}
        # A posting that is voided or refunded is named by nothing but its entry.
        for entry in sorted(wanted - found.keys()):
            log, number = parse_entry_id(entry)
            for opening in await self._reader.entries(log, number, number):
                row = await self._reader.row(REQUESTS, str(decode_strict(opening.body).get("trace_key", "")))
                found |= {entry: row} if row is not None else {}
        return found

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
    placed_it = hold is not None and request.asked_entry == hold.hold_id and request.outcome == "approved"
    if placed_it and hold is not None and hold.state == State.EXPIRED:
        return "expired"
    return SHOWN_OUTCOMES.get(request.outcome, request.outcome)


def _asked_in_all(request: Request, hold: Hold | None) -> int | None:
    """What the hold asked for; None where there was no pre-authorization, because it was a sale."""
    if hold is None or request.kind in (SALE.name, SALE_VOID.name):
        return None
    acts = load(hold.acts) if request.kind == REFUND.name else ()
    return None if acts and acts[0].act is Act.SELL else hold.requested_minor


def _waits(request: Request, hold: Hold | None) -> tuple[str, ...]:
    """What is open of a request; with it, as long as it stands, the hold that it placed."""
    stands = hold is not None and request.asked_entry == hold.hold_id and hold.state == State.HELD
    return (*waits_of(request), *([EXPIRE] if stands else []))


def _keys_of_original(request: Request, holds: Mapping[Key, Hold]) -> tuple[str, ...]:
    """The trace keys of which one may be that of the request that this one refers to."""
    if request.original is None:
        return ()
    if request.kind == REVERSAL:
        return (str(TraceKey(*request.trace_key.split("/"))._replace(mti=BY_NAME[request.echoes].mti)),)
    hold = holds.get(request.original)
    return placing_keys(hold) if hold is not None else ()
