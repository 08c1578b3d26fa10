"""Settlement totals equal the register's to the cent over 10,000 random transactions; what is spoiled is found."""

from collections import Counter
from random import Random
from typing import NamedTuple

from holdfast.clock import DAY_US, SECOND_US
from holdfast.domain.commands import BUSINESS_KINDS, COMPLETION_ADVICE, SALE, Silence
from holdfast.domain.records import BATCHES, REQUESTS
from holdfast.domain.tables import DUE
from holdfast.parties.step import Command, Received
from holdfast.register.canonical import decode_strict
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    DETAILS_MAX,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_details,
    pack_end,
    pack_totals,
    parse_totals,
)
from tests.parties.acquirer_audit import assert_gapless, assert_rebuilt, assert_totals, assert_versions, book_of
from tests.parties.acquirer_desk import DeskTerminal
from tests.parties.tills import CARDS, STAN_LAST, Slip, Till, sums_of
from tests.runtime.acquirer_bench import ISSUER, TMK, AcquirerBench, Pipe
from tests.standard_terminal import Fields

TRANSACTIONS = 10_000
TILLS = 8
HOTELS = ("102100070110001", "102100070110002")
NOT_NAMED, ABSENT = "it counts in the register, and the terminal does not name it", "the register has no such record"
A_ROUND_US = 20 * SECOND_US
"""Long enough for the night to fall: some batches are open at the cut-over."""


class Spoiled(NamedTuple):
    """What a till says instead of what it believes, and the finding that must come of it."""

    said: dict[str, Slip]
    key: str
    reason: str


