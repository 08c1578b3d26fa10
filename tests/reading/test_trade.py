"""Every kind of request, batch and trouble: the register follows from its entries, adds up, and says what happened."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from holdfast.domain.commands import BUSINESS_KINDS
from holdfast.domain.records import BATCHES, REQUESTS, Batch
from holdfast.reading.audit import Audited, verify
from holdfast.reading.rebuild import ISSUER_BOOK, REGISTER
from holdfast.reading.views import Filters, Register, RegisterRow
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from tests.reading.town import KEYS, Ground, MemoryGround, SqliteGround, Town
from tests.reading.trade import leave_open, trade

BOOKS = {"acquirer": REGISTER, "issuer": ISSUER_BOOK}


async def audited(ground: Ground, party: str = "acquirer") -> Audited:
    return await verify(await ground.reader(party), BOOKS[party], KEYS.public_key())


async def traded(ground: Ground, workers: int = 1, apart_us: int = 0) -> Town:
    town = await Town.built(ground, workers, apart_us)
    told = await trade(town)
    refused = {name: answer.get(39) for name, answer in told.items() if answer.get(39) not in ("", "00")}
    assert refused == {"over": "64", "refunded too much": "64", "no right": "58"}
    await leave_open(town)
    return town


# --- the audit ----------------------------------------------------------------------------------------------------


async def test_a_register_of_everything_holds(any_ground: Ground) -> None:
    await traded(any_ground)
    for party in BOOKS:
        found = await audited(any_ground, party)
        assert found.problems == []
        assert found.entries > 70


@pytest.mark.parametrize("apart_us", [0, 3_000_000, -3_000_000])
async def test_everything_told_in_two_logs_holds(apart_us: int) -> None:
    ground = MemoryGround()
    await traded(ground, 2, apart_us)
    found = await audited(ground)
    assert found.problems == []
    assert [log.log for log in found.logs] == ["A", "B"]
    assert all(log.size > 20 for log in found.logs)


@pytest.mark.parametrize("workers", [1, 2])
async def test_it_holds_at_every_moment(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ground = MemoryGround()
    settled, looked = Town.settle, 0

    async def settle_and_look(town: Town) -> None:
        nonlocal looked
        await settled(town)
        looked += 1
        for party in BOOKS:
            assert (await audited(ground, party)).problems == []

    monkeypatch.setattr(Town, "settle", settle_and_look)
    await traded(ground, workers)
    assert looked > 50


# --- what is spoiled ----------------------------------------------------------------------------------------------

Spoil = Callable[[Ground], Awaitable[object]]


def sql(statement: str, *arguments: object, party: str = "acquirer") -> Spoil:
    return lambda ground: ground.spoil(party, statement, *arguments)


SPOILED: list[tuple[str, Spoil, str]] = [
    (
        "totals",
        sql("UPDATE batches SET debit_minor = 1 WHERE batch_id = 'T0000005/000001'"),
        "row T0000005/000001 of batches (version 5) is not what its entries say: debit_minor is 1, not 27000",
    ),
    (
        "what a settlement said",
        sql("UPDATE batches SET settled = '' WHERE batch_id = 'T0000005/000001'"),
        "row T0000005/000001 of batches (version 5) is not what its entries say: settled is '', not '0000000270000",
    ),
    (
        "a batch removed",
        sql("DELETE FROM batches WHERE batch_id = 'T0000006/000001'"),
        "row T0000006/000001 of batches (version 3) is missing",
    ),
    (
        "a claim taken for approved",
        sql("UPDATE requests SET outcome = 'approved' WHERE kind = 'claim'"),
        "row T0000002/000001/999999/0330 of requests (A-000076) is not what its entries say: "
        "outcome is 'approved', not 'claimed'",
    ),
    (
        "a refund of the hold",
        sql("UPDATE holds SET refunded_minor = 0 WHERE refunded_minor = 10000"),
        "row A-000010 of holds (version 6) is not what its entries say: refunded_minor is 0, not 10000",
    ),
    (
        "a refund that nobody tells",
        sql("DELETE FROM due WHERE \"key\" = 'tell:T0000001/000002/000008/0220'"),
        "row tell:T0000001/000002/000008/0220 of due is missing: nothing would see to it",
    ),
    (
        "an advice that nobody tells",
        sql("DELETE FROM due WHERE \"key\" = 'tell:T0000001/000002/000007/0220'"),
        "row tell:T0000001/000002/000007/0220 of due is missing: nothing would see to it",
    ),
    (
        "a rest that nobody frees",
        sql("DELETE FROM due WHERE \"key\" = 'release:T0000001/000002/000006/0200'"),
        "row release:T0000001/000002/000006/0200 of due is missing: nothing would see to it",
    ),
    (
        "a release invented",
        sql("INSERT INTO due VALUES ('release:T9', 1, 0, 1)"),
        "row release:T9 of due is there, but no entry says so",
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), [spoiled[1:] for spoiled in SPOILED], ids=[s[0] for s in SPOILED])
async def test_a_changed_row_is_named_alone(traded_ground: SqliteGround, spoil: Spoil, expected: str) -> None:
    assert (await audited(traded_ground)).ok
    await spoil(traded_ground)
    (problem,) = (await audited(traded_ground)).problems
    assert problem.startswith(expected)


async def rewrite(ground: Ground, party: str, number: int, facts: Mapping[str, Any]) -> None:
    """An entry that a bug, or somebody with much patience, had written otherwise."""
    log = {"acquirer": "A", "issuer": "I"}[party]
    (entry,) = await (await ground.reader(party)).entries(log, number, number)
    body = encode({**decode_strict(entry.body), **facts})
    statement = "UPDATE entries SET body = $1, leaf = $2 WHERE log = $3 AND number = $4"
    await ground.spoil(party, statement, body, leaf_hash(body), log, number)


async def entry_with(ground: Ground, party: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first entry of a log that is meant."""
    reader = await ground.reader(party)
    (head,) = await reader.logs()
    every = await reader.entries(head.log, 1, head.frontier.size)
    return next(facts for facts in (decode_strict(entry.body) for entry in every) if fits(facts))


