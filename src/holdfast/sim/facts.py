"""What entries and slips say, held against what was asked for; the other folds judge what came of it.

    a request    what opens it says the amount, card, kind, merchant, terminal and operator of what a cashier asked, and
                 the currency; its business date follows from its time, its RRN from its log and number
    a journal    says the same of a request as the register, and so does the book
    a slip       says what the entries said that were there the moment it was printed
    a finding    has an owner, something to do, a reason, and a time that is not too far off
    an answer    is in the currency of its question
    I8           no log tells a card number or a PIN

What anything must be is worked out here, from what the cashier had in hand and from the world's plan.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from holdfast.clock import DAY_US, HOUR_US
from holdfast.sim.folds import entry_of
from holdfast.sim.logbook import Complain, Facts, Kept
from holdfast.sim.own_book import OwnBook
from holdfast.sim.own_journal import OwnJournal
from holdfast.sim.own_register import CLAIM_MTI, OPENING, OwnRegister, OwnRequest
from holdfast.sim.plan import Plan
from holdfast.wire.message import Message

YUAN, OPERATOR = "156", "01"
CURRENCY_FIELD = 49

DAY_BEGINS_US = 9 * HOUR_US
"""Shanghai is eight hours ahead of UTC, and after 23:00 it is the next day's business."""
EPOCH_DAY = date(1970, 1, 1).toordinal()

KIND_OF = {
    "pre-auth": "pre-authorization",
    "moto": "moto-pre-authorization",
    "complete": "completion",
    "advise": "completion-advice",
    "void-completion": "completion-void",
    "void-sale": "sale-void",
}
"""Kinds by commands of a till; the others are called alike."""

OWNERS = frozenset({"operations"})
NEXT_ACTIONS = frozenset(
    {
        "ask the issuer what it booked",
        "ask the merchant",
        "compare the merchant's slips with the register",
        "compare the terminal's journal with the register",
        "complete it manually, or ask the merchant",
        "have the terminal upload its batch again",
    }
)
DUE_MIN_US, DUE_MAX_US = HOUR_US, 7 * DAY_US

OF_BOTH_HOSTS = ("amount", "card", "currency", "issuer", "kind", "merchant_id", "rrn", "terminal_id", "trace_key")
OF_A_JOURNAL = ("amount", "card", "currency", "kind", "merchant_id", "terminal_id", "actor")
OF_A_SLIP = ("amount", "card", "currency", "kind")


class Asked(NamedTuple):
    """What a cashier asked of a till."""

    command: str
    pan: str
    amount_minor: int


class Wanted(NamedTuple):
    """What something must say, by name, and what it is."""

    what: str
    facts: Mapping[str, Any]

    def of(self, said: Mapping[str, Any], complain: Complain, invariant: str = "I2") -> None:
        """Complain of each thing that is said otherwise."""
        for name, value in self.facts.items():
            if said.get(name) != value:
                complain(f"{invariant}: {self.what} says {name} {said.get(name)!r}, which is {value!r}")