class Town(AcquirerBench):
    """Tills of two hotels, domestic and foreign cards, and an issuer in many moods."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = Random(seed)
        self.judge = self.moody
        self.codes = 100_000
        self.settled: Counter[str] = Counter()
        self._import()
        self.tills: list[tuple[Till, Pipe, int]] = [self._till(number) for number in range(1, TILLS + 1)]

    def _import(self) -> None:
        terminals = [
            {"terminal_id": f"T000000{number}", "merchant_id": HOTELS[number % 2], "tmk": TMK.hex()}
            for number in range(1, TILLS + 1)
        ]
        bins = [
            {"prefix": prefix, "issuer_id": ISSUER, "scheme": scheme, "kind": "credit"}
            for prefix, scheme in (("400000", "VIS"), ("555555", "MCC"))
        ]
        rows = {"terminals": terminals, "bins": bins}
        self.engine.offer(Command(self.links.add_caller(lambda told: None), "import", rows, "admin"))
        self.turn()

    def _till(self, number: int) -> tuple[Till, Pipe, int]:
        terminal, pipe = DeskTerminal(f"T000000{number}", HOTELS[number % 2], TMK), Pipe(UNIONPAY)
        link = self.links.add(pipe)
        assert terminal.take_keys(self.send(terminal.sign_on(), pipe, link)) == "00"
        # Half of them are about to come to the end of their trace numbers.
        terminal.stan = STAN_LAST - 400 * number if number % 2 else 0
        return Till(terminal, Random(self.dice.random())), pipe, link

    # --- the issuer ---

    def moody(self, message: Message) -> tuple[str, str] | None:
        """Mostly it approves; it declines, is silent, approves a part, and uses other codes for a yes."""
        if message.mti[:2] == "04":
            return None if self.dice.random() < 0.1 else ("00", "")
        moods = ("00", "11", "A2", "51", "10", "98", "")
        code = self.dice.choices(moods, (84, 4, 2, 5, 1, 1, 3))[0]
        if message.get(25) == "06" and message.mti[:3] == "022":
            code = "05" if code in ("51", "10") else code
        if not code:
            return None
        self.codes += 1
        return code, (message.get(38) if message.mti != "0100" else "") or str(self.codes)

    # --- a day ---

    def round(self, claim: bool) -> int:
        """Every till asks for something, at once; -> how many requests were new."""
        self.now_us += A_ROUND_US
        fresh = 0
        for till, pipe, link in self.tills:
            pipe.bodies.clear()
            fresh += till.asking is None
            self.engine.offer(Received(link, "", decode(UNIONPAY, till.next_body())))
        self.turn(claim)
        for till, pipe, _ in self.tills:
            till.hear(pipe.bodies)
        return fresh

    def settle(self, at: int, spoil: bool = False) -> None:
        """One till that waits for nothing settles; where it says something wrong, its upload brings that to light."""
        till = self.tills[at][0]
        batch = till.terminal.batch
        honest = till.records.get(batch, {})
        spoiled = self.spoiled(till, honest) if spoil and honest else None
        said = spoiled.said if spoiled else honest
        answer = self.about_batch(at, "0500", {48: pack_totals(totals_of(said)), 49: "156", 60: f"00{batch}201"})
        ours = parse_totals(answer.get(48))
        assert [half[:4] for half in ours] == [half[:4] for half in totals_of(honest)]
        flags = "".join(half.reply for half in ours)
        self.settled[flags] += 1
        assert (flags == "11") is (spoiled is None)
        till.terminal.batch = f"{int(batch) + 1:06d}"
        if spoiled is not None:
            entries = len(self.database.logs["A"].entries)
            self.upload(at, said, batch)
            assert self.findings_since(entries) == [(f"T000000{at + 1}/{batch}/{spoiled.key}", spoiled.reason)]

    def spoiled(self, till: Till, honest: dict[str, Slip]) -> Spoiled:
        """A record that the till has lost, that the register never had, or that the till has otherwise."""
        stan = self.dice.choice(sorted(honest))
        slip = honest[stan]
        match self.dice.randrange(4):
            case 0:
                rest = {key: slip for key, slip in honest.items() if key != stan}
                return Spoiled(rest, f"{stan}/{slip.kind.mti}", NOT_NAMED)
            case 1:
                said = honest | {stan: slip._replace(amount_minor=slip.amount_minor + 1)}
                amounts = f"{said[stan].amount_minor / 100:.2f} in the upload and {slip.amount_minor / 100:.2f}"
                return Spoiled(said, f"{stan}/{slip.kind.mti}", f"the amount is {amounts} in the register")
            case 2:
                kind = COMPLETION_ADVICE
            case _:
                kind = SALE
        till.terminal.stan = till.terminal.stan % STAN_LAST + 1
        never = f"{till.terminal.stan:06d}"
        made_up = slip._replace(kind=kind, key=(slip.key[0], never), pan=self.dice.choice(CARDS), amount_minor=1)
        return Spoiled(honest | {never: made_up}, f"{never}/0330", ABSENT)

    def upload(self, at: int, said: dict[str, Slip], batch: str) -> None:
        """The whole batch: blocks, then what goes one by one, then the end."""
        alone = {stan: slip for stan, slip in said.items() if slip.chip or slip.kind.silence is Silence.REPEATED}
        plain = [detail_of(slip) for stan, slip in said.items() if stan not in alone]
        for begin in range(0, len(plain), DETAILS_MAX):
            self.about_batch(at, "0320", {48: pack_details(plain[begin : begin + DETAILS_MAX]), 60: f"00{batch}201"})
        for stan, slip in alone.items():
            form = "201" if slip.kind.silence is Silence.REPEATED else "205"
            fields: Fields = {2: slip.pan, 4: f"{slip.amount_minor:012d}", 11: stan}
            self.about_batch(at, "0320", fields | {49: "156", 60: f"{slip.kind.message_type}{batch}{form}"})
        self.about_batch(at, "0320", {48: pack_end(len(said)), 60: f"00{batch}202"})

    def about_batch(self, at: int, mti: str, fields: Fields) -> Message:
        """One message about a batch -> its answer."""
        till, pipe, link = self.tills[at]
        till.terminal.stan = till.terminal.stan % STAN_LAST + 1
        numbered: Fields = {11: f"{till.terminal.stan:06d}", **fields}
        body = till.terminal._body(mti, numbered)
        answer = till.terminal.read(self.send(body, pipe, link))
        assert answer.get(39) in ("", "00")
        return answer

    def findings_since(self, entries: int) -> list[tuple[str, str]]:
        """What uploads have found since then."""
        new = self.database.logs["A"].entries[entries:]
        said = (decode_strict(entry.body) for entry in new if entry.kind == "finding")
        found = [(str(facts["trace_key"]), str(facts["reason"]).partition("batch upload: ")[2]) for facts in said]
        return [each for each in found if each[1]]

    def quiet(self) -> None:
        """Nobody asks for anything new; what is open ends."""
        self.judge = lambda message: ("00", message.get(38))
        for _ in range(40):
            self.now_us += A_ROUND_US
            for till, pipe, link in self.tills:
                pipe.bodies.clear()
                if till.asking is None and till.untold:
                    till.asking = till.untold.pop(0)
                if till.asking is not None:
                    self.engine.offer(Received(link, "", decode(UNIONPAY, till.next_body())))
            self.turn(claim=True)
            for till, pipe, _ in self.tills:
                if till.asking is not None:
                    till.hear(pipe.bodies)
        self.later(2 * DAY_US / (60 * SECOND_US))
        self.later(1)


def totals_of(said: dict[str, Slip]) -> Totals:
    sums = sums_of(said)
    return Totals(*(ClassTotals(sums[at], sums[at + 1], sums[at + 2], sums[at + 3]) for at in (0, 4)))


def detail_of(slip: Slip) -> Detail:
    card_class = CardClass.FOREIGN if slip.foreign else CardClass.DOMESTIC
    return Detail(card_class, slip.key[1], slip.pan, slip.amount_minor)


def test_ten_thousand_transactions_settle_to_the_cent() -> None:
    """Every settlement balances; where a till was made to say otherwise, its upload finds that record and no other."""
    town = Town(3)
    asked = 0
    while asked < TRANSACTIONS:
        for _ in range(24):
            asked += town.round(claim=town.dice.random() < 0.5)
        for at, (till, _, _) in enumerate(town.tills):
            if till.asking is None and town.dice.random() < 0.6:
                town.settle(at, spoil=town.dice.random() < 0.15)
    town.quiet()
    for at, (till, _, _) in enumerate(town.tills):
        assert (till.asking, till.untold) == (None, [])
        town.settle(at)
    rows = town.database.table(BATCHES).rows
    for till, _, _ in town.tills:
        for batch in till.records:
            row = rows[f"{till.terminal.terminal_id}/{batch}"]
            assert list(row[2:10]) == sums_of(till.records[batch]), row.batch_id
    assert_gapless(town.database)
    book = book_of(town.database)
    assert_rebuilt(town.database, book)
    assert_versions(book)
    assert_totals(town.database)
    # A hold whose completion was voided may still leave something, as long as it stands.
    assert not [due.key for due in town.rows(DUE) if not due.key.startswith(("expire:", "release:"))]
    assert_all_of_it_happened(town)


def assert_all_of_it_happened(town: Town) -> None:
    """A run in which something never occurs proves nothing about it."""
    done: Counter[str] = sum((till.done for till, _, _ in town.tills), Counter())
    for kind in BUSINESS_KINDS:
        assert done[f"{kind.name} 00"] > 100, kind.name
        if not kind.advice:
            assert done[f"{kind.name} 51"] > 5, kind.name
        if kind.silence is Silence.REVERSED:
            assert done[f"{kind.name} reversed"] > 10, kind.name
    assert town.settled["11"] > 100
    assert town.settled["21"] > 5 < town.settled["12"]
    batches = [sorted(records) for till, _, _ in town.tills for records in till.records.values()]
    assert any(stans[0] < "000400" and stans[-1] > "999600" for stans in batches if stans), "trace numbers wrap"
    days = {row.business_date for row in town.rows(REQUESTS)}
    assert len(days) > 1, "a day ends"
