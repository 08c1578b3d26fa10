"""A terminal and the real acquirer on two benches, an issuer that says what it is told to, and a line that can fail.

Each message passes `line`, which may let it through, lose it, copy it or change it. The terminal's power can be cut at
any of its events, before the commit or after the commit and before anything is sent.
"""

from collections.abc import Callable
from typing import Any

from holdfast.clock import SECOND_US
from holdfast.domain.journal import rebuild, without_secrets
from holdfast.domain.policy import Policy
from holdfast.domain.records import (
    ACQUIRER_TABLES,
    BINS,
    DEVICES,
    ISSUERS,
    MERCHANTS,
    REQUESTS,
    SALES,
    TERMINAL_TABLES,
    TERMINALS,
    Bin,
    Device,
    Issuer,
    Merchant,
    Sale,
    Terminal,
)
from holdfast.domain.tables import DUE
from holdfast.ids import luhn_valid, parse_trace_key
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.exchange import answer_of_issuer
from holdfast.parties.step import Command, Event, HangUp, Outcome, Outgoing, Received, Step
from holdfast.parties.terminal import Terminal as TerminalParty
from holdfast.parties.terminal import TerminalSettings
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.header import with_processing_request
from holdfast.wire.message import Message
from tests.parties.driver import Bench, on_the_wire
from tests.parties.keys import PlainKeys

START_US = 1_795_000_000_000_000
TERMINAL_ID, MERCHANT_ID, ISSUER_ID = "T0000001", "102100070110001", "01020000"
TMK, ZONE_MAC = b"tmk:" + b"T" * 16, b"zone-mac:" + b"Z" * 16
CALLER, LINK = 7, 1
SETTINGS = TerminalSettings(TERMINAL_ID)

Line = Callable[[str, Message], list[Message]]
"""(`to`, message) -> what arrives; `to` is "acquirer" or "terminal"."""


def pan_of(number: int, prefix: str = "622000") -> str:
    """A test card with a right check digit."""
    stem = f"{prefix}{number:09d}"
    return next(stem + str(digit) for digit in range(10) if luhn_valid(stem + str(digit)))


CARD = {"pan": pan_of(1), "expiry": "3012"}
FOREIGN = {"pan": pan_of(1, "400000"), "expiry": "3012"}
TRACK2 = CARD["pan"] + "=3012101" + "0" * 10


def let_through(to: str, message: Message) -> list[Message]:
    """A good line."""
    return [message]


def audit_journal(bench: Bench) -> None:
    """Rows can be rebuilt from the journal, which is a chain, and says no card number."""
    book = bench.book
    device, sales = rebuild(book)
    assert [without_secrets(row) for row in bench.rows[DEVICES].values()] == ([] if device is None else [device])
    assert {key: without_secrets(row) for key, row in bench.rows[SALES].items()} == sales
    leaf = bytes(32)
    for entry, said in zip(bench.entries, book, strict=True):
        assert said["previous"] == leaf.hex()
        assert CARD["pan"].encode() not in entry.body
        leaf = entry.leaf


def lost(to: str, message: Message) -> list[Message]:
    """A dead line that nobody has noticed."""
    return []


def answers_lost(to: str, message: Message) -> list[Message]:
    """Requests arrive, answers do not."""
    return [message] if to == "acquirer" else []


def answer_to(request: Message, **fields: str | bytes) -> Message:
    """An answer to a request as an honest acquirer would give it, with these fields in its place ('' for none)."""
    echoed: dict[int, str | bytes] = {
        n: request.fields[n] for n in (3, 4, 11, 25, 41, 42, 49, 60) if n in request.fields
    }
    told: dict[int, str | bytes] = {
        12: "213405",
        13: "1122",
        37: "A00000000009",
        39: "00",
        57: "HF1|A-000009",
        64: "00000000",
    }
    mti = request.mti[:2] + str(int(request.mti[2]) + 1) + "0"
    fields_given = {**echoed, **told, **{int(name[2:]): value for name, value in fields.items()}}
    return Message(mti, {number: value for number, value in fields_given.items() if value != ""})


class PowerCut(Exception):
    """The terminal went dark."""


