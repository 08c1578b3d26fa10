"""Commands at the issuer's door: accounts are opened, and links to acquirers made.

Card numbers, PINs and keys come in clear over the local socket (0700), are hashed or wrapped at once, and stand in no
entry. An account that exists is left as it is: its money is in the book, and nobody opens it twice.
"""

from collections import ChainMap
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from holdfast.domain import ledger
from holdfast.domain.commands import AUDIT
from holdfast.domain.records import ACCOUNTS, ISSUER_LINKS, IssuerLink
from holdfast.domain.tables import Entry, Find, Key, Row, Table, Write, put
from holdfast.ids import mask_pan
from holdfast.parties.advancing import ADVANCE_CLOCK, note_advance
from holdfast.parties.installation import import_key
from holdfast.parties.step import TURN, Command, Decision, KeyOperation, Outcome, RowOf, Step, Turn, Want, pan_hash

OPENING = "opening"

Given = Mapping[str, Any]
"""One account or link of the command."""


def pin_verifier(pan: str, pin: str) -> KeyOperation:
    """-> bytes: the keyed hash that stands for a PIN."""
    return KeyOperation("pin_verifier", (pan, pin))


def obey(event: Command) -> Decision:
    """One command."""
    if event.name == "open-accounts":
        return open_accounts(event)
    if event.name == "taken-cards":
        return taken_cards(event)
    if event.name == ADVANCE_CLOCK:
        return note_advance(event)
    return unknown(event)


def unknown(event: Command) -> Decision:
    """A command that the issuer does not have."""
    yield (TURN,)
    return Step(send=(Outcome(event.caller, {"ok": False, "reason": f"the issuer has no command {event.name}"}),))


def open_accounts(event: Command) -> Decision:
    """`{"accounts": [{…}], "links": [{…}]}`, checked before by whoever read the file.

    An account: `account_id`, `issuer_id`, `pan`, `kind` (debit, credit), `expiry` (YYMM), `status` (normal, lost,
    stolen), `pin` (or None), `frozen_percent`, `available_minor`. A link: `issuer_id`, `zone_mac`, `zone_pin` and
    `imk_ac` (keys as text, the last one may be missing), `habits` (see `domain.rules`).
    """
    given, links = event.arguments.get("accounts", ()), event.arguments.get("links", ())
    keyed = yield from wrapped(links)
    secrets = yield from hashed(given)
    issuers = sorted({row["issuer_id"] for row in (*given, *links)})
    contra = [contra_facts(issuer_id, kind) for issuer_id in issuers for kind in (ledger.CLEARING, ledger.FUNDING)]
    openings = [*contra, *(account_facts(row) for row in given)]
    found = yield tuple(RowOf(ACCOUNTS, facts["account"]["id"]) for facts in openings)
    holders = yield tuple(holder_of(card) for card, _ in secrets.values())
    (turn,) = yield (TURN,)
    taken = [row.card for rows, owner in zip(holders, secrets, strict=True) for row in rows if row.account_id != owner]
    if taken or len({card for card, _ in secrets.values()}) < len(given):
        reason = f"card {', '.join(taken)} has an account already" if taken else "a card or an account is given twice"
        return Step(send=(Outcome(event.caller, {"ok": False, "reason": reason}),))
    counts = {"accounts": len(given), "links": len(links)}
    habits = [[row["issuer_id"], row["habits"]] for row in links]
    audit = turn.record(AUDIT, {"phase": "imported", "actor": event.actor, "counts": counts, "links": habits})
    entries, writes = booked(openings, ledger.rows_of(*found), secrets, event.actor, turn.after(audit))
    told = Outcome(event.caller, {"ok": True, "entry": turn.entry, **counts})
    return Step((audit, *entries), (*keyed, *writes), (told,))


