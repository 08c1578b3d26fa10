"""`register verify` finds each thing that can be changed behind the register's back, names it, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from holdfast.domain.records import HOLDS, REQUESTS
from holdfast.domain.tables import Key, Row, Table
from holdfast.reading.audit import Audited, verify
from holdfast.reading.log_audit import Problems
from holdfast.reading.rebuild import ISSUER_BOOK, REGISTER
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from holdfast.register.tree import EMPTY, append, frontier_bytes
from holdfast.store.interface import LogState, Reader
from tests.reading.town import KEYS, Ground, MemoryGround, SqliteGround, Town, live, pan_of

BOOKS = {"acquirer": REGISTER, "issuer": ISSUER_BOOK}


async def audited(ground: Ground, party: str = "acquirer", kept: Sequence[str] = ()) -> Audited:
    return await verify(await ground.reader(party), BOOKS[party], KEYS.public_key(), kept)


async def test_a_register_that_nobody_touched_holds(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    answers = await live(town)
    assert {name: answer.get(39) for name, answer in answers.items()} == {
        "placed": "00", "over": "64", "wrong date": "25", "completed": "00", "twice": "22", "voided": "00",
        "void": "00", "reversed": "00", "reversal": "00", "barred": "12", "kept": "00", "open": "00",
    }  # fmt: skip
    for party, sizes in (("acquirer", {"A": 32}), ("issuer", {"I": 41})):
        found = await audited(any_ground, party)
        assert found.problems == []
        assert found.ok
        assert {log.log: log.size for log in found.logs} == sizes
        assert found.entries == sum(sizes.values())


async def test_a_register_that_nobody_used_holds(any_ground: Ground) -> None:
    await Town.built(any_ground)
    assert (await audited(any_ground)).ok
    assert (await audited(any_ground, "issuer")).ok


@pytest.mark.parametrize("apart_us", [0, 3_000_000, -3_000_000])
async def test_two_logs_whose_clocks_differ_hold(apart_us: int) -> None:
    ground = MemoryGround()
    town = await Town.built(ground, 2, apart_us)
    await live(town)
    found = await audited(ground)
    assert found.problems == []
    assert [log.log for log in found.logs] == ["A", "B"]
    assert found.entries == 32


@pytest.mark.parametrize("apart_us", [0, 3_000_000, -3_000_000])
@pytest.mark.parametrize("reversed_at_s", [1, 10, 14, 40])
async def test_one_request_told_in_two_logs_holds(apart_us: int, reversed_at_s: int) -> None:
    """Asked by one worker, given up and undone by the other, reversed by its terminal, answered late."""
    ground = MemoryGround()
    town = await Town.built(ground, 2, apart_us)
    till = await town.terminal()
    town.claims = 1
    await till.ask_in_vain("dave", 12_300)
    for second in range(1, 50):
        await town.pass_time(1)
        if second == reversed_at_s:
            await till.reverse()
        if second == 30:
            await town.wake_issuer()
        assert (await audited(ground)).problems == []
    (request,) = [row async for row in (await ground.reader("acquirer")).scan(REQUESTS) if row.kind != "reversal"]
    assert (request.outcome, request.undo) == ("reversed", "done")
    found = await audited(ground)
    assert all(log.size > 0 for log in found.logs), "both workers have written"
    assert found.problems == []
    assert (await audited(ground, "issuer")).problems == []


@pytest.mark.parametrize("apart_us", [0, 3_000_000, -3_000_000])
async def test_one_hold_told_in_two_logs_holds(apart_us: int) -> None:
    """Placed at one terminal of the hotel, completed at another that a worker with another clock serves; and back."""
    ground = MemoryGround()
    town = await Town.built(ground, 2, apart_us)
    desk, bar = await town.terminal(0, 0), await town.terminal(1, 1)
    for places, completes in ((desk, bar), (bar, desk)):
        code = (await places.pre_auth("alice", 50_000)).get(38)
        assert (await completes.complete("alice", 46_050, code)).get(39) == "00"
        assert (await completes.reverse()).get(39) == "00"
        await town.pass_time(4)
        assert (await places.complete("alice", 40_000, code)).get(39) == "00"
    found = await audited(ground)
    assert [log.log for log in found.logs] == ["A", "B"]
    assert found.problems == []


# --- spoiled entries ----------------------------------------------------------------------------------------------

Spoil = Callable[[Ground], Awaitable[object]]


def sql(statement: str, *arguments: object, party: str = "acquirer") -> Spoil:
    return lambda ground: ground.spoil(party, statement, *arguments)


async def rewrite(ground: Ground, number: int, facts: Mapping[str, Any], party: str = "acquirer") -> None:
    """Change what an entry says, its leaf and its columns too: only the tree can tell."""
    reader = await ground.reader(party)
    log = {"acquirer": "A", "issuer": "I"}[party]
    (entry,) = await reader.entries(log, number, number)
    body = encode({**decode_strict(entry.body), **facts})
    statement = "UPDATE entries SET body = $1, leaf = $2 WHERE log = $3 AND number = $4"
    await ground.spoil(party, statement, body, leaf_hash(body), log, number)


async def swap(ground: Ground, one: int, other: int) -> None:
    for first, second in ((one, 900), (other, one), (900, other)):
        await ground.spoil("acquirer", "UPDATE entries SET number = $1 WHERE log = 'A' AND number = $2", second, first)


ONE = "WHERE log = 'A' AND number = 11"
SPOILED: list[tuple[str, Spoil, list[str]]] = [
    (
        "body",
        sql(f"UPDATE entries SET body = $1 {ONE}", b'{"v":1}'),
        ["A-000011: bytes changed: leaf does not match", "A-000011: out of its place: its bytes are those of no entry"],
    ),
    (
        "body that cannot be read",
        sql(f"UPDATE entries SET body = $1 {ONE}", b"{}"),
        ["A-000011: bytes changed: leaf does not match", "A-000011: entry has encoding version None"],
    ),
    ("leaf", sql(f"UPDATE entries SET leaf = $1 {ONE}", bytes(32)), ["A-000011: bytes changed: leaf does not match"]),
    ("time", sql(f"UPDATE entries SET at_us = 7 {ONE}"), ["A-000011: column at_us is 7, its bytes say 17"]),
    (
        "kind",
        sql(f"UPDATE entries SET kind = 'void' {ONE}"),
        ["A-000011: column kind is 'void', its bytes say 'completion'"],
    ),
    ("deleted", sql(f"DELETE FROM entries {ONE}"), ["A-000011 is missing"]),
    (
        "several deleted",
        sql("DELETE FROM entries WHERE log = 'A' AND number BETWEEN 11 AND 13"),
        ["A-000011 to A-000013 are missing"],
    ),
    ("the last deleted", sql("DELETE FROM entries WHERE number = 32"), ["A-000032 is missing"]),
    ("all deleted", sql("DELETE FROM entries"), ["A-000001 to A-000032 are missing"]),
    (
        "swapped",
        lambda ground: swap(ground, 10, 11),
        [
            "A-000010: out of its place: its bytes are those of A-000011",
            "A-000011: out of its place: its bytes are those of A-000010",
        ],
    ),
    (
        "rewritten with its leaf",
        lambda ground: rewrite(ground, 10, {"amount": 1}),
        [
            "A-000001 to A-000014: changed or in another order: the rebuilt tree is not that of the checkpoint of 14",
            "requests (A-000011) is not what its entries say: amount_minor is 46050, not 1",
        ],
    ),
    (
        "written behind the end",
        sql("INSERT INTO entries SELECT log, 33, at_us, kind, body, leaf FROM entries WHERE number = 32"),
        ["A-000033 lies beyond the end of log A at 32"],
    ),
    (
        "a checkpoint unsigned",
        sql("UPDATE checkpoints SET signed = replace(signed, $1, $2) WHERE size = 14", "\n14\n", "\n15\n"),
        ["checkpoint of log A at 14 entries: signature of the checkpoint of log A does not hold for the key"],
    ),
    (
        "a checkpoint of another size",
        sql("UPDATE checkpoints SET size = 15 WHERE size = 14"),
        ["checkpoint of log A at 15 entries: it is signed for log A at 14"],
    ),
    (
        "a checkpoint cut off",
        sql("UPDATE checkpoints SET signed = 'no' WHERE size = 14"),
        ["checkpoint of log A at 14 entries: checkpoint carries no signature line"],
    ),
    (
        "the head's tree",
        sql("UPDATE logs SET frontier = $1", (32).to_bytes(8) + bytes(32)),
        ["A-000027 to A-000032: changed or in another order: the rebuilt tree is not that of the head of log A"],
    ),
    (
        "the head's last leaf",
        sql("UPDATE logs SET previous = $1", bytes(32)),
        ["it names another last leaf than A-0000"],
    ),
    ("the head torn", sql("UPDATE logs SET frontier = $1", b"torn"), ["acquirer: frontier of 4 bytes"]),
    ("the head removed", sql("DELETE FROM logs"), ["log A has entries or checkpoints, but no head"]),
]
"""What is changed, and how the problems begin that must be among those named. (The log A of `live`.)"""


@pytest.mark.parametrize(("spoil", "expected"), [spoiled[1:] for spoiled in SPOILED], ids=[s[0] for s in SPOILED])
async def test_a_changed_log_is_named(lived_ground: SqliteGround, spoil: Spoil, expected: list[str]) -> None:
    await assert_named(lived_ground, spoil, expected)


@pytest.mark.parametrize("name", ["body", "leaf", "time", "deleted", "swapped", "rewritten with its leaf"])
async def test_a_changed_log_is_named_in_postgresql(postgres_ground: Ground, name: str) -> None:
    await live(await Town.built(postgres_ground))
    spoil, expected = next((spoil, expected) for spoiled, spoil, expected in SPOILED if spoiled == name)
    await assert_named(postgres_ground, spoil, expected)


async def assert_named(ground: Ground, spoil: Spoil, expected: list[str], party: str = "acquirer") -> None:
    await spoil(ground)
    found = await audited(ground, party)
    assert not found.ok
    for sentence in expected:
        assert any(sentence in problem for problem in found.problems), found.problems


async def test_a_register_cut_short_is_known_by_its_checkpoint(sqlite_ground: SqliteGround) -> None:
    """The last entries gone, and the head set back to an earlier, true one."""
    town = await Town.built(sqlite_ground)
    till = await town.terminal()
    await till.pre_auth("alice", 50_000)
    (early,) = await (await sqlite_ground.reader("acquirer")).logs()
    before = await stored(sqlite_ground)
    await till.pre_auth("bob", 50_000)
    await town.sign_checkpoints()
    for table in ("entries", "requests", "holds", "due"):
        await sqlite_ground.spoil("acquirer", f"DELETE FROM {table} WHERE {before[table]}")
    statement = "UPDATE logs SET size = $1, frontier = $2, previous = $3"
    tree = early.frontier
    await sqlite_ground.spoil("acquirer", statement, tree.size, frontier_bytes(tree), early.previous)
    assert (await audited(sqlite_ground)).problems == [
        "log A ends at 4, but a checkpoint of 6 entries was signed: A-000005 to A-000006 are cut off"
    ]
    kept = await signed_outside(sqlite_ground)
    await sqlite_ground.spoil("acquirer", "DELETE FROM checkpoints WHERE size > 4")
    assert (await audited(sqlite_ground)).ok
    assert (await audited(sqlite_ground, kept=kept)).problems == [
        "log A ends at 4, but a checkpoint of 6 entries was signed: A-000005 to A-000006 are cut off"
    ]


async def test_a_register_written_anew_is_known_by_what_was_signed_and_kept_elsewhere(
    lived_ground: SqliteGround,
) -> None:
    """Entries, tree and head changed together and every checkpoint removed: the database alone looks right."""
    kept = await signed_outside(lived_ground)
    assert (await audited(lived_ground, kept=kept)).ok
    await write_anew(lived_ground, 2, {"actor": "99"})
    assert (await audited(lived_ground)).ok
    (problem,) = (await audited(lived_ground, kept=kept)).problems
    assert problem.startswith("A-000001 to A-0000")
    assert "changed or in another order: the rebuilt tree is not that of the checkpoint" in problem
    await lived_ground.spoil("acquirer", "DELETE FROM logs")
    assert "log A has entries or checkpoints, but no head" in (await audited(lived_ground, kept=kept)).problems


async def test_what_was_kept_must_be_ours(lived_ground: SqliteGround) -> None:
    (kept,) = await signed_outside(lived_ground)
    (problem,) = (await audited(lived_ground, kept=[kept.replace("holdfast/A", "holdfast/B")])).problems
    assert problem.startswith("a checkpoint that was kept beside the keys: ")


async def signed_outside(ground: Ground) -> list[str]:
    """The newest checkpoint, as somebody keeps it who cannot write the database."""
    newest = await (await ground.reader("acquirer")).checkpoint("A", 0)
    assert newest is not None
    return [newest.signed]


async def write_anew(ground: Ground, number: int, facts: Mapping[str, Any]) -> None:
    """Change what an entry says and all that follows from it, with the rights of the database's owner."""
    await rewrite(ground, number, facts)
    reader = await ground.reader("acquirer")
    (head,) = await reader.logs()
    entries = await reader.entries("A", 1, head.frontier.size)
    frontier, nodes = append(EMPTY, [entry.leaf for entry in entries])
    for node in nodes:
        statement = 'UPDATE nodes SET hash = $1 WHERE level = $2 AND "index" = $3'
        await ground.spoil("acquirer", statement, node.hash, node.level, node.index)
    statement = "UPDATE logs SET frontier = $1, previous = $2"
    await ground.spoil("acquirer", statement, frontier_bytes(frontier), entries[-1].leaf)
    await ground.spoil("acquirer", "DELETE FROM checkpoints")


