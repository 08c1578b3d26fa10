"""What a seed draws before its world begins: when it begins, who takes part, what they own, and how hostile it is."""

from base64 import b64encode
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from holdfast.clock import to_us
from holdfast.domain.rules import EVERYWHERE, Rules, rules_of
from holdfast.ids import luhn_valid
from holdfast.sim.chip_card import PUBLISHED_TEST_ISSUER_MASTER_KEY
from holdfast.sim.faults import Hostility
from holdfast.sim.keys import signature
from holdfast.sim.ways import EVERYWHERE_SHARE, RULE_SHARE, habits_drawn, rules_drawn

ISSUERS = ("01020000", "01030000", "40000000")
FOREIGN_ISSUER = ISSUERS[2]
"""Behind a network that is not ours: it answers late, twice, or not at all (`foreign`)."""
DOMESTIC_BINS = ("621000", "622000")
FOREIGN_BINS = {"VIS": "400000", "MCC": "555555"}
EXPIRY = "3512"
PIN = "123456"
SEQUENCE = "001"
CARDS_PER_ISSUER = 4
HOT_CARD_SHARE = 0.35
"""So much of the traffic is about one card."""

MERCHANTS = (
    ("102100070110001", "和平饭店", "Peace Hotel", "7011"),
    ("102100075120002", "远行租车", "Far Car Rental", "7512"),
    ("102100080620003", "仁和医院", "Renhe Hospital", "8062"),
)
MCC_OF = {merchant_id: mcc for merchant_id, _, _, mcc in MERCHANTS}
TERMINALS = 10
LIARS_SHARE = 0.3
"""So many standard terminals upload what is not so."""
STANDARD_TERMINALS = (3, 9)
"""Which of the terminals know nothing of us."""

# Shanghai is eight hours ahead: an afternoon (twice as likely), before cut-over, before midnight, the end of a year,
# the end of a February; and days before a year's end.
STARTS = (
    datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
    datetime(2026, 11, 20, 6, 0, tzinfo=UTC),
    datetime(2026, 11, 20, 14, 50, tzinfo=UTC),
    datetime(2026, 11, 20, 15, 50, tzinfo=UTC),
    datetime(2026, 12, 31, 15, 45, tzinfo=UTC),
    datetime(2027, 2, 28, 15, 50, tzinfo=UTC),
    datetime(2026, 12, 29, 6, 0, tzinfo=UTC),
)
RETURN_DAYS = (0, 0, 0, 1, 5, 29, 30, 31)
"""After so many days guests come back, 0 for never: a hold is valid for thirty as a rule."""


class CardOf(NamedTuple):
    """A cardholder's card."""

    pan: str
    expiry: str
    pin: str
    issuer_id: str


class TerminalOf(NamedTuple):
    """A terminal. One that is not ours has a way of sealing, a trace number to go on from, and may upload lies."""

    terminal_id: str
    merchant_id: str
    ours: bool
    mac_algorithm: str
    notice: str
    stan: int
    lies: bool


