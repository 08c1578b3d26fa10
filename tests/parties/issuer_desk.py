"""An issuer on the bench with an acquirer's desk before it: asks in words, reads answers and rows, audits each step.

A1 places C1 500.00         exchange A1 about card C1; orders (MOTO) and sells name a card, too
A2 increases A1 100.00      what is linked names an exchange: completes, advises, voids, and of what was posted
A3 completes A1 80.00 rest=kept     reopens, unsells, refunds; rest= asks what shall become of the rest
reverse A3, repeat A3       0420 of it; the same question as a repeat
free A3                     0420 with DE95: what A3 left of its hold is wanted no more
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from holdfast.clock import DAY_US, MINUTE_US
from holdfast.domain import ledger
from holdfast.domain.commands import BY_NAME, CardPresented, Means, Silence
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, ISSUER_LINKS, ISSUER_TABLES, Request
from holdfast.domain.tables import DUE
from holdfast.ids import entry_id, mask_pan, rrn_of
from holdfast.keys import emv
from holdfast.money import format_amount, parse_amount
from holdfast.parties.exchange import ask_issuer, parse, release_at_issuer, tell_issuer, undo_at_issuer
from holdfast.parties.issuer import Issuer
from holdfast.parties.step import Command, Event, Outcome, Outgoing, Received, Step
from holdfast.sim.chip_card import PUBLISHED_TEST_ISSUER_MASTER_KEY
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
KINDS = {
    "places": "pre-authorization",
    "orders": "moto-pre-authorization",
    "increases": "increment",
    "completes": "completion",
    "advises": "completion-advice",
    "voids": "void",
    "reopens": "completion-void",
    "sells": "sale",
    "unsells": "sale-void",
    "refunds": "refund",
}


class IssuerKeys(PlainKeys):
    """Plain keys with real chips: a card's arithmetic is its own, and the issuer's is that of `keys.emv`."""

    def verify_arqc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, covered: bytes, arqc: bytes) -> bool:
        return emv.arqc_matches(clear_of(imk_ac), pan, psn, atc, covered, arqc)

    def make_arpc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, arqc: bytes, arc: bytes) -> bytes:
        return emv.arpc(clear_of(imk_ac), pan, psn, atc, arqc, arc)


def clear_of(wrapped: bytes) -> bytes:
    """A key of `PlainKeys` that serves for chips."""
    assert wrapped.startswith(b"imk-ac:")
    return wrapped.removeprefix(b"imk-ac:")


class Exchanged(NamedTuple):
    """What the acquirer asks in one exchange: of which card, about which hold and posting, what with the rest."""

    kind: str
    card: str
    amount_minor: int
    hold: str = ""
    posting: str = ""
    rest: str = ""


def exchange_id(word: str) -> str:
    """A1 -> A-000001."""
    return entry_id(word[:1], int(word[1:])) if word else ""


def request(word: str, asked: Exchanged, bank: str = BANK) -> Request:
    """The acquirer's row of what it asks as exchange `word`."""
    number, mti = int(word[1:]), BY_NAME[asked.kind].mti
    return Request(
        trace_key=f"T0000001/000001/{number:06d}/{mti}",
        kind=asked.kind,
        echoes=asked.kind,
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
        amount_minor=asked.amount_minor,
        currency=POLICY.currency,
        rrn=rrn_of("A", number),
        entry=exchange_id(word),
        asked_entry=exchange_id(word),
        response_code=None,
        authorization_code=None,
        hold_id=exchange_id(asked.hold) or None,
        original=exchange_id(asked.posting) or None,
        undo="",
        reason=None,
        sequence=0,
        batch_id="T0000001/000001",
        scheme="CUP",
        delivery="",
        rest=asked.rest,
    )


def question(
    kind: str,
    word: str,
    card: str,
    amount_minor: int,
    hold: str = "",
    bank: str = BANK,
    posting: str = "",
    rest: str = "",
    presented: CardPresented | None = None,
) -> Message:
    """What the acquirer asks about a card of ours, or tells if it is an advice or a refund."""
    row = request(word, Exchanged(kind, card, amount_minor, hold, posting, rest), bank)
    if BY_NAME[kind].silence is Silence.REPEATED:
        return tell_issuer(row, CARDS[card], False, POLICY)
    presented = presented or CardPresented(CARDS[card], EXPIRY, "021", "", b"")
    return ask_issuer(row, presented, presented.pin_block, "7011", "", POLICY)


