"""An issuer on the bench with an acquirer's desk before it: asks in words, reads answers and rows, audits each step."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from holdfast.clock import DAY_US, MINUTE_US
from holdfast.domain import ledger
from holdfast.domain.commands import BY_NAME, CardPresented
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, ISSUER_LINKS, ISSUER_TABLES, Request
from holdfast.domain.tables import DUE
from holdfast.ids import entry_id, mask_pan, rrn_of
from holdfast.money import format_amount, parse_amount
from holdfast.parties.exchange import ask_issuer, parse, undo_at_issuer
from holdfast.parties.issuer import Issuer
from holdfast.parties.step import Command, Event, Outcome, Outgoing, Received, Step
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.message import Message
from tests.parties.driver import Bench, on_the_wire, received
from tests.parties.keys import PlainKeys

NOW_US = 1_795_000_000_000_000
"""A day in November 2026."""

BANK, OTHER_BANK = "01020000", "03080000"
CARDS = {"C1": "6220000000000019", "C2": "6220000000000027", "C3": "6210000000000011"}
EXPIRY = "2912"
ZONE_MAC, ZONE_PIN = bytes(range(16)), bytes(range(16, 32))
ZONE_MAC_OF = {BANK: ZONE_MAC, OTHER_BANK: bytes(range(32, 48))}
POLICY = Policy()
KINDS = {"places": "pre-authorization", "completes": "completion", "voids": "void"}


def exchange_id(word: str) -> str:
    """A1 -> A-000001."""
    return entry_id(word[:1], int(word[1:]))


def request(kind: str, word: str, amount_minor: int, hold: str, bank: str) -> Request:
    """The acquirer's row of what it asks as exchange `word`; exchange `hold` placed the hold that is meant."""
    number, mti = int(word[1:]), BY_NAME[kind].mti
    return Request(
        trace_key=f"T0000001/000001/{number:06d}/{mti}",
        kind=kind,
        echoes=kind,
        outcome="asked",
        question=b"",
        terminal_id="T0000001",
        merchant_id="898310070110001",
        operator="01",
        at_us=NOW_US,
        answered_us=0,
        business_date="2026-11-18",
        token=None,
        card=None,
        issuer_id=bank,
        amount_minor=amount_minor,
        currency=POLICY.currency,
        rrn=rrn_of("A", number),
        entry=exchange_id(word),
        asked_entry=exchange_id(word),
        response_code=None,
        authorization_code=None,
        hold_id=exchange_id(hold) if hold else None,
        original=None,
        undo="",
        reason=None,
        sequence=0,
    )


def question(kind: str, word: str, card: str, amount_minor: int, hold: str = "", bank: str = BANK) -> Message:
    """What the acquirer asks about a card of ours."""
    presented = CardPresented(CARDS[card], EXPIRY, "021", "", b"")
    return ask_issuer(request(kind, word, amount_minor, hold, bank), presented, None, "7011", "", POLICY)


