"""What the acquirer refuses by itself: each check, the order among them, and the edges of time and money."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import DAY_US, to_us, zone
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
    Ask,
    CardPresented,
    Kind,
    Original,
)
from holdfast.domain.decide import (
    act_of,
    card_expired,
    check_amount,
    check_card,
    check_entry,
    check_merchant,
    check_original,
    check_velocity,
    rest_of,
)
from holdfast.domain.hold import Act, InForce, State, Terms, dump, fold
from holdfast.domain.originals import Match
from holdfast.domain.policy import Policy
from holdfast.domain.records import Bin, Hold, HotCard, Issuer, Merchant
from holdfast.domain.rules import Rules
from holdfast.ids import TraceKey

POLICY, RULES = Policy(), Rules()
HOTEL = "102100070110001"
MERCHANT = Merchant(HOTEL, "和平饭店", "Peace Hotel", "7011", True, "")
PAN = "6220000000000019"
BIN, ISSUER = Bin("622000", "01020000", "CUP", "debit"), Issuer("01020000", "One", "", b"", b"")
HOT = HotCard(b"", "43")
NOW_US = to_us(datetime(2026, 11, 30, 23, 59, 59, tzinfo=zone()))
"""After the cut-over: the business day is 1 December already."""
TODAY, BATCH = "2026-12-01", "T0000001/000001"


def card(pan: str = PAN, expiry: str = "2611") -> CardPresented:
    return CardPresented(pan, expiry, "012", "", b"")


def ask(
    kind: Kind = PRE_AUTHORIZATION, amount_minor: int | None = 500_00, currency: str = "156", merchant_id: str = HOTEL
) -> Ask:
    key = TraceKey("T0000001", "000001", "000001", kind.mti)
    original = Original("123456", "000000", "000000", "1130")
    return Ask(kind, key, False, merchant_id, "01", amount_minor, currency, card(), original, 0)


def hold(state: State = State.HELD, requested_minor: int = 500_00, completed_minor: int = 0) -> Hold:
    return Hold(
        "A-000001", 1, state.value, "[]", "token", "mask", "01020000", HOTEL, "T0000001", "123456",
        "000001", "000001", NOW_US, "2026-11-30", NOW_US + 1, requested_minor, completed_minor, 0,
    )  # fmt: skip


def code(refusal: object) -> str | None:
    return getattr(refusal, "code", None)


@pytest.mark.parametrize(
    ("merchant", "asked", "expected"),
    [
        (MERCHANT, ask(), None),
        (None, ask(), "03"),
        (MERCHANT, ask(merchant_id="102100070110002"), "03"),
        (MERCHANT._replace(pre_auth_right=False), ask(merchant_id="102100070110002"), "03"),
        (MERCHANT._replace(pre_auth_right=False), ask(), "58"),
        (MERCHANT._replace(mcc="5411"), ask(), "58"),
        *((MERCHANT._replace(mcc="5411"), ask(kind), "58") for kind in (INCREMENT, MOTO, COMPLETION_VOID)),
        # Whoever may not pre-authorise may sell all the same.
        *((MERCHANT._replace(mcc="5411"), ask(kind), None) for kind in (SALE, SALE_VOID, REFUND, BALANCE)),
    ],
)
def test_merchant(merchant: Merchant | None, asked: Ask, expected: str | None) -> None:
    assert code(check_merchant(asked, merchant, HOTEL, RULES)) == expected


def test_the_categories_that_may_pre_authorise_are_a_rule() -> None:
    rules = RULES._replace(pre_auth_mccs="5411 5999")
    assert check_merchant(ask(), MERCHANT._replace(mcc="5411"), HOTEL, rules) is None
    assert code(check_merchant(ask(), MERCHANT, HOTEL, rules)) == "58"
    assert code(check_merchant(ask(), MERCHANT._replace(mcc="99"), HOTEL, rules)) == "58", "part of one is none"


@pytest.mark.parametrize(("increment", "expected"), [("extends", None), ("keeps", None), ("refused", "40")])
def test_increments_may_be_refused(increment: str, expected: str | None) -> None:
    assert code(check_merchant(ask(INCREMENT), MERCHANT, HOTEL, RULES._replace(increment=increment))) == expected


@pytest.mark.parametrize(
    ("amount_minor", "currency", "expected"),
    [(1, "156", None), (0, "156", "13"), (None, "156", "13"), (None, "840", "13"), (1, "840", "30"), (1, "", "30")],
)
def test_amount(amount_minor: int | None, currency: str, expected: str | None) -> None:
    assert code(check_amount(ask(amount_minor=amount_minor, currency=currency), RULES, POLICY)) == expected
    assert check_amount(ask(BALANCE, amount_minor, currency), RULES, POLICY) is None, "a balance has no amount"


@pytest.mark.parametrize(
    ("kind", "amount_minor", "expected"),
    [
        (PRE_AUTHORIZATION, 1000_00, None),
        (PRE_AUTHORIZATION, 1000_01, "61"),
        (SALE, 1000_01, "61"),
        (INCREMENT, 1000_01, "61"),
        (COMPLETION, 1000_01, None),  # was promised already
    ],
)
def test_the_most_that_may_be_asked_for_at_once(kind: Kind, amount_minor: int, expected: str | None) -> None:
    rules = RULES._replace(amount_max_minor=1000_00)
    assert code(check_amount(ask(kind, amount_minor), rules, POLICY)) == expected


STRIPE, CHIP_STRIPE = f"{PAN}=26111010000", f"{PAN}=26112010000"


@pytest.mark.parametrize(
    ("kind", "entry_mode", "track2", "chip_failed", "rules", "expected"),
    [
        (PRE_AUTHORIZATION, "012", "", False, {}, None),
        (PRE_AUTHORIZATION, "012", "", False, {"keyed": "never"}, "58"),
        (SALE, "012", "", False, {"keyed": "never"}, "58"),
        (INCREMENT, "012", "", False, {"keyed": "never"}, "58"),
        (MOTO, "012", "", False, {"keyed": "never"}, None),
        (COMPLETION, "012", "", False, {"keyed": "never"}, None),
        (VOID, "012", "", False, {"keyed": "never"}, None),
        (PRE_AUTHORIZATION, "021", STRIPE, False, {"keyed": "never", "fallback": "never"}, None),
        (PRE_AUTHORIZATION, "021", CHIP_STRIPE, False, {}, "59"),
        (PRE_AUTHORIZATION, "021", CHIP_STRIPE, True, {}, None),
        (PRE_AUTHORIZATION, "021", CHIP_STRIPE, True, {"fallback": "never"}, "59"),
        (PRE_AUTHORIZATION, "051", CHIP_STRIPE, False, {"fallback": "never"}, None),
        (COMPLETION, "021", CHIP_STRIPE, False, {"fallback": "never"}, None),
    ],
)
def test_how_a_card_may_be_read(
    kind: Kind, entry_mode: str, track2: str, chip_failed: bool, rules: dict[str, str], expected: str | None
) -> None:
    presented = CardPresented(PAN, "2611", entry_mode, track2, b"", chip_failed=chip_failed)
    assert code(check_entry(ask(kind)._replace(card=presented), RULES._replace(**rules))) == expected  # type: ignore[arg-type]


def placed(number: int, requested_minor: int = 100_00, on: str = "2026-11-30", state: State = State.HELD) -> Hold:
    return hold(state, requested_minor)._replace(hold_id=f"A-{number:06d}", placed_on=on)


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ([placed(1)], None),
        ([placed(1), placed(2)], "65"),
        ([placed(1), placed(2, state=State.COMPLETED)], "65"),  # what became of them does not matter
        ([placed(1), placed(2, state=State.REVERSED)], None),  # but that one never was
        ([placed(1), placed(2, on="2026-11-29")], None),
        ([placed(1, 800_00)], None),
        ([placed(1, 800_01)], "61"),
        ([placed(1), placed(2, 800_00)._replace(expires_us=0)], None),  # a sale
    ],
)
def test_a_card_has_its_share_of_pre_authorizations_a_day(holds: list[Hold], expected: str | None) -> None:
    rules = RULES._replace(velocity_count=2, velocity_minor=900_00)
    assert code(check_velocity(ask(amount_minor=100_00), holds, "2026-11-30", rules)) == expected
    assert check_velocity(ask(COMPLETION, 100_00), holds, "2026-11-30", rules) is None
    assert check_velocity(ask(amount_minor=100_00), holds, "2026-11-30", RULES) is None


@pytest.mark.parametrize(
    ("pan", "expiry", "known", "hot", "expected"),
    [
        (PAN, "2611", True, None, None),
        (PAN, "", True, None, None),
        (PAN[:-1] + "8", "2601", False, HOT, "14"),
        (PAN, "2601", False, HOT, "15"),
        (PAN, "2601", True, HOT, "54"),
        (PAN, "2611", True, HOT, "43"),
        (PAN, "2611", True, HOT._replace(response_code="41"), "41"),
    ],
)
def test_card_in_order_of_precedence(pan: str, expiry: str, known: bool, hot: HotCard | None, expected: str) -> None:
    asked = ask()._replace(card=card(pan, expiry))
    assert code(check_card(asked, BIN if known else None, ISSUER, hot, NOW_US, POLICY)) == expected


def test_a_card_needs_a_number_and_an_issuer() -> None:
    assert code(check_card(ask()._replace(card=None), BIN, ISSUER, None, NOW_US, POLICY)) == "14"
    assert code(check_card(ask(), BIN, None, None, NOW_US, POLICY)) == "15"


@pytest.mark.parametrize("kind", [COMPLETION, VOID])
def test_a_hold_outlives_its_card(kind: Kind) -> None:
    """As the issuer judges it too: the promise was given when the hold was placed."""
    asked = ask(kind)._replace(card=card(expiry="2601"))
    assert check_card(asked, BIN, ISSUER, HOT, NOW_US, POLICY) is None
    assert code(check_card(asked._replace(card=card(PAN[:-1] + "8")), BIN, ISSUER, None, NOW_US, POLICY)) == "14"


@pytest.mark.parametrize(
    ("expiry", "expired"),
    [
        ("2611", False),
        ("2610", True),
        ("2612", False),
        ("7611", True),  # fifty years ahead is fifty years ago
        ("7510", False),
        ("2600", True),
        ("2613", True),
        ("261", True),
        ("2", True),
        ("26111", True),
        ("26A1", True),
        ("abcd", True),
    ],
)
def test_a_card_is_good_through_the_last_second_of_its_month(expiry: str, expired: bool) -> None:
    assert card_expired(expiry, NOW_US, POLICY) is expired
    if expiry == "2611":
        assert card_expired(expiry, NOW_US + 1_000_000, POLICY)


def checked(kind: Kind, amount_minor: int, row: Hold, rules: Rules = RULES, post: InForce | None = None) -> str | None:
    return code(check_original(ask(kind, amount_minor), Match(row, posting=post), NOW_US, rules, POLICY))


@pytest.mark.parametrize(
    ("kind", "state", "amount_minor", "expected"),
    [
        (COMPLETION, State.HELD, 575_00, None),
        (COMPLETION, State.HELD, 575_01, "64"),
        (COMPLETION, State.HELD, 1, None),
        (COMPLETION_ADVICE, State.HELD, 575_01, "64"),
        (VOID, State.HELD, 500_00, None),
        (VOID, State.HELD, 499_99, "64"),
        (VOID, State.HELD, 500_01, "64"),
        (INCREMENT, State.HELD, 9_999_99, None),
        *(
            (kind, state, 575_01, "22")
            for kind in (COMPLETION, COMPLETION_ADVICE, VOID, INCREMENT)
            for state in State
            if state is not State.HELD
        ),
    ],
)
def test_state_outranks_amount(kind: Kind, state: State, amount_minor: int, expected: str | None) -> None:
    assert checked(kind, amount_minor, hold(state)) == expected


@pytest.mark.parametrize("answer", ["22", "25", "94", "96"])
def test_hosts_differ_in_what_they_answer_to_what_is_over(answer: str) -> None:
    rules = RULES._replace(second_completion_code=answer, expired_code=answer)
    assert checked(COMPLETION, 1, hold(State.COMPLETED), rules) == answer
    assert checked(VOID, 1, hold(State.COMPLETED), rules) == "22", "a void after the completion is out of step anywhere"
    assert checked(COMPLETION, 1, hold(State.EXPIRED), rules) == answer
    assert checked(VOID, 1, hold(State.EXPIRED), rules) == answer
    assert checked(COMPLETION, 1, hold(State.VOIDED), rules) == "22"


@pytest.mark.parametrize(
    ("kind", "amount_minor", "expected"),
    [(COMPLETION, 275_00, None), (COMPLETION, 275_01, "64"), (VOID, 500_00, "22"), (INCREMENT, 1, "22")],
)
def test_a_hold_completed_in_part(kind: Kind, amount_minor: int, expected: str | None) -> None:
    assert checked(kind, amount_minor, hold(completed_minor=300_00)) == expected


@pytest.mark.parametrize(
    ("kind", "amount_minor", "expected"),
    [(COMPLETION_ADVICE, 100_00, None), (COMPLETION_ADVICE, 100_01, "61"), (COMPLETION, 100_01, None)],
)
def test_above_the_floor_limit_a_completion_must_be_asked(kind: Kind, amount_minor: int, expected: str | None) -> None:
    assert checked(kind, amount_minor, hold(), RULES._replace(floor_minor=100_00)) == expected


def test_no_hold_outranks_everything() -> None:
    refusal = check_original(ask(COMPLETION, 575_01), Match(None, (), "told why"), NOW_US, RULES, POLICY)
    assert refusal is not None
    assert (refusal.code, refusal.reason) == ("25", "told why")


@given(st.integers(1, 999_999_999_999), st.integers(100, 130), st.integers(0, 10**12), st.integers(1, 999_999_999_999))
def test_the_ceiling_is_never_exceeded_by_a_fen(
    requested_minor: int, percent: int, completed_minor: int, amount_minor: int
) -> None:
    rules = RULES._replace(ceiling_percent=percent)
    refused = checked(COMPLETION, amount_minor, hold(State.HELD, requested_minor, completed_minor), rules)
    assert (refused is None) == ((completed_minor + amount_minor) * 100 <= requested_minor * percent)


# --- what was posted ----------------------------------------------------------------------------------------------

PLACE = InForce(Act.PLACE, "A-000001", 500_00, Terms(code="123456", on="2026-11-30", expires_us=NOW_US + DAY_US))
POST = InForce(Act.COMPLETE, "A-000002", 460_50, Terms(on=TODAY, batch_id=BATCH))
SOLD = InForce(Act.SELL, "A-000002", 460_50, Terms(code="123456", on=TODAY, batch_id=BATCH))
REFUNDED = InForce(Act.REFUND, "A-000003", 60_50)
REOPENED = InForce(Act.REOPEN, "A-000003", 460_50)
SECOND = POST._replace(by="A-000003", amount_minor=1)


def living(*acts: InForce) -> Hold:
    life = fold(acts)
    return hold(life.state, life.requested_minor, life.completed_minor)._replace(
        acts=dump(acts), refunded_minor=life.refunded_minor
    )


def terms(**changed: object) -> InForce:
    return POST._replace(terms=POST.terms._replace(**changed))  # type: ignore[arg-type]


IN_PART = POST._replace(act=Act.COMPLETE_PART)
POSTINGS: list[tuple[Kind, int, tuple[InForce, ...], str | None]] = [
    (COMPLETION_VOID, 460_50, (PLACE, POST), None),
    (COMPLETION_VOID, 460_49, (PLACE, POST), "64"),
    (COMPLETION_VOID, 460_50, (PLACE, POST, REFUNDED), "22"),
    (COMPLETION_VOID, 460_50, (PLACE, POST, REOPENED), "22"),
    (COMPLETION_VOID, 460_50, (PLACE, IN_PART, SECOND), "22"),  # the last one first
    (COMPLETION_VOID, 460_50, (PLACE, terms(advised=True)), "12"),
    (COMPLETION_VOID, 460_50, (PLACE, terms(on="2026-11-30")), "22"),
    (COMPLETION_VOID, 460_50, (PLACE, terms(batch_id="T0000001/000002")), "25"),
    (COMPLETION_VOID, 460_50, (PLACE, terms(batch_id="T0000002/000001")), "25"),
    (COMPLETION_VOID, 460_50, (SOLD,), "22"),
    (SALE_VOID, 460_50, (SOLD,), None),
    (SALE_VOID, 460_49, (SOLD,), "64"),
    (SALE_VOID, 460_50, (SOLD, REFUNDED), "22"),
    (SALE_VOID, 460_50, (PLACE, POST), "22"),
    (REFUND, 460_50, (PLACE, POST), None),
    (REFUND, 460_51, (PLACE, POST), "64"),
    (REFUND, 400_00, (PLACE, POST, REFUNDED), None),
    (REFUND, 400_01, (PLACE, POST, REFUNDED), "64"),
    (REFUND, 1, (PLACE, POST, REOPENED), "64"),  # nothing of it is left
    (REFUND, 460_50, (PLACE, terms(advised=True)), None),
    (REFUND, 460_50, (SOLD,), None),
    (REFUND, 460_50, (PLACE, terms(on="2026-06-03")), None),
    (REFUND, 460_50, (PLACE, terms(on="2026-06-02")), "22"),  # 181 days ago
]


@pytest.mark.parametrize(("kind", "amount_minor", "acts", "expected"), POSTINGS)
def test_what_was_posted_can_be_given_back_so(
    kind: Kind, amount_minor: int, acts: tuple[InForce, ...], expected: str | None
) -> None:
    post = next(each for each in acts if each.act in (Act.COMPLETE, Act.COMPLETE_PART, Act.SELL))
    assert checked(kind, amount_minor, living(*acts), post=post) == expected


@pytest.mark.parametrize(
    ("rules", "acts"),
    [
        ({"completion_void_day": "any"}, (PLACE, terms(on="2026-11-01"))),
        ({"completion_void_by": "merchant"}, (PLACE, terms(batch_id="T0000002/000009"))),
        ({"refund_days": 365}, (PLACE, terms(on="2026-06-02"))),
    ],
)
def test_rules_widen_that(rules: dict[str, object], acts: tuple[InForce, ...]) -> None:
    kind = REFUND if "refund_days" in rules else COMPLETION_VOID
    assert checked(kind, 460_50, living(*acts), RULES, acts[-1]) is not None
    assert checked(kind, 460_50, living(*acts), RULES._replace(**rules), acts[-1]) is None  # type: ignore[arg-type]


# --- what becomes of the rest -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "amount_minor", "rules", "rest", "act"),
    [
        (COMPLETION, 400_00, {}, "", Act.COMPLETE),
        (COMPLETION, 400_00, {"rest": "acquirer"}, "ours", Act.COMPLETE),
        (COMPLETION, 400_00, {"completions": "several"}, "kept", Act.COMPLETE_PART),
        (COMPLETION, 400_00, {"completions": "several", "rest": "acquirer"}, "kept", Act.COMPLETE_PART),
        (COMPLETION_ADVICE, 400_00, {"completions": "several"}, "kept", Act.COMPLETE_PART),
        (COMPLETION, 500_00, {"rest": "acquirer", "completions": "several"}, "", Act.COMPLETE),
        (COMPLETION, 575_00, {"rest": "acquirer"}, "", Act.COMPLETE),
        (VOID, 500_00, {"rest": "acquirer"}, "", Act.VOID),
        (COMPLETION_VOID, 400_00, {}, "", Act.REOPEN),
        (COMPLETION_VOID, 400_00, {"completion_void_then": "released"}, "freed", Act.TAKE_BACK),
    ],
)
def test_what_becomes_of_the_rest(kind: Kind, amount_minor: int, rules: dict[str, str], rest: str, act: Act) -> None:
    assert rest_of(ask(kind, amount_minor), hold(), RULES._replace(**rules)) == rest  # type: ignore[arg-type]
    assert kind.act is not None
    assert act_of(kind.act, rest, hold(), amount_minor) == act


def test_what_was_asked_to_leave_a_rest_may_find_none_by_now() -> None:
    """Another completion was booked meanwhile: this one uses the hold up."""
    assert act_of(Act.COMPLETE, "kept", hold(completed_minor=200_00), 300_00) is Act.COMPLETE
    assert act_of(Act.COMPLETE, "kept", hold(completed_minor=200_00), 299_99) is Act.COMPLETE_PART
