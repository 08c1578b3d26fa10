"""A standard UnionPay terminal as it is found in the field: it knows nothing of our private field, and ends a request
at any answer it can parse.

What it keeps over a power cut is written before the first byte is sent. Silence, a wrong MAC and an approval without
a MAC lead to a reversal before the next request; after three unanswered reversals it gives up and says so on paper
(domain.md §4.3): then it is the one that forgot, and only acquirer and issuer are held to agree.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from holdfast.domain.commands import BY_NAME, COMPLETION, PRE_AUTHORIZATION, VOID, Kind
from holdfast.errors import KeyRefused
from holdfast.sim.keys import SimKeys
from holdfast.sim.machine import Stage
from holdfast.sim.network import End
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import frame
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac

Tell = Callable[[Mapping[str, Any]], None]

PATIENCE_US = 30_000_000
REVERSALS_MAX = 3
BOOT_S = (2.0, 90.0)
KINDS: dict[str, Kind] = {"pre-auth": PRE_AUTHORIZATION, "complete": COMPLETION, "void": VOID}
FIRST_BATCH = "000000"
PLACEHOLDER = "00000000"


class Paper:
    """One request and what the terminal believes of it; `trace_key` names it at the acquirer.

    `outcome`: asked, approved, declined, reversed, or forgotten (the reversal was given up).
    """

    def __init__(self, trace_key: str, kind: Kind, request: Message) -> None:
        self.trace_key = trace_key
        self.kind = kind
        self.request = request
        self.outcome = "asked"
        self.code = ""
        self.amount_minor = int(request.get(4))
        self.answer: Message | None = None
        self.tries = 0


class StandardTerminal:
    """One device: a card reader, a trace number that goes on, and one request at a time."""

    def __init__(self, stage: Stage, terminal_id: str, merchant_id: str, tmk: bytes, keys: SimKeys) -> None:
        self.name = terminal_id
        self.terminal_id = terminal_id
        self.merchant_id = merchant_id
        self.ready = True
        self.on_ready: list[Callable[[], None]] = []
        self.on_crash: list[Callable[[], None]] = []
        self.papers: list[Paper] = []
        self.requests = 0
        self._stage = stage
        self._keys = keys
        self._tmk = keys.import_key("tmk", tmk)
        self._pik = self._mak = b""
        self._batch, self._stan = FIRST_BATCH, 0
        self._signing_on = ""
        self._end: End | None = None
        self._tell: Tell | None = None
        self._wait = 0

    # --- power and line -------------------------------------------------------------------------------------------

    def attach(self, end: End, host: str, peer: str, lost: Callable[[], None]) -> None:
        """The line is up."""
        self._end = end
        end.received = self._received
        end.lost = partial(self._lost, lost)

    def power_off(self) -> None:
        """Whatever was not written is gone; a request that waited is reversed when power is back."""
        self._stage.scheduler.note(f"crash {self.name}")
        self.ready, self._tell, self._signing_on = False, None, ""
        self._wait += 1
        if self._end is not None:
            self._end.open = False
            self._stage.network.abandon(self._end.other, False)
            self._end = None
        for tell in self.on_crash:
            tell()
        self._stage.scheduler.after(self._stage.faults.between(*BOOT_S), self._boot)

    def _boot(self) -> None:
        self.ready = True
        for tell in self.on_ready:
            tell()

    def lines(self) -> list[End]:
        """The end of the connection that is up here."""
        return [self._end] if self._end is not None else []

    def _lost(self, tell: Callable[[], None]) -> None:
        self._end = None
        tell()

    # --- what the cashier asks ------------------------------------------------------------------------------------

    @property
    def open_paper(self) -> Paper | None:
        """The request that has no outcome yet."""
        return self.papers[-1] if self.papers and self.papers[-1].outcome == "asked" else None

    @property
    def clean(self) -> bool:
        """Whether nothing is owed."""
        return self.open_paper is None

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> None:
        """One command of the cashier; refused on the spot where it cannot even begin."""
        if not self.ready or self._end is None:
            tell(refusal("acquirer not reachable"))
        elif self._tell is not None or self._signing_on:
            tell(refusal("busy"))
        elif name == "sign-on":
            self._tell = tell
            self._sign_on()
        elif not self._mak:
            tell(refusal("not signed on"))
        elif (paper := self.open_paper) is not None:
            self._reverse(paper)
            tell(refusal("a reversal waits"))
        elif name not in KINDS:
            tell(refusal("no such function"))
        else:
            self._tell = tell
            self._ask(KINDS[name], arguments)

    def sync(self) -> None:
        """Deliver what is owed: what a terminal does when it is idle."""
        if not self.ready or self._end is None or self._tell is not None or self._signing_on:
            return
        if self.open_paper is not None and self._mak:
            self._reverse(self.open_paper)
        elif not self._mak:
            self._sign_on()

    def _next_stan(self) -> str:
        self._stan = self._stan % 999_999 + 1
        return f"{self._stan:06d}"

    def _sign_on(self) -> None:
        self._signing_on = self._next_stan()
        control = "00" + self._batch + "003"
        fields = {11: self._signing_on, 41: self.terminal_id, 42: self.merchant_id, 60: control, 63: "01 "}
        self._send(Message("0800", dict(fields)), sealed=False)
        self._wait_for(self._no_sign_on)

    def _no_sign_on(self) -> None:
        self._signing_on = ""
        self._answered({"outcome": "unknown", "kind": "sign-on"})

    def _ask(self, kind: Kind, given: Mapping[str, Any]) -> None:
        stan, card = self._next_stan(), given["card"]
        fields: dict[int, str | bytes] = {
            2: card["pan"],
            3: kind.processing_code,
            4: f"{given['amount_minor']:012d}",
            11: stan,
            14: card["expiry"],
            22: "012",
            25: kind.condition,
            41: self.terminal_id,
            42: self.merchant_id,
            49: "156",
            60: kind.message_type + self._batch + "00050",
            63: "01 ",
        }
        if given.get("pin") and kind is PRE_AUTHORIZATION:
            fields |= {22: "011", 26: "12", 52: self._keys.pin_block(self._pik, given["pin"], card["pan"])}
        if kind.needs_original:
            fields[38] = given["authorization_code"]
            fields[61] = "0" * 12 + given["date"]
        message = Message(kind.mti, fields)
        key = f"{self.terminal_id}/{self._batch}/{stan}/{kind.mti}"
        self.papers.append(Paper(key, kind, message))
        self.requests += 1
        self._send(message, sealed=True)
        self._wait_for(self._no_answer)

    def _reverse(self, paper: Paper, reason: str = "98") -> None:
        asked = paper.request.fields
        kept = (2, 3, 4, 11, 14, 22, 25, 38, 41, 42, 49, 60, 61, 63)
        fields = {number: asked[number] for number in kept if number in asked}
        paper.tries += 1
        self._send(Message("0400", {**fields, 39: reason}), sealed=True)
        self._wait_for(partial(self._no_reversal_answer, paper))

    # --- what comes back ------------------------------------------------------------------------------------------

    def _received(self, body: bytes) -> None:
        message = decode(UNIONPAY, body)
        stan, paper = message.get(11), self.open_paper
        if message.mti == "0810":
            if self._signing_on and stan == self._signing_on:
                self._signed_on(message)
        elif paper is None or stan != paper.request.get(11):
            return
        elif message.mti == "0410" and paper.tries:
            self._reversal_answered(paper, message)
        elif not paper.tries and message.mti == paper.kind.mti[:2] + "10":
            self._request_answered(paper, message)

    def _signed_on(self, message: Message) -> None:
        self._signing_on, code = "", message.get(39)
        if code == "00":
            try:
                sent = parse_working_keys(message.get_bytes(62))
                pik = self._keys.import_under(self._tmk, "pik", sent.pik, sent.pik_check)
                mak = self._keys.import_under(self._tmk, "mak", sent.mak, sent.mak_check)
            except KeyRefused:
                code = "A7"
            else:
                self._pik, self._mak, self._batch = pik, mak, message.get(60)[2:8]
        self._answered({"outcome": "approved" if code == "00" else "declined", "kind": "sign-on"})

    def _request_answered(self, paper: Paper, message: Message) -> None:
        code, sealed = message.get(39), 64 in message.fields
        if sealed and not self._mac_holds(message):
            self._reverse(paper, "A0")
            return
        if code == "00" and not sealed:
            self._reverse(paper, "06")
            return
        paper.outcome, paper.code, paper.answer = "approved" if code == "00" else "declined", code, message
        if code in ("77", "A0"):
            self._mak = b""
        self._answered(told(paper))

    def _reversal_answered(self, paper: Paper, message: Message) -> None:
        code = message.get(39)
        if code in ("77", "A0"):
            self._mak = b""
            paper.tries = 1
            self._answered(told(paper))
        elif code in ("00", "12", "25"):
            paper.outcome = "reversed"
            self._answered(told(paper))

    def _no_answer(self) -> None:
        paper = self.open_paper
        if paper is not None:
            self._reverse(paper)

    def _no_reversal_answer(self, paper: Paper) -> None:
        if paper.tries >= REVERSALS_MAX:
            paper.outcome = "forgotten"
            self._answered(told(paper))
        else:
            self._reverse(paper)

    def _mac_holds(self, message: Message) -> bool:
        block = mac_block(UNIONPAY, message.raw)
        return bool(self._mak) and self._keys.verify_mac(self._mak, "ecb", block, message.get(64))

    # --- the wire -------------------------------------------------------------------------------------------------

    def _send(self, message: Message, sealed: bool) -> None:
        if self._end is None:
            return
        if sealed:
            body = encode(UNIONPAY, Message(message.mti, {**message.fields, 64: PLACEHOLDER}))
            body = put_mac(body, self._keys.mac(self._mak, "ecb", mac_block(UNIONPAY, body)))
        else:
            body = encode(UNIONPAY, message)
        self._end.write(frame(body))

    def _wait_for(self, otherwise: Callable[[], None]) -> None:
        self._wait += 1
        self._stage.scheduler.after(PATIENCE_US, partial(self._silence, self._wait, otherwise))

    def _silence(self, wait: int, otherwise: Callable[[], None]) -> None:
        if wait == self._wait:
            otherwise()

    def _answered(self, value: Mapping[str, Any]) -> None:
        self._wait += 1
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(value)


def refusal(reason: str) -> dict[str, Any]:
    """What a cashier is told when nothing was sent."""
    return {"outcome": "declined", "response_code": "", "reason": reason}


def told(paper: Paper) -> dict[str, Any]:
    """What a cashier reads on the paper."""
    answer = paper.answer
    return {
        "outcome": paper.outcome if paper.outcome in ("approved", "declined") else "unknown",
        "response_code": paper.code,
        "kind": BY_NAME[paper.kind.name].name,
        "amount": paper.amount_minor,
        "trace_key": paper.trace_key,
        "authorization_code": answer.get(38) if answer else None,
        "rrn": answer.get(37) if answer else None,
        "date": answer.get(13) if answer else None,
    }
