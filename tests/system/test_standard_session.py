"""How a standard terminal comes and goes: its keys in each form, sign-off, what the header asks of it, notices."""

from collections.abc import Iterator

import pytest

from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.tlv import pack
from tests.system.installation import BOOKSHOP, HOTEL, Installation
from tests.system.till import Till, key_of

AMOUNT_MINOR = 500_00

SIGN_ON_AGAIN, DOWNLOAD = "3", "1"
SCRIPT_RESULTS = pack({"DF31": bytes.fromhex("2000000000"), "9F36": b"\x00\x07"})

FORMS = [
    ("001", "ecb", 24),
    ("001", "cbc", 24),
    ("003", "ecb", 40),
    ("003", "cbc", 40),
    ("003", "x919", 40),
    ("003", "cmac", 40),
    ("004", "ecb", 60),
    ("004", "x919", 60),
    ("004", "cmac", 60),
    ("006", "sm4", 60),
]
"""60.3, the MAC algorithm that the terminal was imported with, and the bytes of DE62 that it gets."""


@pytest.fixture(scope="module")
def by_algorithm(shared: Installation) -> dict[str, str]:
    """A terminal for each MAC algorithm."""
    terminals = {name: f"K{number:07d}" for number, name in enumerate(("ecb", "cbc", "x919", "cmac", "sm4"), 1)}
    for name, terminal_id in terminals.items():
        shared.import_terminal(terminal_id, mac_algorithm=name)
    return terminals


@pytest.fixture
def till(shared: Installation) -> Iterator[Till]:
    """A terminal that nobody has used, signed on."""
    with Till.signed_on(shared) as it:
        yield it


# --- signing on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "algorithm", "key_bytes"), FORMS)
def test_signs_on_with_keys_of_each_form(
    shared: Installation, by_algorithm: dict[str, str], network: str, algorithm: str, key_bytes: int
) -> None:
    pan = shared.new_card()
    with Till.of(shared, by_algorithm[algorithm], mac=algorithm) as till:
        body = till.line.ask(till.sign_on(network))
        answer = decode(UNIONPAY, body)
        assert (answer.mti, len(answer.get_bytes(62))) == ("0810", key_bytes)
        assert till.take_keys(body) == "00"
        assert answer.get(60) == f"00000001{network}"
        till.stan = int(f"{FORMS.index((network, algorithm, key_bytes))}00")
        placed, hold = till.done(till.pre_auth(pan, AMOUNT_MINOR))
        till.done(till.complete(pan, AMOUNT_MINOR, hold.get(38), hold.get(13)))
        assert till.code(till.reverse(placed)) == "22"
        right, till.mak = till.mak, bytes(reversed(till.mak))
        refused = till.line.ask(till.pre_auth(pan, AMOUNT_MINOR))
        till.mak = right
        assert decode(UNIONPAY, refused).get(39) == "A0"


@pytest.mark.parametrize(
    ("network", "algorithm"), [("001", "x919"), ("001", "cmac"), ("001", "sm4"), ("005", "ecb"), ("", "ecb")]
)
def test_a_form_without_room_for_the_mac_key_is_30(
    shared: Installation, by_algorithm: dict[str, str], network: str, algorithm: str
) -> None:
    with Till.of(shared, by_algorithm[algorithm], mac=algorithm) as till:
        assert till.signs_on(network) == "30"


def test_keys_of_the_session_before_still_hold_for_what_was_under_way(shared: Installation, till: Till) -> None:
    under_way = till.pre_auth(shared.new_card(), AMOUNT_MINOR)
    mak = till.mak
    assert till.signs_on() == "00"
    assert till.mak != mak
    assert decode(UNIONPAY, till.line.ask(under_way)).get(39) == "00"


def test_a_terminal_that_never_signed_on_is_told_to(shared: Installation) -> None:
    with Till.of(shared) as till:
        till.mak = bytes(8)
        assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "77"


def test_an_unknown_terminal_is_97(shared: Installation) -> None:
    with Till.of(shared, "ZZ999999", tmk="00" * 16) as till:
        assert till.signs_on() == "97"
        till.mak = bytes(8)
        assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "97"


def test_a_terminal_that_was_switched_off_by_an_import_is_97(shared: Installation, till: Till) -> None:
    shared.import_terminal(till.terminal_id, enabled="no")
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "97"
    assert till.signs_on() == "97"
    shared.import_terminal(till.terminal_id)
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "00", "its session stands as it was"


def test_echo(till: Till) -> None:
    assert till.code(till._body("0820", {11: "000001", 60: "00000000301"})) == "00"