class Desk:
    """`act` and `look` are for stories: see `tests.stories`."""

    def __init__(self, habits: str = "") -> None:
        self.keys = IssuerKeys()
        self.bench = Bench(Issuer(POLICY), ISSUER_TABLES, self.keys, "I", audit)
        self.now_us = NOW_US
        self.asked: dict[str, Exchanged] = {}
        """What was asked first in each exchange."""
        self._habits = habits

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

    def answers(self, message: Message) -> Message:
        """The one answer to a message, as the acquirer receives it."""
        return self.sent(self.ask(message))

    def sent(self, step: Step) -> Message:
        """The one message that a step sends; it can be encoded and sealed."""
        (sent,) = step.send
        assert isinstance(sent, Outgoing)
        return on_the_wire(ASCII_1987, sent.message, self.keys, sent.seal)

    def answer(self, step: Step) -> str:
        """The response code of the one answer that a step sends."""
        return self.sent(step).get(39)

    def advice(self, word: str, kind: str = "pre-authorization", hold: str = "", bank: str = BANK) -> Message:
        """The reversal advice for an exchange."""
        asked = self.asked.get(word, Exchanged(kind, "C1", 100_00, hold))
        return undo_at_issuer(request(word, asked, bank), CARDS[asked.card], False, POLICY)

    def freeing(self, word: str, repeat: bool = False, bank: str = BANK) -> Message:
        """The partial reversal of what the completion of an exchange left."""
        asked = self.asked[word]
        return release_at_issuer(request(word, asked, bank), CARDS[asked.card], repeat, POLICY)

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
        account = self.account(card, kind, available_minor, bank, **changed)
        return self.command("open-accounts", {"accounts": [account], "links": [self.link(bank)]})

    def link(self, bank: str = BANK) -> dict[str, str]:
        """The link to an issuer as a command gives it."""
        return {
            "issuer_id": bank,
            "zone_mac": ZONE_MAC_OF[bank].hex(),
            "zone_pin": ZONE_PIN.hex(),
            "imk_ac": PUBLISHED_TEST_ISSUER_MASTER_KEY.hex(),
            "habits": self._habits,
        }

    # --- stories ---

    def act(self, words: list[str]) -> str:
        match words:
            case [card, "opens", kind, amount]:
                self.open(card, kind, parse_amount(amount))
            case [card, "opens", kind, amount, percent]:
                self.open(card, kind, parse_amount(amount), frozen_percent=int(percent))
            case [word, verb, about, amount, *more] if verb in KINDS:
                rest = more[0].removeprefix("rest=") if more else ""
                return self._ask_in_words(word, KINDS[verb], about, parse_amount(amount), rest)
            case ["reverse", word]:
                return self.answer(self.ask(self.advice(word)))
            case ["repeat", word]:
                again = question(*self._as_asked(word))
                return self.answer(self.ask(Message(again.mti[:3] + "1", again.fields)))
            case ["free", word]:
                return self.answer(self.ask(self.freeing(word)))
            case ["wait", count, unit]:
                self.now_us += int(count) * {"days": DAY_US, "minutes": MINUTE_US}[unit]
            case ["time", "passes"]:
                self.bench.run_due(self.now_us)
            case _:
                raise AssertionError(f"no such words: {words}")
        return ""

    def _ask_in_words(self, word: str, kind: str, about: str, amount_minor: int, rest: str) -> str:
        said = Exchanged(kind, about, amount_minor)
        if BY_NAME[kind].needs_original:
            of = self.asked.get(about, Exchanged("", "C1", 0))
            hold = about if BY_NAME[kind].means is Means.HOLD else of.hold or about
            posting = about if BY_NAME[kind].means is Means.POSTING else ""
            said = Exchanged(kind, of.card, amount_minor, hold, posting, rest)
        self.asked.setdefault(word, said)
        asked = question(kind, word, said.card, amount_minor, said.hold, BANK, said.posting, rest)
        return self.answer(self.ask(asked))

    def _as_asked(self, word: str) -> tuple[str, str, str, int, str, str, str, str]:
        kind, card, amount_minor, hold, posting, rest = self.asked[word]
        return kind, word, card, amount_minor, hold, BANK, posting, rest

    def look(self, name: str) -> str:
        about, _, what = name.partition(".")
        if what in ("state", "frozen", "days", "asked", "completed", "refunded"):
            return self._look_at_hold(exchange_id(about), what)
        account_id = f"acc-{about}" if what else ledger.contra_id(BANK, about)
        account = self.bench.rows[ACCOUNTS][account_id]
        return format_amount(account.held_minor if what == "held" else account.available_minor)

    def _look_at_hold(self, hold_id: str, what: str) -> str:
        row = self.bench.rows[FREEZES][hold_id]
        if what == "state":
            return str(row.state)
        if what == "days":
            return str((row.expires_us - NOW_US) // DAY_US)
        columns = {"frozen": "held", "asked": "requested"}
        return format_amount(getattr(row, f"{columns.get(what, what)}_minor"))


def audit(bench: Bench) -> None:
    """I4 and I7: postings sum to zero, balances are their sums, and the rows are what the book rebuilds."""
    book = bench.book
    sums: Counter[tuple[str, str]] = Counter()
    for facts in book:
        assert sum(amount_minor for _, _, amount_minor in facts.get("postings", ())) == 0
        for account_id, sub, amount_minor in facts.get("postings", ()):
            sums[account_id, sub] += amount_minor
    assert sum(sums.values()) == 0
    for account_id, account in bench.rows[ACCOUNTS].items():
        assert (account.available_minor, account.held_minor) == (
            sums[str(account_id), "available"],
            sums[str(account_id), "held"],
        )
        holds = [row for row in bench.rows[FREEZES].values() if row.account_id == account_id]
        assert account.held_minor == sum(hold.held_minor for hold in holds)
        assert account.held_minor >= 0
    posted = Counter[str]()
    for hold in bench.rows[FREEZES].values():
        posted[ledger.contra_id(hold.issuer_id, ledger.CLEARING)] += hold.completed_minor - hold.refunded_minor
        assert hold.held_minor == 0 or hold.state == "held"
        assert 0 <= hold.refunded_minor <= hold.completed_minor
    for account_id, taken_minor in posted.items():
        assert bench.rows[ACCOUNTS][account_id].available_minor == taken_minor, "what was posted is owed"
    rows = {(table, key): row for table in bench.rows for key, row in bench.rows[table].items()}
    rows = {place: row for place, row in rows.items() if place[0] is not ISSUER_LINKS}
    rows |= {place: ledger.without_secrets(row) for place, row in rows.items() if place[0] is ACCOUNTS}
    assert rows == ledger.rebuilt(book)
    assert {table for table, _ in rows} <= {ACCOUNTS, ANSWERS, FREEZES, DUE}
    assert not any(pan.encode() in entry.body for entry in bench.entries for pan in CARDS.values())
    assert all(account.card in ("", *map(mask_pan, CARDS.values())) for account in bench.rows[ACCOUNTS].values())
