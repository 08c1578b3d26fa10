"""A batch is settled: what counts, who differs, what comes later, and what is said twice."""

from datetime import datetime

import pytest

from holdfast.clock import to_us, zone
from holdfast.domain.records import BATCHES, SESSIONS
from holdfast.register.canonical import decode_strict
from holdfast.wire.chain import ChainRequest, pack_request
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.settlement import ClassTotals, Totals, pack_totals, parse_totals
from tests.parties.acquirer_desk import CARDS
from tests.parties.batch_desk import BatchDesk
from tests.stories import play

HERE = zone("Asia/Shanghai")

BALANCED = """
T1/1 places C1 500.00                   -> 00
T1/2 completes T1/1 460.50              -> 00  T1.000001.debit 460.50
T1/3 sells C2 100.00                    -> 00
T1/4 sells C3 30.00                     -> 00
T1/5 voids-sale T1/4 30.00              -> 00  T1.000001.credit 30.00
T1/6 refunds T1/3 25.00                 -> 00
T1/7 places C4 200.00
T1/8 advises T1/7 150.00                -> 00
T1/9 places C5 80.00
T1/10 completes T1/9 80.00
T1/11 voids-completion T1/10 80.00      -> 00
T1/12 voids T1/9 80.00                  -> 00
T1/13 asks-balance C5                   -> 00                           # what moves nothing counts nowhere
T1/14 sells VISA 70.00                  -> 00
T1/15 refunds T1/14 7.00                -> 00
T1 settles                              -> 11  T1.000001.flags 11  findings 0
T1/16 sells C1 1.00                     -> 00  T1.000002.debit 1.00  T1.000001.debit 820.50  T1.000001.debit_count 5
T1 settles                              -> 11
T1 settles                              -> 11                           # nothing in it
"""

UNBALANCED_DOMESTIC = """
T1/1 sells C1 100.00
T1/2 sells C2 50.00
T1/3 sells VISA 20.00
forget T1/2
T1 settles                              -> 21  T1.000001.flags 21  findings 0
T1/4 sells C1 1.00                      -> 00  T1.000002.debit 1.00     # closed all the same
"""

UNBALANCED_FOREIGN = """
T1/1 sells C1 100.00
T1/2 sells VISA 20.00
T1/3 sells MASTER 30.00
forget T1/3
T1 settles                              -> 12  T1.000001.foreign_debit 50.00
"""

EVERY_NUMBER_COUNTS = """
T1/1 sells C1 100.00
T1/2 voids-sale T1/1 100.00
T1 settles as 100.00/1 100.00/1         -> 11
T1/3 sells C1 100.00
T1/4 voids-sale T1/3 100.00
T1 settles as 100.00/2 100.00/1         -> 21
T1/5 sells C1 100.00
T1/6 voids-sale T1/5 100.00
T1 settles as 99.99/1 100.00/1          -> 21
T1/7 sells C1 100.00
T1/8 voids-sale T1/7 100.00
T1 settles as 100.00/1 100.01/1         -> 21
T1/9 sells C1 100.00
T1/10 voids-sale T1/9 100.00
T1 settles as 0.00/0 0.00/0 100.00/1 100.00/1 -> 22                     # all of it as foreign
"""

WHAT_DOES_NOT_COUNT = """
T1/1 places C1 500.00
T1/2 places C2 500.00
T1/3 voids T1/2 500.00
issuer says 51
T1/4 sells C1 9.00                      -> 51
issuer is silent
T1/5 sells C1 8.00                      -> none
wait 13 seconds
time passes                             -> 98
issuer approves
T1/6 sells C1 7.00
reverse T1/6                            -> 00  T1.000001.debit 0.00  T1.000001.debit_count 0
T1/7 completes T1/1 600.00              -> 64
T1 settles                              -> 11
"""

