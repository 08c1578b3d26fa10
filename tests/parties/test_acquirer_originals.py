"""Which hold a completion or void means, across New Year, paddings, terminals and batches; and what the register says
when there is none: never the wire."""

from datetime import datetime
from typing import Any

import pytest

from holdfast.clock import DAY_US, MINUTE_US, local, mmdd, to_us, zone
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, SESSIONS
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from tests.parties.acquirer_audit import book_of
from tests.parties.acquirer_desk import Desk
from tests.runtime.acquirer_bench import AcquirerBench, run
from tests.standard_terminal import StandardTerminal


def at(text: str) -> int:
    """A moment in Shanghai."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=zone()))


def desk_at(text: str, *, code: str = "A1B2") -> Desk:
    """A desk at this moment whose issuer gives every hold this code."""
    desk = Desk()
    desk.now_us = at(text)
    run(desk.engine.keep())
    desk.judge = lambda message: ("00", code)
    return desk


def newest(desk: AcquirerBench) -> dict[str, Any]:
    """What the newest entry says."""
    return book_of(desk.database)[-1]


def said_on_the_wire(desk: Desk, step: str, *words: str) -> bytes:
    """The bytes of the answer to one more request."""
    name = step.partition("/")[0]
    desk.terminal_of(name)
    _, pipe, _ = desk.terminals[name]
    frames: list[bytes] = []
    pipe.write = lambda frame: frames.append(frame[2:])  # type: ignore[method-assign]
    desk.act([step, *words])
    del pipe.write
    (body,) = frames
    return body


@pytest.mark.parametrize(
    ("placed", "completed"),
    [
        ("2026-12-31T23:59:59", "2027-01-01T00:00:01"),
        ("2026-12-05T12:00:00", "2027-01-03T12:00:00"),
        ("2028-02-29T12:00:00", "2028-03-10T12:00:00"),
        ("2026-11-22T22:59:00", "2026-11-22T23:01:00"),
    ],
)
@pytest.mark.parametrize("verb", ["completes", "voids"])
def test_a_date_without_a_year_is_the_newest_that_there_was(placed: str, completed: str, verb: str) -> None:
    desk = desk_at(placed)
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.slips["T1/1"].get(13) == placed[5:7] + placed[8:10]
    desk.now_us = at(completed)
    assert desk.act(["T1/2", verb, "T1/1", "100.00"]) == "00"


@pytest.mark.parametrize(
    ("registered", "given"),
    [
        ("123", "000123"),
        ("000123", "123___"),
        ("123", "123"),
        ("a1b2", "A1B2__"),
        ("A1B2", "00A1B2"),
        ("000000", "000000"),
    ],
)
def test_padded_and_unpadded_codes_are_one(registered: str, given: str) -> None:
    desk = desk_at("2026-11-22T12:00:00", code=registered)
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.act(["T2/1", "completes", "T1/1", "100.00", f"code={given}"]) == "00"


def test_from_another_terminal_in_a_later_batch() -> None:
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    desk.terminal_of("T2").batch = "000004"
    session = desk.database.table(SESSIONS).rows["T0000002"]
    desk.database.table(SESSIONS).put(session._replace(batch="000004"))
    assert desk.act(["T2/1", "completes", "T1/1", "100.00"]) == "00"


def test_batch_and_trace_choose_between_several() -> None:
    desk = desk_at("2026-11-22T12:00:00", code="777777")
    for stan in (1, 2, 3):
        desk.now_us += MINUTE_US
        assert desk.act([f"T1/{stan}", "places", "C1", f"{stan}00.00"]) == "00"
    assert desk.act(["T1/4", "completes", "T1/1", "200.00", "trace=000001000002"]) == "00"
    assert [hold.state for hold in desk.rows(HOLDS)] == ["held", "completed", "held"]
    assert desk.act(["T1/5", "completes", "T1/1", "300.00"]) == "00", "else it is the newest"
    assert [hold.state for hold in desk.rows(HOLDS)] == ["held", "completed", "completed"]


WRONG = [
    (["date=1121"], [["date", "1121", "1122"]], "date is 1122, not 1121"),
    (["code=999999"], [["authorization code", "999999", "00A1B2"]], "authorization code is 00A1B2, not 999999"),
    (["code=______"], [["authorization code", "", "00A1B2"]], "authorization code is 00A1B2, not empty"),
    (["date=0000"], [["date", "0000", "1122"]], "date is 1122, not 0000"),
    (["card=C2"], [["card", "622000******0020", "622000******0012"]], "card is 622000******0012, not 622000******0020"),
    (
        ["code=999999", "date=0101"],
        [["authorization code", "999999", "00A1B2"], ["date", "0101", "1122"]],
        "authorization code is 00A1B2, not 999999 and date is 1122, not 0101",
    ),
]


@pytest.mark.parametrize(("words", "differs", "sentence"), WRONG)
@pytest.mark.parametrize("verb", ["completes", "voids"])
def test_the_register_names_the_nearest_hold_and_what_differs(
    words: list[str], differs: list[list[str]], sentence: str, verb: str
) -> None:
    desk = desk_at("2026-11-22T12:00:00")
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    body = said_on_the_wire(desk, "T2/1", verb, "T1/1", "100.00", *words)
    assert decode(UNIONPAY, body).get(39) == "25"
    (hold,) = desk.rows(HOLDS)
    said = newest(desk)
    masks = [hold.card, desk.row_of("T2/1").card]
    expected = [["card", masks[1], masks[0]] if what == "card" else [what, *values] for what, *values in differs]
    assert said["candidates"] == [{"hold": hold.hold_id, "differs": expected}]
    assert said["reason"].startswith(f"nearest hold {hold.hold_id}: ")
    if "card" not in sentence:
        assert said["reason"] == f"nearest hold {hold.hold_id}: {sentence}"
    assert desk.row_of("T2/1").reason == said["reason"]
    assert (desk.row_of("T2/1").hold_id, hold.state) == (None, "held")
    for told in (hold.hold_id, hold.authorization_code, "nearest"):
        assert told.encode() not in body
        assert told.encode().hex().encode() not in body.hex().encode()


def test_a_hold_of_another_merchant_is_named_in_the_register_only() -> None:
    desk = desk_at("2026-11-22T12:00:00")
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.act(["T3/1", "completes", "T1/1", "100.00"]) == "25"
    assert newest(desk)["candidates"][0]["differs"] == [["merchant", "102100070110002", "102100070110001"]]


def test_nothing_near_is_said_too() -> None:
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    desk.slips["T1/1"].fields[38] = "999999"
    desk.card_of["T1/1"] = "C2"
    desk.slips["T1/1"].fields[13] = "0101"
    assert desk.act(["T1/2", "completes", "T1/1", "100.00"]) == "25"
    assert newest(desk)["reason"] == "no hold of this card, and none with this code at this merchant, is registered"
    assert "candidates" not in newest(desk)


def test_a_slip_shows_the_date_by_which_the_hold_is_found() -> None:
    """Asked before midnight, answered after it: the slip and the register must show the same day."""
    desk = desk_at("2026-11-22T23:59:55")
    judge, desk.judge = desk.judge, lambda message: None
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "none"
    desk.judge = judge
    desk.now_us = at("2026-11-23T00:00:02")
    desk.issuer_answers("T1/1", "00")
    assert desk.answered() == "00"
    assert desk.slips["T1/1"].get(13) == "1123"
    assert desk.act(["T1/2", "completes", "T1/1", "100.00"]) == "00"


def test_a_second_completion_of_a_found_hold_names_it() -> None:
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.act(["T1/2", "completes", "T1/1", "90.00"]) == "00"
    assert desk.act(["T1/3", "completes", "T1/1", "90.00"]) == "22"
    (hold,) = desk.rows(HOLDS)
    assert newest(desk)["reason"] == f"hold {hold.hold_id} is completed"
    assert newest(desk)["original"] == hold.hold_id
    assert desk.row_of("T1/3").original == hold.hold_id


# --- keys that name two things ------------------------------------------------------------------------------------


def test_the_same_key_and_another_question_is_recorded_and_changes_nothing() -> None:
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    rows = desk.rows(REQUESTS)
    assert desk.act(["T1/1", "places", "C1", "100.01"]) == "94"
    said = newest(desk)
    assert (said["phase"], said["response_code"]) == ("duplicate", "94")
    assert rows[0].entry in said["reason"]
    assert desk.rows(REQUESTS) == rows
    assert desk.act(["T1/1", "voids", "T1/1", "100.00"]) == "94", "a void has the MTI of a pre-authorization"
    assert desk.rows(REQUESTS) == rows


def test_one_reversal_key_undoes_one_request() -> None:
    """A terminal that uses a trace number for two kinds of request cannot undo the second as if it were the first."""
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.act(["T1/7", "places", "C1", "50.00"]) == "00"
    assert desk.act(["reverse", "T1/7"]) == "00"
    assert desk.act(["T1/7", "completes", "T1/1", "100.00"]) == "00"
    assert desk.act(["reverse", "T1/7"]) == "94"
    assert newest(desk)["phase"] == "duplicate"
    assert desk.look("T1/1.hold") == "completed"
    terminal: StandardTerminal = desk.terminals["T1"][0]
    assert terminal.sent is not None
    assert terminal.sent.mti == "0400"


def test_what_a_reversal_could_not_undo_stands_in_the_register() -> None:
    desk = Desk()
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    assert desk.act(["T1/2", "completes", "T1/1", "100.00"]) == "00"
    assert desk.act(["reverse", "T1/1"]) == "22"
    said = newest(desk)
    assert (said["kind"], said["undoes"], said["reverses"]) == ("reversal", "built upon", desk.row_of("T1/1").trace_key)
    assert said["reason"] == "98"


# --- time ---------------------------------------------------------------------------------------------------------


def test_a_hold_expires_to_the_minute_and_the_register_follows_after_the_grace() -> None:
    desk = desk_at("2026-11-22T12:34:56")
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    (hold,) = desk.rows(HOLDS)
    assert hold.expires_us == at("2026-12-22T12:35:00")
    assert mmdd(hold.placed_us) == "1122"
    desk.now_us = hold.expires_us + Policy().expiry_grace_us - 1
    desk.act(["time", "passes"])
    assert desk.look("T1/1.hold") == "held"
    desk.now_us += 1
    desk.act(["time", "passes"])
    assert desk.look("T1/1.hold") == "expired"
    said = newest(desk)
    assert (said["kind"], said["hold"]["act"][0]) == ("expiry", "expire")


@pytest.mark.parametrize("undo", ["before", "after"])
def test_what_a_reversal_brings_back_past_its_end_is_expired_at_once(undo: str) -> None:
    desk = desk_at("2026-11-22T12:00:00")
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"
    desk.now_us += 30 * DAY_US
    assert desk.act(["T1/2", "completes", "T1/1", "100.00"]) == "00"
    desk.now_us += MINUTE_US - (1 if undo == "before" else 0)
    assert desk.act(["reverse", "T1/2"]) == "00"
    assert desk.look("T1/1.hold") == ("held" if undo == "before" else "expired")
    desk.now_us += Policy().expiry_grace_us + 1
    desk.act(["time", "passes"])
    assert (desk.look("T1/1.hold"), desk.look("due.expire")) == ("expired", "0")
    assert local(desk.now_us).day == 22