async def test_totals_that_are_not_those_of_the_requests_are_named(traded_ground: SqliteGround) -> None:
    counted = await entry_with(traded_ground, "acquirer", lambda facts: "count" in facts.get("batch", {}))
    batch = {**counted["batch"], "amount": counted["batch"]["amount"] + 1}
    await rewrite(traded_ground, "acquirer", counted["number"], {"batch": batch})
    problems = (await audited(traded_ground)).problems
    assert f"batch {batch['id']}: debit_minor is 167001, its requests come to 167000" in problems


@pytest.mark.parametrize(
    ("rebooked", "says"),
    [
        (
            lambda lines: [["99010000-bob", *line[1:]] if line[0] == "99010000-alice" else line for line in lines],
            ["account 99010000-alice: -500.00 is held, its holds come to 0.00"],
        ),
        (
            lambda lines: [[line[0], "available", line[2]] for line in lines],
            ["account 99010000-alice: -500.00 is held, its holds come to 0.00"],
        ),
        (
            lambda lines: [["99020000/clearing", *line[1:]] if line[1] == "held" else line for line in lines],
            [
                "issuer 99010000: its accounts come to -500.00 together, not to nothing",
                "issuer 99020000: its accounts come to 500.00 together, not to nothing",
            ],
        ),
    ],
)
async def test_money_that_is_not_where_the_holds_say_is_named(
    traded_ground: SqliteGround, rebooked: Callable[[list[Any]], list[Any]], says: list[str]
) -> None:
    placed = await entry_with(
        traded_ground, "issuer", lambda facts: facts.get("account_id") == "99010000-alice" and "postings" in facts
    )
    await rewrite(traded_ground, "issuer", placed["number"], {"postings": rebooked(placed["postings"])})
    problems = (await audited(traded_ground, "issuer")).problems
    assert set(says) <= set(problems), problems


async def test_what_was_posted_is_what_the_clearing_account_has(traded_ground: SqliteGround) -> None:
    completed = await entry_with(traded_ground, "issuer", lambda facts: facts["kind"] == "completion")
    lines = [
        ["99010000/funding", *line[1:]] if line[0] == "99010000/clearing" else line for line in completed["postings"]
    ]
    await rewrite(traded_ground, "issuer", completed["number"], {"postings": lines})
    problems = (await audited(traded_ground, "issuer")).problems
    assert any("99010000/clearing: its balance is" in problem for problem in problems), problems


async def test_a_batch_that_is_not_there_is_named() -> None:
    ground = MemoryGround()
    await traded(ground)
    rows = {table: dict(ground.shared["acquirer"].table(table).rows) for table in (REQUESTS, BATCHES)}
    assert list(REGISTER.sums(lambda table: iter(rows[table].values()))) == []
    gone: Batch = rows[BATCHES].pop("T0000005/000001")
    assert list(REGISTER.sums(lambda table: iter(rows[table].values()))) == [
        f"batch {gone.batch_id}: requests count in it, but there is no such batch"
    ]


# --- what is listed -----------------------------------------------------------------------------------------------