SAID_TWICE = """
T1/1 sells C1 100.00
T1 settles                              -> 11
T1/2 sells C1 1.00                      -> 00
T1 settles again                        -> 11  T1.batch 000002          # its answer was lost: the first one again
T1 settles as 99.00/1 batch=000001 stan=900001 -> 94                    # the same key with other totals
T1 settles                              -> 11
"""

CARRIED_OVER = """
T1/1 places C1 500.00
T1/2 places C2 300.00
T1/3 completes T1/1 400.00
T1 settles                              -> 11  T1.000001.debit 400.00
T1/4 advises T1/2 250.00 batch=000001   -> 00  T1.000001.debit 650.00  T1.000001.flags 11  # the last word is kept
T1 settles as 650.00/2 batch=000001     -> 11  T1.batch 000002          # may be settled again, and opens nothing
T1 settles                              -> 11  T1.batch 000003
"""

CLOSED_WHILE_A_REPLY_IS_UNDER_WAY = """
issuer is silent
T1/1 sells C1 100.00                    -> none
issuer approves
T1 settles                              -> 11  T1.000001.debit 0.00
issuer answers T1/1 00                  -> 00  T1.000001.debit 100.00  T1.000001.flags 11  T1.batch 000002
T1 settles batch=000001                 -> 11
"""

UNKNOWN_WHEN_IT_CLOSES = """
issuer is silent
T1/1 sells C1 100.00
wait 13 seconds
time passes                             -> 98
T1 settles                              -> 11
issuer answers T1/1 00                  -> none  T1.000001.debit 0.00    # a late answer is undone, never counted
reverse T1/1                            -> 00  T1/1.outcome reversed  T1.000001.debit 0.00
"""

REVERSED_AFTERWARDS = """
T1/1 places C1 500.00
T1/2 completes T1/1 400.00
T1/3 sells C2 50.00
T1 settles                              -> 11
reverse T1/2                            -> 00  T1.000001.debit 50.00  T1.000001.flags 11  T1/1.hold held
reverse T1/2                            -> 00  T1.000001.debit 50.00    # once
T1/4 sells C3 1.00                      -> 00  T1.000002.debit 1.00
"""

SIGNED_ON_AGAIN = """
T1/1 sells C1 100.00
T1 signs on                             -> 00  T1.batch 000001
T1/2 sells C2 50.00                     -> 00
T1 signs off                            -> 00
T1/3 sells C2 50.00                     -> 77
T1 signs on                             -> 00
T1 settles                              -> 11  T1.000001.debit_count 2
T1 signs on                             -> 00  T1.batch 000002
"""

SETTLED_WHEN_SIGNED_OFF = """
T1/1 sells C1 100.00
T1 signs off
T1 settles                              -> 11                           # nothing is asked, only counted
T1/2 sells C1 1.00                      -> 77
T1 signs on                             -> 00  T1.batch 000002
"""

OTHER_BATCHES = """
T1/1 sells C1 100.00
T1 settles as 100.00/1 0.00/0 batch=000009 -> 77  T1.batch 000001
T1 settles as 0.00/0 100.00/1 batch=999999 -> 77
T1 settles batch=000009                 -> 11  T1.batch 000001           # nothing counts in it: both sides agree
T1 settles                              -> 11
T1/2 sells C1 1.00 batch=000001         -> 77
T1/3 sells C1 1.00                      -> 00
"""

CLAIMED_ADVICES_COUNT = """
T1/1 places C1 100.00
T1/2 advises T1/1 400.00                -> 00  T1/2.outcome claimed  findings 1  # over the ceiling, but told
T1/3 advises T1/1 90.00                 -> 00
T1 settles                              -> 11  T1.000001.debit 490.00
"""

DISPUTED_LATER = """
T1/1 places C1 100.00
issuer takes 05
T1/2 advises T1/1 100.00                -> 00
T1 settles                              -> 11
time passes                             -> none  T1/2.outcome claimed  findings 1  T1.000001.debit 100.00
T1 settles batch=000001                 -> 11                           # the terminal was answered 00
"""