class Plan(NamedTuple):
    """One world before it begins. `rules` by merchant, `everywhere` for all cards; `habits` by issuer."""

    start_us: int
    hostility: Hostility
    cards: tuple[CardOf, ...]
    accounts: tuple[dict[str, Any], ...]
    terminals: tuple[TerminalOf, ...]
    foreign_scheme: str
    rules: dict[str, str]
    everywhere: str
    habits: dict[str, str]
    release_after_s: int
    """When the rest of a completed hold is freed: after a day as usual, or so soon that things go wrong with it."""
    returns_after_days: int

    @property
    def bins(self) -> tuple[str, ...]:
        """The BIN of each issuer."""
        return (*DOMESTIC_BINS, FOREIGN_BINS[self.foreign_scheme])

    def rules_for(self, scheme: str, merchant_id: str) -> Rules:
        """The rules for a request, see `logbook.Given`."""
        return rules_of(scheme, MCC_OF[merchant_id], self.everywhere, "", "", self.rules[merchant_id])

    def signed(self, installation: str, body: bytes, sealed: str) -> bool:
        """Whether the made-up keys of an installation signed that, see `logbook.Given`."""
        return b64encode(signature(installation, body)).decode() in sealed

    def scheme_of(self, issuer_id: str) -> str:
        """The scheme of an issuer's cards."""
        return self.foreign_scheme if issuer_id == FOREIGN_ISSUER else "CUP"


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    dice = Random(f"{seed}/plan")
    start_us = to_us(dice.choice(STARTS)) + dice.randrange(600) * 1_000_000
    hostility = Hostility.drawn(dice)
    foreign_scheme = dice.choice(sorted(FOREIGN_BINS))
    bins = (*DOMESTIC_BINS, FOREIGN_BINS[foreign_scheme])
    cards = tuple(_card(bins, issuer, number) for issuer in range(len(ISSUERS)) for number in range(CARDS_PER_ISSUER))
    accounts = tuple(_account(dice, number, card) for number, card in enumerate(cards))
    terminals = tuple(_terminal(dice, number) for number in range(TERMINALS))
    rules = {merchant_id: rules_drawn(dice, RULE_SHARE) for merchant_id, _, _, _ in MERCHANTS}
    everywhere = rules_drawn(dice, EVERYWHERE_SHARE)
    habits = {issuer_id: habits_drawn(dice) for issuer_id in ISSUERS}
    release_after_s = dice.choice((86_400, 20, 120))
    drawn_ways = rules, everywhere, habits, release_after_s, dice.choice(RETURN_DAYS)
    return Plan(start_us, hostility, cards, accounts, terminals, foreign_scheme, *drawn_ways)


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
    rights = {"pre_auth_right": True}
    return {
        "schemes": [{"scheme": EVERYWHERE, "rules": plan.everywhere}],
        "merchants": [
            {
                "merchant_id": merchant_id,
                "name": name,
                "name_en": name_en,
                "mcc": mcc,
                "rules": plan.rules[merchant_id],
                **rights,
            }
            for merchant_id, name, name_en, mcc in MERCHANTS
        ],
        "terminals": [
            {
                "terminal_id": terminal.terminal_id,
                "merchant_id": terminal.merchant_id,
                "tmk": terminal_master_key(terminal.terminal_id).hex(),
                "enabled": True,
                "mac_algorithm": terminal.mac_algorithm,
                "notice": terminal.notice,
            }
            for terminal in plan.terminals
        ],
        "bins": [
            {"prefix": prefix, "issuer_id": issuer_id, "scheme": plan.scheme_of(issuer_id), "kind": "debit"}
            for prefix, issuer_id in zip(plan.bins, ISSUERS, strict=True)
        ],
        "issuers": [
            {"issuer_id": issuer_id, "name": issuer_id, "address": "", **_zone(issuer_id)} for issuer_id in ISSUERS
        ],
    }


def issuer_import(plan: Plan) -> dict[str, Any]:
    """What the issuer's door is told."""
    links = [
        {
            "issuer_id": issuer_id,
            "habits": plan.habits[issuer_id],
            "imk_ac": PUBLISHED_TEST_ISSUER_MASTER_KEY.hex(),
            **_zone(issuer_id),
        }
        for issuer_id in ISSUERS
    ]
    return {"accounts": list(plan.accounts), "links": links}


def merchant_names(merchant_id: str) -> tuple[str, str]:
    """What stands on the slip."""
    return next((name, name_en) for known, name, name_en, _ in MERCHANTS if known == merchant_id)


def _zone(issuer_id: str) -> dict[str, str]:
    return {"zone_mac": zone_key(issuer_id, "mac").hex(), "zone_pin": zone_key(issuer_id, "pin").hex()}


def _terminal(dice: Random, number: int) -> TerminalOf:
    ours = number not in STANDARD_TERMINALS
    return TerminalOf(
        f"T{number + 1:07d}",
        MERCHANTS[number % len(MERCHANTS)][0],
        ours,
        "ecb" if ours else dice.choice(("ecb", "ecb", "cbc")),
        dice.choice(("0", "0", "1", "3")),
        0 if ours else dice.choice((0, 0, 999_980)),
        not ours and dice.random() < LIARS_SHARE,
    )


def _card(bins: tuple[str, ...], issuer: int, number: int) -> CardOf:
    stem = f"{bins[issuer]}{number + 1:09d}"
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
        "available_minor": dice.choice((2_000_00, 20_000_00, 60_000_00)),
    }