async def stored(ground: Ground) -> dict[str, str]:
    """What tells the rows of later from those that are there now."""
    reader = await ground.reader("acquirer")
    keys = {table.name: [row[0] async for row in reader.scan(table)] for table in REGISTER.tables}
    kept = {name: ", ".join(f"'{key}'" for key in found) for name, found in keys.items()}
    return {
        "entries": "number > 4",
        "requests": f"trace_key NOT IN ({kept['requests']})",
        "holds": f"hold_id NOT IN ({kept['holds']})",
        "due": f'"key" NOT IN ({kept["due"]})',
    }


# --- spoiled rows -------------------------------------------------------------------------------------------------

ALICE = "T0000001/000001/000002/0100"
SPOILED_ROWS: list[tuple[str, Spoil, list[str]]] = [
    (
        "a request",
        sql("UPDATE requests SET amount_minor = 1 WHERE trace_key = $1", ALICE),
        [f"row {ALICE} of requests (A-000005) is not what its entries say: amount_minor is 1, not 50000"],
    ),
    (
        "a request deleted",
        sql("DELETE FROM requests WHERE trace_key = $1", ALICE),
        [f"row {ALICE} of requests (A-000005) is missing"],
    ),
    (
        "a request invented",
        sql("UPDATE requests SET trace_key = $1 WHERE trace_key = $2", "T0000001/000001/000999/0100", ALICE),
        [
            f"row {ALICE} of requests (A-000005) is missing",
            "row T0000001/000001/000999/0100 of requests (A-000005) is there, but no entry says so",
        ],
    ),
    (
        "a hold",
        sql("UPDATE holds SET state = 'held', completed_minor = 0 WHERE hold_id = 'A-000004'"),
        [
            "row A-000004 of holds (version 2) is not what its entries say: "
            "state is 'held', not 'completed', completed_minor is 0, not 46050"
        ],
    ),
    (
        "a hold deleted",
        sql("DELETE FROM holds WHERE hold_id = 'A-000004'"),
        ["row A-000004 of holds (version 2) is mis"],
    ),
    (
        "a duty forgotten",
        sql("DELETE FROM due WHERE \"key\" LIKE 'undo:%'"),
        ["row undo:T0000004/000001/000003/0100 of due is missing: nothing would see to it"],
    ),
    (
        "a patience forgotten",
        sql("DELETE FROM due WHERE \"key\" LIKE 'answer:%'"),
        ["row answer:T0000004/000001/000004/0100 of due is missing: nothing would see to it"],
    ),
    (
        "an end forgotten",
        sql("DELETE FROM due WHERE \"key\" LIKE 'expire:%'"),
        ["row expire:A-000028 of due is missing: nothing would see to it"],
    ),
    (
        "a duty invented",
        sql("INSERT INTO due VALUES ($1, 1, 0, 1)", f"undo:{ALICE}"),
        [f"row undo:{ALICE} of due is there, but no entry says so"],
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), [s[1:] for s in SPOILED_ROWS], ids=[s[0] for s in SPOILED_ROWS])
async def test_a_changed_row_is_named_alone(lived_ground: SqliteGround, spoil: Spoil, expected: list[str]) -> None:
    await spoil(lived_ground)
    problems = (await audited(lived_ground)).problems
    assert len(problems) == len(expected)
    for problem, sentence in zip(problems, expected, strict=True):
        assert sentence in problem