def business_date_of(at_us: int) -> str:
    """The day of business in Shanghai, YYYY-MM-DD."""
    return date.fromordinal(EPOCH_DAY + (at_us + DAY_BEGINS_US) // DAY_US).isoformat()


def masked(pan: str) -> str:
    """The card as a slip shows it."""
    return pan[:6] + "*" * (len(pan) - 10) + pan[-4:]


def some(said: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those of these that are said."""
    return {name: said[name] for name in names if name in said}


# --- records among themselves -------------------------------------------------------------------------------------


def audit_hosts(register: OwnRegister, book: OwnBook, complain: Complain) -> None:
    """What entries say of themselves, and both hosts of each request."""
    by_exchange: dict[str, OwnRequest] = {}
    for key, request in register.requests.items():
        if request.opened.get("phase") in OPENING and not key.endswith(CLAIM_MTI):
            by_exchange[request.exchange_id] = request
            _opens(key, request.opened, complain)
    for exchange_id, answer in book.answers.items():
        if exchange_id in by_exchange:
            opened = by_exchange[exchange_id].opened
            booked = {**opened, **answer.facts, "kind": answer.facts.get("echoes", answer.facts["kind"])}
            Wanted(f"book entry {answer.entry}", some(opened, OF_BOTH_HOSTS)).of(booked, complain)
    for facts in register.findings:
        _finding(facts, register, complain)


def _opens(trace_key: str, opened: Facts, complain: Complain) -> None:
    wanted = {
        "business_date": business_date_of(opened["at"]),
        "currency": YUAN,
        "rrn": f"{opened['log']}{opened['number']:011d}",
        "terminal_id": trace_key[:8],
    }
    Wanted(f"entry {entry_of(opened)} of {trace_key}", wanted).of(opened, complain)


def _finding(facts: Facts, register: OwnRegister, complain: Complain) -> None:
    request = register.requests.get(facts.get("trace_key", ""))
    lasts_us = facts.get("due", 0) - facts["at"]
    wrong = {
        "owner": facts.get("owner") not in OWNERS,
        "next_action": facts.get("next_action") not in NEXT_ACTIONS,
        "due": not DUE_MIN_US <= lasts_us <= DUE_MAX_US,
        "reason": not facts.get("reason", "").strip(),
        "about": request is not None and facts.get("about") != request.exchange_id,
    }
    for name in (name for name in wrong if wrong[name]):
        complain(f"I2: finding {entry_of(facts)} says {name} {facts.get(name)!r}")


def audit_journal(terminal_id: str, journal: OwnJournal, register: OwnRegister, complain: Complain) -> None:
    """A journal says of each request what the register says."""
    for key, facts in journal.of_money.items():
        request = register.requests.get(key)
        if request is not None:
            opened = request.opened
            said = some(facts, [name for name in OF_A_JOURNAL if name in opened])
            Wanted(f"entry {request.exchange_id} of {key}, by the journal of {terminal_id},", said).of(opened, complain)


def audit_currency(trace_key: str, asked: Message, answer: Message | None, complain: Complain) -> None:
    """An answer is in the currency of its question (DE49), where it says any."""
    if answer is not None and answer.fields.get(CURRENCY_FIELD, asked.get(CURRENCY_FIELD)) != asked.get(CURRENCY_FIELD):
        complain(f"I2: the answer to {trace_key} is in currency {answer.get(CURRENCY_FIELD)}")


# --- what was asked for -------------------------------------------------------------------------------------------


def audit_asked(asked: Mapping[str, Asked], register: OwnRegister, plan: Plan, complain: Complain) -> None:
    """What cashiers asked for is what was registered."""
    merchants = {terminal.terminal_id: terminal.merchant_id for terminal in plan.terminals}
    issuers = {card.pan: card.issuer_id for card in plan.cards}
    for key, wish in asked.items():
        request = register.requests.get(key)
        if request is None:
            continue
        opened = request.opened
        wanted = {
            "actor": OPERATOR,
            "amount": wish.amount_minor,
            "kind": KIND_OF.get(wish.command, wish.command),
            "merchant_id": merchants[key[:8]],
        }
        of_card = {"card": masked(wish.pan), "issuer": issuers[wish.pan]}
        of_card["scheme"] = plan.scheme_of(of_card["issuer"])
        Wanted(f"entry {request.exchange_id} of {key}", wanted | some(of_card, opened)).of(opened, complain)


def audit_secrets(databases: Mapping[str, Kept], plan: Plan, complain: Complain) -> None:
    """No log tells a card number or a PIN (I8)."""
    pans = [card.pan.encode() for card in plan.cards]
    pins = re.compile(rb'(?<!code":)"(?:%s)"' % b"|".join({card.pin.encode() for card in plan.cards}))
    for whose, database in databases.items():
        for name, log in database.logs.items():
            told = b"\n".join(entry.body for entry in log.entries)
            if any(pan in told for pan in pans):
                complain(f"I8: {whose}: log {name} tells a card number")
            if pins.search(told):
                complain(f"I8: {whose}: log {name} tells a PIN")


# --- slips --------------------------------------------------------------------------------------------------------


def audit_slip(told: Mapping[str, Any], opened: Facts, answered: Facts, complain: Complain) -> None:
    """A slip that says approved, held against the entries of its request as they are while it is printed (I1)."""
    said = {**told, "authorization_code": plain(told.get("authorization_code"))}
    if "paper" in told:
        said["card"] = masked(told["paper"].pan)
    entries = {**opened, "authorization_code": plain(answered.get("authorization_code"))}
    names = (*OF_A_SLIP, "authorization_code", "rrn")
    wanted = some(entries, [name for name in names if name in said])
    Wanted(f"the slip for {told['trace_key']}", wanted).of(said, complain, "I1")


def plain(code: str | None) -> str:
    """An authorization code without the padding that a host may give it."""
    return (code or "").strip().lstrip("0")
