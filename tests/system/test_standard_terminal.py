"""A terminal that knows nothing of Holdfast: plain UnionPay messages over TCP, against everything that runs."""

import pytest

from holdfast.edges import sample
from holdfast.ids import luhn_valid
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.system.installation import BOOKSHOP, HOTEL, Installation
from tests.system.till import Till

HOLD_MINOR = 500_00


def card(name: str) -> str:
    """The number of a sample card."""
    found = sample.card(name)
    assert found is not None
    return str(found["pan"])


def placed(till: Till, pan: str, amount_minor: int = HOLD_MINOR) -> Message:
    """An approved pre-authorization."""
    answer = till.asks(till.pre_auth(pan, amount_minor))
    assert answer.get(39) == "00"
    return answer


def key_of(message: Message | None) -> str:
    """The trace key of a request."""
    assert message is not None
    return f"{message.get(41)}/{message.get(60)[2:8]}/{message.get(11)}/{message.mti}"


# --- signing on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "key_bytes"), [("001", 24), ("003", 40), ("004", 60)])
def test_signs_on_with_keys_of_each_length(shared: Installation, network: str, key_bytes: int) -> None:
    with Till.of(shared) as till:
        body = till.line.ask(till.sign_on(network))
        answer = decode(UNIONPAY, body)
        assert (answer.mti, len(answer.get_bytes(62))) == ("0810", key_bytes)
        assert till.take_keys(body) == "00"
        assert answer.get(60) == f"00000001{network}"
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "00"


def test_keys_of_the_session_before_still_hold_for_what_was_under_way(shared: Installation) -> None:
    with Till.signed_on(shared) as till:
        under_way = till.pre_auth(shared.new_card(), HOLD_MINOR)
        asked, mak = till.sent, till.mak
        assert till.signs_on() == "00"
        body = till.line.ask(under_way)
        assert asked is not None
        assert till.mak != mak
        assert decode(UNIONPAY, body).get(39) == "00"


def test_a_terminal_that_never_signed_on_is_told_to(shared: Installation) -> None:
    with Till.of(shared) as till:
        till.mak = bytes(8)
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "77"


def test_an_unknown_terminal_is_97(shared: Installation) -> None:
    with Till.of(shared, "ZZ999999", tmk="00" * 16) as till:
        assert till.signs_on() == "97"
        till.mak = bytes(8)
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "97"


def test_echo(shared: Installation) -> None:
    with Till.of(shared) as till:
        body = till._body("0820", {11: "000001", 60: "00000000301"})
        assert till.code(body) == "00"


# --- the usual life of a hold -------------------------------------------------------------------------------------


