"""The acquirer's desk at the end of the day: terminals settle what they believe, and upload it record by record.

    T1 settles                       0500 with the totals that T1 believes -> the two reply flags, or a code
    T1 settles as 460.50/1 0.00/0    with these (domestic debit and credit, then foreign); again: the same bytes
    T1 uploads 201 T1/18 T1/19       0320 of T1's newest settled batch with these records as T1 believes them -> code
    T1 uploads 201 T1/18:amount=1.00:card=C2:class=01     … with a record that was changed, or made up
    T1 uploads 202 12, T1 uploads again                   its end with a count; the same bytes
    T1 uploads all                   everything in its proper form, and the end
    forget T1/18                     the terminal forgets that it was approved

More words change what is sent: batch=000001 stan=900100 mac=right, mac=wrong. Names after the arrow: `T1.000001.debit`
and the other columns of a batch, `.flags` of its settlement, `claims`, `findings`.
"""

from typing import NamedTuple

from holdfast.clock import mmdd
from holdfast.domain.commands import BY_WIRE, Kind, Silence
from holdfast.domain.records import BATCHES, REQUESTS, Batch, Request
from holdfast.money import format_amount, parse_amount
from holdfast.register.canonical import decode_strict
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    DETAILS_MAX,
    NOT_ANSWERED,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_details,
    pack_end,
    pack_totals,
    parse_totals,
)
from tests.parties.acquirer_desk import CARDS, Desk, spoiled
from tests.standard_terminal import Fields

FOREIGN_CARDS = frozenset({"VISA", "MASTER"})
BATCH_LAST = 999_999


class Belief(NamedTuple):
    """One request that its terminal believes approved, and that counts; `told` of an advice or a refund."""

    step: str
    stan: str
    kind: Kind
    amount_minor: int
    card: str
    chip: bool

    @property
    def foreign(self) -> bool:
        return self.card in FOREIGN_CARDS

    @property
    def told(self) -> bool:
        return self.kind.silence is Silence.REPEATED


