"""Operators, sign-off, parameters, notices, and a journal that is full: the terminal as a thing to be looked after."""

from typing import Any

import pytest

from holdfast.domain.records import DEVICES, SALES, SESSIONS, TERMINALS
from holdfast.domain.tables import DUE
from holdfast.parties.settings import Parameters, parameters_from, parse_download
from tests.parties.pos_world import CARD, MERCHANT_ID, TERMINAL_ID, TMK, PosWorld, answer_to

SALE: dict[str, Any] = {"amount_minor": 100, "card": CARD}
LOAD: dict[str, Any] = {"merchant_id": MERCHANT_ID, "merchant_name": "新", "tmk": TMK}


@pytest.mark.parametrize(
    ("actor", "name", "arguments", "says"),
    [
        ("00", "sale", SALE, "operator 00 is supervisor: sale is not his to do"),
        ("99", "sale", SALE, "operator 99 is administrator: sale is not his to do"),
        ("21", "sale", SALE, "there is no operator 21: cashiers are 01 to 20"),
        ("01", "load", LOAD, "operator 01 is cashier: load is not his to do"),
        ("20", "download", {}, "operator 20 is cashier: download is not his to do"),
        ("99", "settle", {}, "operator 99 is administrator: settle is not his to do"),
        ("50", "echo", {}, "there is no operator 50"),
        ("50", "deliver", {}, "there is no operator 50"),
        ("99", "repeat", {"trace_key": "T0000001/000001/000002/0200"}, "repeat is not his to do"),
        ("00", "reverse", {"trace_key": "T0000001/000001/000002/0200"}, "reverse is not his to do"),
    ],
)
def test_who_may_not_do_what(actor: str, name: str, arguments: dict[str, Any], says: str) -> None:
    world = PosWorld().signed_on()
    world.approved("sale", **SALE)
    entries = len(world.terminal.entries)
    outcome = world.command(name, actor=actor, **arguments)
    assert outcome is not None
    assert outcome["outcome"] == "declined"
    assert says in outcome["reason"]
    assert len(world.terminal.entries) == entries


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("99", "load"),
        ("system", "load"),
        ("99", "download"),
        ("00", "settle"),
        ("20", "sale"),
        ("virtual till", "sale"),
    ],
)
def test_who_may(actor: str, name: str) -> None:
    world = PosWorld().signed_on()
    outcome = world.command(name, actor=actor, **{"load": LOAD, "sale": SALE}.get(name, {}))
    assert outcome is not None
    assert outcome["outcome"] == "approved"


def test_the_journal_names_who_asked_and_who_agreed() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", **SALE)
    world.command("void", actor="07", card=CARD, authorization_code="123456", supervisor="00")
    asked = next(said for said in world.terminal.book if said["kind"] == "void")
    assert (asked["actor"], asked["supervisor"]) == ("07", "00")
    assert (world.newest.operator, world.newest.supervisor, world.sent[-1].get(63)) == ("07", "00", "07 ")


# --- sign-off -----------------------------------------------------------------------------------------------------


def test_a_sign_off_ends_the_session_until_the_next_sign_on() -> None:
    world = PosWorld().signed_on()
    assert world.approved("sign-off")["kind"] == "sign-off"
    assert (world.sent[-1].mti, world.sent[-1].get(60)) == ("0820", "00000001002")
    refused = world.command("sale", **SALE)
    assert refused is not None
    assert refused["reason"] == "not signed on"
    world.approved("sign-on")
    world.approved("sale", **SALE)


def test_nothing_open_is_left_behind_by_a_sign_off() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("sale", **SALE)
    for seconds, says in ((0, "a request or reversal is open"), (31, "a request or reversal is open")):
        world.later(seconds)
        outcome = world.command("sign-off")
        assert outcome is not None
        assert says in outcome["reason"]


def test_a_sign_off_that_nobody_answers_leaves_the_terminal_signed_off() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("sign-off")
    busy = world.command("echo")
    assert busy is not None
    assert "in flight" in busy["reason"], "an echo would bear the same key"
    world.later(31)
    assert (world.outcomes[-1][1]["outcome"], world.device.signed_on, world.device.reversal) == ("unknown", False, "")
    world.quieten(1)


# --- parameters and notices ---------------------------------------------------------------------------------------


def test_parameters_are_fetched_from_the_acquirer() -> None:
    world = PosWorld().signed_on()
    world.approved("download", actor="99")
    assert world.sent[-1].get(60) == "00000001360"
    assert (world.device.merchant_name, world.device.merchant_name_en) == ("和平饭店", "Peace Hotel")
    assert parameters_from(world.device.parameters) == Parameters()
    assert "keyed=allowed" in world.device.parameters


