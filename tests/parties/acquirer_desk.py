"""The acquirer's operations desk: asks in the words of a story, reads answers, rows and register, audits every step.

    T1/17 places C1 500.00           trace 17 of terminal T1; a later request without the card names its original so
    T1/18 completes T1/17 460.50     more words change what is sent: card=C2 code=999999 date=0101 DE49=840 …
    T1/19 voids-completion T1/18 460.50 by=rrn      it names the posting by its reference alone; by=trace, by=code
    repeat T1/18, copy T1/18         with the repeat digit; the same bytes once more
    reverse T1/17                    0400
    issuer gives 123                 this authorization code, to every hold from now on
    rules completions=several        the hotel's own rules; `rules of VIS rest=issuer` those of a scheme
    issuer takes 05                  what it answers to advices; `acknowledges` is for reversals and releases

The answer is what terminals were sent meanwhile ("none", or codes joined by commas). Names after it are values of a
request's row (`T1/17.outcome`), of its hold (`.hold` its state, `.asked` `.taken` `.given-back` its amounts, `.ends`),
of a terminal's open batch (`T1.debit`, `T1.credit`, `T1.foreign_debit`), or counts.
"""

from collections.abc import Callable
from typing import Any

from holdfast.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, local
from holdfast.domain import responses
from holdfast.domain.commands import (
    BALANCE,
    COMPLETION,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    MOTO,
    PRE_AUTHORIZATION,
    REFUND,
    SALE,
    SALE_VOID,
    VOID,
    Kind,
    Means,
)
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS, Request
from holdfast.domain.tables import DUE
from holdfast.ids import rrn_of
from holdfast.keys import algorithms
from holdfast.money import format_amount, parse_amount
from holdfast.parties.exchange import REPLACEMENT_FIELD
from holdfast.parties.step import Command, Received
from holdfast.runtime.links import Links
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block
from holdfast.wire.settlement import ClassTotals, Totals
from tests.parties.acquirer_audit import audit
from tests.runtime.acquirer_bench import ISSUER, TMK, ZONE, AcquirerBench, Pipe, card
from tests.standard_terminal import Fields, StandardTerminal

HOTEL, OTHER_HOTEL, NO_RIGHT, SHOP, STRICT, RESTAURANT = (
    "102100070110001",
    "102100070110002",
    "102100075120003",
    "102100054110004",
    "102100070110005",
    "102100058120006",
)
MERCHANT_OF = {
    "T1": HOTEL,
    "T2": HOTEL,
    "T3": OTHER_HOTEL,
    "T4": NO_RIGHT,
    "T5": SHOP,
    "T6": STRICT,
    "T7": HOTEL,
    "T8": RESTAURANT,
}
SILENT_ISSUER, BIN_WITHOUT_ISSUER = "03080000", "09990000"
CARDS = {f"C{number}": card(number) for number in range(1, 10)} | {
    "LOST": card(41),
    "STOLEN": card(43),
    "UNLINKED": card(1, "621000"),
    "STRANGE": card(1, "625000"),
    "HALFKNOWN": card(1, "620000"),
    "VISA": card(1, "400000"),
    "MASTER": card(1, "555555"),
    "MISTYPED": card(1)[:-1] + str((int(card(1)[-1]) + 1) % 10),
}
EXPIRY, PIN = "3012", "739415"
TRACK2 = {name: f"{pan}={EXPIRY}1010000073900" for name, pan in CARDS.items()}
CHIP_TRACK2 = {name: f"{pan}={EXPIRY}2010000073900" for name, pan in CARDS.items()}
"""The stripe of a card that has a chip says so by its service code."""
CHIP = bytes.fromhex("9F2608A1B2C3D4E5F60718") + bytes.fromhex("9F360200419F10080706010A03A0B000")
UNITS = {"seconds": SECOND_US, "minutes": MINUTE_US, "hours": HOUR_US, "days": DAY_US}

