"""Every kind of request that domain.md §1 has, by a terminal that knows nothing else; and the reversal of each."""

from collections.abc import Callable, Iterator

import pytest

from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.system.installation import Installation
from tests.system.till import Till, key_of

HOLD_MINOR = 500_00


class Desk:
    """A till of its own and a card that nobody has used."""

    def __init__(self, installation: Installation, till: Till) -> None:
        self.installation = installation
        self.till = till
        self.pan = installation.new_card()

    def placed(self, amount_minor: int = HOLD_MINOR) -> tuple[Message, Message]:
        """An approved pre-authorization."""
        return self.till.done(self.till.pre_auth(self.pan, amount_minor))

    def completed(self, hold: Message, amount_minor: int) -> tuple[Message, Message]:
        """An approved completion of it."""
        return self.till.done(self.till.complete(self.pan, amount_minor, hold.get(38), hold.get(13)))

    def completes(self, hold: Message, amount_minor: int) -> str:
        """The answer to a completion of it."""
        return self.till.code(self.till.complete(self.pan, amount_minor, hold.get(38), hold.get(13)))

    def voids(self, hold: Message, amount_minor: int = HOLD_MINOR) -> str:
        """The answer to a void of it."""
        return self.till.code(self.till.void(self.pan, amount_minor, hold.get(38), hold.get(13)))

    def row(self, request: Message) -> dict[str, object]:
        """The register's row."""
        row = self.installation.row(key_of(request))
        assert row is not None, f"{key_of(request)} is not registered"
        return row

    def is_spendable(self, amount_minor: int) -> bool:
        """Whether so much is available on the card; it is bought and taken back."""
        code = self.till.code(self.till.sell(self.pan, amount_minor))
        assert code in ("00", "51")
        if code == "00":
            assert self.till.sent is not None
            assert self.till.code(self.till.reverse(self.till.asked)) == "00"
        return code == "00"


@pytest.fixture
def desk(shared: Installation) -> Iterator[Desk]:
    """Everything fresh."""
    with Till.signed_on(shared) as till:
        yield Desk(shared, till)


def without_mac(message: Message) -> dict[int, str | bytes]:
    """What an answer says."""
    return {number: value for number, value in message.fields.items() if number != 64}


# --- holds --------------------------------------------------------------------------------------------------------


def test_an_increment_raises_the_hold(desk: Desk) -> None:
    _, hold = desk.placed()
    raised, answer = desk.till.done(desk.till.increment(desk.pan, 300_00, hold.get(38)))
    assert desk.voids(hold) == "64", "a void is for all of it"
    assert desk.completes(hold, 920_01) == "64"
    done, _ = desk.completed(answer, 920_00)
    assert (desk.row(raised)["kind"], desk.row(done)["pre_auth_amount"]) == ("increment", 800_00)


def test_an_order_by_telephone_is_a_hold_like_any(desk: Desk) -> None:
    ordered, hold = desk.till.done(desk.till.moto(desk.pan, HOLD_MINOR))
    assert desk.row(ordered)["kind"] == "moto-pre-authorization"
    desk.completed(hold, 100_00)
    _, other = desk.till.done(desk.till.moto(desk.pan, HOLD_MINOR))
    assert desk.voids(other) == "00"


def test_an_advice_is_told_until_it_is_answered_and_always_answered_alike(desk: Desk) -> None:
    _, hold = desk.placed()
    told, first = desk.till.done(desk.till.advise(desk.pan, 460_50, hold.get(38), hold.get(13)))
    again = desk.till.asks(desk.till.repeat(told))
    assert (again.mti, without_mac(again)) == ("0230", without_mac(first))
    assert (desk.row(told)["kind"], desk.row(told)["outcome"]) == ("completion-advice", "approved")
    assert desk.completes(hold, 1_00) == "22"
    assert desk.till.code(desk.till.void_completion(told, first)) == "12", "what was advised is only refunded"
    assert desk.till.code(desk.till.refund(told, first, 460_50)) == "00"


