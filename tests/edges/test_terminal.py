"""`holdfast terminal` as far as it goes without an acquirer: what is refused at once, and what a person reads."""

from pathlib import Path
from typing import Any

import pytest
import typer

from holdfast.clock import DAY_US, HOUR_US, SECOND_US
from holdfast.domain.commands import COMPLETION, MOTO, SALE
from holdfast.edges import cli, sample
from holdfast.edges.counter import Counter, differing_clock, ended, told
from holdfast.edges.output import PIPE_COLUMNS, print_table
from holdfast.edges.terminal_business import ACTIONS, trace_of
from holdfast.edges.terminal_cards import Presented, card_of, refuses
from holdfast.edges.terminal_own import synced
from holdfast.edges.terminal_pages import JOURNAL_COLUMNS, journal_cells
from holdfast.errors import BadInput
from holdfast.parties.entered import KINDS
from holdfast.sim.chip_card import ChipCard
from tests.parties.pos_world import CARD, PosWorld

KEY = "T0000001/000001/000002/0100"
LOAD = ("--tmk", "00112233445566778899AABBCCDDEEFF", "--merchant", "104290070110001", "--merchant-name", "x")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--repeat", KEY, "echo"), "--repeat goes with no action"),
        (("load-key", *LOAD, "--register-key", "zz"), "--register-key 'zz' is not 32 bytes in hex"),
        (("sale", "--amount", "5"), "--card is missing"),
        (("sale", "--amount", "0", "--card", "alice"), "amount 0.00"),
        (("sale", "--amount", "5", "--card", "alice", "--tap", "--swipe"), "give one of --tap, --swipe, --keyed"),
        (("sale", "--amount", "5", "--card", "alice", "--swipe"), "insert the chip"),
        (("sale", "--amount", "5", "--card", "alice", "--pin", "12"), "PIN is not 4 to 12 digits"),
        (("void", "--original", "123456", "--card", "alice"), "a void needs a supervisor"),
        (("refund", "--amount", "5", "--card", "alice", "--supervisor", "00"), "--original is missing"),
        (("refund", "--amount", "5", "--card", "alice", "--rrn", "1", "--supervisor", "00"), "reference number"),
        (("void-sale", "--card", "alice", "--original", "1", "--supervisor", "07"), "operator 07 is no supervisor"),
        (("advise", "--original", "123456", "--card", "alice"), "--amount is missing"),
        (("--operator", "1", "settle"), "--operator '1' is not two digits"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_opened(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "till"
    monkeypatch.setattr("sys.argv", ["holdfast", "terminal", "--id", "T0000001", "--data", str(folder), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not folder.exists()


def test_a_line_of_the_journal_is_a_line_so_that_its_trace_key_can_be_copied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = {"number": 123456, "at": 1_795_000_000 * SECOND_US, "kind": "pre-authorization", "phase": "answered"}
    entry |= {"outcome": "approved", "amount": 123456_00, "trace_key": KEY, "register_entry": "A-000123"}
    print_table("journal", JOURNAL_COLUMNS, [journal_cells(entry)])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if KEY in line)
    told = ["123456", "11-18", "19:06", "pre-auth", "answered", "approved", "123456.00", KEY, "A-000123"]
    assert line.split() == told
    assert len(line) <= PIPE_COLUMNS


def test_a_decline_names_the_register_entry_that_says_more() -> None:
    declined = {"outcome": "declined", "response_code": "25", "register_entry": "A-000012", "trace_key": KEY}
    assert "holdfast register show A-000012" in told(declined)
    assert "register show" not in told({**declined, "outcome": "approved"})


def test_the_terminal_s_own_business_is_done_and_not_approved() -> None:
    assert told({"outcome": "approved", "response_code": "", "kind": "sync"}) == "sync: done\n"


def test_every_kind_is_an_action() -> None:
    assert ACTIONS.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("behind_us", "says"),
    [
        (0, ""),
        (23 * HOUR_US, ""),
        (31 * DAY_US - HOUR_US, "is 31 days behind the acquirer's"),
        (-25 * HOUR_US, "is 1 day ahead of the acquirer's"),
    ],
)
def test_a_clock_that_differs_by_days_is_told(behind_us: int, says: str) -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    sale = world.newest
    own_us = sale.at_us - behind_us
    found = "".join(differing_clock(sale._replace(at_us=own_us), own_us))
    assert (says in found, bool(found)) == (True, bool(says))
    assert not differing_clock(sale._replace(at_us=own_us, response_code=None), own_us), "nobody has told it anything"
    later_us = sale.at_us + 40 * DAY_US
    assert not differing_clock(sale, later_us), "an answer that comes again is dated as it first was"
    assert not differing_clock(sale._replace(at_us=sale.at_us - 31 * DAY_US), sale.at_us), "advanced while it waited"


# --- what a card is -----------------------------------------------------------------------------------------------

ALICE = sample.card("alice") or {}


@pytest.mark.parametrize(
    ("text", "ways", "entry", "asks"),
    [
        ("alice", {}, "chip", True),
        ("alice", {"tap": True}, "contactless", True),
        ("alice", {"swipe": True}, "stripe", False),
        ("alice", {"keyed": True}, "keyed", False),
        (ALICE["pan"], {}, "keyed", False),
        (ALICE["pan"], {"tap": True}, "contactless", True),
        (f"track2:{ALICE['pan']}=3012101", {}, "stripe", False),
    ],
)
def test_what_is_entered_as_the_card(text: str, ways: dict[str, bool], entry: str, asks: bool) -> None:
    presented = card_of(text, None, SALE, **ways)
    assert (presented.card["entry"], presented.chip is not None) == (entry, asks)


def test_a_completion_reads_the_chip_without_asking_the_issuer_and_an_order_has_no_card_to_read() -> None:
    assert card_of("alice", None, COMPLETION) == Presented(card_of("alice", None, SALE).card)
    assert card_of("alice", None, MOTO).card == {"pan": ALICE["pan"], "expiry": sample.EXPIRY, "entry": "keyed"}


@pytest.mark.parametrize("text", ["zoe", "12345x"])
def test_a_card_that_nobody_knows(text: str) -> None:
    with pytest.raises(BadInput, match="is not a sample card"):
        card_of(text, None, SALE)


def test_a_chip_refuses_another_issuer_s_word() -> None:
    chip = ChipCard(ALICE["pan"], sample.EXPIRY)
    chip.generate(100, "156", "261122", b"\0\1\2\3")
    approved: dict[str, Any] = {"outcome": "approved", "chip": bytes.fromhex("910A") + bytes(8) + b"00"}
    assert refuses(Presented({}, chip), approved)
    assert not refuses(Presented({}, chip), {"outcome": "approved"}), "not every issuer answers the chip"
    assert not refuses(Presented({}, chip), {**approved, "outcome": "declined"})
    assert not refuses(Presented({}), approved)


def test_an_original_is_named_by_its_trace_key_or_batch_and_trace() -> None:
    assert trace_of(KEY) == trace_of("000001/000002") == ("000001", "000002")
    assert trace_of(None) == (None, None)


# --- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"outcome": "approved"}, 0),
        ({"outcome": "stored"}, 0),
        ({"outcome": "declined"}, 1),
        ({"outcome": "approved", "balanced": True}, 0),
        ({"outcome": "approved", "balanced": False}, 1),
        ({"outcome": "unknown"}, 3),
    ],
)
def test_exit_codes(value: dict[str, Any], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    counter = Counter()
    counter.json = True
    with pytest.raises(typer.Exit) as end:
        ended(counter, value)
    assert end.value.exit_code == code
    assert value["outcome"] in capsys.readouterr().out


def test_what_was_entered_wrongly_is_bad_input() -> None:
    with pytest.raises(BadInput, match="give the amount"):
        ended(Counter(), {"outcome": "declined", "reason": "give the amount", "mistake": True})


def test_what_is_stored_is_not_called_approved() -> None:
    text = told({"outcome": "stored", "kind": "completion-advice", "trace_key": KEY})
    assert "待上送" in text
    assert "approved" not in text


def test_a_balance_and_a_warning_are_told() -> None:
    text = told({"outcome": "approved", "kind": "balance", "balance": 123_45, "warning": "settle soon"})
    assert "available 123.45" in text
    assert "settle soon" in text


def test_sync_says_what_waits() -> None:
    assert synced({})["reason"] == "nothing waits"
    waits = synced({"told": ["A", "B"], "settling": "S", "reversal": "R"})
    assert waits["outcome"] == "unknown"
    assert waits["reason"] == "told until they are answered: A, B; settlement under way, settle again: S; reversal: R"