def test_after_sign_off_only_what_was_under_way_is_taken(shared: Installation, till: Till) -> None:
    pan = shared.new_card()
    placed, _ = till.done(till.pre_auth(pan, AMOUNT_MINOR))
    off, answer = till.done(till.sign_off())
    assert (answer.mti, len(answer.get(37))) == ("0830", 12)
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR)) == "77"
    assert till.code(till.reverse(placed)) == "00", "a reversal waits for no sign-on"
    assert till.signs_on() == "00"
    assert till.batch == off.get(60)[2:8], "a sign-on in mid-batch goes on with it"
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR)) == "00"
    kinds = [row["kind"] for row in shared.register("--entries", "--terminal", till.terminal_id)]
    assert kinds.count("sign-off") == 1
    assert kinds.count("sign-on") == 2


# --- refused ------------------------------------------------------------------------------------------------------


def test_a_wrong_mac_is_a0_and_recorded_nowhere(shared: Installation, till: Till) -> None:
    right, till.mak = till.mak, bytes(8)
    body = till.line.ask(till.pre_auth(shared.new_card(), AMOUNT_MINOR))
    till.mak = right
    assert till.read(body).get(39) == "A0"
    assert shared.row(key_of(till.asked)) is None
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR, de64="")) == "A0"
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "00", "the terminal goes on"


def test_a_wrong_batch_is_77(shared: Installation, till: Till) -> None:
    till.batch = "000002"
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "77"


def test_a_merchant_without_the_right_is_58(shared: Installation) -> None:
    with Till.signed_on(shared, "T0000005", BOOKSHOP) as till:
        assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "58"
        assert till.code(till.sell(shared.new_card(), AMOUNT_MINOR)) == "00", "which a sale needs no right for"


def test_another_merchant_than_the_terminals_is_03(shared: Installation, till: Till) -> None:
    till.merchant_id = BOOKSHOP
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "03"
    till.merchant_id = HOTEL
    assert till.code(till.pre_auth(shared.new_card(), AMOUNT_MINOR)) == "00"


# --- what the acquirer asks of a terminal, and what it tells ------------------------------------------------------


def test_the_header_asks_for_a_sign_on_until_it_is_done(shared: Installation, till: Till) -> None:
    pan = shared.new_card()
    till.done(till.pre_auth(pan, 1_00))
    assert till.notice == "0"
    shared.import_terminal(till.terminal_id, notice=SIGN_ON_AGAIN)
    for _ in range(2):
        till.done(till.pre_auth(pan, 1_00))
        assert till.notice == SIGN_ON_AGAIN
    assert till.signs_on() == "00"
    till.done(till.pre_auth(pan, 1_00))
    assert till.notice == "0"


def test_the_header_asks_for_a_download_until_it_is_done(shared: Installation, till: Till) -> None:
    pan = shared.new_card()
    shared.import_terminal(till.terminal_id, notice=DOWNLOAD)
    till.done(till.pre_auth(pan, 1_00))
    assert till.notice == DOWNLOAD
    assert till.signs_on() == "00"
    till.done(till.pre_auth(pan, 1_00))
    assert till.notice == DOWNLOAD, "a sign-on is not what was asked for"
    till.done(till.download())
    till.done(till.pre_auth(pan, 1_00))
    assert till.notice == "0"


def test_parameters_are_downloaded(shared: Installation, till: Till) -> None:
    _, answer = till.done(till.download())
    form, *told = answer.get_bytes(62).decode("gbk").split("|")
    said = dict(each.split("=", 1) for each in told)
    assert (answer.mti, form, 64 in answer.fields) == ("0810", "HP1", False)
    assert (said["merchant_name"], said["merchant_name_en"], said["keyed"]) == (
        "东湖宾馆",
        "East Lake Hotel",
        "allowed",
    )
    newest = shared.register("--entries", "--terminal", till.terminal_id)[0]
    assert newest["kind"] == "download"


def test_what_became_of_a_script_is_recorded_once(shared: Installation, till: Till) -> None:
    sold, _ = till.done(till.sell(shared.new_card(), 1_00))
    notice, answer = till.done(till.tell_script(sold, SCRIPT_RESULTS))
    assert answer.mti == "0630"
    assert till.code(till._body("0620", dict(notice.fields))) == "00"
    row = shared.row(key_of(notice))
    assert row is not None
    assert (row["kind"], row["outcome"]) == ("script-notice", "approved")
    assert len(shared.register("--entries", "--trace-key", key_of(notice))) == 1
    assert till.code(till._body("0620", {**notice.fields, 55: pack({"DF31": bytes(5)})})) == "94"