@pytest.mark.parametrize("name", ["a request", "a hold deleted", "a duty forgotten"])
async def test_a_changed_row_is_named_in_postgresql(postgres_ground: Ground, name: str) -> None:
    await live(await Town.built(postgres_ground))
    spoil, expected = next((spoil, expected) for spoiled, spoil, expected in SPOILED_ROWS if spoiled == name)
    await assert_named(postgres_ground, spoil, expected)


SPOILED_BOOK: list[tuple[str, Spoil, list[str]]] = [
    (
        "a balance",
        sql("UPDATE accounts SET available_minor = 1 WHERE account_id = '99010000-alice'", party="issuer"),
        ["row 99010000-alice of accounts is not what its entries say: available_minor is 1, not 953950"],
    ),
    (
        "a freeze",
        sql("UPDATE freezes SET held_minor = 0 WHERE state = 'held'", party="issuer"),
        ["row A-000028 of freezes (version 1) is not what its entries say: held_minor is 0, not 9900"],
    ),
    (
        "an answer",
        sql("DELETE FROM answers WHERE exchange_id = 'A-000004'", party="issuer"),
        ["row A-000004 of answers ("],
    ),
    (
        "money made",
        lambda ground: rewrite(ground, 26, {"postings": [["99010000-alice", "available", 5]]}, "issuer"),
        ["I-000026: its postings sum to 5, not to zero", "99010000-alice of accounts"],
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), [s[1:] for s in SPOILED_BOOK], ids=[s[0] for s in SPOILED_BOOK])
async def test_a_changed_book_is_named(lived_ground: SqliteGround, spoil: Spoil, expected: list[str]) -> None:
    await assert_named(lived_ground, spoil, expected, "issuer")


