"""One request or entry in detail: what its entry says, and all that happened to it, to its hold or to its batch.

Entries are not indexed by what they say, so the log is read from the moment of the request on, as far as is reasonable;
a timeline says when it had to stop before the end.
"""

import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from holdfast.clock import SECOND_US, rfc3339
from holdfast.domain.commands import BATCH_UPLOAD, FINDING, SETTLEMENT
from holdfast.domain.hold import load
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS, Hold, Request
from holdfast.domain.tables import Entry
from holdfast.errors import BadInput
from holdfast.ids import parse_entry_id, parse_trace_key, without_repeat
from holdfast.reading.order import in_order
from holdfast.reading.views import EntryRow, Register, RegisterRow
from holdfast.store.interface import LogState, Reader

ENTRIES_AT_ONCE = 2048
LOOKED_AT_MAX = 100_000
"""So many entries of each log are looked at: some tens of megabytes, about a second."""

SLACK_US = 10 * SECOND_US
"""Times in a log go back when a clock is set; so much is forgiven."""

_RRN = re.compile(r"([A-Z]+)([0-9]+)")
_RRN_CHARS = 12


class HoldRow(NamedTuple):
    """A hold in its present state; amounts in minor units. `acts` are those in force, oldest first: `act`, `by` (the
    entry that asked for it), `amount`, and what else it fixes.
    """

    hold: str
    version: int
    state: str
    expires: str | None
    pre_auth_amount: int
    completed_amount: int
    refunded_amount: int
    acts: list[dict[str, Any]]


class Detail(NamedTuple):
    """One entry; the request it belongs to (None for a sign-on, an import, …); the other entries of request and hold.

    `hold` is the hold that they are about, None where there is none. `candidates` are the near misses of an original
    that was not found: `hold`, and `differs` as what, given and registered. `complete` is False when the timeline was
    cut off.
    """

    entry: EntryRow
    request: RegisterRow | None
    hold: HoldRow | None
    timeline: list[EntryRow]
    candidates: list[dict[str, Any]]
    complete: bool


