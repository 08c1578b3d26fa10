"""What the acquirer tells a terminal whose journal was damaged: its own requests, in pages, and nothing moves."""

import pytest

from holdfast.domain.commands import RECORDS
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, SESSIONS
from holdfast.register.canonical import decode_strict
from holdfast.wire.chain import ChainRequest, pack_request
from holdfast.wire.message import Message
from holdfast.wire.records import Asked, Record, Told, pack_asked, parse_told
from tests.parties.acquirer_desk import CARDS
from tests.parties.batch_desk import BatchDesk
from tests.standard_terminal import Fields

START = "0000010000000000"


def question(position: str = START, since: int = 0, kept: int = 7, link: str = "", raw: bytes | None = None) -> Fields:
    """The fields of a request for records."""
    asked = raw if raw is not None else pack_asked(Asked(position, since, kept))
    chain: Fields = {57: pack_request(ChainRequest(9, link, ""))} if link else {}
    return {60: f"00{position[:6]}901", 62: asked, 63: "01 ", **chain}


def asked(desk: BatchDesk, fields: Fields, stan: str = "000900", mac: str = "right") -> str:
    """The code of the answer."""
    return desk.about_batch("T1", "0800", fields, {"mac": mac, "stan": stan})


def told(desk: BatchDesk) -> Told:
    """What the newest answer tells."""
    return parse_told(desk.answers[-1].get_bytes(62))


def all_told(desk: BatchDesk, since: int = 0) -> list[Record]:
    """Page by page, until there is nothing more."""
    records: list[Record] = []
    position = START
    for _ in range(200):
        assert asked(desk, question(position, since)) == "00"
        page = told(desk)
        assert page.position == position
        records += page.records
        position = page.following
        if not position:
            return records
    raise AssertionError("it never ends")


def test_requests_reversals_and_settlements_are_told_as_they_stand() -> None:
    desk = BatchDesk()
    for step in (
        ["T1/1", "places", "C1", "500.00"],
        ["T1/2", "completes", "T1/1", "460.50"],
        ["T1/3", "sells", "VISA", "20.00"],
        ["reverse", "T1/3"],
        ["issuer", "takes", "51"],
        ["T1/4", "places", "STOLEN", "10.00"],
        ["T2/5", "places", "C2", "70.00"],
        ["T1", "settles"],
    ):
        desk.act(step)
    records = all_told(desk)
    by_name = {record.named: record for record in records}
    assert [record.kind for record in records] == [
        "pre-authorization",
        "completion",
        "sale",
        "reversal",
        "pre-authorization",
        "settlement",
    ]
    placed, completed, sold, undone, refused, _ = records
    assert (placed.outcome, completed.outcome, sold.outcome, undone.outcome, refused.outcome) == (
        "approved",
        "approved",
        "reversed",
        "approved",
        "declined",
    )
    assert (completed.amount_minor, completed.original[:6], completed.original[12:]) == (460_50, "000001", "0100")
    assert completed.original == "000001" + placed.named
    assert completed.original_code == placed.authorization_code
    assert undone.original == "000001" + sold.named
    assert (sold.scheme, sold.card) == ("VIS", "400000******" + CARDS["VISA"][-4:])
    assert (
        by_name[placed.named].register_entry
        == desk.database.table(REQUESTS).rows[f"T0000001/000001/{placed.named[:6]}/0100"].entry
    )


def test_nothing_is_placed_and_no_money_moves_and_one_finding_names_an_owner() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    before = dict(desk.database.table(HOLDS).rows)
    entries = len(desk.entries)
    for _ in range(3):
        assert asked(desk, question()) == "00"
    assert dict(desk.database.table(HOLDS).rows) == before
    new = [decode_strict(entry.body) for entry in desk.entries[entries:]]
    assert [said["kind"] for said in new] == [RECORDS, "finding"]
    recorded, found = new
    assert (recorded["kept"], recorded["reason"]) == (7, "the terminal's journal was damaged after its entry 7")
    assert found["about"] == f"A-{int(str(recorded['number'])):06d}"
    assert found["reason"] == (
        "the terminal's journal was damaged after its entry 7: what it had stored and not sent may be lost"
    )
    assert (found["owner"], found["next_action"]) == ("operations", "compare the merchant's slips with the register")
    assert int(str(found["due"])) - int(str(found["at"])) == Policy().finding_due_us
    row = desk.database.table(REQUESTS).rows["T0000001/000001/000900/0800"]
    assert (row.kind, row.outcome, row.token, row.amount_minor) == (RECORDS, "approved", None, 0)