# --- beside a writer ----------------------------------------------------------------------------------------------


class Busy:
    """A reader beside which the town goes on: at each question, and between the rows of a scan, more is written."""

    def __init__(self, reader: Reader, goes_on: Callable[[], Awaitable[object]]) -> None:
        self._reader = reader
        self._goes_on = goes_on

    def __getattr__(self, name: str) -> Any:
        async def ask(*arguments: Any, **named: Any) -> Any:
            await self._goes_on()
            return await getattr(self._reader, name)(*arguments, **named)

        return ask

    async def scan(self, table: Table) -> AsyncIterator[Row]:
        await self._goes_on()
        async for row in self._reader.scan(table):
            yield row
            await self._goes_on()

    async def logs(self) -> list[LogState]:
        await self._goes_on()
        return await self._reader.logs()


class Bustle:
    """Holds are placed, completed, voided and reversed, the same ones again and again, by two terminals."""

    def __init__(self, town: Town, at_most: int) -> None:
        self.town = town
        self.done = 0
        self.at_most = at_most

    async def open(self) -> None:
        self.till, self.other = await self.town.terminal(0), await self.town.terminal(2, len(self.town.acquirers) - 1)

    async def goes_on(self) -> None:
        if self.done >= self.at_most:
            return
        self.done += 1
        till = self.till if self.done % 2 else self.other
        placed = await till.pre_auth("kate", 1_000)
        code = placed.get(38)
        if self.done % 5 == 0:
            await till.void("kate", 1_000, code)
        elif self.done % 5 == 1:
            await till.reverse()
        elif self.done % 5 != 2:
            await till.complete("kate", 900, code)
            if self.done % 5 == 3:
                await till.reverse()
        if self.done % 7 == 0:
            await self.town.sign_checkpoints()


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_written_meanwhile_is_not_taken_for_a_fault(workers: int) -> None:
    ground = MemoryGround()
    town = await Town.built(ground, workers)
    bustle = Bustle(town, 1_000)
    await bustle.open()
    for _ in range(10):
        await bustle.goes_on()
    for party, book in BOOKS.items():
        done, bustle.at_most = bustle.done, bustle.done + 100
        reader: Any = Busy(await ground.reader(party), bustle.goes_on)
        assert (await verify(reader, book, KEYS.public_key())).problems == []
        assert bustle.done >= done + 15, "nothing was written meanwhile"
    assert (await audited(ground)).ok