def test_pre_auth_keyed_and_completed_for_less(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        assert hold.get(64), "an answer to a request with a MAC bears one"
        assert (len(hold.get(37)), len(hold.get(38)), len(hold.get(13))) == (12, 6, 4)
        done = till.asks(till.complete(pan, 460_50, hold.get(38), hold.get(13)))
        assert (done.get(39), done.get(38)) == ("00", hold.get(38))
    row = shared.row(key_of(till.sent))
    assert row is not None
    assert (row["kind"], row["outcome"], row["amount"], row["pre_auth_amount"]) == (
        "completion",
        "approved",
        460_50,
        HOLD_MINOR,
    )


def test_pre_auth_by_track_2(shared: Installation) -> None:
    pan = shared.new_card()
    track2 = f"{pan}={sample.EXPIRY}2010000000000"
    with Till.signed_on(shared) as till:
        answer = till.asks(till.pre_auth(pan, HOLD_MINOR, de2="", de14="", de22="022", de35=track2))
        assert answer.get(39) == "00"
        row = shared.row(key_of(till.sent))
    assert row is not None
    assert row["card"] == f"{pan[:6]}{'*' * 6}{pan[-4:]}"


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
        row = shared.row(key_of(till.sent))
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
        asked = till.sent
        assert asked is not None
        assert till.line.ask(till._body("0100", dict(asked.fields))) == first
        assert till.line.ask(till.repeat(asked)) == first
        assert till.code(till._body("0100", {**asked.fields, 4: f"{HOLD_MINOR + 1:012d}"})) == "94"
    assert [row["outcome"] for row in shared.register("--trace-key", key_of(asked))] == ["approved"]


def test_a_repeat_of_what_was_never_seen_is_declined_for_ever(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        till.pre_auth(pan, HOLD_MINOR)
        asked = till.sent
        assert asked is not None
        assert till.code(till.repeat(asked)) == "25"
        assert till.code(till._body("0100", dict(asked.fields))) == "25"


# --- reversals ----------------------------------------------------------------------------------------------------


def test_a_reversal_frees_the_money_and_may_be_repeated(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        placed(till, pan, 9_000_00)
        hold = till.sent
        assert hold is not None
        assert till.code(till.pre_auth(pan, 9_000_00)) == "51"
        assert till.code(till.reverse(hold)) == "00"
        assert till.code(till.reverse(hold)) == "00"
        placed(till, pan, 9_000_00)
    row = shared.row(key_of(hold))
    assert row is not None
    assert row["outcome"] == "reversed"


def test_the_reversal_of_a_completion_lets_the_hold_stand_again(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        hold = placed(till, pan)
        placing = till.sent
        assert till.code(till.complete(pan, 100_00, hold.get(38), hold.get(13))) == "00"
        completion = till.sent
        assert placing is not None
        assert completion is not None
        assert till.code(till.reverse(placing)) == "22", "what has been built upon stands"
        assert till.code(till.reverse(completion)) == "00"
        assert till.code(till.complete(pan, 200_00, hold.get(38), hold.get(13))) == "00"


def test_a_reversal_of_a_request_never_seen_is_recorded_and_bars_it(shared: Installation) -> None:
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        overtaken = till.pre_auth(pan, HOLD_MINOR)
        hold = till.sent
        assert hold is not None
        assert till.code(till.reverse(hold)) == "00"
        body = till.line.ask(overtaken)
        answer = decode(UNIONPAY, body)
        assert answer.get(39) == "12", "the request that was overtaken is declined for ever"
    row = shared.row(key_of(hold))
    assert row is not None
    assert (row["outcome"], row["reason"]) == ("declined", "its reversal came first")


def test_a_reversal_on_the_heels_of_its_request(shared: Installation) -> None:
    """Both in one segment: whatever the issuer is doing by then, nothing stays in force."""
    pan = shared.new_card()
    with Till.signed_on(shared) as till:
        request = till.pre_auth(pan, 9_000_00)
        hold = till.sent
        assert hold is not None
        till.line.send(request)
        till.line.send(till.reverse(hold))
        codes = {answer.mti: answer.get(39) for answer in (decode(UNIONPAY, till.line.read()),)}
        if "0110" in codes:
            codes["0410"] = decode(UNIONPAY, till.line.read()).get(39)
        assert codes["0410"] == "00"
        placed(till, pan, 9_000_00)


# --- refused ------------------------------------------------------------------------------------------------------


def test_a_wrong_mac_is_a0_and_recorded_nowhere(shared: Installation) -> None:
    with Till.signed_on(shared) as till:
        right, till.mak = till.mak, bytes(8)
        body = till.line.ask(till.pre_auth(shared.new_card(), HOLD_MINOR))
        till.mak = right
        assert till.read(body).get(39) == "A0"
        assert shared.row(key_of(till.sent)) is None
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR, de64="")) == "A0"
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "00", "the terminal goes on"


def test_a_wrong_batch_is_77(shared: Installation) -> None:
    with Till.signed_on(shared) as till:
        till.batch = "000002"
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "77"


def test_a_merchant_without_the_right_is_58(shared: Installation) -> None:
    with Till.signed_on(shared, "T0000005", BOOKSHOP) as till:
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "58"


def test_another_merchant_than_the_terminals_is_03(shared: Installation) -> None:
    with Till.signed_on(shared) as till:
        till.merchant_id = BOOKSHOP
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "03"
        till.merchant_id = HOTEL
        assert till.code(till.pre_auth(shared.new_card(), HOLD_MINOR)) == "00"


def unknown_bin() -> str:
    """A card of nobody in our tables."""
    return next(number for digit in "0123456789" if luhn_valid(number := f"621000000000001{digit}"))


@pytest.mark.parametrize(
    ("pan", "amount_minor", "more", "code"),
    [
        (card("alice"), 0, {}, "13"),
        (card("alice")[:-1] + str(9 - int(card("alice")[-1])), 100_00, {}, "14"),
        (unknown_bin(), 100_00, {}, "15"),
        (card("lost"), 100_00, {}, "41"),
        (card("stolen"), 100_00, {}, "43"),
        (card("poor"), 100_01, {}, "51"),
        (card("alice"), 10_000_01, {}, "51"),
        (card("expired"), 100_00, {"de14": "2401"}, "54"),
        (card("alice"), 100_00, {"de49": "840"}, "30"),
        (card("alice"), 100_00, {"de3": "310000"}, "30"),
    ],
)
def test_what_cannot_be_approved_says_why(
    shared: Installation, pan: str, amount_minor: int, more: dict[str, str], code: str
) -> None:
    with Till.signed_on(shared) as till:
        assert till.code(till.pre_auth(pan, amount_minor, **more)) == code


def test_a_right_pin_a_wrong_one_and_what_is_no_pin(shared: Installation) -> None:
    pan = card("pin")
    entered = {"de22": "021", "de26": "12", "de53": "26".ljust(16, "0")}
    with Till.signed_on(shared) as till:
        assert till.code(till.pre_auth(pan, 100_00, **entered, de52=till.block_of("123456", pan))) == "00"
        assert till.code(till.pre_auth(pan, 100_00, **entered, de52=till.block_of("123457", pan))) == "55"
        assert till.code(till.pre_auth(pan, 100_00, **entered, de52=bytes(8))) == "99"
        assert till.code(till.pre_auth(pan, 100_00)) == "00", "whether a PIN is entered is the terminal's parameter"