VERBS = {
    "places": PRE_AUTHORIZATION,
    "orders": MOTO,
    "increments": INCREMENT,
    "completes": COMPLETION,
    "advises": COMPLETION_ADVICE,
    "voids": VOID,
    "voids-completion": COMPLETION_VOID,
    "sells": SALE,
    "voids-sale": SALE_VOID,
    "refunds": REFUND,
    "asks-balance": BALANCE,
}
READ: dict[str, Callable[[str], Fields]] = {
    "keyed": lambda name: {22: "012"},
    "stripe": lambda name: {22: "021", 35: TRACK2[name]},
    "chip": lambda name: {22: "051", 23: "001", 35: CHIP_TRACK2[name], 55: CHIP},
    "tap": lambda name: {22: "071", 23: "001", 55: CHIP},
    "chip-stripe": lambda name: {22: "021", 35: CHIP_TRACK2[name]},
    "fallback": lambda name: {22: "021", 35: CHIP_TRACK2[name]},
}
"""How a card is read -> the fields that say so; a fallback is told by 60.5, too."""


class DeskTerminal(StandardTerminal):
    """A standard terminal that asks any kind by its row, with whatever fields a story wants."""

    def business(self, kind: Kind, pan: str, amount_minor: int, more: Fields, chip_failed: bool = False) -> bytes:
        """A request of this kind."""
        fields: Fields = {
            2: pan,
            3: kind.processing_code,
            4: f"{amount_minor:012d}",
            11: self._trace(),
            14: EXPIRY,
            22: "012",
            25: kind.condition,
            49: "156",
            60: f"{kind.message_type}{self.batch}0005{chip_failed:d}",
            63: "01 ",
            64: "00000000",
        }
        if kind.act is None:
            del fields[4]
        return self._body(kind.mti, fields | more)

    def sealed(self, body: bytes, mak: bytes) -> bool:
        """Whether the MAC of an answer is right under this key; one without a MAC vouches for nothing."""
        mac = decode(UNIONPAY, body).get(64)
        return not mac or mac == algorithms.mac(self.mac_algorithm, mak, mac_block(UNIONPAY, body))


NOTHING_COUNTED = Totals(ClassTotals(), ClassTotals())
"""What a desk's terminal says at its settlement: the batch is closed all the same, and another one opens."""

DURABLE = ("0110", "0210", "0230", "0410", "0810")
"""Answers that promise something which stands in the register."""


class WatchedLinks(Links):
    """Links that look into the database whenever something leaves: what is promised must stand there already."""

    def deliver(self, ready: Any) -> None:
        ready = list(ready)
        self.watch(ready)
        super().deliver(ready)

    def watch(self, ready: list[Any]) -> None:
        """Set by the desk."""