class _Related:
    """The requests and holds that belong together; entries on the way may name more of them."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.holds: set[str] = set()
        self.batch: str | None = None
        """The batch that was settled or uploaded."""
        self.since_us: int | None = None

    def add_request(self, request: Request) -> None:
        self.keys.add(request.trace_key)
        self.since(request.at_us)
        if request.hold_id:
            self.holds.add(request.hold_id)
        if request.kind in (SETTLEMENT, BATCH_UPLOAD):
            self.batch = request.batch_id

    def add_hold(self, hold: Hold) -> None:
        self.holds.add(hold.hold_id)
        self.since(hold.placed_us)

    def since(self, at_us: int) -> None:
        """Nothing of it happened before the earliest of these times."""
        self.since_us = at_us if self.since_us is None else min(self.since_us, at_us)

    def mentioned(self, entry: Entry) -> bool:
        """A quick look at the bytes before they are read."""
        if self.batch is not None and f'"{self.batch}'.encode() in entry.body:
            return True
        return any(f'"{name}"'.encode() in entry.body for name in (*self.keys, *self.holds))

    def take(self, facts: dict[str, Any]) -> bool:
        """Whether an entry belongs here; what one about the same request or hold names belongs here too."""
        if self._of_batch(facts):
            return True
        keys = {facts[name] for name in ("trace_key", "reverses") if name in facts}
        holds = {facts[name] for name in ("hold_id", "original") if name in facts}
        if "hold" in facts:
            holds.add(facts["hold"]["id"])
        if not (keys & self.keys or holds & self.holds):
            return False
        self.keys |= keys
        self.holds |= {facts["hold_id"]} if "hold_id" in facts else set()
        return True

    def _of_batch(self, facts: dict[str, Any]) -> bool:
        """Whether an entry settles the batch, uploads it, or is a claim or finding in it; what just counts does not."""
        if self.batch is None:
            return False
        change = facts.get("batch", {})
        if change.get("id") == self.batch and "count" not in change:
            return True
        claims = facts["kind"] == FINDING or facts.get("outcome") == "claimed"
        return claims and facts.get("trace_key", "").startswith(f"{self.batch}/")


async def detail(reader: Reader, register: Register, named: str) -> Detail | None:
    """The entry with this id, or the request with this RRN or trace key; None when there is no such thing.

    BadInput when the text is neither.
    """
    entry = await _find(reader, named)
    if entry is None:
        return None
    shown = register.entry_row(entry)
    related = _Related()
    request = await _request_of(reader, shown)
    await _relate(reader, related, shown, request)
    hold = await _hold_of(reader, shown, request)
    timeline, complete = await _timeline(reader, register, related, entry.at_us)
    return Detail(
        shown,
        await register.row_of(request) if request else None,
        _hold_row(hold) if hold is not None else None,
        [row for row in timeline if row.entry != shown.entry],
        [_candidate(miss) for miss in shown.facts.get("candidates", ())],
        complete,
    )


async def entry_of(reader: Reader, named: str) -> tuple[str, int] | None:
    """Log and number of the entry that an entry id, an RRN or a trace key names; the entry itself may be missing."""
    if "/" in named:
        key = parse_trace_key(named)
        return await _entry_of_request(reader, str(key._replace(mti=without_repeat(key.mti))))
    if "-" in named:
        return parse_entry_id(named)
    match = _RRN.fullmatch(named)
    if match is None or len(named) != _RRN_CHARS:
        raise BadInput(
            f"{named!r} is no entry (A-000123), RRN (A00000000123) or trace key (T0000001/000001/000123/0100); "
            "`holdfast register list --auth-code CODE` looks for an authorization code"
        )
    opening = match[1], int(match[2])
    entries = await reader.entries(*opening, opening[1])
    if not entries:
        return None
    key_told = Register(reader).entry_row(entries[0]).trace_key
    return await _entry_of_request(reader, key_told or "") or opening


async def _entry_of_request(reader: Reader, trace_key: str) -> tuple[str, int] | None:
    request = await reader.row(REQUESTS, trace_key)
    return parse_entry_id(request.entry) if request else None


async def _find(reader: Reader, named: str) -> Entry | None:
    place = await entry_of(reader, named)
    if place is None:
        return None
    log, number = place
    return next(iter(await reader.entries(log, number, number)), None)


async def _request_of(reader: Reader, shown: EntryRow) -> Request | None:
    request: Request | None = await reader.row(REQUESTS, shown.trace_key) if shown.trace_key else None
    return request


async def _hold_of(reader: Reader, shown: EntryRow, request: Request | None) -> Hold | None:
    """The hold that the shown entry is about."""
    hold_id = shown.facts["hold"]["id"] if "hold" in shown.facts else request.hold_id if request else None
    hold: Hold | None = await reader.row(HOLDS, hold_id) if hold_id else None
    return hold


async def _relate(reader: Reader, related: _Related, shown: EntryRow, request: Request | None) -> None:
    """The requests and the hold that the shown entry belongs to."""
    if request is not None:
        related.add_request(request)
    undone = await reader.row(REQUESTS, shown.facts["reverses"]) if "reverses" in shown.facts else None
    if undone is not None:
        related.add_request(undone)
    if "hold" in shown.facts:
        related.holds.add(shown.facts["hold"]["id"])
    batch = await reader.row(BATCHES, related.batch) if related.batch else None
    if batch is not None and batch.settled:
        related.since(batch.settled_us)
    for hold_id in tuple(related.holds):
        hold = await reader.row(HOLDS, hold_id)
        if hold is not None:
            related.add_hold(hold)


async def _timeline(reader: Reader, register: Register, related: _Related, at_us: int) -> tuple[list[EntryRow], bool]:
    if not related.keys and not related.holds:
        return [], True
    since_us = min(related.since_us or at_us, at_us) - SLACK_US
    heads = await reader.logs()
    starts = {head.log: await _first_since(reader, head, since_us) for head in heads}
    streams = {head.log: _forwards(reader, head, starts[head.log]) for head in heads}
    found = []
    async for entry in in_order(streams, lambda entry: entry.at_us):
        if related.mentioned(entry):
            row = register.entry_row(entry)
            if related.take(row.facts):
                found.append(row)
    return found, all(head.frontier.size < starts[head.log] + LOOKED_AT_MAX for head in heads)


async def _first_since(reader: Reader, head: LogState, since_us: int) -> int:
    """The number of the first entry of a log from that time on, by halving."""
    low, high = 1, head.frontier.size + 1
    while low < high:
        middle = (low + high) // 2
        entries = await reader.entries(head.log, middle, middle)
        if entries and entries[0].at_us >= since_us:
            high = middle
        else:
            low = middle + 1
    return low


async def _forwards(reader: Reader, head: LogState, start: int) -> AsyncIterator[Entry]:
    end = min(head.frontier.size, start + LOOKED_AT_MAX - 1)
    for first in range(start, end + 1, ENTRIES_AT_ONCE):
        for entry in await reader.entries(head.log, first, min(first + ENTRIES_AT_ONCE - 1, end)):
            yield entry


def _hold_row(hold: Hold) -> HoldRow:
    acts = [
        {"act": each.act.value, "by": each.by, "amount": each.amount_minor, **each.terms.as_facts()}
        for each in load(hold.acts)
    ]
    expires = rfc3339(hold.expires_us) if hold.expires_us else None
    return HoldRow(
        hold.hold_id,
        hold.version,
        hold.state,
        expires,
        hold.requested_minor,
        hold.completed_minor,
        hold.refunded_minor,
        acts,
    )


def _candidate(miss: dict[str, Any]) -> dict[str, Any]:
    """A near miss with its differences named."""
    names = ("what", "given", "registered")
    return {"hold": miss["hold"], "differs": [dict(zip(names, each, strict=True)) for each in miss["differs"]]}
