"""The end of a standard terminal's day: it settles, and where the totals differ it uploads all that it believes.

What the register lacks is claimed and found, whoever asks for it; and no upload moves money.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from holdfast.edges import sample
from holdfast.sim.chip_card import ChipCard
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    BALANCED,
    FIELD,
    NOT_BALANCED,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    parse_totals,
)
from tests.system.installation import Installation
from tests.system.test_standard_cards import asked_by, chip_of, read_by
from tests.system.till import Till, key_of, sample_pan

BLOCK, CHIP, CHIP_BALANCED, CHIP_REFUSED, CHIP_REFUSED_BALANCED = "201", "205", "203", "206", "204"
END, END_BALANCED = "202", "207"
"""60.3 of an upload."""

FIRST_BATCH, SECOND_BATCH = "000001", "000002"
CREDIT = frozenset({"21", "23", "25"})
LOST_STAN, LOST_MINOR = "777777", 66_66


class Day:
    """What a terminal did and believes; its totals are its own sum."""

    def __init__(self, installation: Installation, till: Till) -> None:
        self.installation = installation
        self.till = till
        self.pan = installation.new_card()
        self.counts: list[Message] = []
        self.foreign: list[Message] = []

    def does(self, body: bytes, foreign: bool = False) -> tuple[Message, Message]:
        """An approved request that counts."""
        asked, answer = self.till.done(body)
        (self.foreign if foreign else self.counts).append(asked)
        return asked, answer

    def totals(self) -> Totals:
        """For DE48."""
        return Totals(totals_of(self.counts), totals_of(self.foreign))

    def settles(self, totals: Totals) -> Totals:
        """0500, and what the acquirer says of it."""
        answer = self.till.asks(self.till.settle(totals))
        assert (answer.mti, 39 in answer.fields, 64 in answer.fields) == ("0510", False, False)
        self.till.batch = f"{int(self.till.batch) + 1:06d}"
        return parse_totals(answer.get(FIELD))

    def batches(self) -> list[dict[str, Any]]:
        """`register batches` of this terminal."""
        return self.installation.run("register", "batches", "--terminal", self.till.terminal_id, "--json").rows

    def claim(self) -> dict[str, Any]:
        """The only row of this terminal that stands in the register because an upload said so."""
        rows = self.installation.register("--terminal", self.till.terminal_id)
        (claim,) = [row for row in rows if row["outcome"] == "claimed"]
        return claim

    def findings(self) -> list[dict[str, Any]]:
        """Those about this terminal, the oldest first."""
        entries = self.installation.register("--entries", "--terminal", self.till.terminal_id, "--kind", "finding")
        return entries[::-1]

    def findings_in_all(self) -> int:
        """As `status` counts them."""
        return int(self.installation.run("status", "--json").json["findings"])


def totals_of(requests: list[Message]) -> ClassTotals:
    """Debits and credits."""
    credit = [int(each.get(4)) for each in requests if each.get(60)[:2] in CREDIT]
    debit = [int(each.get(4)) for each in requests if each.get(60)[:2] not in CREDIT]
    return ClassTotals(sum(debit), len(debit), sum(credit), len(credit))


def detail_of(request: Message, card_class: CardClass = CardClass.DOMESTIC) -> Detail:
    """A record of a block."""
    return Detail(card_class, request.get(11), request.get(2), int(request.get(4)))


@pytest.fixture
def day(shared: Installation) -> Iterator[Day]:
    """Of a terminal that nobody has used."""
    with Till.signed_on(shared) as till:
        yield Day(shared, till)


class Whole(NamedTuple):
    """A batch with something of every form that is uploaded."""

    plain: list[Message]
    chip: Message
    foreign: Message
    told: list[Message]
    refused_chip: Message


def whole_day(day: Day) -> Whole:
    """Sale, completion and its void, sale void, a chip's sale, a foreign sale, an advice, a refund; and what counts
    nowhere: holds, a balance, what was declined.
    """
    till, pan = day.till, day.pan
    sold, slip = day.does(till.sell(pan, 100_00))
    again, _ = day.does(till.sell(pan, 30_00))
    voided, _ = day.does(till.void_sale(again))
    _, hold = till.done(till.pre_auth(pan, 500_00))
    done, answer = day.does(till.complete(pan, 460_50, hold.get(38), hold.get(13)))
    undone, _ = day.does(till.void_completion(done, answer))
    chip, _ = day.does(by_chip(day, 12_34))
    foreign, _ = day.does(till.sell(sample_pan("victor"), 20_00), foreign=True)
    told, _ = day.does(till.advise(pan, 300_00, hold.get(38), hold.get(13)))
    refunded, _ = day.does(till.refund(sold, slip, 25_00))
    till.done(till.ask_balance(pan))
    assert till.code(till.sell(pan, 99_999_00)) == "51"
    refused_chip = till.asked
    return Whole([sold, again, voided, done, undone], chip, foreign, [told, refunded], refused_chip)


def by_chip(day: Day, amount_minor: int) -> bytes:
    """A sale by chip."""
    card: ChipCard = chip_of(day.pan, sample.DEBIT_BANK)
    read = read_by(card, asked_by(card, amount_minor, "00"))
    return day.till.sell(day.pan, amount_minor, **read)


# --- settlement ---------------------------------------------------------------------------------------------------


def test_a_batch_that_balances_uploads_its_chips_and_the_next_one_opens(day: Day) -> None:
    whole, till = whole_day(day), day.till
    host = day.settles(day.totals())
    assert (host.domestic.reply, host.foreign.reply) == (BALANCED, BALANCED)
    assert host.domestic[:4] == (902_84, 5, 515_50, 3)
    assert host.foreign[:4] == (20_00, 1, 0, 0)
    assert till.code(till.upload_alone(FIRST_BATCH, whole.chip, CHIP_BALANCED)) == "00"
    assert till.code(till.upload_alone(FIRST_BATCH, whole.refused_chip, CHIP_REFUSED_BALANCED)) == "00"
    assert till.code(till.upload_end(FIRST_BATCH, 1, END_BALANCED)) == "00"
    assert day.findings() == []
    later, _ = till.done(till.sell(day.pan, 1_00))
    assert key_of(later).split("/")[1] == SECOND_BATCH
    first, second = day.batches()
    assert (first["batch"], first["state"], first["carried_over"]) == (
        f"{till.terminal_id}/{FIRST_BATCH}",
        "balanced",
        None,
    )
    assert first["ours"] == first["told"] | {}
    assert (second["state"], second["ours"]["domestic"]["debit_count"]) == ("open", 1)


def test_a_request_of_the_batch_before_is_77_and_a_sign_on_says_which_is_open(day: Day) -> None:
    day.settles(day.totals())
    day.till.batch = FIRST_BATCH
    assert day.till.code(day.till.sell(day.pan, 1_00)) == "77"
    assert day.till.signs_on() == "00"
    assert day.till.batch == SECOND_BATCH


def test_a_settlement_asked_twice_is_answered_once_and_alike(day: Day) -> None:
    day.does(day.till.sell(day.pan, 1_00))
    body = day.till.settle(day.totals())
    first = day.till.line.ask(body)
    assert day.till.line.ask(body) == first
    other = day.till._body("0500", {**day.till.asked.fields, FIELD: "0" * 62})
    assert day.till.line.ask(other) != first
    assert [row["state"] for row in day.batches()] == ["balanced"]


def test_what_is_told_and_reversed_after_the_settlement_is_carried_over(day: Day) -> None:
    till = day.till
    _, hold = till.done(till.pre_auth(day.pan, 500_00))
    sold, _ = day.does(till.sell(day.pan, 100_00))
    till.advise(day.pan, 460_50, hold.get(38), hold.get(13))
    unsent = till.asked
    day.settles(day.totals())
    assert till.code(till.repeat(unsent)) == "00", "an advice of the batch before is taken"
    assert till.code(till.reverse(sold)) == "00", "and so is a reversal"
    (batch,) = [row for row in day.batches() if row["batch"].endswith(FIRST_BATCH)]
    assert batch["state"] == "balanced"
    assert batch["ours"]["domestic"]["debit_amount"] == 460_50
    assert batch["settled_as"]["domestic"]["debit_amount"] == 100_00
    assert batch["carried_over"]["domestic"]["debit_amount"] == 360_50


# --- upload -------------------------------------------------------------------------------------------------------


def uploads_all(day: Day, whole: Whole, *more: Detail, sent_n: int) -> None:
    """Blocks, chips, advices and refunds, chips that refused, the end; each is taken."""
    till = day.till
    details = [*map(detail_of, whole.plain), detail_of(whole.foreign, CardClass.FOREIGN), *more]
    bodies = [
        till.upload_block(FIRST_BATCH, *details),
        till.upload_alone(FIRST_BATCH, whole.chip, CHIP),
        *(till.upload_alone(FIRST_BATCH, each, BLOCK) for each in whole.told),
        till.upload_alone(FIRST_BATCH, whole.refused_chip, CHIP_REFUSED),
        till.upload_end(FIRST_BATCH, sent_n, END),
    ]
    for body in bodies:
        answer = till.line.ask(body)
        assert till.line.ask(body) == answer, "the same record again is the same answer"


def test_an_upload_of_all_that_the_register_has_finds_nothing(day: Day) -> None:
    whole = whole_day(day)
    host = day.settles(Totals(ClassTotals(), ClassTotals()))
    assert (host.domestic.reply, host.foreign.reply) == (NOT_BALANCED, NOT_BALANCED)
    assert (host.domestic[:4], host.foreign[:4]) == (day.totals().domestic[:4], day.totals().foreign[:4])
    uploads_all(day, whole, sent_n=9)
    assert day.findings() == []
    (batch,) = day.batches()
    assert (batch["state"], len(batch["uploaded"])) == ("not balanced", 9)


def test_a_record_that_the_register_lacks_is_claimed_found_and_moves_nothing(day: Day) -> None:
    whole, before = whole_day(day), day.findings_in_all()
    totals = day.totals()
    more = totals.domestic._replace(
        debit_amount_minor=totals.domestic.debit_amount_minor + LOST_MINOR, debit_count=totals.domestic.debit_count + 1
    )
    host = day.settles(totals._replace(domestic=more))
    assert (host.domestic.reply, host.foreign.reply) == (NOT_BALANCED, BALANCED)
    lost = Detail(CardClass.DOMESTIC, LOST_STAN, day.pan, LOST_MINOR)
    uploads_all(day, whole, lost, sent_n=10)
    claims = [
        row for row in day.installation.register("--terminal", day.till.terminal_id) if row["outcome"] == "claimed"
    ]
    (claim,) = claims
    assert (claim["kind"], claim["amount"], claim["card"]) == (
        "claim",
        LOST_MINOR,
        f"{day.pan[:6]}******{day.pan[-4:]}",
    )
    (found,) = day.findings()
    assert found["trace_key"] == claim["trace_key"]
    assert "the register has no such record" in found["reason"]
    assert day.findings_in_all() == before + 1
    (batch,) = day.batches()
    assert (batch["state"], batch["carried_over"]) == ("not balanced", None)
    assert LOST_STAN in batch["uploaded"]


def test_another_amount_another_card_and_what_is_not_named_are_found(day: Day) -> None:
    amount, card, left_out = (day.does(day.till.sell(day.pan, minor))[0] for minor in (10_00, 20_00, 30_00))
    day.settles(Totals(ClassTotals(61_00, 3), ClassTotals()))
    wrong_amount = detail_of(amount)._replace(amount_minor=11_00)
    wrong_card = detail_of(card)._replace(pan=day.installation.new_card())
    assert day.till.code(day.till.upload_block(FIRST_BATCH, wrong_amount, wrong_card)) == "00"
    assert day.till.code(day.till.upload_end(FIRST_BATCH, 2, END)) == "00"
    said = {finding["trace_key"]: finding["reason"] for finding in day.findings()}
    assert said.keys() == {key_of(each) for each in (amount, card, left_out)}
    assert "11.00 in the upload and 10.00 in the register" in said[key_of(amount)]
    assert "the card is another one" in said[key_of(card)]
    assert "does not name it" in said[key_of(left_out)]


def test_an_advice_that_was_lost_is_claimed_with_its_code_and_may_still_arrive(day: Day) -> None:
    till = day.till
    _, hold = till.done(till.pre_auth(day.pan, 500_00))
    till.advise(day.pan, 460_50, hold.get(38), hold.get(13))
    lost = till.asked
    day.settles(Totals(ClassTotals(460_50, 1), ClassTotals()))
    assert till.code(till.upload_alone(FIRST_BATCH, lost, BLOCK)) == "00"
    assert till.code(till.upload_end(FIRST_BATCH, 1, END)) == "00"
    claim = day.claim()
    assert (claim["kind"], claim["authorization_code"]) == ("completion-advice", hold.get(38))
    assert till.code(till.repeat(lost)) == "00"
    row = day.installation.row(key_of(lost))
    assert row is not None
    assert (row["outcome"], row["completed_amount"]) == ("approved", 460_50)


def test_a_seal_on_what_needs_none_must_hold(day: Day) -> None:
    sold, _ = day.does(day.till.sell(day.pan, 1_00))
    day.till.upload_block(FIRST_BATCH, detail_of(sold))
    answer = day.till.asks(day.till._body("0320", {**day.till.asked.fields, 64: "00000000"}))
    assert (answer.get(39), 64 in answer.fields) == ("00", True)
    day.till.upload_block(FIRST_BATCH, detail_of(sold))
    right, day.till.mak = day.till.mak, bytes(8)
    body = day.till.line.ask(day.till._body("0320", {**day.till.asked.fields, 64: "00000000"}))
    day.till.mak = right
    assert day.till.read(body).get(39) == "A0"


def test_after_all_of_it_the_register_verifies(shared: Installation, day: Day) -> None:
    whole = whole_day(day)
    day.settles(Totals(ClassTotals(), ClassTotals()))
    uploads_all(day, whole, Detail(CardClass.DOMESTIC, LOST_STAN, day.pan, LOST_MINOR), sent_n=10)
    verified = shared.run("register", "verify", "--json").json
    assert (verified["ok"], verified["problems"]) == (True, [])