def taken_cards(event: Command) -> Decision:
    """`{"accounts": [{"account_id": …, "pan": …}, …]}` -> those whose card another account has: `taken`, their ids.

    Nothing is recorded: whoever reads a file asks before he loads the first line of it.
    """
    given = event.arguments.get("accounts", ())
    cards = yield tuple(pan_hash(row["pan"]) for row in given)
    holders = yield tuple(holder_of(card) for card in cards)
    yield (TURN,)
    taken = [
        row["account_id"]
        for row, found in zip(given, holders, strict=True)
        if any(holder.account_id != row["account_id"] for holder in found)
    ]
    return Step(send=(Outcome(event.caller, {"ok": True, "taken": taken}),))


def holder_of(card: bytes) -> Find:
    """Whose that card is, by its keyed hash."""
    return Find(ACCOUNTS, (("pan_hash", card),), 1)


def wrapped(links: Sequence[Given]) -> Generator[tuple[Want, ...], Any, list[Write]]:
    """The links, their keys wrapped."""
    macs = yield tuple(import_key("zone-mac", row["zone_mac"]) for row in links)
    pins = yield tuple(import_key("zone-pin", row["zone_pin"]) for row in links)
    with_imk = [row for row in links if row.get("imk_ac")]
    imks = yield tuple(import_key("imk-ac", row["imk_ac"]) for row in with_imk)
    assert None not in (*macs, *pins, *imks), "a bad key was let through by whoever read the file"
    imk_of = {row["issuer_id"]: imk for row, imk in zip(with_imk, imks, strict=True)}
    return [
        put(ISSUER_LINKS, IssuerLink(row["issuer_id"], mac, pin, imk_of.get(row["issuer_id"]), row["habits"]))
        for row, mac, pin in zip(links, macs, pins, strict=True)
    ]


def hashed(given: Sequence[Given]) -> Generator[tuple[Want, ...], Any, dict[str, tuple[bytes, bytes | None]]]:
    """The secrets of each account: the keyed hashes of its card number and of its PIN."""
    cards = yield tuple(pan_hash(row["pan"]) for row in given)
    with_pin = [row for row in given if row.get("pin")]
    verifiers = yield tuple(pin_verifier(row["pan"], row["pin"]) for row in with_pin)
    pins = {row["account_id"]: verifier for row, verifier in zip(with_pin, verifiers, strict=True)}
    return {row["account_id"]: (card, pins.get(row["account_id"])) for row, card in zip(given, cards, strict=True)}


def contra_facts(issuer_id: str, kind: str) -> dict[str, Any]:
    """The opening of a contra account: it begins empty, and may be negative."""
    account = {"id": ledger.contra_id(issuer_id, kind), "issuer": issuer_id, "kind": kind}
    return {
        "phase": "opened",
        "account": account | {"card": "", "expiry": "", "status": "normal", "frozen_percent": 0},
    }


def account_facts(row: Given) -> dict[str, Any]:
    """The opening of a cardholder's account, with what it begins with."""
    account_id, issuer_id = row["account_id"], row["issuer_id"]
    account = {"id": account_id, "issuer": issuer_id, "card": mask_pan(row["pan"])}
    account |= {name: row[name] for name in ("kind", "expiry", "status", "frozen_percent")}
    postings = ledger.funded(account_id, issuer_id, row["available_minor"])
    return {"phase": "opened", "account": account, "postings": postings}


def booked(
    openings: Sequence[Mapping[str, Any]],
    known: dict[tuple[Table, Key], Row],
    secrets: Mapping[str, tuple[bytes, bytes | None]],
    actor: str,
    turn: Turn,
) -> tuple[list[Entry], tuple[Write, ...]]:
    """One entry for each account that does not exist, and the rows after all of them."""
    entries: list[Entry] = []
    after: dict[tuple[Table, Key], Row] = {}
    for opening in openings:
        account_id = opening["account"]["id"]
        if (ACCOUNTS, account_id) in known:
            continue
        facts = {**opening, "actor": actor}
        entry = turn.record(OPENING, facts)
        after |= ledger.changes(ChainMap(after, known), turn.said(OPENING, facts))
        if account_id in secrets:
            card, pin = secrets[account_id]
            after[ACCOUNTS, account_id] = after[ACCOUNTS, account_id]._replace(pan_hash=card, pin_verifier=pin)
        entries.append(entry)
        turn = turn.after(entry)
    return entries, ledger.writes(known, after)
