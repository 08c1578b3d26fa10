"""Commands at the acquirer's door: own schemes, merchants, terminals, BINs, issuers and hot list; see also `retention`.

Keys come as text over the local socket (0700), are wrapped at once, and stand in no entry.
"""

from collections.abc import Generator
from typing import Any

from holdfast.domain.commands import AUDIT
from holdfast.domain.records import (
    BINS,
    HOT_CARDS,
    ISSUERS,
    MERCHANTS,
    SCHEMES,
    TERMINALS,
    Bin,
    HotCard,
    Issuer,
    Merchant,
    Scheme,
    Terminal,
)
from holdfast.domain.tables import Write, put
from holdfast.parties import retention
from holdfast.parties.advancing import ADVANCE_CLOCK, note_advance
from holdfast.parties.step import TURN, Command, Decision, KeyOperation, Outcome, Step, Want, pan_hash


def import_key(purpose: str, text: str) -> KeyOperation:
    """-> bytes: a key that came in hex or as a TR-31 block, wrapped; None when it is no such key."""
    return KeyOperation("import_text", (purpose, text))


def obey(event: Command) -> Decision:
    """One command."""
    if event.name == "import":
        return take_in(event)
    if event.name == retention.RETIRE:
        return retention.retire(event)
    if event.name == ADVANCE_CLOCK:
        return note_advance(event)
    return unknown(event)


def outcome(event: Command, value: dict[str, Any]) -> Outcome:
    """The answer to whoever stands at the door."""
    return Outcome(event.caller, value)


def unknown(event: Command) -> Decision:
    """A command that the acquirer does not have."""
    yield (TURN,)
    return Step(send=(outcome(event, {"ok": False, "reason": f"the acquirer has no command {event.name}"}),))


def take_in(event: Command) -> Decision:
    """Rows of reference tables, checked by whoever read the file: `{"merchants": [{…}], "terminals": […], …}`.

    A row has the fields of its record, its keys as text and a hot card its `pan`; what has a default may be missing.
    """
    rows = event.arguments
    writes = [put(SCHEMES, Scheme(**row)) for row in rows.get("schemes", ())]
    writes += [put(MERCHANTS, Merchant(**row)) for row in rows.get("merchants", ())]
    writes += [put(BINS, Bin(**row)) for row in rows.get("bins", ())]
    writes += yield from keyed_rows(rows)
    (turn,) = yield (TURN,)
    counts = {name: len(rows[name]) for name in sorted(rows)}
    entry = turn.record(AUDIT, {"phase": "import", "actor": event.actor, "counts": counts})
    return Step((entry,), tuple(writes), (outcome(event, {"ok": True, "entry": turn.entry, **counts}),))


def keyed_rows(rows: Any) -> Generator[tuple[Want, ...], Any, list[Write]]:
    """Terminals, issuers and hot cards: what carries a key or a card number is wrapped or hashed first."""
    terminals, issuers, hot = rows.get("terminals", ()), rows.get("issuers", ()), rows.get("hot_cards", ())
    tmks = yield tuple(import_key("tmk", row["tmk"]) for row in terminals)
    macs = yield tuple(import_key("zone-mac", row["zone_mac"]) for row in issuers)
    pins = yield tuple(import_key("zone-pin", row["zone_pin"]) for row in issuers)
    assert None not in (*tmks, *macs, *pins), "a bad key was let through by whoever read the file"
    hashes = yield tuple(pan_hash(row["pan"]) for row in hot)
    writes = [put(TERMINALS, Terminal(**row | {"tmk": tmk})) for row, tmk in zip(terminals, tmks, strict=True)]
    for row, mac, pin in zip(issuers, macs, pins, strict=True):
        writes.append(put(ISSUERS, Issuer(**row | {"zone_mac": mac, "zone_pin": pin})))
    writes += [put(HOT_CARDS, HotCard(hashed, row["response_code"])) for row, hashed in zip(hot, hashes, strict=True)]
    return writes
