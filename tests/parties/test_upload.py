"""A batch is uploaded: each record laid beside the register, each difference found once, and no money moved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.records import CARDS as VAULT
from holdfast.domain.records import HOLDS, REQUESTS
from holdfast.errors import WireError
from holdfast.parties.step import Received
from holdfast.register.canonical import decode_strict
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.tlv import pack
from tests.parties.acquirer_desk import CARDS
from tests.parties.batch_desk import BatchDesk
from tests.stories import play

AGREES = """
T1/1 sells C1 100.00
T1/2 sells C2 50.00
T1/3 sells VISA 20.00
T1 settles as 0.00/0                    -> 22
T1 uploads 201 T1/1 T1/2 T1/3           -> 00  findings 0  claims 0
T1 uploads 202 3                        -> 00  findings 0
"""

EVERY_FORM = """
T1/1 sells C1 100.00
T1/2 sells C2 50.00 read=chip
T1/3 places C3 80.00
T1/4 advises T1/3 80.00
T1/5 refunds T1/1 10.00
T1/6 sells MASTER 5.00 read=tap
T1 settles as 0.00/0                    -> 22
T1 uploads 201 T1/1                     -> 00
T1 uploads 203 T1/2                     -> 00
T1 uploads 205 T1/6                     -> 00
T1 uploads 201 T1/4 alone=yes           -> 00
T1 uploads 201 T1/5 alone=yes           -> 00
T1 uploads 202 5                        -> 00  findings 0  claims 0
"""

OF_A_BATCH_THAT_BALANCES = """
T1/1 sells C1 100.00
T1/2 sells C2 50.00 read=chip
T1 settles                              -> 11
T1 uploads 203 T1/2                     -> 00
T1 uploads 207 1                        -> 00  findings 0               # what was not wanted is not missing
"""

REFUSED_CHIPS_ARE_ONLY_NOTED = """
T1/1 sells C1 100.00
T1 settles as 0.00/0                    -> 21
T1 uploads 201 T1/1                     -> 00
T1 uploads 204 T1/9:amount=30.00        -> 00  findings 0  claims 0
T1 uploads 206 T1/8:amount=30.00        -> 00  findings 0  claims 0
T1 uploads 202 3                        -> 00  findings 0               # as terminals that count them, too,
T1 uploads 202 1                        -> 00  findings 0               # and as those that do not
"""

AMOUNT = """
T1/1 sells C1 100.00
T1 settles as 99.00/1                   -> 21
T1 uploads 201 T1/1:amount=99.00        -> 00  findings 1  claims 0  T1/1.amount_minor 10000
T1 uploads again                        -> 00  findings 1
T1 uploads 202 1                        -> 00  findings 1  T1.000001.debit 100.00
"""

CARD = """
T1/1 sells C1 100.00
T1/2 sells C2 100.00
T1 settles as 99.00/1                   -> 21
T1 uploads 201 T1/1:card=C2 T1/2:card=C9 -> 00  findings 2  claims 0
T1 uploads 202 2                        -> 00  findings 2
"""

CARD_CLASS = """
T1/1 sells C1 100.00
T1/2 sells VISA 20.00
T1 settles as 120.00/2                  -> 22
T1 uploads 201 T1/1 T1/2:class=00       -> 00  findings 1
T1 uploads 202 2                        -> 00  findings 1
"""

STATE = """
T1/1 sells C1 100.00
reverse T1/1                            -> 00
issuer says 51
T1/2 sells C1 200.00                    -> 51
issuer is silent
T1/3 sells C1 300.00
wait 13 seconds
time passes                             -> 98
issuer says 51
T1/4 asks-balance C1                    -> 51
T1 settles as 600.00/3                  -> 21
T1 uploads 201 T1/1 T1/2:amount=200.00 T1/3:amount=300.00 -> 00  findings 3  claims 0
T1 uploads 201 T1/4:amount=1.00         -> 00  findings 4  claims 1     # a balance is no record of money
T1 uploads 202 4                        -> 00  findings 4
"""

ABSENT = """
T1/1 sells C1 100.00
T1 settles as 150.00/2                  -> 21
T1 uploads 201 T1/1 T1/2:amount=50.00   -> 00  claims 1  findings 1  T1.000001.debit 100.00
T1 uploads again                        -> 00  claims 1  findings 1
T1 uploads 201 T1/2:amount=50.00        -> 00  claims 1  findings 1     # uploaded once more: it is known
T1 uploads 202 2                        -> 00  findings 1
T1 uploads 202 2                        -> 00  findings 1
T1 settles as 150.00/2 batch=000001     -> 21  T1.000001.debit 100.00   # a claim does not count
T1 uploads 201 T1/2:amount=51.00        -> 00  claims 1  findings 2     # now it says something else
"""

NOT_UPLOADED = """
T1/1 sells C1 100.00
T1/2 sells C2 50.00
T1/3 refunds T1/1 5.00
T1 settles as 100.00/1                  -> 21
T1 uploads 201 T1/1                     -> 00  findings 0
T1 uploads 202 1                        -> 00  findings 2
T1 uploads again                        -> 00  findings 2
T1 uploads 202 1                        -> 00  findings 2               # what an end has found is found
"""

LOST_ON_THE_WAY = """
T1/1 sells C1 100.00
T1 settles as 150.00/2                  -> 21
T1 uploads 201 T1/1                     -> 00
T1 uploads 202 2                        -> 00  findings 1               # nobody knows which one
"""

CLAIMED_AND_THEN_ADVISED = """
T1/1 places C1 500.00
T1/2 places C2 100.00
T1/3 completes T1/2 100.00
T1 settles as 600.00/2                  -> 21
T1 uploads 201 T1/3                     -> 00
T1 uploads 201 T1/4:amount=500.00 alone=yes -> 00  claims 1  findings 1
T1 uploads 202 2                        -> 00  findings 1
T1/4 advises T1/1 500.00 batch=000001   -> 00  T1/4.outcome approved  T1/1.hold completed  claims 1
T1 settles as 600.00/2 batch=000001     -> 11  T1.000001.debit 600.00   # its own key, its own money
T1 uploads 201 T1/3 T1/4                -> 00  findings 1               # now they agree
"""

CARRIED_OVER = """
T1/1 places C1 500.00
T1/2 sells C2 10.00
T1 settles as 0.00/0                    -> 21
T1/3 advises T1/1 500.00 batch=000001   -> 00
T1 uploads all                          -> 00  findings 0  claims 0
"""

WITHOUT_A_SETTLEMENT = """
T1/1 sells C1 100.00
T1 uploads 201 T1/1 T1/7:amount=1.00 batch=000001 -> 00  claims 1
T1/2 sells C2 50.00                     -> 00  T1.000001.debit 150.00   # nothing is closed by it
T1 settles                              -> 11
T1 uploads 201 T1/8:amount=1.00 batch=000777 -> 77 claims 1            # but not of one that nobody knows
T1 settles batch=000777                 -> 11  T1.batch 000002
"""


@pytest.mark.parametrize(
    "story",
    [
        AGREES,
        EVERY_FORM,
        OF_A_BATCH_THAT_BALANCES,
        REFUSED_CHIPS_ARE_ONLY_NOTED,
        AMOUNT,
        CARD,
        CARD_CLASS,
        STATE,
        ABSENT,
        NOT_UPLOADED,
        LOST_ON_THE_WAY,
        CLAIMED_AND_THEN_ADVISED,
        CARRIED_OVER,
        WITHOUT_A_SETTLEMENT,
    ],
)
def test_story(story: str) -> None:
    desk = BatchDesk()
    play(story, desk.act, desk.look)


def uploading(*amounts: str) -> BatchDesk:
    """T1 has sold for these amounts and settled, and its totals differ."""
    desk = BatchDesk()
    for stan, amount in enumerate(amounts, 1):
        assert desk.act([f"T1/{stan}", "sells", "C1", amount]) == "00"
    assert desk.act(["T1", "settles", "as", "999.00/9"]) == "21"
    return desk


# --- what is found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("T1/1:amount=99.00", ("0200", "the amount is 99.00 in the upload and 100.00 in the register")),
        ("T1/1:card=C2", ("0200", "the card is another one")),
        ("T1/1:class=01", ("0200", "the card is uploaded as foreign, and it is one of CUP")),
        ("T1/9:amount=1.00", ("0330", "the register has no such record")),
    ],
)
def test_a_finding_says_what_differs_and_what_to_do(record: str, found: tuple[str, str]) -> None:
    desk = uploading("100.00")
    desk.act(["T1", "uploads", "201", record])
    mti, reason = found
    stan = f"{int(record.partition(':')[0].partition('/')[2]):06d}"
    assert desk.findings() == [(f"T0000001/000001/{stan}/{mti}", f"batch upload: {reason}")]
    said = decode_strict(desk.entries[-1].body)
    assert (said["owner"], bool(said["next_action"]), int(str(said["due"])) > desk.now_us) == ("operations", True, True)


def test_an_end_that_misses_something_says_what() -> None:
    desk = uploading("100.00", "50.00")
    desk.act(["T1", "uploads", "201", "T1/2"])
    desk.act(["T1", "uploads", "202", "3"])
    assert desk.findings() == [
        ("T0000001/000001/000001/0200", "batch upload: it counts in the register, and the terminal does not name it"),
        ("T0000001/000001/900003/0320", "batch upload: the terminal sent 3 records, and 1 came"),
    ]


def test_a_claim_stands_in_the_register_as_what_it_is() -> None:
    desk = uploading("100.00")
    desk.act(["T1/2", "places", "C2", "500.00"])
    before = desk.database.table(HOLDS).rows.copy()
    desk.act(["T1", "uploads", "201", "T1/7:amount=400.00:card=C2:code=654321", "alone=yes"])
    (claim,) = desk.claims()
    assert claim.trace_key == "T0000001/000001/000007/0330"
    assert (claim.kind, claim.outcome, claim.amount_minor, claim.response_code) == (
        "completion-advice",
        "claimed",
        400_00,
        None,
    )
    assert (claim.authorization_code, claim.token) == ("654321", desk.row_of("T1/2").token)
    assert claim.batch_id == "T0000001/000001"
    assert desk.database.table(HOLDS).rows == before
    said = decode_strict(desk.entries[-2].body)
    assert (said["phase"], said["reason"]) == ("recorded", "known from a batch upload alone")
    assert said["about"] == "0000000000001118" + "0" * 13
    assert decode_strict(desk.entries[-1].body)["about"] == claim.asked_entry


def test_a_claim_of_a_card_that_nobody_has_seen_keeps_only_its_mask() -> None:
    desk = uploading("100.00")
    desk.act(["T1", "uploads", "201", "T1/9:amount=1.00:card=C9"])
    (claim,) = desk.claims()
    assert (claim.kind, claim.token, claim.card) == ("claim", None, "622000******" + CARDS["C9"][-4:])
    assert len(desk.database.table(VAULT).rows) == 1


def test_the_entry_of_a_block_says_what_became_of_each_record() -> None:
    desk = uploading("100.00", "50.00")
    desk.act(["T1", "uploads", "201", "T1/1", "T1/2:amount=51.00", "T1/9:amount=1.00"])
    said = next(
        facts for facts in (decode_strict(e.body) for e in reversed(desk.entries)) if facts["kind"] == "batch-upload"
    )
    assert said["results"] == [
        ["000001", "agrees"],
        ["000002", "the amount is 51.00 in the upload and 50.00 in the register"],
        ["000009", "the register has no such record"],
    ]
    assert said["management"] == "201"


def test_a_full_block_of_eight_and_records_in_any_order() -> None:
    desk = uploading(*["10.00"] * 9)
    assert desk.act(["T1", "uploads", "201", *(f"T1/{stan}" for stan in (8, 7, 6, 5, 4, 3, 2, 1))]) == "00"
    assert desk.act(["T1", "uploads", "202", "8"]) == "00"
    assert desk.findings() == [
        ("T0000001/000001/000009/0200", "batch upload: it counts in the register, and the terminal does not name it")
    ]


def test_the_answer_echoes_what_a_terminal_looks_for() -> None:
    desk = uploading("100.00")
    desk.act(["T1", "uploads", "205", "T1/1"])
    answer = desk.answers[-1]
    assert (answer.mti, answer.get(11), answer.get(4), answer.get(60)) == (
        "0330",
        "000001",
        "000000010000",
        "22000001205",
    )
    assert (answer.get(39), 48 in answer.fields, 64 in answer.fields) == ("00", False, False)


def test_the_same_key_with_other_records_is_a_duplicate() -> None:
    desk = uploading("100.00", "50.00")
    desk.act(["T1", "uploads", "201", "T1/1", "stan=900100"])
    entries = len(desk.entries)
    assert desk.act(["T1", "uploads", "201", "T1/9:amount=1.00", "stan=900100"]) == "94"
    assert (len(desk.entries), desk.claims()) == (entries + 1, [])
    assert decode_strict(desk.entries[-1].body)["phase"] == "duplicate"


# --- what changes nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mac", "code"), [("mac=right", "00"), ("mac=wrong", "A0")])
def test_a_forged_upload_changes_nothing(mac: str, code: str) -> None:
    desk = uploading("100.00")
    entries = len(desk.entries)
    assert desk.act(["T1", "uploads", "201", "T1/9:amount=1.00", mac]) == code
    assert (64 in desk.answers[-1].fields) == (code == "00")
    assert (len(desk.entries) > entries) == (code == "00")


@pytest.mark.parametrize(
    "fields",
    [
        {48: "", 60: "00000001201"},
        {48: "00", 60: "00000001201"},
        {48: "09" + "0" * 320, 60: "00000001201"},
        {48: "01" + "0" * 39, 60: "00000001201"},
        {48: "01" + "02" + "000001" + "1" * 20 + "0" * 12, 60: "00000001201"},
        {48: "12", 60: "00000001202"},
        {60: "00000001202"},
        {60: "00000001207"},
        {4: "000000000100", 60: "24000001201"},
        {2: "62200", 4: "000000000100", 60: "24000001203"},
        {2: CARDS["C1"], 60: "24000001205"},
        {2: CARDS["C1"], 4: "000000000100", 60: "24000001999"},
        {2: CARDS["C1"], 4: "000000000100", 60: "24000001"},
    ],
)
def test_a_garbled_upload_changes_nothing(fields: dict[int, str | bytes]) -> None:
    desk = uploading("100.00")
    entries, rows = len(desk.entries), dict(desk.database.table(REQUESTS).rows)
    assert desk.about_batch("T1", "0320", fields, {}) == "30"
    desk.audit()
    assert (len(desk.entries), desk.database.table(REQUESTS).rows) == (entries, rows)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_an_upload_says_no_money_moves(data: st.DataObject) -> None:
    """One digit of a block is another: it may claim anything, and every total and every hold stays as it was."""
    desk = uploading("100.00", "50.00")
    desk.act(["T1/3", "places", "C2", "500.00"])
    totals, holds = desk.look("T1.000001.debit"), dict(desk.database.table(HOLDS).rows)
    desk.act(["T1", "uploads", "201", "T1/1", "T1/2"])
    body = desk.batch_messages["T1"][-1]
    place = data.draw(st.integers(len(body) - 43, len(body) - 1))
    garbled = body[:place] + bytes((data.draw(st.integers(0, 255)),)) + body[place + 1 :]
    try:
        message = decode(UNIONPAY, garbled)
    except WireError:
        return
    desk.engine.offer(Received(desk.terminals["T1"][2], "", message))
    desk.turn()
    desk.terminals["T1"][1].bodies.clear()
    desk.audit()
    assert (desk.look("T1.000001.debit"), desk.database.table(HOLDS).rows) == (totals, holds)


def test_a_stranger_uploads_nothing() -> None:
    desk = uploading("100.00")
    desk.act(["T1", "uploads", "201", "T1/9:amount=1.00"])
    entries = len(desk.entries)
    body = desk.batch_messages["T1"][-1]
    assert desk.carried_unread("T1", body.replace(b"T0000001", b"T0000099")).get(39) == "97"
    assert desk.carried_unread("T1", body.replace(b"T0000001", b"T0000006")).get(39) == "77"
    assert len(desk.entries) == entries


# --- script notices -----------------------------------------------------------------------------------------------

SCRIPT = pack({"DF31": bytes.fromhex("2000000000"), "9F36": b"\x00\x2a"})


def notice(desk: BatchDesk, results: bytes = SCRIPT, **more: str) -> str:
    fields: dict[int, str | bytes] = {
        3: "030000",
        4: "000000010000",
        25: "06",
        49: "156",
        55: results,
        60: "10000001951",
        61: "000001000001" + "1118",
    }
    return desk.about_batch("T1", "0620", fields, {"mac": "right", **more})


def test_what_became_of_a_script_is_noted_once() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "100.00"])
    assert notice(desk, stan="000050") == "00"
    said = decode_strict(desk.entries[-1].body)
    assert (said["kind"], said["phase"], said["script_results"], said["about"]) == (
        "script-notice",
        "recorded",
        "2000000000",
        "0000010000011118",
    )
    answer = desk.answers[-1]
    assert (answer.mti, answer.get(3), answer.get(4), answer.get(60)) == (
        "0630",
        "030000",
        "000000010000",
        "10000001951",
    )
    entries = len(desk.entries)
    assert notice(desk, stan="000050") == "00"
    assert len(desk.entries) == entries
    assert notice(desk, pack({"DF31": bytes(5)}), stan="000050") == "94"
    desk.audit()
    assert "9f36" not in str(said).lower(), "of chip data only the results are kept"


@pytest.mark.parametrize(("more", "code"), [({"mac": "wrong"}, "A0"), ({}, "30")])
def test_a_script_notice_that_is_forged_or_garbled_is_not_noted(more: dict[str, str], code: str) -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "100.00"])
    entries = len(desk.entries)
    assert notice(desk, SCRIPT if more else b"\xdf\x31\x7f", **more) == code
    assert len(desk.entries) == entries


def test_a_script_notice_of_an_older_batch_is_taken() -> None:
    desk = uploading("100.00")
    assert notice(desk) == "00"
    assert decode_strict(desk.entries[-1].body)["trace_key"] == "T0000001/000001/900002/0620"