def test_what_was_sealed_under_the_key_before_is_not_received_any_more() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1", "signs", "on"])
    session = desk.database.table(SESSIONS).rows["T0000001"]
    assert session.previous_mak is not None
    assert asked(desk, question()) == "00"
    assert desk.database.table(SESSIONS).rows["T0000001"] == session._replace(previous_mak=None)


def test_pages_are_small_and_complete() -> None:
    desk = BatchDesk()
    for number in range(1, 24):
        desk.act([f"T1/{number}", "places", "C1", "5.00"])
    records = all_told(desk)
    assert len(records) == 23 == len({record.named for record in records})
    sizes = [len(answer.get_bytes(62)) for answer in desk.answers if 62 in answer.fields]
    assert max(sizes) <= 512
    assert max(len(parse_told(answer.get_bytes(62)).records) for answer in desk.answers if 62 in answer.fields) >= 3
    assert not any(CARDS["C1"].encode() in answer.get_bytes(62) for answer in desk.answers)


def test_only_what_is_newer_in_the_journal_is_told() -> None:
    desk = BatchDesk()
    for number in (1, 2, 3):
        desk.act([f"T1/{number}", "sells", "C1", "5.00", f"DE57=HF1|{number * 10}|{number:016x}|"])
    assert [record.named for record in all_told(desk, since=10)] == [
        record.named for record in all_told(desk, since=0)[1:]
    ]
    assert [record.kind for record in all_told(desk, since=30)] == []


def test_batches_that_are_far_apart_are_found_in_bounded_steps() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "sells", "C1", "5.00"])
    sessions = desk.database.table(SESSIONS).rows
    desk.terminals["T1"][0].batch = "000400"
    sessions["T0000001"] = sessions["T0000001"]._replace(batch="000400")
    desk.act(["T1/2", "sells", "C1", "6.00"])
    asked_before = len(desk.answers)
    assert [record.amount_minor for record in all_told(desk)] == [5_00, 6_00]
    assert len(desk.answers) - asked_before <= 9


def test_after_the_last_number_comes_the_first() -> None:
    desk = BatchDesk()
    desk.act(["T1", "signs", "on"])
    sessions = desk.database.table(SESSIONS).rows
    sessions["T0000001"] = sessions["T0000001"]._replace(batch="000002")
    assert asked(desk, question("9999980000000000")) == "00"
    assert told(desk).following == ""


@pytest.mark.parametrize("raw", [b"", b"HR1|", b"HR1|0000010000000000|0", b"Sequence No0812345678", b"\xff" * 512])
def test_a_question_that_is_none_is_answered_30_without_a_record(raw: bytes) -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "5.00"])
    entries = len(desk.entries)
    body = desk.terminals["T1"][0]._body("0800", {11: "000900", 64: "00000000", **question(raw=raw)})
    assert desk.carried_unread("T1", body).get(39) == "30"
    assert len(desk.entries) == entries


def test_who_is_not_heard_is_told_nothing() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "5.00"])
    desk.act(["T2/1", "places", "C2", "5.00"])
    entries = len(desk.entries)
    terminal = desk.terminals["T1"][0]
    body = terminal._body("0800", {11: "000900", 64: "00000000", **question()})

    def answered(changed: bytes) -> Message:
        return desk.carried_unread("T1", changed)

    answers = [
        answered(terminal._body("0800", {11: "000900", **question()})),
        answered(body[:-1] + bytes([body[-1] ^ 1])),
        answered(body.replace(b"T0000001", b"T0000099")),
        answered(body.replace(b"T0000001", b"T0000006")),
        answered(body.replace(b"T0000001", b"T0000002")),
    ]
    assert [answer.get(39) for answer in answers] == ["A0", "A0", "97", "77", "A0"]
    assert not any(62 in answer.fields for answer in answers)
    sessions = desk.database.table(SESSIONS).rows
    sessions["T0000001"] = sessions["T0000001"]._replace(signed_on=False)
    assert answered(body).get(39) == "77"
    assert len(desk.entries) == entries