@pytest.mark.parametrize(
    "story",
    [
        BALANCED,
        UNBALANCED_DOMESTIC,
        UNBALANCED_FOREIGN,
        EVERY_NUMBER_COUNTS,
        WHAT_DOES_NOT_COUNT,
        SAID_TWICE,
        CARRIED_OVER,
        CLOSED_WHILE_A_REPLY_IS_UNDER_WAY,
        UNKNOWN_WHEN_IT_CLOSES,
        REVERSED_AFTERWARDS,
        SIGNED_ON_AGAIN,
        SETTLED_WHEN_SIGNED_OFF,
        OTHER_BATCHES,
        CLAIMED_ADVICES_COUNT,
        DISPUTED_LATER,
    ],
)
def test_story(story: str) -> None:
    desk = BatchDesk()
    play(story, desk.act, desk.look)


# --- the answer, and the entry ------------------------------------------------------------------------------------


def sold(desk: BatchDesk, *amounts: str) -> BatchDesk:
    """T1 has sold for these amounts."""
    for stan, amount in enumerate(amounts, 1):
        assert desk.act([f"T1/{stan}", "sells", "C1", amount]) == "00"
    return desk


def test_the_answer_has_the_hosts_own_totals_and_flags_and_no_response_code() -> None:
    desk = sold(BatchDesk(), "100.00", "50.00")
    desk.act(["T1/3", "refunds", "T1/1", "10.00"])
    desk.act(["T1/4", "sells", "VISA", "20.00"])
    assert desk.act(["T1", "settles", "as", "100.00/1", "10.00/1", "20.00/1"]) == "21"
    answer = desk.answers[-1]
    totals = Totals(ClassTotals(150_00, 2, 10_00, 1, "2"), ClassTotals(20_00, 1, 0, 0, "1"))
    assert parse_totals(answer.get(48)) == totals
    assert (answer.mti, answer.get(60), answer.get(49), answer.get(42)) == (
        "0510",
        "00000001201",
        "156",
        "102100070110001",
    )
    assert 39 not in answer.fields
    assert answer.get(37) == desk.row_of_key("T0000001/000001/900001/0500").rrn


def test_the_entry_says_what_was_told_and_what_was_counted() -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T1", "settles", "as", "99.00/1"])
    entry = decode_strict(desk.entries[-1].body)
    assert (entry["kind"], entry["trace_key"], entry["outcome"]) == (
        "settlement",
        "T0000001/000001/900001/0500",
        "approved",
    )
    assert parse_totals(str(entry["told"])).domestic == ClassTotals(99_00, 1)
    assert entry["reason"] == "the terminal's totals differ from the register's"
    assert entry["batch"]["version"] == 2  # type: ignore[index]
    batch = desk.database.table(BATCHES).rows["T0000001/000001"]
    assert parse_totals(batch.settled).domestic == ClassTotals(100_00, 1, reply="2")
    assert batch.settled_us == desk.now_us


def test_what_is_said_twice_is_recorded_once() -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T1", "settles"])
    first, entries = desk.answers[-1], len(desk.entries)
    desk.now_us += 5_000_000
    desk.act(["T1", "settles", "again"])
    assert (desk.answers[-1].fields, len(desk.entries)) == (first.fields, entries)


def test_a_late_copy_of_a_settlement_is_flagged_for_what_it_told() -> None:
    """It was settled again meanwhile: the copy is answered with the newest totals, and an honest flag."""
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T1", "settles"])
    first = desk.batch_messages["T1"][-1]
    desk.act(["T1/2", "places", "C1", "50.00"])
    desk.act(["T1/3", "advises", "T1/2", "50.00", "batch=000001"])
    assert desk.act(["T1", "settles", "batch=000001"]) == "11"
    assert desk.carried("T1", first) == "21"