def test_an_advice_that_only_its_repeat_brings_is_registered(desk: Desk) -> None:
    _, hold = desk.placed()
    desk.till.advise(desk.pan, 460_50, hold.get(38), hold.get(13))
    told = desk.till.asked
    assert desk.till.code(desk.till.repeat(told)) == "00"
    assert desk.till.code(desk.till._body("0220", dict(told.fields))) == "00"
    assert [row["outcome"] for row in desk.installation.register("--trace-key", key_of(told))] == ["approved"]


def test_an_advice_of_an_unknown_hold_is_taken_and_found(desk: Desk) -> None:
    told, _ = desk.till.done(desk.till.advise(desk.pan, 460_50, "123456", "0101"))
    entries = desk.installation.register("--entries", "--terminal", desk.till.terminal_id)
    assert [entry["kind"] for entry in entries if entry["trace_key"] == key_of(told)].count("finding") == 1


def test_a_completion_is_voided_and_done_anew(desk: Desk) -> None:
    _, hold = desk.placed()
    done, answer = desk.completed(hold, 460_50)
    wrong = desk.till.asks(desk.till.void_completion(done, answer, de4="000000046049"))
    assert wrong.get(39) == "64", "a void is for all of it"
    voided, _ = desk.till.done(desk.till.void_completion(done, answer))
    assert (desk.row(voided)["kind"], desk.row(voided)["original"]) == (
        "completion-void",
        desk.row(done)["entry"],
    )
    assert desk.till.code(desk.till.void_completion(done, answer)) == "22"
    again, slip = desk.completed(hold, 300_00)
    desk.till.done(desk.till.void_completion(again, slip))
    assert desk.voids(hold) == "00"
    assert desk.is_spendable(10_000_00), "all of it is free again"


def test_another_terminal_completes_and_only_that_one_voids_it(desk: Desk) -> None:
    _, hold = desk.placed()
    with Till.signed_on(desk.installation) as bar:
        done, answer = bar.done(bar.complete(desk.pan, HOLD_MINOR, hold.get(38), hold.get(13)))
        assert desk.till.code(desk.till.void_completion(done, answer)) == "25"
        bar.done(bar.void_completion(done, answer))


# --- sales and refunds --------------------------------------------------------------------------------------------


def test_a_sale_is_voided_once(desk: Desk) -> None:
    sold, _ = desk.till.done(desk.till.sell(desk.pan, 80_00))
    assert desk.till.code(desk.till.void_sale(sold, de4="000000007999")) == "64"
    voided, _ = desk.till.done(desk.till.void_sale(sold))
    assert (desk.row(voided)["kind"], desk.row(voided)["original"]) == ("sale-void", desk.row(sold)["entry"])
    assert desk.till.code(desk.till.void_sale(sold)) == "22"


def test_refunds_in_parts_up_to_the_rest(desk: Desk) -> None:
    _, hold = desk.placed()
    done, answer = desk.completed(hold, 460_50)
    first, _ = desk.till.done(desk.till.refund(done, answer, 60_50))
    desk.till.done(desk.till.refund(done, answer, 300_00))
    assert desk.till.code(desk.till.refund(done, answer, 100_01)) == "64"
    desk.till.done(desk.till.refund(done, answer, 100_00))
    assert desk.till.code(desk.till.refund(done, answer, 1)) == "64"
    assert desk.till.code(desk.till.repeat(first)) == "00"
    assert desk.is_spendable(10_000_00), "each part was given back, and once"
    assert desk.completes(hold, 1_00) == "22", "a refund never re-opens a hold"


def test_a_refund_of_what_another_terminal_posted(desk: Desk) -> None:
    sold, answer = desk.till.done(desk.till.sell(desk.pan, 80_00))
    with Till.signed_on(desk.installation) as bar:
        assert bar.code(bar.refund(sold, answer, 30_00)) == "00"
        assert bar.code(bar.refund(sold, answer, 30_00, de2=desk.installation.new_card())) == "25"


# --- the reversal of each kind ------------------------------------------------------------------------------------


def reverses(desk: Desk, asked: Message) -> None:
    """00, and again; the row says so, and the request itself is not answered anew."""
    assert desk.till.code(desk.till.reverse(asked)) == "00"
    assert desk.till.code(desk.till.reverse(asked)) == "00"
    assert desk.row(asked)["outcome"] == "reversed"
    reversal = desk.till.asked
    assert desk.row(reversal)["original"] == desk.row(asked)["entry"]