def test_a_copy_of_the_device_is_told_apart_by_its_link() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "5.00"])
    assert asked(desk, question(link="a" * 16)) == "00"
    assert asked(desk, question(link="a" * 16, position="0000010009990100")) == "00"
    assert asked(desk, question(link="b" * 16)) == "94"
    entries = len(desk.entries)
    for kept in range(8, 20):
        assert asked(desk, question(link="a" * 16, kept=kept)) == "94"
        assert 62 not in desk.answers[-1].fields
    assert len(desk.entries) == entries


def new_kinds(desk: BatchDesk, entries: int) -> list[str]:
    """The kinds of the entries since there were so many."""
    return [entry.kind for entry in desk.entries[entries:]]


def linked(kept: int, sequence: int) -> Fields:
    """A question of a terminal that keeps a journal."""
    return question(kept=kept) | {57: pack_request(ChainRequest(sequence, "a" * 16, ""))}


def test_one_mending_is_one_entry_and_one_finding_however_often_it_is_asked_for() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "5.00"])
    entries = len(desk.entries)
    for number in range(50):
        assert asked(desk, linked(7 + number % 3 * number, 9 + number), stan=f"{900 + number:06d}") == "00"
        assert desk.answers[-1].get(11) == f"{900 + number:06d}"
        assert [record.kind for record in told(desk).records] == ["pre-authorization"]
    assert new_kinds(desk, entries) == [RECORDS, "finding"]
    assert len([key for key in desk.database.table(REQUESTS).rows if str(key).endswith("/0800")]) == 1
    # Nor does another sign-on make another mending of it.
    desk.act(["T1", "signs", "on"])
    entries = len(desk.entries)
    for number in range(5):
        assert asked(desk, linked(7, 100), stan=f"{950 + number:06d}") == "00"
    assert new_kinds(desk, entries) == []
    assert desk.database.table(SESSIONS).rows["T0000001"].previous_mak is None


def test_another_damage_is_another_finding() -> None:
    desk = BatchDesk()
    desk.act(["T1/1", "places", "C1", "5.00"])
    assert asked(desk, linked(7, 9), stan="000900") == "00"
    entries = len(desk.entries)
    desk.act(["T1", "signs", "on"])
    # What is kept holds the question before: it is new that something is lost behind it.
    assert asked(desk, linked(9, 12), stan="000901") == "00"
    assert new_kinds(desk, entries)[-2:] == [RECORDS, "finding"]
    # That question was lost: the sign-on opened another batch.
    sessions = desk.database.table(SESSIONS).rows
    sessions["T0000001"] = sessions["T0000001"]._replace(batch="000002")
    desk.terminals["T1"][0].batch = "000002"
    entries = len(desk.entries)
    assert asked(desk, linked(7, 9), stan="000902") == "00"
    assert new_kinds(desk, entries) == [RECORDS, "finding"]


def test_what_cannot_be_told_is_left_out_and_said_and_the_rest_is_told() -> None:
    desk = BatchDesk()
    for number in range(1, 24):
        desk.act([f"T1/{number}", "places", "C1", "5.00"])
    rows = desk.database.table(REQUESTS).rows
    keys = sorted(key for key in rows if str(key).endswith("/0100"))
    untellable = set(keys[2:14]) | {keys[-1]}
    for key in untellable:
        rows[key] = rows[key]._replace(amount_minor=-1)
    names = [record.named for record in all_told(desk)]
    assert names == [str(key)[16:22] + "0100" for key in keys if key not in untellable]