class Desk:
    """`act` and `look` are for stories: see `tests.stories`."""

    def __init__(self, over_hold: str = "guaranteed") -> None:
        self.keys = PlainKeys()
        self.bench = Bench(Issuer(POLICY), ISSUER_TABLES, self.keys, "I", audit)
        self.now_us = NOW_US
        self._over_hold = over_hold
        self._asked: dict[str, tuple[str, str, int, str]] = {}

    # --- asking ---

    def offer(self, event: Event) -> Step:
        return self.bench.offer(event, self.now_us)

    def received(self, message: Message, link: int = 1) -> Received:
        """The message as it comes in, sealed for the issuer that its DE48 names."""
        exchange = parse(message.get(48))
        key = ZONE_MAC_OF.get(exchange.issuer_id if exchange else "", ZONE_MAC)
        return received(ASCII_1987, message, self.keys, (self.keys.import_key("zone-mac", key), "x919"), link)

    def ask(self, message: Message, link: int = 1) -> Step:
        return self.offer(self.received(message, link))

    def answer(self, step: Step) -> str:
        """The response code of the one answer that a step sends; it can be encoded and sealed."""
        (sent,) = step.send
        assert isinstance(sent, Outgoing)
        return on_the_wire(ASCII_1987, sent.message, self.keys, sent.seal).get(39)

    def advice(self, word: str, kind: str = "pre-authorization", hold: str = "", bank: str = BANK) -> Message:
        """The reversal advice for an exchange."""
        kind, card, amount_minor, hold = self._asked.get(word, (kind, "C1", 100_00, hold))
        return undo_at_issuer(request(kind, word, amount_minor, hold, bank), CARDS[card], False, POLICY)

    # --- commands ---

    def command(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        (told,) = self.offer(Command(9, name, arguments, "operator 7")).send
        assert isinstance(told, Outcome)
        assert told.to == 9
        return told.value

    def account(self, card: str, kind: str, available_minor: int, bank: str = BANK, **changed: Any) -> dict[str, Any]:
        """One account as a command gives it."""
        return {
            "account_id": f"acc-{card}",
            "issuer_id": bank,
            "pan": CARDS[card],
            "kind": kind,
            "expiry": EXPIRY,
            "status": "normal",
            "pin": None,
            "frozen_percent": 100,
            "available_minor": available_minor,
            **changed,
        }

    def open(self, card: str, kind: str, available_minor: int, bank: str = BANK, **changed: Any) -> Mapping[str, Any]:
        """Open the account of a card, and the link to its issuer."""
        link = {
            "issuer_id": bank,
            "zone_mac": ZONE_MAC_OF[bank].hex(),
            "zone_pin": ZONE_PIN.hex(),
            "validity_days": 30,
            "over_hold": self._over_hold,
        }
        account = self.account(card, kind, available_minor, bank, **changed)
        return self.command("open-accounts", {"accounts": [account], "links": [link]})

    # --- stories ---

    def act(self, words: list[str]) -> str:
        match words:
            case [card, "opens", kind, amount]:
                self.open(card, kind, parse_amount(amount))
            case [card, "opens", kind, amount, percent]:
                self.open(card, kind, parse_amount(amount), frozen_percent=int(percent))
            case [word, "places", card, amount]:
                return self._ask_in_words(word, "places", card, parse_amount(amount), "")
            case [word, verb, hold, amount]:
                card = self._asked.get(hold, ("", "C1"))[1]
                return self._ask_in_words(word, verb, card, parse_amount(amount), hold)
            case ["reverse", word]:
                return self.answer(self.ask(self.advice(word)))
            case ["wait", count, unit]:
                self.now_us += int(count) * {"days": DAY_US, "minutes": MINUTE_US}[unit]
            case ["time", "passes"]:
                self.bench.run_due(self.now_us)
            case _:
                raise AssertionError(f"no such words: {words}")
        return ""

    def _ask_in_words(self, word: str, verb: str, card: str, amount_minor: int, hold: str) -> str:
        kind = KINDS[verb]
        self._asked.setdefault(word, (kind, card, amount_minor, hold))
        return self.answer(self.ask(question(kind, word, card, amount_minor, hold)))

    def look(self, name: str) -> str:
        about, _, what = name.partition(".")
        if what == "state":
            state: str = self.bench.rows[FREEZES][exchange_id(about)].state
            return state
        account_id = f"acc-{about}" if what else ledger.contra_id(BANK, about)
        account = self.bench.rows[ACCOUNTS][account_id]
        return format_amount(account.held_minor if what == "held" else account.available_minor)


def audit(bench: Bench) -> None:
    """I4 and I7: postings sum to zero, balances are their sums, and the rows are what the book rebuilds."""
    book = bench.book
    sums: Counter[tuple[str, str]] = Counter()
    for facts in book:
        assert sum(amount_minor for _, _, amount_minor in facts.get("postings", ())) == 0
        for account_id, sub, amount_minor in facts.get("postings", ()):
            sums[account_id, sub] += amount_minor
    for account_id, account in bench.rows[ACCOUNTS].items():
        assert (account.available_minor, account.held_minor) == (
            sums[str(account_id), "available"],
            sums[str(account_id), "held"],
        )
        holds = [row for row in bench.rows[FREEZES].values() if row.account_id == account_id]
        assert account.held_minor == sum(hold.held_minor for hold in holds)
    rows = {(table, key): row for table in bench.rows for key, row in bench.rows[table].items()}
    rows = {place: row for place, row in rows.items() if place[0] is not ISSUER_LINKS}
    rows |= {place: ledger.without_secrets(row) for place, row in rows.items() if place[0] is ACCOUNTS}
    assert rows == ledger.rebuilt(book)
    assert {table for table, _ in rows} <= {ACCOUNTS, ANSWERS, FREEZES, DUE}
    assert not any(pan.encode() in entry.body for entry in bench.entries for pan in CARDS.values())
    assert all(account.card in ("", *map(mask_pan, CARDS.values())) for account in bench.rows[ACCOUNTS].values())
