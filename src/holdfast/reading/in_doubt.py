"""What is in doubt or owed, since when, whose duty it is, what happens next, and when that is due.

Rule 1: whatever is open waits under a due row or is named by its terminal's own row: nobody looks through a register of
millions for it. A finding is a rare kind of entry, which has an index.
Rule 2: in doubt is what somebody was sent, or is about to be, and has not acknowledged. A release that waits for its
day and a finding are open and not in doubt: the one was not sent yet, of the other a person is the owner.
Rule 3: a doubt is as old as the request that it is about, through all that is done to end it.
Rule 4: a hold that stands is neither: it ends by itself. So an issuer, which waits for nothing else, has nothing open.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.domain.commands import BY_NAME, FINDING, REFUND, Silence
from holdfast.domain.journal import OWED
from holdfast.domain.policy import Policy
from holdfast.domain.records import DEVICES, REQUESTS, SALES, Device, Request, Sale
from holdfast.domain.tables import DUE, Due, Key
from holdfast.errors import HoldfastError
from holdfast.ids import entry_id
from holdfast.reading.open_items import ANSWER, RELEASE, TELL, UNDO, chunks, waits_of
from holdfast.register.canonical import decode_strict
from holdfast.store.interface import Reader
from holdfast.store.sqlite import SqliteReader

ACQUIRER, TERMINAL = "acquirer", "terminal"
"""Parties that may have something open."""

UNANSWERED, REVERSED, REFUNDED, ADVISED, RELEASED = "answer", "reversal", "refund", "advice", "release"
FOUND, SETTLING, MENDING = "finding", "settlement", "journal"
"""What may be open: named after what is missing."""

IN_DOUBT_OF = {
    ACQUIRER: (UNANSWERED, REVERSED, REFUNDED, ADVISED, RELEASED),
    TERMINAL: (UNANSWERED, REVERSED, REFUNDED, ADVISED, SETTLING, MENDING),
}
"""What can be in doubt at each party."""

REBUILDING = "rebuild:journal"
"""The due row under which a terminal asks the register for what its damaged journal lost."""

TOLD_NEXT = "tell:next"
"""The due row under which a terminal tells all that it owes, one after the other."""

NEXT_ACTION = {
    UNANSWERED: "the issuer answers; if it does not, the request is undone there",
    REVERSED: "the reversal is repeated until the issuer acknowledges it",
    REFUNDED: "the refund is told again until the issuer answers it",
    ADVISED: "the advice is told again until the issuer acknowledges it",
    RELEASED: "the issuer is told to free what the completion left, until it acknowledges that",
}
OBJECTED_NEXT = "the issuer refuses the reversal: ask it what it booked; the reversal is repeated meanwhile"

NEXT_AT_TERMINAL = {
    UNANSWERED: "the acquirer answers; if it does not, the request is undone by a reversal",
    REVERSED: "the reversal is repeated until the acquirer acknowledges it",
    REFUNDED: "the refund is told again until the acquirer answers it",
    ADVISED: "the advice is told again until the acquirer registers it",
    SETTLING: "settle again: it goes on where it was",
}
TOLD_AGAIN_NEXT = "the acquirer answers; if it does not, it is told again until it does"
REBUILT_NEXT = "the register is asked for what the damaged journal lost; nothing is sold before"
DOUBTFUL_NEXT = "the register is asked what became of it, for the journal was damaged"
SIGN_ON_FIRST = "the terminal signs on; then "


class Open(NamedTuple):
    """One thing that is open. Times in microseconds, the amount in minor units; None where it has none.

    `party` has it open, `what` is missing. `key` is the trace key that it is about, None where a finding is about
    none; `entry` the register entry that tells of it, None where there is none yet. `owner` is whose duty it is:
    `acquirer`, `terminal …`, `cashier of …`, or who owns a finding. `due_us` None means: as soon as somebody does it.
    `attempts` counts how often the other side was told.
    """

    party: str
    what: str
    in_doubt: bool
    terminal_id: str
    key: str | None
    entry: str | None
    kind: str | None
    amount_minor: int | None
    currency: str | None
    card: str | None
    since_us: int
    owner: str
    next_action: str
    due_us: int | None
    attempts: int
    reason: str | None


class Doubts(NamedTuple):
    """How much is in doubt at one party: by what, and since when the oldest (None: nothing is)."""

    counts: dict[str, int]
    oldest_us: int | None

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.counts.values())


def doubts_of(party: str, items: Iterable[Open]) -> Doubts:
    """What of these is in doubt at that party; what could be and is not counts 0."""
    doubtful = [item for item in items if item.party == party and item.in_doubt]
    found = Counter(item.what for item in doubtful)
    oldest_us = min((item.since_us for item in doubtful), default=None)
    return Doubts({what: found[what] for what in IN_DOUBT_OF[party]}, oldest_us)


def oldest_first(items: Iterable[Open]) -> list[Open]:
    """In the order in which somebody should look at them."""
    return sorted(items, key=lambda item: (item.since_us, item.party, item.key or item.entry or ""))


# --- acquirer -----------------------------------------------------------------------------------------------------


async def at_acquirer(reader: Reader) -> list[Open]:
    """Requests in doubt and what an issuer must still be told, then findings; in no order."""
    items: list[Open] = []
    # In the order in which a request goes on, so that one that does so meanwhile is met at its next place.
    for waits in (ANSWER, TELL, RELEASE, UNDO):
        rows = {due.key.partition(":")[2]: due for due in await reader.due(waits)}
        for keys in chunks(list(rows)):
            requests = await reader.rows(REQUESTS, keys)
            # What was over a moment ago may leave its due row for a while.
            items += [
                _of_request(request, rows[key], waits)
                for key in keys
                if (request := requests.get(key)) is not None and waits in waits_of(request)
            ]
    return items + await findings(reader)


def _of_request(request: Request, due: Due, waits: str) -> Open:
    what = _what_waits(request, waits)
    since_us, in_doubt = request.at_us, True
    if what == RELEASED:
        # It waits for the day after its completion, and is in doubt from the first time it was sent.
        in_doubt = due.attempts > 0
        since_us = due.since_us + (Policy().release_after_us if in_doubt else 0)
    return Open(
        ACQUIRER,
        what,
        in_doubt,
        request.terminal_id,
        request.trace_key,
        request.entry,
        request.kind,
        request.amount_minor,
        request.currency,
        request.card,
        since_us,
        ACQUIRER,
        OBJECTED_NEXT if what == REVERSED and request.undo == "objected" else NEXT_ACTION[what],
        due.due_us,
        due.attempts,
        request.reason,
    )


def _what_waits(request: Request, waits: str) -> str:
    if waits == TELL:
        return REFUNDED if request.kind == REFUND.name else ADVISED
    return {ANSWER: UNANSWERED, UNDO: REVERSED, RELEASE: RELEASED}[waits]


async def findings(reader: Reader) -> list[Open]:
    """The findings: what was raised is open, for nothing closes one."""
    return [
        _of_finding(entry_id(head.log, entry.number), entry.at_us, decode_strict(entry.body))
        for head in await reader.logs()
        for entry in await reader.entries_of(head.log, FINDING)
    ]


def _of_finding(entry: str, at_us: int, facts: dict[str, Any]) -> Open:
    key = facts.get("trace_key")
    return Open(
        ACQUIRER,
        FOUND,
        False,
        facts.get("terminal_id") or (key or "").partition("/")[0],
        key,
        entry,
        None,
        None,
        None,
        None,
        at_us,
        facts["owner"],
        facts["next_action"],
        facts["due"],
        0,
        facts["reason"],
    )


# --- terminal -----------------------------------------------------------------------------------------------------


async def in_terminal_files(paths: Iterable[Path]) -> tuple[list[Open], list[str]]:
    """What is open at the terminals of these files, which may be at work meanwhile; and of each file that cannot be
    read, why.
    """
    items: list[Open] = []
    unread: list[str] = []
    for path in paths:
        try:
            reader = SqliteReader(path)
            try:
                items += await at_terminal(reader)
            finally:
                await reader.close()
        except HoldfastError as error:
            unread.append(str(error))
    return items, unread


async def at_terminal(reader: Reader) -> list[Open]:
    """The request in flight, the reversal that is stored, what is told until it is answered, a settlement under way."""
    while True:
        devices: list[Device] = await reader.select(DEVICES, {})
        items = [item for device in devices for item in await _of_device(reader, device)]
        # Its row changes with every answer: what was read beside it belongs to it only if it is still the same.
        if await reader.select(DEVICES, {}) == devices:
            return items


async def _of_device(reader: Reader, device: Device) -> list[Open]:
    named = {UNANSWERED: device.in_flight, REVERSED: device.reversal, SETTLING: device.settling}
    waits = {UNANSWERED: f"answer:{device.in_flight}", REVERSED: f"reverse:{device.reversal}"}
    waits[SETTLING] = waits[UNANSWERED]
    due: dict[Key, Due] = await reader.rows(DUE, [*waits.values(), TOLD_NEXT, REBUILDING])
    items = await _of_mending(reader, device, due.get(REBUILDING))
    for what, key in named.items():
        sale: Sale | None = await reader.row(SALES, key) if key else None
        # What is in flight of a settlement, or of a sign-on, is no request of its own.
        if sale is not None and (what != UNANSWERED or sale.kind in BY_NAME):
            undone = await reader.row(SALES, sale.reverses) if sale.reverses else None
            items.append(_of_sale(undone or sale, what, device, due.get(waits[what])))
    told: list[Sale] = await reader.select(SALES, {"delivery": OWED})
    return items + [
        _of_sale(sale, REFUNDED if sale.kind == REFUND.name else ADVISED, device, due.get(TOLD_NEXT))
        for sale in told
        if sale.trace_key != device.in_flight
    ]


async def _of_mending(reader: Reader, device: Device, due: Due | None) -> list[Open]:
    """A damaged journal that is to be rebuilt, and the request that was under way when it was damaged."""
    if not device.mending:
        return []
    sale: Sale | None = await reader.row(SALES, device.doubtful) if device.doubtful else None
    since_us = due.since_us if due is not None else sale.at_us if sale is not None else 0
    first = "" if device.signed_on else SIGN_ON_FIRST
    items = [_of_journal(device, since_us, first + REBUILT_NEXT, due)]
    if sale is not None:
        items.append(_of_sale(sale, UNANSWERED, device, due)._replace(next_action=first + DOUBTFUL_NEXT))
    return items


def _of_journal(device: Device, since_us: int, next_action: str, due: Due | None) -> Open:
    owner, about = f"terminal {device.terminal_id}", (None, None, None, None, None, None)
    due_us, attempts = (due.due_us, due.attempts) if due is not None else (None, 0)
    said = owner, next_action, due_us, attempts, device.mending
    return Open(TERMINAL, MENDING, True, device.terminal_id, *about, since_us, *said)


def _of_sale(sale: Sale, what: str, device: Device, due: Due | None) -> Open:
    kind = BY_NAME.get(sale.kind)
    next_action = NEXT_AT_TERMINAL[what]
    if what == UNANSWERED and kind is not None and kind.silence is Silence.REPEATED:
        next_action = TOLD_AGAIN_NEXT
    if what in (REVERSED, REFUNDED, ADVISED) and not device.signed_on:
        next_action = SIGN_ON_FIRST + next_action
    return Open(
        TERMINAL,
        what,
        True,
        device.terminal_id,
        sale.trace_key,
        sale.register_entry,
        sale.kind,
        sale.amount_minor,
        sale.currency,
        sale.card,
        sale.at_us,
        f"cashier of {device.terminal_id}" if what == SETTLING else f"terminal {device.terminal_id}",
        next_action,
        due.due_us if due is not None else None,
        # Of what is told in turn nobody counts how often each was.
        due.attempts if due is not None and what == REVERSED else 0,
        sale.reason,
    )
