"""What the register says of a terminal whose journal was damaged, laid beside the terminal's own rows.

Rule 1: a request that the terminal does not know becomes a row of its journal. One that it knows changes only where the
terminal does not know how it ended, or where a reversal that it does not know undid it.
Rule 2: what the register does not stand by any more (an issuer that was silent, a reversal that came first) is over.
Rule 3: a request at whose issuer is still being asked is waited for.
"""

from collections.abc import Iterable
from typing import Any

from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, REVERSAL, REVERSAL_MTI, SETTLEMENT, SETTLEMENT_MTI, Means, Silence
from holdfast.domain.journal import OWED
from holdfast.domain.records import Sale
from holdfast.errors import BadInput
from holdfast.ids import TraceKey
from holdfast.parties.page import Page
from holdfast.wire.records import Record

SAYS = "the journal had lost it: this is what the register says"
ENDED = "the journal had lost how it ended: this is what the register says"
UNDONE = "the register has it reversed"

OVER = frozenset({"reversed", "tombstone"})


def key_of(terminal_id: str, batch: str, record: Record) -> str:
    """The trace key of a record of this batch; BadInput when it is of no kind that this terminal asks."""
    key = TraceKey(terminal_id, batch, record.named[:6], record.named[6:])
    kind = BY_NAME.get(record.kind)
    mti = kind.mti if kind else {REVERSAL: REVERSAL_MTI, SETTLEMENT: SETTLEMENT_MTI}.get(record.kind)
    if key.mti != mti:
        raise BadInput(f"the register has {key} as {record.kind}")
    if record.kind == REVERSAL and not record.original:
        raise BadInput(f"the register does not say what {key} reverses")
    return str(key)


def meant_by(terminal_id: str, record: Record) -> str | None:
    """The trace key of the request of this terminal that a record refers to."""
    named = record.original
    return str(TraceKey(terminal_id, named[:6], named[6:12], named[12:])) if named else None


def keys_of(terminal_id: str, batch: str, records: Iterable[Record]) -> list[str]:
    """The trace keys of the rows that these records may change, each once."""
    keys: dict[str, None] = {}
    for record in records:
        keys[key_of(terminal_id, batch, record)] = None
        meant = meant_by(terminal_id, record)
        if record.kind == REVERSAL and meant:
            keys[meant] = None
    return list(keys)


def is_waited_for(own: Sale | None, record: Record) -> bool:
    """Whether nothing can be said of it before its issuer has answered. What can be told again need not wait."""
    if record.outcome != "asked":
        return False
    if own is None:
        return True
    told_again = record.kind in BY_NAME and BY_NAME[record.kind].silence is Silence.REPEATED
    return (own.outcome == "asked" or own.delivery == OWED) and not (told_again and own.pan_sealed is not None)


def belief_of(record: Record) -> str:
    """What the terminal believes of a request that the register has like this."""
    if record.outcome in OVER:
        return "reversed"
    if record.outcome == "unknown":
        kind = BY_NAME.get(record.kind)
        return "reversed" if kind is not None and kind.silence is Silence.REVERSED else "unknown"
    if record.outcome == "claimed":
        # It was told, answered 00, and somebody objected: the terminal's part is done.
        return "approved" if record.response_code in responses.APPROVED_CODES else "declined"
    return record.outcome


def take_over(page: Page, key: str, record: Record, currency: str) -> None:
    """What this record changes in the journal, if anything."""
    assert page.device is not None, "a terminal that was loaded asked for it"
    own, belief = page.sales.get(key), belief_of(record)
    if own is None:
        meant = meant_by(page.device.terminal_id, record)
        page.note(record.kind, "recovered", _told(key, record, belief, SAYS) | _lost(record, meant, currency))
        if record.kind == REVERSAL and belief == "approved":
            _undone(page, page.sales.get(meant or ""))
        return
    if record.kind not in BY_NAME or record.outcome == "asked":
        return
    # What is told while a settlement is under way rests, because its totals must not move.
    told_now = own.delivery == OWED and not (page.device.settling and own.pan_sealed)
    if own.outcome == "asked" or told_now:
        page.note(record.kind, "recovered", _told(key, record, belief, ENDED) | {"sequence": own.sequence})


def _undone(page: Page, own: Sale | None) -> None:
    """A request of which the journal kept more than the register lets stand."""
    if own is None or own.outcome not in ("asked", "approved", "unknown"):
        return
    facts = {"trace_key": own.trace_key, "outcome": "reversed", "reason": UNDONE, "sequence": own.sequence}
    page.note(own.kind, "recovered", facts)


def _told(key: str, record: Record, belief: str, says: str) -> dict[str, Any]:
    """What a record says of how its request ended."""
    at = record.at
    return {
        "trace_key": key,
        "outcome": belief,
        "reason": f"{says} ({record.outcome})",
        "response_code": record.response_code or None,
        "authorization_code": record.authorization_code or None,
        "rrn": record.rrn or None,
        "register_entry": record.register_entry or None,
        "scheme": record.scheme or None,
        "local_date": f"{at[:4]}-{at[4:6]}-{at[6:8]}",
        "local_time": f"{at[8:10]}:{at[10:12]}:{at[12:]}",
    }


def _lost(record: Record, meant: str | None, currency: str) -> dict[str, Any]:
    """What the journal says of a request that it had lost."""
    kind = BY_NAME.get(record.kind)
    facts: dict[str, Any] = {
        "lost": True,
        "actor": record.operator or "system",
        "amount": record.amount_minor,
        "currency": currency,
        "card": record.card or None,
    }
    if record.kind == REVERSAL:
        return facts | {"reverses": meant}
    if kind is not None and kind.means is not Means.NOTHING:
        facts |= {"original_code": record.original_code or None, "hold": meant}
    return facts
