"""A standard UnionPay terminal as it is found in the field: it knows nothing of our private field, and ends a request
at any answer it can parse.

What it keeps over a power cut is written before the first byte is sent. Silence, a wrong MAC and an approval without
a MAC lead to a reversal before the next request; after three unanswered reversals it gives up and says so on paper
(domain.md §4.3): then it is the one that forgot, and only acquirer and issuer are held to agree. Advices and refunds
are told until they are answered; settlements and uploads go on where they were.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from holdfast.domain.commands import Silence
from holdfast.domain.responses import APPROVED_CODES
from holdfast.parties.entered import KINDS
from holdfast.sim.faults import between
from holdfast.sim.keys import SimKeys
from holdfast.sim.labels import BUILT_UPON
from holdfast.sim.machine import Stage
from holdfast.sim.network import End
from holdfast.sim.plan import TerminalOf
from holdfast.sim.standard_batch import Settlement
from holdfast.sim.standard_keys import WorkingKeys
from holdfast.sim.standard_messages import (
    Device,
    Paper,
    about_terminal,
    refusal,
    repeat_of,
    request_of,
    reversal_of,
    script_notice,
    told,
)
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.framing import frame
from holdfast.wire.message import Message

Tell = Callable[[Mapping[str, Any]], None]

PATIENCE_US = 30_000_000
DIALLED_US = 6_000_000
"""By then the line is up again, if anybody answers."""
TRIES_MAX = 3
"""So often a reversal, an advice or a message about the batch is sent in one go."""
BOOT_S = (2.0, 90.0)
FIRST_BATCH = "000000"
SIGN_ON_AGAIN = ("77", "A0")
ADVICES_WAIT_SHARE = 0.5
"""So often a terminal will not settle while it has advices to tell."""
MESSAGES = {"sign-off": ("0820", "002"), "echo": ("0820", "301")}


class StandardTerminal:
    """One device: a card reader, a trace number that goes on, and one request at a time."""

    def __init__(self, stage: Stage, who: TerminalOf, tmk: bytes, keys: SimKeys, dice: Random) -> None:
        self.name = self.terminal_id = who.terminal_id
        self.ready = True
        self.on_ready: list[Callable[[], None]] = []
        self.on_crash: list[Callable[[], None]] = []
        self.papers: list[Paper] = []
        self.requests = 0
        self._who = who
        self._stage = stage
        self._dice = dice
        self._keys = WorkingKeys(keys, tmk, who.mac_algorithm)
        self._batch, self._stan = FIRST_BATCH, who.stan
        self._settlement: Settlement | None = None
        self._telling: Paper | None = None
        self._told_n = 0
        self._errand: Message | None = None
        """What was sent that is no request of business and no reversal."""
        self._tries = 0
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
        self.ready, self._tell, self._errand, self._telling = False, None, None, None
        self._wait += 1
        if self._end is not None:
            self._end.open = False
            self._stage.network.abandon(self._end.other, False)
            self._end = None
        for tell in self.on_crash:
            tell()
        self._stage.scheduler.after(between(self._dice, *BOOT_S), self._boot)

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
    def stored(self) -> list[Paper]:
        """What is still to be told."""
        return [paper for paper in self.papers if paper.outcome == "stored"]

    @property
    def clean(self) -> bool:
        """Whether nothing is owed."""
        return self.open_paper is None and self._settlement is None and not self.stored

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._tell is not None or self._errand is not None or self._telling is not None

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> None:
        """One command of the cashier; refused on the spot where it cannot even begin."""
        no = self._why_not(name)
        if no:
            tell(refusal(no))
            return
        self._tell = tell
        if name == "sign-on":
            self._sign_on()
        elif name == "settle":
            self._settle()
        elif name in MESSAGES:
            mti, management = MESSAGES[name]
            self._run(about_terminal(self._device(), mti, management))
        elif name == "script":
            self._run(script_notice(self._device(), arguments["paper"]))
        else:
            self._ask(name, arguments)

    def cancel(self) -> bool:
        """The cancel key: what is under way is dealt with as if nobody had answered. An errand goes on."""
        paper = self.open_paper
        if not self.ready or self._tell is None or paper is None or paper.tries:
            return False
        self._wait += 1
        self._follow_up(paper)
        return True

    def _why_not(self, name: str) -> str:
        if not self.ready or self._end is None:
            return "acquirer not reachable"
        if self.busy:
            return "busy"
        if name == "sign-on":
            return ""
        if not self._keys.there:
            return "not signed on"
        if (paper := self.open_paper) is not None:
            self._follow_up(paper)
            return "a request waits"
        if name == "settle":
            waits = self.stored and self._settlement is None and self._dice.random() < ADVICES_WAIT_SHARE
            return "advices wait" if waits else ""
        if self._settlement is not None:
            return "the batch is being settled"
        return "" if name in KINDS or name in MESSAGES or name == "script" else "no such function"

    def sync(self) -> None:
        """Deliver what is owed: what a terminal does when it is idle."""
        if not self.ready or self._end is None or self.busy:
            return
        if not self._keys.there:
            self._sign_on()
        elif self.open_paper is not None:
            self._follow_up(self.open_paper)
        elif self._settlement is not None:
            self._run(self._settlement.waiting[0])
        elif self.stored:
            self._tell_again(self.stored[self._told_n % len(self.stored)])

    def _device(self) -> Device:
        """Itself, with the next trace number."""
        self._stan = self._stan % 999_999 + 1
        return Device(self.terminal_id, self._who.merchant_id, self._batch, f"{self._stan:06d}")

    def _ask(self, name: str, given: Mapping[str, Any]) -> None:
        kind, device = KINDS[name], self._device()
        pin_block = self._keys.pin_block(given.get("pin", ""), given["card"]["pan"])
        paper = Paper(device, kind, given, request_of(device, kind, given, pin_block))
        self.papers.append(paper)
        self.requests += 1
        self._send(paper.request, sealed=True)
        self._wait_for(partial(self._follow_up, paper))

    def _follow_up(self, paper: Paper) -> None:
        """Nobody answered: a request is reversed, an advice told again, a balance forgotten."""
        if paper.told_until_answered:
            paper.outcome = "stored"
            self._answered(told(paper))
        elif paper.kind.silence is Silence.FORGOTTEN:
            paper.outcome = "forgotten"
            self._answered(told(paper))
        else:
            self._reverse(paper)

    def _reverse(self, paper: Paper, reason: str = "98") -> None:
        paper.tries += 1
        self._stage.labels.put(paper.trace_key, BUILT_UPON)
        self._send(reversal_of(paper, reason), sealed=True)
        self._wait_for(partial(self._no_reversal_answer, paper))

    def _tell_again(self, paper: Paper) -> None:
        self._telling = paper
        self._send(repeat_of(paper), sealed=True)
        self._wait_for(self._not_told)

    def _not_told(self) -> None:
        """The others have their turn, too."""
        self._telling = None
        self._told_n += 1

    # --- errands: what is sent until it is answered ---------------------------------------------------------------

    def _run(self, message: Message) -> None:
        self._errand, self._tries = message, 1
        self._send_errand()

    def _send_errand(self) -> None:
        assert self._errand is not None, "there is something to send"
        self._send(self._errand, sealed=self._errand.mti == "0620")
        self._wait_for(self._no_errand_answer)

    def _no_errand_answer(self) -> None:
        message = self._errand
        if message is not None and self._tries < TRIES_MAX and message.mti != "0800" and self._end is not None:
            self._tries += 1
            self._send_errand()
        else:
            self._errand = None
            self._answered({"outcome": "unknown", "kind": "errand"})

    def _sign_on(self) -> None:
        self._run(about_terminal(self._device(), "0800", "003"))

    def _settle(self) -> None:
        if self._settlement is None:
            self._settlement = Settlement(self._device(), self.papers, self._who.lies, self._dice, self._stage.labels)
        self._run(self._settlement.waiting[0])

    def _errand_answered(self, message: Message) -> None:
        asked, code = self._errand, message.get(39)
        self._errand = None
        assert asked is not None, "only what was sent is answered"
        if asked.mti == "0800":
            self._signed_on(message)
        elif asked.mti in ("0500", "0320"):
            self._batch_answered(message, code)
        else:
            if code in SIGN_ON_AGAIN or asked.get(60)[8:11] == "002":
                self._keys.forget()
            self._answered({"outcome": "approved" if code == "00" else "declined", "kind": "errand"})

    def _batch_answered(self, message: Message, code: str) -> None:
        settlement = self._settlement
        assert settlement is not None, "a batch is being settled"
        if code in (*SIGN_ON_AGAIN, "97"):
            # The centre does not know the batch: there is nothing to settle in it.
            self._settlement = None
            self._keys.forget()
            self._answered({"outcome": "declined", "response_code": code, "kind": "settlement"})
            return
        settlement.answered(message, self._device)
        if settlement.waiting:
            self._run(settlement.waiting[0])
            return
        self._settlement = None
        self._keys.forget()
        self._answered({"outcome": "approved", "response_code": "00", "kind": "settlement"})

    def _signed_on(self, message: Message) -> None:
        code = self._keys.take(message)
        if code == "00":
            self._batch = message.get(60)[2:8]
        self._answered({"outcome": "approved" if code == "00" else "declined", "kind": "sign-on"})

    # --- what comes back ------------------------------------------------------------------------------------------

    def _received(self, body: bytes) -> None:
        message = decode(UNIONPAY, body)
        mti, stan = f"{int(message.mti) - 10:04d}", message.get(11)
        paper = self.open_paper
        if self._errand is not None and (self._errand.mti, self._errand.get(11)) == (mti, stan):
            self._errand_answered(message)
        elif self._telling is not None and (self._telling.kind.mti, self._telling.device.stan) == (mti, stan):
            self._told_answered(self._telling, message)
        elif paper is None or stan != paper.device.stan:
            return
        elif mti == "0400" and paper.tries:
            self._reversal_answered(paper, message)
        elif not paper.tries and mti == paper.kind.mti:
            self._request_answered(paper, message)

    def _request_answered(self, paper: Paper, message: Message) -> None:
        code, sealed = message.get(39), 64 in message.fields
        approves = code in APPROVED_CODES
        if (sealed and not self._keys.hold(message)) or (approves and not sealed):
            if paper.told_until_answered:
                self._follow_up(paper)
            else:
                self._reverse(paper, "A0" if sealed else "06")
            return
        if paper.told_until_answered:
            self._told_answered(paper, message)
            return
        paper.outcome, paper.code, paper.answer = "approved" if approves else "declined", code, message
        paper.scheme = message.get(63)[:3].strip()
        if code in SIGN_ON_AGAIN:
            self._keys.forget()
        if approves and paper.card_in_hand is not None and 55 in message.fields:
            self._chip_hears(paper, message)
        self._answered(told(paper))

    def _chip_hears(self, paper: Paper, message: Message) -> None:
        if not paper.card_in_hand.accepts(message.get_bytes(55)):  # type: ignore[union-attr]
            self._stage.complain(f"I1: {paper.trace_key}: the chip does not believe its issuer's answer")

    def _told_answered(self, paper: Paper, message: Message) -> None:
        """00 or 94: delivered; a word of the moment leaves it waiting; anything else is printed as refused."""
        code, sealed = message.get(39), 64 in message.fields
        self._telling = None
        if code in SIGN_ON_AGAIN or (sealed and not self._keys.hold(message)) or not sealed:
            paper.outcome = "stored"
            self._keys.forget()
        else:
            delivered = code in APPROVED_CODES or code == "94"
            paper.outcome, paper.code, paper.answer = "approved" if delivered else "declined", code, message
            paper.scheme = message.get(63)[:3].strip()
        self._answered(told(paper))

    def _reversal_answered(self, paper: Paper, message: Message) -> None:
        code = message.get(39)
        if code in SIGN_ON_AGAIN:
            self._keys.forget()
            paper.tries = 1
            self._answered(told(paper))
        elif code in ("00", "12", "25"):
            paper.outcome = "reversed"
            self._answered(told(paper))
        elif paper.tries >= TRIES_MAX:
            # 22: the request was built upon. This terminal has no word for that; it gives up as if nobody had answered.
            self._no_reversal_answer(paper)

    def _no_reversal_answer(self, paper: Paper) -> None:
        if paper.tries >= TRIES_MAX:
            paper.outcome = "forgotten"
            self._answered(told(paper))
        else:
            self._reverse(paper)

    # --- the wire -------------------------------------------------------------------------------------------------

    def _send(self, message: Message, sealed: bool) -> None:
        if self._end is None:
            return
        body = self._keys.sealed(message) if sealed else encode(UNIONPAY, message)
        self._end.write(frame(body))

    def _wait_for(self, otherwise: Callable[[], None]) -> None:
        self._wait += 1
        self._stage.scheduler.after(PATIENCE_US, partial(self._silence, self._wait, otherwise))

    def _silence(self, wait: int, otherwise: Callable[[], None]) -> None:
        """Nothing came: it dials anew before it goes on, for the line may be dead or out of step."""
        if wait == self._wait:
            if self._end is not None:
                self._end.hang_up()
            self._stage.scheduler.after(DIALLED_US, partial(self._go_on, wait, otherwise))

    def _go_on(self, wait: int, otherwise: Callable[[], None]) -> None:
        if wait == self._wait:
            otherwise()

    def _answered(self, value: Mapping[str, Any]) -> None:
        self._wait += 1
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(value)