def of_pre_auth(desk: Desk) -> None:
    asked, hold = desk.placed(9_000_00)
    assert not desk.is_spendable(9_000_00)
    reverses(desk, asked)
    assert desk.is_spendable(9_000_00)
    assert desk.completes(hold, 1_00) == "22"


def of_moto(desk: Desk) -> None:
    asked, _ = desk.till.done(desk.till.moto(desk.pan, 9_000_00))
    reverses(desk, asked)
    assert desk.is_spendable(9_000_00)


def of_increment(desk: Desk) -> None:
    _, hold = desk.placed()
    asked, _ = desk.till.done(desk.till.increment(desk.pan, 300_00, hold.get(38)))
    reverses(desk, asked)
    assert desk.completes(hold, 575_01) == "64"
    assert desk.completes(hold, 575_00) == "00"


def of_void(desk: Desk) -> None:
    _, hold = desk.placed()
    asked, _ = desk.till.done(desk.till.void(desk.pan, HOLD_MINOR, hold.get(38), hold.get(13)))
    reverses(desk, asked)
    assert desk.completes(hold, 460_50) == "00"


def of_completion(desk: Desk) -> None:
    placing, hold = desk.placed()
    asked, _ = desk.completed(hold, 460_50)
    assert desk.till.code(desk.till.reverse(placing)) == "22", "what has been built upon stands"
    reverses(desk, asked)
    assert desk.completes(hold, 200_00) == "00"


def of_completion_void(desk: Desk) -> None:
    _, hold = desk.placed()
    done, answer = desk.completed(hold, 460_50)
    asked, _ = desk.till.done(desk.till.void_completion(done, answer))
    reverses(desk, asked)
    assert desk.completes(hold, 460_50) == "22", "the completion stands again"
    desk.till.done(desk.till.void_completion(done, answer))


def of_sale(desk: Desk) -> None:
    asked, answer = desk.till.done(desk.till.sell(desk.pan, 9_000_00))
    assert not desk.is_spendable(9_000_00)
    reverses(desk, asked)
    assert desk.is_spendable(9_000_00)
    assert desk.till.code(desk.till.refund(asked, answer, 1_00)) in ("22", "25")


def of_sale_void(desk: Desk) -> None:
    sold, answer = desk.till.done(desk.till.sell(desk.pan, 80_00))
    asked, _ = desk.till.done(desk.till.void_sale(sold))
    reverses(desk, asked)
    desk.till.done(desk.till.refund(sold, answer, 80_00))


REVERSED = (of_pre_auth, of_moto, of_increment, of_void, of_completion, of_completion_void, of_sale, of_sale_void)


@pytest.mark.parametrize("story", REVERSED, ids=lambda story: story.__name__)
def test_the_reversal(desk: Desk, story: Callable[[Desk], None]) -> None:
    story(desk)


def test_an_advice_and_a_refund_are_never_reversed(desk: Desk) -> None:
    _, hold = desk.placed()
    told, answer = desk.till.done(desk.till.advise(desk.pan, 460_50, hold.get(38), hold.get(13)))
    assert desk.till.code(desk.till.reverse(told)) == "22"
    refunded, _ = desk.till.done(desk.till.refund(told, answer, 60_50))
    assert desk.till.code(desk.till.reverse(refunded)) == "22"
    assert [desk.row(each)["outcome"] for each in (told, refunded)] == ["approved", "approved"]


@pytest.mark.parametrize("kind", ["pre_auth", "moto", "sell"])
def test_a_request_that_its_reversal_overtakes_is_declined_for_ever(desk: Desk, kind: str) -> None:
    overtaken = getattr(desk.till, kind)(desk.pan, 9_000_00)
    asked = desk.till.asked
    assert desk.till.code(desk.till.reverse(asked)) == "00"
    assert decode(UNIONPAY, desk.till.line.ask(overtaken)).get(39) == "12"
    row = desk.row(asked)
    assert (row["outcome"], row["reason"]) == ("declined", "its reversal came first")
    assert desk.is_spendable(9_000_00)