def test_what_is_set_counts_at_once_and_survives_a_restart() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("download", actor="99")
    text = "HP1|merchant_name=饭店|keyed=never|journal_capacity=300|void_pin=asked|colour=red"
    outcome = world.answers(DE62=text.encode("gbk"))
    assert outcome is not None
    assert outcome["outcome"] == "approved"
    world.restart()
    assert (world.device.merchant_name, world.device.merchant_name_en) == ("饭店", "Peace Hotel")
    assert parameters_from(world.device.parameters)[:2] == (300, "never")
    refused = world.command("sale", **SALE)
    assert refused is not None
    assert "typed in" in refused["reason"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"DE62": b"HP1|keyed=perhaps"}, "parameter keyed is 'perhaps'"),
        ({"DE62": b"HP1|journal_capacity=1000"}, "parameter journal_capacity"),
        ({"DE62": b"HP1|supervisor_kinds=void dance"}, "parameter supervisor_kinds"),
        ({"DE62": b"HX1|keyed=never"}, "holds no parameters"),
        ({"DE62": b"HP1|x=" + b"y" * 500}, "more than 400"),
        ({"DE62": b"\xff\xff"}, "no text"),
        ({"DE39": "96"}, "fault of the centre"),
    ],
)
def test_an_unusable_download_changes_nothing(fields: dict[str, str | bytes], says: str) -> None:
    world = PosWorld().signed_on().on_its_own()
    before = world.device.parameters
    world.command("download", actor="99")
    outcome = world.answers(**fields)
    assert outcome is not None
    assert outcome["outcome"] == "declined"
    assert says in outcome["reason"]
    assert world.device.parameters == before


def test_parameters_without_the_acquirer_s_mac_are_not_taken() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("download", actor="99")
    forged = answer_to(world.sent[-1], DE62=b"HP1|keyed=never")
    del forged.fields[64]
    outcome = world.arrives(forged)
    assert outcome is not None
    assert outcome["reason"] == "download refused: the answer's MAC does not hold"


def test_what_a_download_may_say() -> None:
    assert parse_download("HP1|keyed=never|merchant_name=a=b||") == {"keyed": "never", "merchant_name": "a=b"}
    assert Parameters().journal_warning == 450


def header(digit: str) -> bytes:
    """The header of an answer that asks this of the terminal."""
    return bytes.fromhex(f"60310{digit}000000")


@pytest.mark.parametrize(
    ("digit", "signed_on", "notices"),
    [("0", True, ""), ("3", False, ""), ("1", True, "1"), ("4", True, "4"), ("7", True, "")],
)
def test_what_the_header_of_an_answer_asks(digit: str, signed_on: bool, notices: str) -> None:
    world = PosWorld().signed_on().on_its_own()
    for _ in range(2 if signed_on else 1):
        world.command("sale", **SALE)
        answer = answer_to(world.sent[-1])
        answer.header = header(digit)
        world.arrives(answer, world.device.mak)
        assert (world.newest.outcome, world.device.signed_on, world.device.notices) == ("approved", signed_on, notices)
    world.restart()
    assert world.device.notices == notices


def test_a_notice_to_sign_on_in_the_answer_to_a_sign_on_is_no_reason_for_another() -> None:
    world = PosWorld()
    rows = world.acquirer.rows[TERMINALS]
    rows[TERMINAL_ID] = rows[TERMINAL_ID]._replace(notice="3")
    world.approved("sign-on")
    assert (world.device.signed_on, world.device.notices) == (True, "")


def test_a_download_notice_is_done_with_after_the_download() -> None:
    world = PosWorld()
    rows = world.acquirer.rows[TERMINALS]
    rows[TERMINAL_ID] = rows[TERMINAL_ID]._replace(notice="1")
    world.approved("sign-on")
    assert world.device.notices == "1"
    world.approved("download", actor="99")
    assert (world.device.notices, rows[TERMINAL_ID].notice) == ("", "0")


# --- a full journal -----------------------------------------------------------------------------------------------


def test_a_full_journal_must_be_settled_first() -> None:
    world = PosWorld().signed_on()
    world.set(parameters="journal_capacity=3")
    assert "warning" not in world.approved("sale", **SALE)
    assert world.approved("sale", **SALE)["warning"] == "2 of 3 requests of the batch are used: settle soon"
    world.approved("balance", card=CARD)
    for name, arguments in (
        ("sale", SALE),
        ("balance", {"card": CARD}),
        ("advise", SALE | {"authorization_code": "1"}),
    ):
        outcome = world.command(name, **arguments)
        assert outcome is not None
        assert outcome["reason"] == "the journal is full (3 requests): settle first"
    world.approved("settle")
    assert (world.device.asked_n, world.device.batch) == (0, "000002")
    world.approved("sale", **SALE)


def test_whoever_signs_on_to_another_batch_keeps_no_card_numbers_of_the_one_before() -> None:
    world = PosWorld().signed_on()
    sold = world.approved("sale", **SALE)["trace_key"]
    world.approved("sign-on")
    world.later(0)
    assert world.terminal.rows[SALES][sold].pan_sealed is not None, "the batch is the same, and not settled"
    session = world.acquirer.rows[SESSIONS][TERMINAL_ID]
    world.acquirer.rows[SESSIONS][TERMINAL_ID] = session._replace(batch="000009")
    world.approved("sign-on")
    world.later(0)
    assert world.device.batch == "000009"
    assert world.terminal.rows[SALES][sold].pan_sealed is None
    assert not [key for key in world.terminal.rows[DUE] if str(key).startswith("forget:")]


def test_loading_a_terminal_again_goes_on_with_its_counters() -> None:
    world = PosWorld().signed_on()
    world.approved("sale", **SALE)
    before = world.device
    world.approved("load", actor="99", **LOAD)
    after = world.terminal.rows[DEVICES][TERMINAL_ID]
    assert (after.batch, after.stan, after.asked_n, after.signed_on) == (before.batch, before.stan, 1, False)
    world.approved("sign-on")