async def listed(ground: Ground, **filters: Any) -> list[RegisterRow]:
    register = Register(await ground.reader("acquirer"))
    return [row async for row in register.rows(Filters(**filters))]


STAY = """
A-000023 refund          declined 64  500.01 of A-000020 completed 700.00/600.00/100.00
A-000022 refund          approved 00  100.00 of A-000020 completed 700.00/600.00/100.00
A-000020 completion      approved 00  600.00 of A-000011 completed 700.00/600.00/100.00
A-000018 completion-void approved 00  650.00 of A-000016 completed 700.00/600.00/100.00
A-000016 completion      approved 00  650.00 of A-000011 completed 700.00/600.00/100.00
A-000014 completion      declined 64  805.01 of A-000011 completed 700.00/600.00/100.00
A-000013 increment       approved 00  200.00 of A-000011 completed 700.00/600.00/100.00
A-000011 pre-authorization approved 00  500.00 of none completed 700.00/600.00/100.00
"""
SALES = """
A-000067 refund          approved 00   50.00 of A-000065 completed none/150.00/50.00
A-000065 sale            approved 00  150.00 of none completed none/150.00/50.00
"""
PARTS = """
A-000049 completion-void approved 00  400.00 of A-000047 expired 900.00/300.00/0.00
A-000047 completion      approved 00  400.00 of A-000043 expired 900.00/300.00/0.00
A-000045 completion      approved 00  300.00 of A-000043 expired 900.00/300.00/0.00
A-000043 pre-authorization expired 00  900.00 of none expired 900.00/300.00/0.00
"""


def in_words(row: RegisterRow) -> list[str]:
    money = (row.pre_auth_amount, row.completed_amount, row.refunded_amount)
    told = "/".join("none" if minor is None else f"{minor / 100:.2f}" for minor in money)
    of = f"of {row.original or 'none'} {row.hold_state} {told}"
    return f"{row.entry} {row.kind} {row.outcome} {row.response_code} {row.amount / 100:.2f} {of}".split()


@pytest.mark.parametrize(("last4", "story"), [("0019", STAY), ("0076", SALES), ("0050", PARTS)])
async def test_each_kind_is_a_row_with_its_original_and_its_hold(last4: str, story: str) -> None:
    ground = MemoryGround()
    await traded(ground)
    assert [in_words(row) for row in await listed(ground, card_last4=last4)] == [
        line.split() for line in story.strip().splitlines()
    ]


async def test_a_posting_is_found_on_another_page_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = MemoryGround()
    await traded(ground)
    whole = {row.entry: row.original for row in await listed(ground)}
    monkeypatch.setattr("holdfast.reading.views.ROWS_AT_ONCE", 2)
    assert {row.entry: row.original for row in await listed(ground)} == whole
    assert whole["A-000032"] == "A-000031", "a reversal names what it undid"
    assert set(filter(None, whole.values())) <= set(whole)


async def test_claims_settlements_and_uploads_are_rows() -> None:
    ground = MemoryGround()
    await traded(ground)
    rows = [row for row in await listed(ground, terminal="T0000002") if row.kind not in OF_HOLDS]
    assert [f"{row.trace_key[9:]} {row.kind} {row.outcome}" for row in rows] == [
        "000001/000014/0320 batch-upload approved",
        "000001/999999/0330 claim claimed",
        "000001/000013/0320 batch-upload approved",
        "000001/000012/0500 settlement approved",
    ]
    assert rows[3].reason == "the terminal's totals differ from the register's"
    assert (rows[1].amount, rows[1].hold, rows[1].original) == (3_300, None, None)


OF_HOLDS = tuple(kind.name for kind in BUSINESS_KINDS)


async def test_what_is_open_is_listed_with_what_it_waits_for() -> None:
    ground = MemoryGround()
    await traded(ground)
    register = Register(await ground.reader("acquirer"))

    async def open_rows(limit: int | None = None, **filters: Any) -> list[str]:
        found = register.open_rows(Filters(**filters), limit)
        return [f"{row.entry} {row.kind} {row.outcome} {row.waits_for}" async for row in found]

    every = [
        "A-000103 refund unknown tell",
        "A-000102 completion-advice approved tell",
        "A-000101 completion approved release",
        "A-000093 pre-authorization approved expire",
        "A-000057 completion approved release",
    ]
    assert await open_rows() == every
    assert await open_rows(2) == every[:2]
    assert await open_rows(kind="refund") == every[:1]
    assert await open_rows(card_last4="0053") == every[3:4]
    assert await open_rows(terminal="T0000002") == every[4:]
    assert {row.entry for row in await listed(ground) if row.waits_for} == {line.split()[0] for line in every}
