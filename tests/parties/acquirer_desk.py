"""The acquirer's operations desk: asks in the words of a story, reads answers, rows and register, audits every step.

    T1/17 places C1 500.00           trace 17 of terminal T1; a later request without the card names its original so
    T1/18 completes T1/17 460.50     more words change what is sent: card=C2 code=999999 date=0101 DE49=840 …
    repeat T1/18, copy T1/18         with the repeat digit; the same bytes once more
    reverse T1/17                    0400

The answer is what terminals were sent meanwhile ("none", or codes joined by commas).
"""

from collections.abc import Callable
from typing import Any

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US
from holdfast.domain.records import HOLDS, REQUESTS, Request
from holdfast.domain.tables import DUE
from holdfast.ids import rrn_of
from holdfast.money import parse_amount
from holdfast.parties.step import Command, Received
from holdfast.runtime.links import Links
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.parties.acquirer_audit import audit
from tests.runtime.acquirer_bench import ISSUER, TMK, ZONE, AcquirerBench, Pipe, card
from tests.standard_terminal import StandardTerminal

HOTEL, OTHER_HOTEL, NO_RIGHT, SHOP, STRICT = (
    "102100070110001",
    "102100070110002",
    "102100075120003",
    "102100054110004",
    "102100070110005",
)
MERCHANT_OF = {"T1": HOTEL, "T2": HOTEL, "T3": OTHER_HOTEL, "T4": NO_RIGHT, "T5": SHOP, "T6": STRICT, "T7": HOTEL}
SILENT_ISSUER, BIN_WITHOUT_ISSUER = "03080000", "09990000"
CARDS = {f"C{number}": card(number) for number in range(1, 10)} | {
    "LOST": card(41),
    "STOLEN": card(43),
    "UNLINKED": card(1, "621000"),
    "STRANGE": card(1, "625000"),
    "HALFKNOWN": card(1, "620000"),
    "MISTYPED": card(1)[:-1] + str((int(card(1)[-1]) + 1) % 10),
}
EXPIRY, PIN = "3012", "739415"
TRACK2 = {name: f"{pan}={EXPIRY}2010000073900" for name, pan in CARDS.items()}
UNITS = {"seconds": SECOND_US, "minutes": MINUTE_US, "days": DAY_US}


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
        self.terminals: dict[str, tuple[StandardTerminal, Pipe, int]] = {}
        self.sent: dict[str, list[tuple[Message, bytes]]] = {}
        """All that was sent under the name of a step, the newest last."""
        self.made_under: dict[bytes, bytes] = {}
        self.asked_under: dict[str, bytes] = {}
        """The MAC key of each body that was made, and of the newest message under the name of a step."""
        self.card_of: dict[str, str] = {}
        self.slips: dict[str, Message] = {}
        self.questions: list[Message] = []
        self.undone: list[Message] = []
        self.verdict: str | None = "00"
        self.acknowledgement: str | None = "00"
        self.codes = 100_000
        self.judge = self._judge
        self._import_more()

    def new_links(self) -> Links:
        links = WatchedLinks(self.keys)
        links.watch = self._assert_durable  # type: ignore[method-assign]
        return links

    def _import_more(self) -> None:
        zone = ZONE.hex()
        merchant = {"name": "店", "name_en": "Shop", "mcc": "5411", "pre_auth_right": True, "validity_days": 30}
        rows = {
            "merchants": [
                {"merchant_id": SHOP, **merchant, "ceiling_percent": 115},
                {"merchant_id": STRICT, **merchant, "mcc": "7011", "ceiling_percent": 100},
            ],
            "terminals": [
                {"terminal_id": "T0000005", "merchant_id": SHOP, "tmk": TMK.hex()},
                {"terminal_id": "T0000006", "merchant_id": STRICT, "tmk": TMK.hex()},
                {"terminal_id": "T0000007", "merchant_id": HOTEL, "tmk": TMK.hex()},
            ],
            "bins": [
                {"prefix": "621000", "issuer_id": SILENT_ISSUER, "scheme": "CUP", "kind": "debit"},
                {"prefix": "620000", "issuer_id": BIN_WITHOUT_ISSUER, "scheme": "CUP", "kind": "debit"},
            ],
            "issuers": [
                {
                    "issuer_id": SILENT_ISSUER,
                    "name": "Two",
                    "address": "",
                    "zone_mac": zone,
                    "zone_pin": zone,
                }
            ],
            "hot_cards": [{"pan": CARDS["STOLEN"], "response_code": "43"}],
        }
        self.command("import", rows)

    def command(self, name: str, arguments: Any) -> Any:
        """The outcome of a command at the door."""
        outcomes: list[Any] = []
        self.engine.offer(Command(self.links.add_caller(outcomes.append), name, arguments, "admin"))
        self.turn()
        return outcomes[-1]

    # --- the issuer ---

    def _judge(self, message: Message) -> tuple[str, str] | None:
        if message.mti in ("0420", "0421"):
            self.undone.append(message)
            return None if self.acknowledgement is None else (self.acknowledgement, "")
        self.questions.append(message)
        if self.verdict is None:
            return None
        self.codes += 1
        return self.verdict, str(self.codes) if self.verdict == "00" else ""

    def issuer_answers(self, step: str, code: str, authorization_code: str = "424242") -> None:
        """The issuer's answer to the question of this step, at a time of its own."""
        answer = self.answer_of(self.question_of(step), code, authorization_code if code == "00" else "")
        self.engine.offer(Received(0, ISSUER, answer))
        self.turn()

    def question_of(self, step: str) -> bytes:
        """What the issuer was asked for this step."""
        key = self.key_of(step).encode()
        return next(body for body in self.asked if key in body and body[:4] in (b"0100", b"0200"))

    # --- terminals ---

    def terminal_of(self, name: str) -> StandardTerminal:
        """A terminal of the desk, its line up; signed on when it is first used."""
        if name not in self.terminals:
            terminal = StandardTerminal(f"T000000{name[1:]}", MERCHANT_OF[name], TMK)
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
                    terminal.read(body, self.asked_under[step])
                    if answer.get(39) == "00":
                        self.slips[step] = answer
                codes.append(answer.get(39))
            pipe.bodies.clear()
        return ",".join(codes) or "none"

    def answered_by(self, step: str, answer: Message) -> Message:
        """What an answer is about: of several questions under one trace number, the newest of that amount."""
        asked = [message for message, _ in self.sent[step]]
        return next((message for message in reversed(asked) if message.get(4) == answer.get(4)), asked[-1])

    def ask(self, step: str, verb: str, about: str, amount: str, words: list[str]) -> str:
        """One business request."""
        name, _, stan = step.partition("/")
        more = dict(word.split("=", 1) for word in words)
        terminal = self.terminal_of(name)
        terminal.stan = int(stan) - 1
        fields = {key.lower(): value for key, value in more.items() if key.startswith("DE")}
        card_name = more.get("card") or (about if verb == "places" else self.card_of[about])
        kept = terminal.batch, terminal.merchant_id
        terminal.batch = more.get("batch", terminal.batch)
        terminal.merchant_id = more.get("merchant", terminal.merchant_id)
        pan, amount_minor = CARDS[card_name], parse_amount(amount)
        if verb == "places":
            body = terminal.pre_auth(pan, amount_minor, **fields)
        else:
            slip = self.slips[about]
            code, date = more.get("code", slip.get(38)).replace("_", " "), more.get("date", slip.get(13))
            if "trace" in more:
                fields["61"] = more["trace"] + date
            send = terminal.complete if verb == "completes" else terminal.void
            body = send(pan, amount_minor, code, date, **fields)
        terminal.batch, terminal.merchant_id = kept
        assert terminal.sent is not None
        self.sent.setdefault(step, []).append((terminal.sent, body))
        self.made_under[body] = self.asked_under[step] = terminal.mak
        self.card_of.setdefault(step, card_name)
        return self.transmit(name, spoiled(body) if more.get("mac") == "wrong" else body)

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
            case [step, "places" | "completes" | "voids" as verb, about, amount, *more]:
                return self.ask(step, verb, about, amount, more)
            case ["repeat", step]:
                name = step.partition("/")[0]
                self.asked_under[step] = self.terminals[name][0].mak
                return self.transmit(name, self.terminals[name][0].repeat(self.sent[step][-1][0]))
            case ["copy", step]:
                self.asked_under[step] = self.made_under[self.sent[step][-1][1]]
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
        counts = {
            "asked": len(self.questions),
            "undone": len(self.undone),
            "findings": sum(entry.kind == "finding" for entry in self.entries),
            "entries": len(self.entries),
        }
        if name in counts:
            return str(counts[name])
        about, _, what = name.partition(".")
        if about == "due":
            return str(sum(due.key.startswith(what) for due in self.rows(DUE)))
        row = self.row_of(about)
        if what != "hold":
            return str(getattr(row, what) or "none")
        hold = self.database.table(HOLDS).rows.get(row.hold_id or "")
        return hold.state if hold else "none"

    @property
    def entries(self) -> list[Any]:
        """The register."""
        return self.database.logs["A"].entries

    def secrets(self) -> list[str]:
        """What must stand nowhere outside the vault: card numbers, track 2, PIN blocks."""
        sent = [message for tried in self.sent.values() for message, _ in tried]
        blocks = [message.get_bytes(52).hex() for message in sent if 52 in message.fields]
        return [*CARDS.values(), *blocks]

    def _assert_durable(self, ready: list[Any]) -> None:
        """I1: whatever approves leaves when the entry that it names stands in the database."""
        for sending in ready:
            if getattr(sending, "link", None) is not None and sending.link.dialect is UNIONPAY:
                answer = decode(UNIONPAY, sending.frame[2:])
                if answer.get(39) == "00" and answer.mti in ("0110", "0210", "0410", "0810"):
                    numbers = [rrn_of("A", entry.number) for entry in self.entries]
                    assert answer.get(37) in numbers, "approved before it was durable"
                    if answer.mti in ("0110", "0210"):
                        key = f"{answer.get(41)}/{answer.get(60)[2:8]}/{answer.get(11)}/{answer.mti[:2]}00"
                        assert self.database.table(REQUESTS).rows[key].response_code == "00"


def spoiled(body: bytes) -> bytes:
    """The same message, its MAC wrong."""
    return body[:-8] + (b"00000000" if body[-8:] != b"00000000" else b"11111111")
