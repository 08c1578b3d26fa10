"""What is open: holds that stand, requests in doubt, and what an issuer must still be told.

Rule 1: whatever is open waits under a due row (see `domain.tables.Due`), and `waits_of` says under which.
Rule 2: so nobody looks through a register of millions to find it: the due rows name it.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

from holdfast.domain.commands import BY_NAME, Silence
from holdfast.domain.hold import PLACES, State
from holdfast.domain.records import HOLDS, REQUESTS, Hold, Request
from holdfast.domain.tables import DUE, Key
from holdfast.store.interface import Reader

KEYS_AT_ONCE = 5000

ANSWER, UNDO, TELL, RELEASE, EXPIRE = "answer", "undo", "tell", "release", "expire"
"""Kinds of due rows: an issuer's answer; a reversal, an advice, the rest of a hold to deliver; the end of a hold."""

UNDELIVERED = frozenset({"owed", "objected"})
"""`Request.undo` of a reversal that the issuer has not acknowledged."""

PLACING_MTIS = tuple(sorted({kind.mti for kind in BY_NAME.values() if kind.act in PLACES}))


def waits_of(request: Request) -> tuple[str, ...]:
    """The kinds of due rows that a request must have: what it waits for, or its acquirer owes."""
    kind = BY_NAME.get(request.kind)
    told_again = kind is not None and kind.silence is Silence.REPEATED
    asked, owed = request.outcome == "asked", request.delivery == "owed"
    stands = {
        ANSWER: asked and not told_again,
        UNDO: request.undo in UNDELIVERED,
        TELL: told_again and (asked or owed),
        RELEASE: owed and not told_again,
    }
    return tuple(waits for waits, so in stands.items() if so)


def placing_keys(hold: Hold) -> tuple[str, ...]:
    """The trace keys of which one placed this hold: a pre-authorization's, or a sale's."""
    return tuple(f"{hold.terminal_id}/{hold.batch}/{hold.stan}/{mti}" for mti in PLACING_MTIS)


async def open_requests(reader: Reader) -> AsyncIterator[Request]:
    """Every request that waits for something, and every one whose hold stands; in no order."""
    keys: set[str] = set()
    hold_ids: list[str] = []
    async for due in reader.scan(DUE):
        kind, _, key = due.key.partition(":")
        if kind == EXPIRE:
            hold_ids.append(key)
        else:
            keys.add(key)
    for some in chunks(sorted(keys)):
        for request in (await reader.rows(REQUESTS, some)).values():
            if waits_of(request):
                yield request
    for some in chunks(sorted(hold_ids)):
        for request in await _placing(reader, some):
            # One that also waits for something was there already.
            if not waits_of(request):
                yield request


async def _placing(reader: Reader, hold_ids: Sequence[Key]) -> list[Request]:
    """The requests that placed those of these holds that stand."""
    holds = [hold for hold in (await reader.rows(HOLDS, hold_ids)).values() if hold.state == State.HELD]
    rows = await reader.rows(REQUESTS, sorted(key for hold in holds for key in placing_keys(hold)))
    standing = {hold.hold_id for hold in holds}
    return [request for request in rows.values() if request.asked_entry in standing]


def chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    """Keys, as many as are asked for at once."""
    return (keys[at : at + KEYS_AT_ONCE] for at in range(0, len(keys), KEYS_AT_ONCE))