class PosWorld:
    """One terminal, loaded and with its line up; `now_us` is its clock."""

    def __init__(self, line: Line = let_through) -> None:
        self.now_us = START_US
        self.line = line
        self.judge: Callable[[Message], tuple[str, str] | None] = lambda message: ("00", "123456")
        keys = PlainKeys()
        self.terminal = Bench(TerminalParty(SETTINGS), TERMINAL_TABLES, keys, "J", audit_journal)
        self.acquirer = Bench(Acquirer(Policy()), ACQUIRER_TABLES, keys, "A")
        self.terminal.linked = frozenset({"acquirer"})
        self.acquirer.linked = frozenset({ISSUER_ID})
        self.keys = keys
        self.outcomes: list[tuple[int | str, dict[str, Any]]] = []
        self.sent: list[Message] = []
        self.said: list[str] = []
        self.hung_up = 0
        """How often the line was given up."""
        self.events = 0
        self.cut_at, self.cut_before_commit = 0, False
        self._register_reference_rows()
        self.load()

    def load(self, actor: str = "01") -> None:
        """The terminal is told who it is."""
        names = {"merchant_name": "和平饭店", "merchant_name_en": "Peace Hotel"}
        self.command("load", actor=actor, merchant_id=MERCHANT_ID, **names, tmk=TMK)

    def _register_reference_rows(self) -> None:
        rows = self.acquirer.rows
        rows[MERCHANTS][MERCHANT_ID] = Merchant(MERCHANT_ID, "和平饭店", "Peace Hotel", "7011", True, "")
        rows[TERMINALS][TERMINAL_ID] = Terminal(TERMINAL_ID, MERCHANT_ID, TMK, True)
        rows[BINS]["622000"] = Bin("622000", ISSUER_ID, "CUP", "debit")
        rows[BINS]["400000"] = Bin("400000", ISSUER_ID, "VIS", "credit")
        rows[ISSUERS][ISSUER_ID] = Issuer(ISSUER_ID, "One", "", ZONE_MAC, b"zone-pin:")

    # --- what a test does -----------------------------------------------------------------------------------------

    def command(self, name: str, *, actor: str = "01", **arguments: Any) -> dict[str, Any] | None:
        """The outcome, None while it is still waited for."""
        told = len(self.outcomes)
        self.at_terminal(Command(CALLER, name, arguments, actor))
        return self.outcomes[-1][1] if len(self.outcomes) > told else None

    def approved(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The outcome of a command that must be approved."""
        outcome = self.command(name, **arguments)
        assert outcome is not None
        assert outcome["outcome"] == "approved", outcome
        return outcome

    def signed_on(self) -> "PosWorld":
        """This world after a sign-on."""
        self.approved("sign-on")
        return self

    def later(self, seconds: float) -> None:
        """Time passes at both, and what is due happens, the acquirer's first."""
        self.now_us += int(seconds * SECOND_US)
        for step in self.acquirer.run_due(self.now_us):
            self._from_acquirer(step)
        for due in sorted(self.terminal.rows[DUE].values(), key=lambda row: row.due_us):
            if due.due_us <= self.now_us and due.key in self.terminal.rows[DUE]:
                self.at_terminal(due)

    def arrives(self, message: Message, seal: bytes | None = None) -> dict[str, Any] | None:
        """A message of an acquirer reaches the terminal, sealed with this key; -> what the cashier is told by it."""
        told = len(self.outcomes)
        sealing = None if seal is None else (seal, "ecb")
        on_wire = on_the_wire(UNIONPAY, message, self.keys, sealing)
        on_wire.header = message.header
        self.at_terminal(Received(LINK, "acquirer", on_wire))
        return self.outcomes[-1][1] if len(self.outcomes) > told else None

    def answers(self, **fields: str | bytes) -> dict[str, Any] | None:
        """A scripted acquirer answers what was sent last; -> what the cashier is told by it."""
        return self.arrives(answer_to(self.sent[-1], **fields), self.device.mak)

    def set(self, **fields: Any) -> None:
        """The terminal's own row as a test wants it, which no journal says."""
        self.terminal.audit = None
        self.terminal.rows[DEVICES][TERMINAL_ID] = self.device._replace(**fields)

    def on_its_own(self) -> "PosWorld":
        """From now on nobody but the test answers this terminal."""
        self.line = lost
        return self

    def restart(self) -> None:
        """Power comes back: a new party on the old rows. Nobody waits any more."""
        self.cut_at = 0
        self.terminal.party = TerminalParty(SETTINGS)

    def quieten(self, rounds: int = 12) -> None:
        """The line is good again; whoever drives the terminal signs it on when it must, until nothing is open."""
        self.line = let_through
        for _ in range(rounds):
            if not self.device.signed_on and not self.device.in_flight:
                self.command("sign-on")
            if self.device.settling and not self.device.in_flight:
                self.command("settle")
            self.later(31)
        device = self.device
        assert (device.in_flight, device.reversal, device.settling) == ("", "", ""), "something is still open"
        assert not self.terminal.rows[DUE], "a due row was forgotten"

    @property
    def device(self) -> Device:
        """The terminal's own row."""
        device: Device = self.terminal.rows[DEVICES][TERMINAL_ID]
        return device

    def sale(self, trace_key: str) -> Sale:
        """One of the terminal's requests."""
        sale: Sale = self.terminal.rows[SALES][trace_key]
        return sale

    @property
    def newest(self) -> Sale:
        """The business request asked last."""
        sales = [sale for sale in self.terminal.rows[SALES].values() if sale.amount_minor and not sale.reverses]
        newest: Sale = max(sales, key=lambda sale: sale.sequence)
        return newest

    def all_of(self, *kinds: str) -> list[Sale]:
        """Its requests of these kinds, all business where none is named, oldest first."""
        rows = [sale for sale in self.terminal.rows[SALES].values() if sale.kind in kinds or (not kinds and sale.batch)]
        return sorted(rows, key=lambda sale: sale.sequence)

    def at_acquirer(self, trace_key: str) -> str:
        """The outcome of a request in the register, '' when it was never seen."""
        request = self.acquirer.rows[REQUESTS].get(trace_key)
        return "" if request is None else str(request.outcome)

    # --- how it runs ----------------------------------------------------------------------------------------------

    def at_terminal(self, event: Event) -> None:
        """One event at the terminal, unless its power is cut there."""
        self.events += 1
        cut = self.events == self.cut_at
        if cut and self.cut_before_commit:
            raise PowerCut
        step = self.terminal.offer(event, self.now_us)
        if cut:
            raise PowerCut
        self._from_terminal(step)

    def _from_terminal(self, step: Step) -> None:
        if step.says:
            self.said.append(step.says)
        for send in step.send:
            if isinstance(send, Outcome):
                self.outcomes.append((send.to, dict(send.value)))
                continue
            assert send.to == "acquirer"
            if isinstance(send, HangUp):
                self.hung_up += 1
                continue
            self.sent.append(send.message)
            for message in self.line("acquirer", on_the_wire(UNIONPAY, send.message, self.keys, send.seal)):
                self._from_acquirer(self.acquirer.offer(Received(LINK, "", message), self.now_us))

    def _from_acquirer(self, step: Step) -> None:
        for send in step.send:
            assert isinstance(send, Outgoing)
            if send.to == ISSUER_ID:
                self._at_issuer(on_the_wire(ASCII_1987, send.message, self.keys, send.seal))
                continue
            answer = on_the_wire(UNIONPAY, send.message, self.keys, send.seal)
            if send.message.processing_request:
                answer.header = with_processing_request(UNIONPAY.header, send.message.processing_request)
            for message in self.line("terminal", answer):
                self.at_terminal(Received(LINK, "acquirer", message))

    def at_acquirer_from(self, link: int, message: Message) -> None:
        """A message comes in on another line, on which no terminal is any more."""
        for send in self.acquirer.offer(Received(link, "", message), self.now_us).send:
            if isinstance(send, Outgoing) and send.to == ISSUER_ID:
                self._at_issuer(on_the_wire(ASCII_1987, send.message, self.keys, send.seal))

    def _at_issuer(self, message: Message) -> None:
        judged = self.judge(message)
        if judged is None:
            return
        answer = answer_of_issuer(message, judged[0], judged[1] or None, self.now_us, Policy())
        on_wire = on_the_wire(ASCII_1987, answer, self.keys, (ZONE_MAC, "x919"))
        self._from_acquirer(self.acquirer.offer(Received(LINK, ISSUER_ID, on_wire), self.now_us))


def assert_belief_is_the_register(world: PosWorld) -> None:
    """Every request ended approved (with its entry), declined or reversed, and the register says the same."""
    for sale in world.all_of():
        registered = world.at_acquirer(sale.trace_key)
        if sale.outcome == "approved":
            # An advice to which policy objects is registered all the same, as a claim with a finding.
            assert (
                registered in ("approved", "claimed") if sale.kind == "completion-advice" else registered == "approved"
            )
            assert sale.register_entry
        elif sale.kind == "balance" and sale.outcome == "unknown":
            assert registered in ("", "approved", "declined")
        else:
            assert sale.outcome in ("declined", "reversed")
            assert registered in ("", "declined", "reversed", "tombstone")
    asked = [(m.get(60)[2:8], m.get(11), m.mti) for m in world.sent if m.mti in ("0100", "0200", "0220")]
    assert len(asked) == len(set(asked)), "a request was sent twice as if it were new"
    keys = {tuple(parse_trace_key(str(key))[1:]) for key in world.terminal.rows[SALES]}
    assert set(asked) <= keys, "a request was sent that the journal does not know"
