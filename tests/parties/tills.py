"""Tills that ask at random, each with a book of its own that knows nothing of the register.

A till believes what it is answered and nothing else: it adds up what was approved to it, takes out what it reversed,
repeats what must be told, and settles what it believes. Several ask at once; some answers are lost on the way, some
advices are told after their batch was settled.
"""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

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
    Silence,
)
from holdfast.domain.hold import POSTS, Act
from holdfast.domain.responses import APPROVED_CODES, ISSUER_SILENT
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.parties.acquirer_desk import DeskTerminal
from tests.runtime.acquirer_bench import card
from tests.standard_terminal import Fields

MANY_OF = {"622000": 240, "400000": 40, "555555": 40}
CARDS = [card(number, prefix) for prefix, many in MANY_OF.items() for number in range(60, 60 + many)]
STAN_LAST = 999_999
WEIGHTS = {
    PRE_AUTHORIZATION: 16,
    MOTO: 3,
    INCREMENT: 5,
    COMPLETION: 14,
    COMPLETION_ADVICE: 8,
    COMPLETION_VOID: 6,
    VOID: 4,
    SALE: 22,
    SALE_VOID: 5,
    REFUND: 12,
    BALANCE: 3,
}


class Slip(NamedTuple):
    """One approved request as the till keeps it; `key` is batch and trace number."""

    kind: Kind
    key: tuple[str, str]
    pan: str
    amount_minor: int
    code: str
    date: str
    rrn: str
    chip: bool

    @property
    def foreign(self) -> bool:
        return not self.pan.startswith("622000")


class Stay:
    """A hold or a sale as the till knows it: how much, what was posted last, and how much was given back."""

    def __init__(self, slip: Slip) -> None:
        self.slip = slip
        self.held_minor = slip.amount_minor
        self.posted: Slip | None = slip if slip.kind is SALE else None
        self.left_minor = slip.amount_minor if slip.kind is SALE else 0
        self.over = False


class Asking(NamedTuple):
    """A request that the till has sent, and what it is about."""

    kind: Kind
    message: Message
    body: bytes
    batch: str
    stay: Stay | None


