"""What the acquirer refuses by itself: each check, the order among them, and the edges of time and money."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import to_us, zone
from holdfast.domain.commands import COMPLETION, PRE_AUTHORIZATION, VOID, Ask, CardPresented, Kind, Original
from holdfast.domain.decide import card_expired, check_amount, check_card, check_merchant, check_original
from holdfast.domain.hold import State
from holdfast.domain.originals import Match
from holdfast.domain.policy import Policy
from holdfast.domain.records import Bin, Hold, HotCard, Issuer, Merchant
from holdfast.ids import TraceKey

POLICY = Policy()
HOTEL = "102100070110001"
MERCHANT = Merchant(HOTEL, "和平饭店", "Peace Hotel", "7011", True, 115, 30)
PAN = "6220000000000019"
BIN, ISSUER = Bin("622000", "01020000", "CUP", "debit"), Issuer("01020000", "One", "", b"", b"")
HOT = HotCard(b"", "43")
NOW_US = to_us(datetime(2026, 11, 30, 23, 59, 59, tzinfo=zone()))


def card(pan: str = PAN, expiry: str = "2611") -> CardPresented:
    return CardPresented(pan, expiry, "012", "", b"")


def ask(
    kind: Kind = PRE_AUTHORIZATION, amount_minor: int | None = 500_00, currency: str = "156", merchant_id: str = HOTEL
) -> Ask:
    key = TraceKey("T0000001", "000001", "000001", kind.mti)
    original = Original("123456", "000000", "000000", "1130")
    return Ask(kind, key, False, merchant_id, "01", amount_minor, currency, card(), original, 0)


def hold(state: State = State.HELD, requested_minor: int = 500_00) -> Hold:
    return Hold(
        "A-000001", 1, state.value, "[]", "token", "mask", "01020000", HOTEL, "T0000001", "123456",
        "000001", "000001", NOW_US, "2026-11-30", NOW_US + 1, requested_minor, 0,
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
    ],
)
def test_merchant(merchant: Merchant | None, asked: Ask, expected: str | None) -> None:
    assert code(check_merchant(asked, merchant, HOTEL, POLICY)) == expected


@pytest.mark.parametrize(
    ("amount_minor", "currency", "expected"),
    [(1, "156", None), (0, "156", "13"), (None, "156", "13"), (None, "840", "13"), (1, "840", "30"), (1, "", "30")],
)
def test_amount(amount_minor: int | None, currency: str, expected: str | None) -> None:
    assert code(check_amount(ask(amount_minor=amount_minor, currency=currency), POLICY)) == expected


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


@pytest.mark.parametrize(
    ("kind", "state", "amount_minor", "expected"),
    [
        (COMPLETION, State.HELD, 575_00, None),
        (COMPLETION, State.HELD, 575_01, "64"),
        (COMPLETION, State.HELD, 1, None),
        (VOID, State.HELD, 500_00, None),
        (VOID, State.HELD, 499_99, "64"),
        (VOID, State.HELD, 500_01, "64"),
        *((kind, state, 575_01, "22") for kind in (COMPLETION, VOID) for state in State if state is not State.HELD),
    ],
)
def test_state_outranks_amount(kind: Kind, state: State, amount_minor: int, expected: str | None) -> None:
    assert code(check_original(ask(kind, amount_minor), Match(hold(state)), MERCHANT)) == expected


def test_no_hold_outranks_everything() -> None:
    refusal = check_original(ask(COMPLETION, 575_01), Match(None, (), "told why"), MERCHANT)
    assert refusal is not None
    assert (refusal.code, refusal.reason) == ("25", "told why")


@given(st.integers(1, 999_999_999_999), st.integers(100, 130), st.integers(1, 999_999_999_999))
def test_the_ceiling_is_never_exceeded_by_a_fen(requested_minor: int, percent: int, amount_minor: int) -> None:
    merchant = MERCHANT._replace(ceiling_percent=percent)
    refusal = check_original(ask(COMPLETION, amount_minor), Match(hold(State.HELD, requested_minor)), merchant)
    assert (refusal is None) == (amount_minor * 100 <= requested_minor * percent)