class BatchDesk(Desk):
    """`act` and `look` are for stories: see `tests.stories`."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()
        """Steps that their terminal believes no more: reversed, or forgotten."""
        self.closed: dict[str, str] = {}
        """The newest batch that a terminal settled."""
        self.batch_messages: dict[str, list[bytes]] = {}
        self.answers: list[Message] = []
        """All answers about batches."""
        self.stan = 900_000

    # --- what a terminal believes ---

    def believed(self, name: str, batch: str) -> list[Belief]:
        """What counts in one of its batches, oldest first."""
        found = [self.belief(step) for step in self.slips if step.startswith(f"{name}/") and step not in self.gone]
        return [belief for belief, of in found if belief.kind.total and of == batch]

    def belief(self, step: str) -> tuple[Belief, str]:
        """A step as its terminal remembers it, and its batch."""
        sent, answer = self.sent[step][-1][0], self.slips[step]
        control = sent.get(60)
        kind = BY_WIRE[f"{answer.mti[:2]}{int(answer.mti[2]) - 1}0", sent.get(3), sent.get(25), control[:2]]
        amount_minor, card = int(sent.get(4) or 0), self.card_of[step]
        return Belief(step, sent.get(11), kind, amount_minor, card, 55 in sent.fields), control[2:8]

    def totals(self, name: str, batch: str) -> Totals:
        """The till's own sum."""
        halves = []
        for foreign in (False, True):
            of = [each for each in self.believed(name, batch) if each.foreign is foreign]
            debit = [each.amount_minor for each in of if each.kind.total == "debit"]
            credit = [each.amount_minor for each in of if each.kind.total == "credit"]
            halves.append(ClassTotals(sum(debit), len(debit), sum(credit), len(credit)))
        return Totals(*halves)

    # --- what it sends ---

    def settle(self, name: str, totals: Totals | None, more: dict[str, str]) -> str:
        """0500."""
        terminal = self.terminal_of(name)
        batch = more.get("batch", terminal.batch)
        told = pack_totals(self.totals(name, batch) if totals is None else totals)
        fields: Fields = {48: told, 49: "156", 60: f"00{batch}201", 63: "01 "}
        code = self.about_batch(name, "0500", fields, more)
        if not code.isdecimal() or 48 not in self.answers[-1].fields:
            return code
        self.closed[name] = batch
        if terminal.batch == batch:
            terminal.batch = f"{int(batch) % BATCH_LAST + 1:06d}"
        return code

    def upload(self, name: str, form: str, said: list[str], more: dict[str, str]) -> str:
        """One 0320."""
        batch = more.get("batch") or self.closed[name]
        if form in ("202", "207"):
            fields: Fields = {48: pack_end(int(said[0])), 60: f"00{batch}{form}"}
        elif form == "201" and "alone" not in more:
            fields = {48: pack_details([self.detail(word) for word in said]), 60: f"00{batch}201"}
        else:
            fields, own = self.alone(said[0], batch, form)
            more = {"stan": own} | more
        return self.about_batch(name, "0320", fields, more)

    def detail(self, word: str) -> Detail:
        """A record of a block: as believed, or changed."""
        step, changed = changes_in(word)
        belief = self.belief(step)[0] if step in self.slips else None
        card = changed.get("card") or (belief.card if belief else "C1")
        stan = belief.stan if belief else f"{int(step.partition('/')[2]):06d}"
        amount_minor = parse_amount(changed["amount"]) if "amount" in changed else belief.amount_minor if belief else 0
        foreign = CardClass.FOREIGN if card in FOREIGN_CARDS else CardClass.DOMESTIC
        return Detail(CardClass(changed.get("class", foreign)), stan, CARDS[card], amount_minor)

    def alone(self, word: str, batch: str, form: str) -> tuple[Fields, str]:
        """A record in the fields of its own message, and its trace number."""
        step, changed = changes_in(word)
        detail = self.detail(word)
        kind = self.belief(step)[0].kind.message_type if step in self.slips else changed.get("kind", "24")
        fields: Fields = {2: detail.pan, 4: f"{detail.amount_minor:012d}", 49: "156", 60: f"{kind}{batch}{form}"}
        if kind == "24":
            fields |= {38: changed.get("code", "123456"), 61: "0" * 12 + mmdd(self.now_us) + "0" * 13}
        return fields, detail.trace

    def upload_all(self, name: str, batch: str) -> str:
        """As a terminal whose totals differed uploads its batch: blocks, then one by one, then the end."""
        believed = self.believed(name, batch)
        plain = [each.step for each in believed if not each.told and not each.chip]
        more = {"batch": batch}
        codes = [
            self.upload(name, "201", plain[at : at + DETAILS_MAX], more) for at in range(0, len(plain), DETAILS_MAX)
        ]
        alone = [each for each in believed if each.told or each.chip]
        codes += [self.upload(name, "201" if e.told else "205", [e.step], more | {"alone": "yes"}) for e in alone]
        codes.append(self.upload(name, "202", [str(len(believed))], more))
        return ",".join(sorted(set(codes)))

    def about_batch(self, name: str, mti: str, fields: Fields, more: dict[str, str]) -> str:
        """One message about a batch -> the flags of its answer, or its code."""
        terminal = self.terminal_of(name)
        self.stan += 1
        stan, sealed = more.get("stan", f"{self.stan:06d}"), {64: "00000000"} if "mac" in more else {}
        body = terminal._body(mti, {11: stan, **fields, **sealed})
        self.batch_messages.setdefault(name, []).append(body)
        return self.carried(name, spoiled(body) if more.get("mac") == "wrong" else body)

    def carried(self, name: str, body: bytes) -> str:
        """The bytes of a message about a batch to the acquirer, its answer back, read as a terminal reads it."""
        terminal, pipe, link = self.terminals[name]
        terminal.sent = decode(UNIONPAY, body)
        received = self.send(body, pipe, link)
        pipe.bodies.clear()
        answer = terminal.read(received)
        self.answers.append(answer)
        if 48 not in answer.fields:
            return answer.get(39)
        assert 39 not in answer.fields, "a 0510 has no response code"
        flags = "".join(half.reply for half in parse_totals(answer.get(48)))
        assert NOT_ANSWERED not in flags
        return flags

    def carried_unread(self, name: str, body: bytes) -> Message:
        """Bytes of a stranger on this line -> the answer, whatever it is."""
        _, pipe, link = self.terminals[name]
        answer = decode(UNIONPAY, self.send(body, pipe, link))
        pipe.bodies.clear()
        return answer

    # --- stories ---

    def act_unaudited(self, words: list[str]) -> str:
        more = dict(word.split("=", 1) for word in words if "=" in word and ":" not in word)
        bare = [word for word in words if "=" not in word or ":" in word]
        match bare:
            case [name, "settles"]:
                return self.settle(name, None, more)
            case [name, "settles" | "uploads", "again"]:
                return self.carried(name, self.batch_messages[name][-1])
            case [name, "settles", "as", *sums]:
                return self.settle(name, totals_said(sums), more)
            case [name, "uploads", "all"]:
                return self.upload_all(name, more.get("batch") or self.closed[name])
            case [name, "uploads", form, *said]:
                return self.upload(name, form, said, more)
            case ["forget", step]:
                self.gone.add(step)
                return "none"
            case ["reverse", step]:
                answer = super().act_unaudited(words)
                self.gone |= {step} if answer == "00" else set()
                return answer
        return super().act_unaudited(words)

    def look(self, name: str) -> str:
        if name == "claims":
            return str(len(self.claims()))
        parts = name.split(".")
        if len(parts) != 3:
            return super().look(name)
        terminal, number, what = parts
        batch: Batch | None = self.database.table(BATCHES).rows.get(f"T000000{terminal[1:]}/{number}")
        if batch is None:
            return "none"
        if what == "flags":
            return "".join(half.reply for half in parse_totals(batch.settled)) if batch.settled else "none"
        if what.endswith("_count"):
            return str(getattr(batch, what))
        return format_amount(getattr(batch, f"{what}_minor"))

    def claims(self) -> list[Request]:
        """What stands in the register because an upload said so."""
        rows = self.database.table(REQUESTS).rows.values()
        return [row for row in rows if row.trace_key.endswith("/0330")]

    def findings(self) -> list[tuple[str, str]]:
        """(trace key, reason) of each."""
        said = (decode_strict(entry.body) for entry in self.entries if entry.kind == "finding")
        return [(str(facts["trace_key"]), str(facts["reason"])) for facts in said]


def changes_in(word: str) -> tuple[str, dict[str, str]]:
    """T1/18:amount=1.00:card=C2 -> the step, and what is changed."""
    step, *changed = word.split(":")
    return step, dict(change.split("=", 1) for change in changed)


def totals_said(sums: list[str]) -> Totals:
    """`460.50/1 0.00/0 …` -> totals; what is not said is nothing."""
    numbers = [(0 if amount == "0.00" else parse_amount(amount), int(count)) for amount, count in map(pair_of, sums)]
    numbers += [(0, 0)] * (4 - len(numbers))
    return Totals(ClassTotals(*numbers[0], *numbers[1]), ClassTotals(*numbers[2], *numbers[3]))


def pair_of(word: str) -> tuple[str, str]:
    amount, _, count = word.partition("/")
    return amount, count