def linked(batch: str, link: str, told: str = "0" * 62) -> dict[int, str | bytes]:
    """A 0500 of a terminal that keeps a chain."""
    chained = pack_request(ChainRequest(7, link, ""))
    return {48: told, 57: chained, 60: f"00{batch}201"}


def test_a_terminal_that_keeps_a_chain_is_told_the_entry_and_is_not_taken_for_its_copy() -> None:
    desk = sold(BatchDesk(), "100.00")
    assert desk.about_batch("T1", "0500", linked("000001", "0" * 16), {"mac": "right", "stan": "000050"}) == "21"
    first = desk.answers[-1].fields
    assert first[57] == f"HF1|{desk.row_of_key('T0000001/000001/000050/0500').entry}"
    assert desk.about_batch("T1", "0500", linked("000001", "0" * 16), {"mac": "right", "stan": "000050"}) == "21"
    assert desk.answers[-1].fields == first
    assert desk.about_batch("T1", "0500", linked("000001", "f" * 16), {"mac": "right", "stan": "000050"}) == "94"


# --- who may settle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mac", "answer"), [([], "11"), (["mac=right"], "11"), (["mac=wrong"], "A0")])
def test_a_settlement_needs_no_mac_but_one_that_is_there_must_hold(mac: list[str], answer: str) -> None:
    desk = sold(BatchDesk(), "100.00")
    entries = len(desk.entries)
    assert desk.act(["T1", "settles", *mac]) == answer
    assert (64 in desk.answers[-1].fields) == (mac == ["mac=right"])
    assert len(desk.entries) - entries == (answer == "11")
    assert desk.look("T1.batch") == ("000002" if answer == "11" else "000001")


def test_a_mac_under_the_key_before_the_sign_on_holds_for_some_minutes() -> None:
    desk = sold(BatchDesk(), "100.00")
    terminal = desk.terminals["T1"][0]
    old = terminal.mak
    desk.act(["T1", "signs", "on"])
    new, terminal.mak = terminal.mak, old
    assert desk.act(["T1", "settles", "mac=right"]) == "11"
    desk.now_us += 6 * 60_000_000
    terminal.mak, terminal.batch = old, "000002"
    assert desk.act(["T1", "settles", "mac=right"]) == "A0"
    terminal.mak = new
    assert desk.act(["T1", "settles", "mac=right"]) == "11"


def test_a_terminal_that_nobody_knows_or_that_never_signed_on_settles_nothing() -> None:
    desk = sold(BatchDesk(), "100.00")
    body = desk.batch_messages
    desk.act(["T1", "settles"])
    stranger = body["T1"][-1].replace(b"T0000001", b"T0000099")
    assert desk.carried_unread("T1", stranger).get(39) == "97"
    unsigned = body["T1"][-1].replace(b"T0000001", b"T0000006")
    assert desk.carried_unread("T1", unsigned).get(39) == "77"


@pytest.mark.parametrize("told", ["", "0" * 61, "0" * 63, "0" * 30 + "9" + "0" * 31])
def test_totals_that_cannot_be_read_settle_nothing(told: str) -> None:
    desk = sold(BatchDesk(), "100.00")
    entries = len(desk.entries)
    fields: dict[int, str | bytes] = {48: told} if told else {}
    assert desk.about_batch("T1", "0500", fields | {60: "00000001201"}, {}) == "30"
    assert len(desk.entries) == entries
    assert desk.act(["T1", "settles"]) == "11"


@pytest.mark.parametrize("mti", ["0500", "0320"])
def test_by_rule_an_unsealed_message_about_a_batch_is_answered_a0_and_recorded_nowhere(mti: str) -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.rules("batch_messages=sealed")
    what = ["settles"] if mti == "0500" else ["uploads", "201", "T1/9:amount=1.00", "batch=000001"]
    entries = len(desk.entries)
    assert desk.act(["T1", *what]) == "A0"
    assert (len(desk.entries), desk.look("T1.batch")) == (entries, "000001")
    assert desk.act(["T1", *what, "mac=right"]) == ("11" if mti == "0500" else "00")


