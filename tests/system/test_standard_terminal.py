"""A terminal that knows nothing of Holdfast: plain UnionPay messages over TCP, against everything that runs.

Here the usual life of a hold; the other kinds, cards, sessions and batches have modules of their own beside this one.
"""

import pytest

from holdfast.ids import luhn_valid
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.system.installation import Installation
from tests.system.till import Till, key_of, sample_pan

HOLD_MINOR = 500_00


def placed(till: Till, pan: str, amount_minor: int = HOLD_MINOR) -> Message:
    """An approved pre-authorization."""
    answer = till.asks(till.pre_auth(pan, amount_minor))
    assert answer.get(39) == "00"
    return answer


# --- the usual life of a hold -------------------------------------------------------------------------------------


def test_pre_auth_keyed_and_completed_for_less(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        assert hold.get(64), "an answer to a request with a MAC bears one"
        assert (len(hold.get(37)), len(hold.get(38)), len(hold.get(13))) == (12, 6, 4)
        done = till.asks(till.complete(pan, 460_50, hold.get(38), hold.get(13)))
        assert (done.get(39), done.get(38)) == ("00", hold.get(38))
    row = shared.row(key_of(till.asked))
    assert row is not None
    assert (row["kind"], row["outcome"], row["amount"], row["pre_auth_amount"]) == (
        "completion",
        "approved",
        460_50,
        HOLD_MINOR,
    )


def test_void_and_then_nothing_is_left_to_complete(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        assert till.code(till.void(pan, HOLD_MINOR - 1, hold.get(38), hold.get(13))) == "64"
        assert till.code(till.void(pan, HOLD_MINOR, hold.get(38), hold.get(13))) == "00"
        assert till.code(till.complete(pan, 100_00, hold.get(38), hold.get(13))) == "22"
        assert till.code(till.void(pan, HOLD_MINOR, hold.get(38), hold.get(13))) == "22"


def test_another_terminal_of_the_merchant_completes(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as desk, Till.signed_on(shared) as bar:
        hold = placed(desk, pan)
        padded = hold.get(38).lstrip("0").rjust(6)
        assert bar.code(bar.complete(pan, HOLD_MINOR, padded.strip(), hold.get(13))) == "00"


def test_above_the_ceiling_is_64_and_the_ceiling_itself_is_not(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        assert till.code(till.complete(pan, 575_01, hold.get(38), hold.get(13))) == "64"
        assert till.code(till.complete(pan, 575_00, hold.get(38), hold.get(13))) == "00"
        assert till.code(till.complete(pan, 575_00, hold.get(38), hold.get(13))) == "22"


def test_nothing_matches_is_25_and_the_register_says_why(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        other_day = "0102" if hold.get(13) != "0102" else "0103"
        assert till.code(till.complete(pan, 100_00, hold.get(38), other_day)) == "25"
        row = shared.row(key_of(till.asked))
        assert row is not None
        assert "date" in row["reason"]
        wrong_code = "999999" if hold.get(38) != "999999" else "999998"
        assert till.code(till.complete(pan, 100_00, wrong_code, hold.get(13))) == "25"
        assert till.code(till.complete(shared.new_card(), 100_00, hold.get(38), hold.get(13))) == "25"


# --- asked twice --------------------------------------------------------------------------------------------------


def test_the_same_question_gets_the_same_answer_and_another_is_94(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        first = till.line.ask(till.pre_auth(pan, HOLD_MINOR))
        asked = till.asked
        assert till.line.ask(till._body("0100", dict(asked.fields))) == first
        assert till.line.ask(till.repeat(asked)) == first
        assert till.code(till._body("0100", {**asked.fields, 4: f"{HOLD_MINOR + 1:012d}"})) == "94"
    assert [row["outcome"] for row in shared.register("--trace-key", key_of(asked))] == ["approved"]


def test_a_repeat_of_what_was_never_seen_is_declined_for_ever(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        till.pre_auth(pan, HOLD_MINOR)
        asked = till.asked
        assert till.code(till.repeat(asked)) == "25"
        assert till.code(till._body("0100", dict(asked.fields))) == "25"


# --- reversals ----------------------------------------------------------------------------------------------------


def test_a_reversal_frees_the_money_and_may_be_repeated(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        placed(till, pan, 9_000_00)
        hold = till.asked
        assert till.code(till.pre_auth(pan, 9_000_00)) == "51"
        assert till.code(till.reverse(hold)) == "00"
        assert till.code(till.reverse(hold)) == "00"
        placed(till, pan, 9_000_00)
    row = shared.row(key_of(hold))
    assert row is not None
    assert row["outcome"] == "reversed"


def test_a_reversal_on_the_heels_of_its_request(shared: Installation) -> None:
    """Both in one segment: whatever the issuer is doing by then, nothing stays in force."""
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        request = till.pre_auth(pan, 9_000_00)
        hold = till.asked
        till.line.send(request)
        till.line.send(till.reverse(hold))
        codes = {answer.mti: answer.get(39) for answer in (decode(UNIONPAY, till.line.read()),)}
        if "0110" in codes:
            codes["0410"] = decode(UNIONPAY, till.line.read()).get(39)
        assert codes["0410"] == "00"
        placed(till, pan, 9_000_00)


# --- refused ------------------------------------------------------------------------------------------------------


def unknown_bin() -> str:
    """A card of nobody in our tables."""
    return next(number for digit in "0123456789" if luhn_valid(number := f"621000000000001{digit}"))


@pytest.mark.parametrize(
    ("pan", "amount_minor", "more", "code"),
    [
        (sample_pan("alice"), 0, {}, "13"),
        (sample_pan("alice")[:-1] + str(9 - int(sample_pan("alice")[-1])), 100_00, {}, "14"),
        (unknown_bin(), 100_00, {}, "15"),
        (sample_pan("lost"), 100_00, {}, "41"),
        (sample_pan("stolen"), 100_00, {}, "43"),
        (sample_pan("poor"), 100_01, {}, "51"),
        (sample_pan("alice"), 10_000_01, {}, "51"),
        (sample_pan("expired"), 100_00, {"de14": "2401"}, "54"),
        (sample_pan("alice"), 100_00, {"de49": "840"}, "30"),
        (sample_pan("alice"), 100_00, {"de3": "310000"}, "30"),
    ],
)
def test_what_cannot_be_approved_says_why(
    shared: Installation, pan: str, amount_minor: int, more: dict[str, str], code: str
) -> None:
    with Till.signed_on(shared) as till:
        assert till.code(till.pre_auth(pan, amount_minor, **more)) == code