async def test_what_is_written_meanwhile_is_not_taken_for_a_fault_in_sql(sql_ground: Ground) -> None:
    town = await Town.built(sql_ground)
    bustle = Bustle(town, 40)
    await bustle.open()
    reader: Any = Busy(await sql_ground.reader("acquirer"), bustle.goes_on)
    assert (await verify(reader, REGISTER, KEYS.public_key())).problems == []
    assert bustle.done >= 15
    assert (await audited(sql_ground)).ok


async def test_a_fault_is_found_while_much_is_written() -> None:
    ground = MemoryGround()
    town = await Town.built(ground)
    bustle = Bustle(town, 100)
    await bustle.open()
    for _ in range(5):
        await bustle.goes_on()
    for table, changes in ((REQUESTS, {"amount_minor": 1}), (HOLDS, {"completed_minor": 7})):
        spoil_in_memory(ground, table, 1, changes)
    reader: Any = Busy(await ground.reader("acquirer"), bustle.goes_on)
    problems = (await verify(reader, REGISTER, KEYS.public_key())).problems
    assert len(problems) == 2
    assert "completed_minor is 7" in problems[0]
    assert "amount_minor is 1, not 1000" in problems[1]


def spoil_in_memory(ground: MemoryGround, table: Table, at: int, changes: Mapping[str, Any]) -> Key:
    rows = ground.shared["acquirer"].table(table).rows
    key = sorted(rows)[at]
    rows[key] = rows[key]._replace(**changes)
    return key