class Desk(AcquirerBench):
    """`act` and `look` are for stories: see `tests.stories`."""

    def __init__(self) -> None:
        super().__init__()
        self.audit: Callable[[], None] = lambda: audit(self.database, self.said, self.secrets())
        self.terminals: dict[str, tuple[DeskTerminal, Pipe, int]] = {}
        self.sent: dict[str, list[tuple[Message, bytes]]] = {}
        """All that was sent under the name of a step, the newest last."""
        self.asked_under: dict[str, list[bytes]] = {}
        """The MAC keys that were in use when something was asked under the name of a step: its answer bears one."""
        self.card_of: dict[str, str] = {}
        self.slips: dict[str, Message] = {}
        self.questions: list[Message] = []
        self.told: list[Message] = []
        """0220 and 0221: advices and refunds."""
        self.undone: list[Message] = []
        self.released: list[Message] = []
        self.verdict: str | None = "00"
        self.advice_verdict: str | None = "00"
        self.acknowledgement: str | None = "00"
        self.codes = 100_000
        self.given = ""
        """The authorization code that the issuer gives every hold, "" for one after the other."""
        self.judge = self._judge
        self._import_more()

    def new_links(self) -> Links:
        links = WatchedLinks(self.keys)
        links.watch = self._assert_durable  # type: ignore[method-assign]
        return links

    def _import_more(self) -> None:
        zone = ZONE.hex()
        merchant = {"name": "店", "name_en": "Shop", "mcc": "5411", "pre_auth_right": True}
        names = ("issuer_id", "name", "address", "zone_mac", "zone_pin")
        rows = {
            "merchants": [
                {"merchant_id": SHOP, **merchant, "rules": ""},
                {"merchant_id": STRICT, **merchant, "mcc": "7011", "rules": "ceiling_percent=100"},
                {"merchant_id": RESTAURANT, **merchant, "mcc": "5812", "rules": ""},
            ],
            "terminals": [
                {"terminal_id": "T0000005", "merchant_id": SHOP, "tmk": TMK.hex()},
                {"terminal_id": "T0000006", "merchant_id": STRICT, "tmk": TMK.hex()},
                {"terminal_id": "T0000007", "merchant_id": HOTEL, "tmk": TMK.hex()},
                {"terminal_id": "T0000008", "merchant_id": RESTAURANT, "tmk": TMK.hex()},
            ],
            "bins": [
                {"prefix": "621000", "issuer_id": SILENT_ISSUER, "scheme": "CUP", "kind": "debit"},
                {"prefix": "620000", "issuer_id": BIN_WITHOUT_ISSUER, "scheme": "CUP", "kind": "debit"},
                {"prefix": "400000", "issuer_id": ISSUER, "scheme": "VIS", "kind": "credit"},
                {"prefix": "555555", "issuer_id": ISSUER, "scheme": "MCC", "kind": "credit"},
            ],
            "issuers": [dict(zip(names, (SILENT_ISSUER, "Two", "", zone, zone), strict=True))],
            "hot_cards": [{"pan": CARDS["STOLEN"], "response_code": "43"}],
        }
        self.command("import", rows)

    def rules(self, text: str, scheme: str = "") -> None:
        """From now on these rules are the hotel's, or a scheme's."""
        own: dict[str, Any] = {"merchant_id": HOTEL, "name": "和平饭店", "name_en": "Peace Hotel", "mcc": "7011"}
        own |= {"pre_auth_right": True, "rules": text}
        rows = {"schemes": [{"scheme": scheme, "rules": text}]} if scheme else {"merchants": [own]}
        assert self.command("import", rows)["ok"]

    def terminal_row(self, name: str, **more: str) -> None:
        """What the installation says of a terminal from now on: `notice`, `mac_algorithm`."""
        row: dict[str, Any] = {"terminal_id": f"T000000{name[1:]}", "merchant_id": MERCHANT_OF[name], "tmk": TMK.hex()}
        assert self.command("import", {"terminals": [row | {"enabled": True} | more]})["ok"]

    def command(self, name: str, arguments: Any) -> Any:
        """The outcome of a command at the door."""
        outcomes: list[Any] = []
        self.engine.offer(Command(self.links.add_caller(outcomes.append), name, arguments, "admin"))
        self.turn()
        return outcomes[-1]

    # --- the issuer ---

    def _judge(self, message: Message) -> tuple[str, str] | None:
        if message.mti in ("0420", "0421"):
            heard = self.released if REPLACEMENT_FIELD in message.fields else self.undone
            heard.append(message)
            return None if self.acknowledgement is None else (self.acknowledgement, "")
        told = message.mti in ("0220", "0221")
        (self.told if told else self.questions).append(message)
        verdict = self.advice_verdict if told and message.get(25) == "06" else self.verdict
        if verdict is None:
            return None
        return verdict, self.consent(message) if verdict in responses.APPROVALS else ""

    def consent(self, message: Message) -> str:
        """The authorization code: a new one for what enlarges a hold, else that of the hold."""
        if 38 in message.fields and message.get(25) != "60":
            return message.get(38)
        if message.get(3) == BALANCE.processing_code:
            return ""
        self.codes += 1
        return self.given or str(self.codes)

    def issuer_answers(self, step: str, code: str, authorization_code: str = "424242") -> None:
        """The issuer's answer to the question of this step, at a time of its own."""
        approves = code in responses.APPROVALS
        answer = self.answer_of(self.question_of(step), code, authorization_code if approves else "")
        self.engine.offer(Received(0, ISSUER, answer))
        self.turn()

    def question_of(self, step: str) -> bytes:
        """What the issuer was asked for this step."""
        key = self.key_of(step).encode()
        return next(body for body in self.asked if key in body and body[:4] in (b"0100", b"0200", b"0220"))

    # --- terminals ---

    def terminal_of(self, name: str) -> DeskTerminal:
        """A terminal of the desk, its line up; signed on when it is first used."""
        if name not in self.terminals:
            terminal = DeskTerminal(f"T000000{name[1:]}", MERCHANT_OF[name], TMK)
            self.terminals[name] = terminal, *self.new_pipe()
            self.sign_on(name)
        return self.terminals[name][0]

    def new_pipe(self) -> tuple[Pipe, int]:
        """One more line, and the id of its link."""
        pipe = Pipe(UNIONPAY)
        return pipe, self.links.add(pipe)

    def sign_on(self, name: str) -> str:
        """-> the code of the 0810."""
        terminal, pipe, link = self.terminals[name]
        stan = terminal.stan
        body = self.send(terminal.sign_on(), pipe, link)
        terminal.stan = stan
        pipe.bodies.clear()
        return terminal.take_keys(body)

    def send_unsealed(self, name: str, make: Callable[[StandardTerminal], bytes]) -> Message:
        """A message about the session or the batch, under a trace number that no step has -> its answer."""
        terminal, pipe, link = self.terminals[name]
        stan, terminal.stan = terminal.stan, 900_000
        answer = decode(UNIONPAY, self.send(make(terminal), pipe, link))
        terminal.stan = stan
        pipe.bodies.clear()
        return answer

    def key_of(self, step: str) -> str:
        """The trace key of a step."""
        message, _ = self.sent[step][-1]
        return f"{message.get(41)}/{message.get(60)[2:8]}/{message.get(11)}/{message.mti[:3]}0"

    def transmit(self, name: str, body: bytes) -> str:
        """Bytes of a terminal -> what all terminals were answered meanwhile."""
        for _, pipe, _ in self.terminals.values():
            pipe.bodies.clear()
        self.engine.offer(Received(self.terminals[name][2], "", decode(UNIONPAY, body)))
        self.turn()
        return self.answered()

    def answered(self) -> str:
        """The codes that were sent to terminals since last asked, each checked as a terminal checks it."""
        codes: list[str] = []
        for terminal, pipe, _ in self.terminals.values():
            for body in pipe.bodies:
                answer = decode(UNIONPAY, body)
                step = f"T{terminal.terminal_id[-1]}/{int(answer.get(11))}"
                if step in self.sent and answer.mti != "0410":
                    terminal.sent = self.answered_by(step, answer)
                    terminal.read(body, next(key for key in self.asked_under[step] if terminal.sealed(body, key)))
                    if answer.get(39) in responses.APPROVED_CODES:
                        self.slips[step] = answer
                codes.append(answer.get(39))
            pipe.bodies.clear()
        return ",".join(codes) or "none"

    def answered_by(self, step: str, answer: Message) -> Message:
        """What an answer is about: of several questions under one trace number, the newest of that amount."""
        asked = [message for message, _ in self.sent[step]]
        return next((message for message in reversed(asked) if message.get(4) == answer.get(4)), asked[-1])

    def ask(self, step: str, verb: str, about: str, amount: str, words: list[str]) -> str:
        """One business request; `about` is a card, or the step that it refers to."""
        name, _, stan = step.partition("/")
        more, kind = dict(word.split("=", 1) for word in words), VERBS[verb]
        terminal = self.terminal_of(name)
        terminal.stan = int(stan) - 1
        card_name = more.get("card") or (about if about in CARDS else self.card_of[about])
        fields = READ[more.get("read", "keyed")](card_name)
        if kind.needs_original:
            fields |= self.meant(kind, about, more)
        fields |= {int(key[2:]): value for key, value in more.items() if key.startswith("DE")}
        kept = terminal.batch, terminal.merchant_id
        terminal.batch = more.get("batch", terminal.batch)
        terminal.merchant_id = more.get("merchant", terminal.merchant_id)
        fallback, amount_minor = more.get("read") == "fallback", 0 if amount == "0.00" else parse_amount(amount)
        body = terminal.business(kind, CARDS[card_name], amount_minor, fields, fallback)
        terminal.batch, terminal.merchant_id = kept
        assert terminal.sent is not None
        self.sent.setdefault(step, []).append((terminal.sent, body))
        self.asked_under.setdefault(step, []).append(terminal.mak)
        self.card_of.setdefault(step, card_name)
        return self.transmit(name, spoiled(body) if more.get("mac") == "wrong" else body)

    def meant(self, kind: Kind, about: str, more: dict[str, str]) -> Fields:
        """DE37, DE38 and DE61: what the slip of the original says, or other words in place of it."""
        slip = self.slips.get(about, Message("", {}))
        date, code = more.get("date", slip.get(13)), more.get("code", slip.get(38)).replace("_", " ")
        by = more.get("by", "all" if kind.means is Means.POSTING else "code")
        own = slip.get(60)[2:8] + slip.get(11) if by in ("all", "trace") else "0" * 12
        fields: Fields = {61: more.get("trace", own) + ("0000" if kind is INCREMENT and "date" not in more else date)}
        if by in ("all", "rrn"):
            fields[37] = more.get("rrn", slip.get(37))
        return fields | {38: code} if by in ("all", "code") else fields

    # --- stories ---

    def act(self, words: list[str]) -> str:
        """One line of a story, and everything that must be true after it."""
        answer = self.act_unaudited(words)
        self.audit()
        return answer

    def act_unaudited(self, words: list[str]) -> str:
        """One line of a story."""
        match words:
            case [name, "signs", "on"]:
                if name in self.terminals:
                    return self.sign_on(name)
                self.terminal_of(name)
                return "00"
            case [name, "signs", "off"]:
                return self.send_unsealed(name, StandardTerminal.sign_off).get(39)
            case [name, "settles"]:
                answer = self.send_unsealed(name, lambda terminal: terminal.settle(NOTHING_COUNTED))
                return answer.get(39) or self.sign_on(name)
            case ["rules", "of", scheme, text]:
                self.rules(text, scheme)
                return "none"
            case ["rules", *texts]:
                self.rules(";".join(texts))
                return "none"
            case [step, "asks-balance", about, *more]:
                return self.ask(step, "asks-balance", about, "0.00", more)
            case [step, verb, about, amount, *more] if verb in VERBS:
                return self.ask(step, verb, about, amount, more)
            case ["repeat", step]:
                name = step.partition("/")[0]
                self.asked_under[step].append(self.terminals[name][0].mak)
                return self.transmit(name, self.terminals[name][0].repeat(self.sent[step][-1][0]))
            case ["copy", step]:
                return self.transmit(step.partition("/")[0], self.sent[step][-1][1])
            case ["reverse", step]:
                name = step.partition("/")[0]
                return self.transmit(name, self.terminals[name][0].reverse(self.sent[step][-1][0]))
            case ["issuer", *said]:
                return self._issuer(said)
            case ["wait", count, unit]:
                self.now_us += int(count) * UNITS[unit]
                return "none"
            case ["time", "passes"]:
                self.turn(claim=True)
                return self.answered()
        raise AssertionError(f"no such words: {words}")

    def _issuer(self, said: list[str]) -> str:
        match said:
            case ["approves"]:
                self.verdict = "00"
            case ["says", code]:
                self.verdict = code
            case ["is", "silent"]:
                self.verdict = None
            case ["gives", code]:
                self.given = code
            case ["takes", code]:
                self.advice_verdict = None if code == "nothing" else code
            case ["acknowledges", code]:
                self.acknowledgement = None if code == "nothing" else code
            case ["answers", step, code]:
                self.issuer_answers(step, code)
            case _:
                raise AssertionError(f"no such words of an issuer: {said}")
        return self.answered()

    def row_of(self, step: str) -> Request:
        """The register's row of a step."""
        return self.row_of_key(self.key_of(step))

    def row_of_key(self, trace_key: str) -> Request:
        """The register's row of a trace key."""
        row: Request = self.database.table(REQUESTS).rows[trace_key]
        return row

    def look(self, name: str) -> str:
        """The value of a name in a story."""
        counts = {
            "asked": len(self.questions),
            "told": len(self.told),
            "undone": len(self.undone),
            "released": len(self.released),
            "findings": sum(entry.kind == "finding" for entry in self.entries),
            "entries": len(self.entries),
        }
        if name in counts:
            return str(counts[name])
        about, _, what = name.partition(".")
        if about == "due":
            return str(sum(due.key.startswith(what) for due in self.rows(DUE)))
        if "/" not in about:
            return self.total_of(about, what)
        row = self.row_of(about)
        if what in ("hold", "asked", "taken", "given-back", "ends", "version"):
            return self.hold_of(row, what)
        return str(getattr(row, what) or "none")

    def hold_of(self, row: Request, what: str) -> str:
        """A value of a request's hold."""
        hold = self.database.table(HOLDS).rows.get(row.hold_id or "")
        if hold is None:
            return "none"
        amounts = {"asked": hold.requested_minor, "taken": hold.completed_minor, "given-back": hold.refunded_minor}
        if what in amounts:
            return format_amount(amounts[what])
        return local(hold.expires_us).strftime("%m-%dT%H:%M") if what == "ends" else str(hold.state)

    def total_of(self, name: str, what: str) -> str:
        """The number of a terminal's open batch, or one of its totals."""
        terminal = self.terminals[name][0]
        if what == "batch":
            return terminal.batch
        batch = self.database.table(BATCHES).rows.get(f"{terminal.terminal_id}/{terminal.batch}")
        return format_amount(getattr(batch, f"{what}_minor") if batch else 0)

    @property
    def entries(self) -> list[Any]:
        """The register."""
        return self.database.logs["A"].entries

    def secrets(self) -> list[str]:
        """What must stand nowhere outside the vault: card numbers, track 2, PIN blocks, what chips say."""
        sent = [message for tried in self.sent.values() for message, _ in tried]
        passed = [message.get_bytes(n).hex() for message in sent for n in (52, 55) if n in message.fields]
        told = [value.hex() if isinstance(value, bytes) else value for value in self.told_once.values()]
        return [*CARDS.values(), *passed, *told]

    def _assert_durable(self, ready: list[Any]) -> None:
        """I1: whatever approves leaves when the entry that it names stands in the database."""
        for sending in ready:
            if getattr(sending, "link", None) is not None and sending.link.dialect is UNIONPAY:
                answer = decode(UNIONPAY, sending.frame[2:])
                if answer.get(39) in responses.APPROVED_CODES and answer.mti in DURABLE:
                    numbers = [rrn_of("A", entry.number) for entry in self.entries]
                    assert answer.get(37) in numbers, "approved before it was durable"
                    if answer.mti in ("0110", "0210", "0230"):
                        key = f"{answer.get(41)}/{answer.get(60)[2:8]}/{answer.get(11)}/{int(answer.mti) - 10:04d}"
                        assert self.row_of_key(key).response_code == answer.get(39)


def spoiled(body: bytes) -> bytes:
    """The same message, its MAC wrong."""
    return body[:-8] + (b"00000000" if body[-8:] != b"00000000" else b"11111111")
