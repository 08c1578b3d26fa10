"""What a seed draws before its world begins: when it begins, who takes part, what they own, and how hostile it is."""

from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from holdfast.clock import to_us
from holdfast.ids import luhn_valid
from holdfast.sim.faults import Hostility

ISSUERS = ("01020000", "01030000")
BINS = ("621000", "622000")
EXPIRY = "3512"
PIN = "123456"
CARDS_PER_ISSUER = 5
HOT_CARD_SHARE = 0.35
"""So much of the traffic is about one card."""

MERCHANTS = (
    ("102100070110001", "和平饭店", "Peace Hotel", "7011"),
    ("102100075120002", "远行租车", "Far Car Rental", "7512"),
    ("102100080620003", "仁和医院", "Renhe Hospital", "8062"),
)
TERMINALS = 10
STANDARD_TERMINALS = (3, 9)
"""Which of the terminals know nothing of us."""

# Shanghai is eight hours ahead: an afternoon (twice as likely), before cut-over, before midnight, the end of a year,
# the end of a February.
STARTS = (
    datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
    datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
    datetime(2026, 11, 20, 14, 50, tzinfo=UTC),
    datetime(2026, 11, 20, 15, 50, tzinfo=UTC),
    datetime(2026, 12, 31, 15, 45, tzinfo=UTC),
    datetime(2027, 2, 28, 15, 50, tzinfo=UTC),
)


class CardOf(NamedTuple):
    """A cardholder's card."""

    pan: str
    expiry: str
    pin: str
    issuer_id: str


class Plan(NamedTuple):
    """One world before it begins. `terminals` are (terminal id, merchant id, is one of ours)."""

    start_us: int
    hostility: Hostility
    cards: tuple[CardOf, ...]
    accounts: tuple[dict[str, Any], ...]
    over_hold: str
    terminals: tuple[tuple[str, str, bool], ...]


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Random(f"{seed}/plan")
    start_us = to_us(dice.choice(STARTS)) + dice.randrange(600) * 1_000_000
    hostility = Hostility.drawn(dice)
    cards = tuple(_card(issuer, number) for issuer in range(len(ISSUERS)) for number in range(CARDS_PER_ISSUER))
    accounts = tuple(_account(dice, number, card) for number, card in enumerate(cards))
    terminals = tuple(
        (f"T{number + 1:07d}", MERCHANTS[number % len(MERCHANTS)][0], number not in STANDARD_TERMINALS)
        for number in range(TERMINALS)
    )
    return Plan(start_us, hostility, cards, accounts, dice.choice(("guaranteed", "if_available")), terminals)


def choose_card(dice: Random, cards: tuple[CardOf, ...]) -> CardOf:
    """The first card is the hot one."""
    return cards[0] if dice.random() < HOT_CARD_SHARE else dice.choice(cards)


def terminal_master_key(terminal_id: str) -> bytes:
    """The TMK of a terminal."""
    return terminal_id.encode().ljust(16, b"K")


def zone_key(issuer_id: str, purpose: str) -> bytes:
    """A static key between the acquirer and an issuer."""
    return f"{purpose}{issuer_id}".encode().ljust(16, b"Z")[:16]


def acquirer_import(plan: Plan) -> dict[str, Any]:
    """What the acquirer's door is told."""
    rights = {"pre_auth_right": True, "ceiling_percent": 115, "validity_days": 30}
    return {
        "merchants": [
            {"merchant_id": merchant_id, "name": name, "name_en": name_en, "mcc": mcc, **rights}
            for merchant_id, name, name_en, mcc in MERCHANTS
        ],
        "terminals": [
            {"terminal_id": terminal_id, "merchant_id": merchant_id, "tmk": terminal_master_key(terminal_id).hex()}
            for terminal_id, merchant_id, _ in plan.terminals
        ],
        "bins": [
            {"prefix": prefix, "issuer_id": issuer_id, "scheme": "CUP", "kind": "debit"}
            for prefix, issuer_id in zip(BINS, ISSUERS, strict=True)
        ],
        "issuers": [
            {"issuer_id": issuer_id, "name": issuer_id, "address": "", **_zone(issuer_id)} for issuer_id in ISSUERS
        ],
    }


def issuer_import(plan: Plan) -> dict[str, Any]:
    """What the issuer's door is told."""
    links = [
        {"issuer_id": issuer_id, **_zone(issuer_id), "validity_days": 30, "over_hold": plan.over_hold}
        for issuer_id in ISSUERS
    ]
    return {"accounts": list(plan.accounts), "links": links}


def merchant_names(merchant_id: str) -> tuple[str, str]:
    """What stands on the slip."""
    return next((name, name_en) for known, name, name_en, _ in MERCHANTS if known == merchant_id)


def _zone(issuer_id: str) -> dict[str, str]:
    return {"zone_mac": zone_key(issuer_id, "mac").hex(), "zone_pin": zone_key(issuer_id, "pin").hex()}


def _card(issuer: int, number: int) -> CardOf:
    stem = f"{BINS[issuer]}{number + 1:09d}"
    pan = next(stem + str(digit) for digit in range(10) if luhn_valid(stem + str(digit)))
    return CardOf(pan, EXPIRY, PIN, ISSUERS[issuer])


def _account(dice: Random, number: int, card: CardOf) -> dict[str, Any]:
    return {
        "account_id": f"{card.issuer_id}/{number:04d}",
        "issuer_id": card.issuer_id,
        "pan": card.pan,
        "kind": "debit",
        "expiry": card.expiry,
        "status": "normal",
        "pin": card.pin,
        "frozen_percent": dice.choice((100, 115)),
        "available_minor": dice.choice((8_000_00, 20_000_00, 60_000_00)),
    }