class Till:
    """One till. `asking` is what it waits for, `reversing` says that it undoes it."""

    def __init__(self, terminal: DeskTerminal, dice: Random) -> None:
        self.terminal = terminal
        self.dice = dice
        self.asking: Asking | None = None
        self.reversing = False
        self.stays: list[Stay] = []
        self.records: dict[str, dict[str, Slip]] = {}
        """Batch -> trace number -> what counts there."""
        self.untold: list[Asking] = []
        """Advices that are told after their batch was settled."""
        self.done: Counter[str] = Counter()

    # --- asking ---

    def next_body(self) -> bytes:
        """What it sends now."""
        if self.asking is not None:
            again = self.terminal.reverse if self.reversing else self.terminal.repeat
            return again(self.asking.message)
        if self.untold and self.untold[0].batch != self.terminal.batch and self.dice.random() < 0.3:
            self.asking = self.untold.pop(0)
            return self.terminal.repeat(self.asking.message)
        self.asking = self.ask()
        if self.asking.kind is COMPLETION_ADVICE and self.dice.random() < 0.05:
            self.untold.append(self.asking)
            self.asking = self.ask(PRE_AUTHORIZATION)
        return self.asking.body

    def ask(self, kind: Kind | None = None) -> Asking:
        """A request of some kind, about something it could mean."""
        kind = kind or self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        stay = self.some_stay(kind)
        if stay is None and kind.needs_original:
            kind = PRE_AUTHORIZATION if self.dice.random() < 0.6 else SALE
        pan = stay.slip.pan if stay else self.dice.choice(CARDS)
        fields: Fields = {55: b"\x9f\x36\x02\x00\x01", 22: "051", 23: "001"} if self.dice.random() < 0.2 else {}
        if stay is not None:
            fields |= said_of(kind, stay)
        stan = self.terminal.stan
        body = self.terminal.business(kind, pan, self.amount(kind, stay), fields)
        assert self.terminal.stan == stan % STAN_LAST + 1
        assert self.terminal.sent is not None
        return Asking(kind, self.terminal.sent, body, self.terminal.batch, stay)

    def some_stay(self, kind: Kind) -> Stay | None:
        """One of the last stays that the request may mean; now and then one that it may not."""
        if not kind.needs_original or not self.stays:
            return None
        recent = self.stays[-30:]
        fitting = [stay for stay in recent if fits(kind, stay, self.terminal.batch) or self.dice.random() < 0.004]
        return self.dice.choice(fitting) if fitting else None

    def amount(self, kind: Kind, stay: Stay | None) -> int:
        """How much; a void means all of it."""
        if stay is None or kind is INCREMENT:
            return self.dice.randint(1, 500_00)
        if kind is VOID:
            return stay.held_minor
        if kind in (COMPLETION_VOID, SALE_VOID):
            return stay.posted.amount_minor if stay.posted else 1
        if kind is REFUND:
            return self.dice.randint(1, max(stay.left_minor, 1))
        some = self.dice.randint(1, stay.held_minor)
        return self.dice.choice([stay.held_minor, some, stay.held_minor * 114 // 100])

    # --- being answered ---

    def hear(self, bodies: list[bytes]) -> None:
        """The answer, or none. One that is lost is reversed or told again, as silence is."""
        asking = self.asking
        assert asking is not None, "who asked nothing waits for nothing"
        answer = self.answer_among(bodies, asking)
        if answer is None or self.dice.random() < 0.02:
            self.reversing = asking.kind.silence is Silence.REVERSED
            if asking.kind.silence is Silence.FORGOTTEN:
                self.asking = None
            return
        code = answer.get(39)
        self.done[f"{asking.kind.name} {'reversed' if self.reversing else code}"] += 1
        assert code == "00" if self.reversing else code != "94", f"{code} to what nothing was built upon, and was new"
        if code == ISSUER_SILENT and asking.kind.silence is Silence.REVERSED:
            self.reversing = True
            return
        if code in APPROVED_CODES and not self.reversing:
            self.believe(asking, answer)
        self.asking, self.reversing = None, False

    def answer_among(self, bodies: list[bytes], asking: Asking) -> Message | None:
        """The answer to what was sent last, checked as a terminal checks it; one to what it undoes comes too late."""
        self.terminal.sent = Message("0400" if self.reversing else asking.message.mti, asking.message.fields)
        wanted = f"{int(self.terminal.sent.mti) + 10:04d}"
        fitting = [body for body in bodies if decode(UNIONPAY, body).mti == wanted]
        return self.terminal.read(fitting[-1]) if fitting else None

    def believe(self, asking: Asking, answer: Message) -> None:
        """It was approved: it counts, and something has become of its stay."""
        kind, message, stay = asking.kind, asking.message, asking.stay
        key = (asking.batch, message.get(11))
        amount_minor = int(message.get(4) or 0)
        slip = Slip(
            kind,
            key,
            message.get(2),
            amount_minor,
            answer.get(38),
            answer.get(13),
            answer.get(37),
            55 in message.fields,
        )
        if kind.total:
            self.records.setdefault(asking.batch, {})[key[1]] = slip
        if kind.act in (Act.PLACE, Act.SELL):
            self.stays.append(Stay(slip))
        elif stay is not None:
            befallen(stay, slip)


def sums_of(records: Mapping[str, Slip]) -> list[int]:
    """Debit, its count, credit, its count, and the same for foreign cards: the till's own sum."""
    sums = [0] * 8
    for slip in records.values():
        at = 4 * slip.foreign + 2 * (slip.kind.total == "credit")
        sums[at] += slip.amount_minor
        sums[at + 1] += 1
    return sums


def fits(kind: Kind, stay: Stay, batch: str) -> bool:
    """Whether the till would ask this of it."""
    posted = stay.posted
    if kind in (INCREMENT, VOID, COMPLETION, COMPLETION_ADVICE):
        return not stay.over and posted is None
    if posted is None or stay.over:
        return False
    if kind is REFUND:
        return stay.left_minor > 0
    whole = stay.left_minor == posted.amount_minor and posted.key[0] == batch
    return whole and posted.kind is (SALE if kind is SALE_VOID else COMPLETION)


def befallen(stay: Stay, slip: Slip) -> None:
    """What an approved request does to the stay that it means."""
    kind = slip.kind
    if kind is INCREMENT:
        stay.held_minor += slip.amount_minor
    elif kind.act in POSTS:
        stay.posted, stay.left_minor = slip, slip.amount_minor
    elif kind is REFUND:
        stay.left_minor -= slip.amount_minor
    elif kind is COMPLETION_VOID:
        stay.posted, stay.left_minor = None, 0
    else:
        stay.over = True


def said_of(kind: Kind, stay: Stay) -> Fields:
    """DE37, DE38 and DE61 of what is meant."""
    posted = stay.posted
    if kind in (COMPLETION_VOID, SALE_VOID, REFUND) and posted is not None:
        return {37: posted.rrn, 38: stay.slip.code, 61: "".join(posted.key) + posted.date}
    return {38: stay.slip.code, 61: "0" * 12 + stay.slip.date}