def signed_on(desk: BatchDesk, sequence: int | None) -> bool:
    """T1 signs on with this link of a chain, or with none; whether it must seal its batches then."""
    terminal, pipe, link = desk.terminals["T1"]
    message = decode(UNIONPAY, terminal.sign_on())
    if sequence is not None:
        message.fields[57] = pack_request(ChainRequest(sequence, "0" * 16, ""))
    assert terminal.take_keys(desk.send(encode(UNIONPAY, message), pipe, link)) == "00"
    sessions = desk.database.table(SESSIONS).rows
    seals: bool = sessions["T0000001"].seals_batches
    return seals


def proves_a_chain(desk: BatchDesk) -> bool:
    """T1 signs on with a chain; whether it must seal its batches once a message under the new keys came."""
    assert not signed_on(desk, 1), "anybody can say that"
    assert desk.act(["repeat", "T1/1"]) == "00"
    seals: bool = desk.database.table(SESSIONS).rows["T0000001"].seals_batches
    return seals


def test_a_terminal_that_keeps_a_chain_seals_its_batches_and_nobody_settles_for_it() -> None:
    desk = sold(BatchDesk(), "100.00")
    assert desk.act(["T1", "signs", "on"]) == "00"
    assert desk.act(["T1", "settles", "as", "1.00/1", "batch=000001"]) == "21", "one without a chain may"
    assert proves_a_chain(desk)
    entries = len(desk.entries)
    assert desk.act(["T1", "settles"]) == "A0"
    assert desk.act(["T1", "uploads", "201", "T1/9:amount=1.00", "batch=000001"]) == "A0"
    assert len(desk.entries) == entries
    assert signed_on(desk, None), "whoever signs on for it without a chain changes nothing"
    assert desk.act(["T1", "settles"]) == "A0"
    assert desk.act(["T1", "settles", "mac=right"]) == "11"


def test_what_replaces_a_terminal_with_a_chain_settles_as_it_can_when_it_has_sold_something() -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T1", "settles"])
    assert proves_a_chain(desk)
    assert signed_on(desk, None)
    assert desk.act(["T1/2", "sells", "C1", "100.00"]) == "00"
    assert not signed_on(desk, None), "that sale bore a MAC and no chain"
    assert desk.act(["T1", "settles"]) == "11"


def test_a_link_of_a_chain_is_not_believed_without_a_mac() -> None:
    desk = sold(BatchDesk(), "100.00")
    fields = linked("000001", "0" * 16) | {48: pack_totals(Totals(ClassTotals(), ClassTotals()))}
    assert desk.about_batch("T1", "0500", fields, {"stan": "999999"}) == "21"
    assert desk.row_of_key("T0000001/000001/999999/0500").sequence == 0
    assert not signed_on(desk, None)


# --- numbers ------------------------------------------------------------------------------------------------------


def at_batch(desk: BatchDesk, batch: str) -> BatchDesk:
    """A terminal that has come to that batch."""
    desk.terminal_of("T1")
    sessions = desk.database.table(SESSIONS).rows
    sessions["T0000001"] = sessions["T0000001"]._replace(batch=batch)
    desk.terminals["T1"][0].batch = batch
    return desk