# --- long logs ----------------------------------------------------------------------------------------------------


async def test_a_log_of_many_chunks_and_stored_nodes(sqlite_ground: SqliteGround) -> None:
    town = await Town.built(sqlite_ground)
    till = await town.terminal()
    pan = pan_of("kate")
    for _ in range(6):
        for _ in range(100):
            till.offer(till.terminal.pre_auth(pan, 100, de14="3112"))
        await town.settle()
    await town.sign_checkpoints()
    assert (await audited(sqlite_ground)).problems == []
    assert (await audited(sqlite_ground)).entries == 1 + 1 + 2 * 600
    await sqlite_ground.spoil("acquirer", 'UPDATE nodes SET hash = $1 WHERE level = 8 AND "index" = 2', bytes(32))
    assert (await audited(sqlite_ground)).problems == [
        "tree of log A: the stored node over A-000513 to A-000768 is not the rebuilt one"
    ]
    await sqlite_ground.spoil("acquirer", "DELETE FROM nodes WHERE level = 8")
    assert (await audited(sqlite_ground)).problems == [
        "tree of log A: stored nodes over A-000001 to A-001024 are missing"
    ]


def test_problems_without_end_are_counted() -> None:
    problems = Problems()
    for number in range(Problems.TOLD_MAX + 5):
        problems.add(str(number))
    told = problems.told()
    assert (len(told), told[-1]) == (Problems.TOLD_MAX + 1, "and 5 more")