@pytest.mark.parametrize(
    ("rules", "batch", "following"),
    [
        ("batch_numbers=counter", "000001", "000002"),
        ("batch_numbers=counter", "000999", "001000"),
        ("batch_numbers=counter", "999999", "000001"),
        ("batch_numbers=date", "000001", "261118"),
        ("batch_numbers=date", "261117", "261118"),
        ("batch_numbers=date", "261118", "261119"),  # a second one of the same day
        ("batch_numbers=date", "261130", "261131"),  # a number is no date once it is ahead
    ],
)
def test_the_number_of_the_batch_that_opens(rules: str, batch: str, following: str) -> None:
    desk = BatchDesk()
    desk.act(["rules", "of", "*", rules])
    sold(at_batch(desk, batch), "100.00")
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.act(["T1", "signs", "on"]) == "00"
    assert desk.look("T1.batch") == following


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ({"debit_count": 1000}, "999"),
        ({"credit_count": 1000}, "999"),
        ({"debit_minor": 10**12}, "1"),
    ],
)
def test_totals_that_do_not_fit_their_digits_are_an_error_and_never_cut(counted: dict[str, int], told: str) -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T1/2", "sells", "VISA", "20.00"])
    batches = desk.database.table(BATCHES).rows
    batches["T0000001/000001"] = batches["T0000001/000001"]._replace(**counted)
    desk.audit = lambda: None
    assert desk.act(["T1", "settles", "as", f"100.00/{told}", f"0.00/{told}", "20.00/1"]) == "31"
    totals = parse_totals(desk.answers[-1].get(48))
    assert totals == Totals(ClassTotals(reply="3"), ClassTotals(20_00, 1, 0, 0, "1"))
    assert desk.act(["T1", "settles", "again"]) == "31"


def test_a_batch_of_999_still_fits() -> None:
    desk = BatchDesk()
    desk.audit = lambda: None
    for stan in range(1, 1000):
        assert desk.act_unaudited([f"T1/{stan}", "sells", "C1", "0.01"]) == "00"
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.look("T1.000001.debit_count") == "999"


# --- time ---------------------------------------------------------------------------------------------------------


def test_the_day_changes_between_completion_and_settlement() -> None:
    """A batch knows no days: what was posted before the cut-over and settled after it balances."""
    desk = BatchDesk()
    desk.now_us = to_us(datetime(2026, 11, 18, 22, 59, tzinfo=HERE))
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1/2", "completes", "T1/1", "400.00"])
    assert desk.row_of("T1/2").business_date == "2026-11-18"
    desk.now_us = to_us(datetime(2026, 11, 18, 23, 0, tzinfo=HERE))
    desk.act(["T1/3", "sells", "C2", "10.00"])
    assert desk.row_of("T1/3").business_date == "2026-11-19"
    assert desk.act(["T1/4", "voids-completion", "T1/2", "400.00"]) == "22"
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.row_of_key("T0000001/000001/900001/0500").business_date == "2026-11-19"
    assert desk.look("T1.000001.debit") == "410.00"


def test_a_completion_is_not_voided_after_its_batch_was_settled_but_refunded() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1/2", "completes", "T1/1", "400.00"])
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.act(["T1/3", "voids-completion", "T1/2", "400.00"]) == "25"
    assert desk.act(["T1/4", "refunds", "T1/2", "400.00"]) == "00"
    assert (desk.look("T1.000001.credit"), desk.look("T1.000002.credit")) == ("0.00", "400.00")
    assert desk.act(["T1", "settles"]) == "11"


def test_trace_numbers_wrap_and_the_next_batch_begins_anywhere() -> None:
    desk = BatchDesk()
    for stan in (999998, 999999, 1):
        assert desk.act([f"T1/{stan}", "sells", "C1", "1.00"]) == "00"
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.act(["T1/999999", "sells", "C1", "2.00"]) == "00"
    assert desk.look("T1.000002.debit") == "2.00"


def test_terminals_settle_apart() -> None:
    desk = sold(BatchDesk(), "100.00")
    desk.act(["T2/1", "places", "C2", "50.00"])
    desk.act(["T1/9", "completes", "T2/1", "50.00"])
    assert desk.act(["T2", "settles"]) == "11"
    assert desk.look("T1.batch") == "000001"
    assert desk.act(["T1", "settles"]) == "11"
    assert desk.look("T1.000001.debit") == "150.00"
    assert all(CARDS["C1"] not in entry.body.decode() for entry in desk.entries)
