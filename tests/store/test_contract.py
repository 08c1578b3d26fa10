"""What every store promises, tried on each of them."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Protocol

import pytest

from holdfast.domain.commands import FINDING
from holdfast.domain.records import (
    CARDS,
    HOLDS,
    HOT_CARDS,
    MERCHANTS,
    REQUESTS,
    SESSIONS,
    TERMINALS,
    Card,
    Hold,
    HotCard,
    Merchant,
    Request,
    Session,
    Terminal,
)
from holdfast.domain.tables import DUE, Due, Entry, Find, Write, insert, put, remove
from holdfast.errors import Conflict, Fenced, StoreError
from holdfast.register.tree import EMPTY, append
from holdfast.store.columns import columns_of
from holdfast.store.interface import Batch, Checkpoint, LogState, Reader, Store

LEASE_S = 30.0
BIG = 9_223_372_036_854_775_807
CHINESE = "北京饭店 “Hôtel” 🏨"


class Harness(Protocol):
    async def store(self) -> Store: ...
    async def reader(self) -> Reader: ...
    async def pass_time(self, seconds: float) -> None: ...


def row(kind: type, /, **values: Any) -> Any:
    """A row with these values and empty ones in the other columns."""
    empty = {c.name: None if c.nullable else c.kind() for c in columns_of(kind)}
    return kind(**(empty | values))


def hold(key: str, **values: Any) -> Hold:
    named = {"version": 1, "token": "token-1", "merchant_id": "M1", "authorization_code": "123456"}
    made: Hold = row(Hold, hold_id=key, **(named | values))
    return made


def request(key: str, **values: Any) -> Request:
    made: Request = row(Request, trace_key=key, **({"outcome": "asked", "question": bytes(32)} | values))
    return made


def session(key: str, **values: Any) -> Session:
    made: Session = row(Session, terminal_id=key, **values)
    return made


def due(key: str, due_us: int) -> Due:
    return Due(key, due_us, 0, due_us)


def merchant(key: str, name: str = CHINESE) -> Merchant:
    made: Merchant = row(Merchant, merchant_id=key, name=name, pre_auth_right=True)
    return made


def batch(log: LogState, *writes: Write, entries: int = 1) -> Batch:
    """The next batch of a log, with entries that are told apart by their number."""
    made = [entry(log.log, number) for number in range(log.next_number, log.next_number + entries)]
    frontier, nodes = append(log.frontier, [e.leaf for e in made])
    previous = made[-1].leaf if made else log.previous
    after = log._replace(batch=log.batch + 1, frontier=frontier, previous=previous)
    return Batch(log, after, made, nodes, writes)


def entry(log: str, number: int) -> Entry:
    body = f"{log} {number} {CHINESE}".encode()
    return Entry(number, 1_700_000_000_000_000 + number, "pre-authorization", body, sha256(body).digest())


async def committed(store: Store, log: LogState, *writes: Write, entries: int = 1) -> LogState:
    """The log after a batch with these writes."""
    transaction = await store.begin()
    written = batch(log, *writes, entries=entries)
    await transaction.write(written)
    await transaction.commit()
    return written.after


async def fetched(store: Store, table: Any, *keys: Any) -> dict[Any, Any]:
    transaction = await store.begin()
    try:
        return await transaction.fetch(table, keys)
    finally:
        await transaction.rollback()


# --- reading what was written -------------------------------------------------------------------------------------


async def test_rows_come_back_as_they_were_written(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    signed_on = session("T1", signed_on=True, pik=bytes(range(256)), previous_until_us=BIG, at_us=-BIG)
    rows = [
        (MERCHANTS, merchant("M1", "")),
        (MERCHANTS, merchant("M2")),
        (TERMINALS, row(Terminal, terminal_id="T1", tmk=b"\x00\xff", enabled=True)),
        (TERMINALS, row(Terminal, terminal_id="T2")),
        (SESSIONS, signed_on),
        (SESSIONS, signed_on._replace(terminal_id="T2", previous_mak=b"\x01", signed_on=False)),
        (HOT_CARDS, row(HotCard, pan_hash=bytes(32), response_code="41")),
        (HOT_CARDS, row(HotCard, pan_hash=b"\xff" * 32)),
        (REQUESTS, request("T1/1", token=None, reason=CHINESE, amount_minor=999_999_999_999)),
        (REQUESTS, request("T1/2", token="t", card="c", issuer_id="i", at_us=BIG)),
        (CARDS, row(Card, pan_hash=b"\x01", token="token")),
    ]
    await committed(store, log, *(insert(table, made) for table, made in rows))
    for table, made in rows:
        back = (await fetched(store, table, made[0]))[made[0]]
        assert back == made
        assert type(back) is type(made)
        assert [type(value) for value in back] == [type(value) for value in made]


async def test_fetch_gives_the_rows_that_exist(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    await committed(store, log, insert(HOLDS, hold("A-1")), insert(HOLDS, hold("A-2")), insert(HOLDS, hold("A-3")))
    assert await fetched(store, HOLDS, "A-3", "A-9", "A-1", "A-1") == {"A-1": hold("A-1"), "A-3": hold("A-3")}
    assert await fetched(store, HOLDS) == {}


async def test_find_gives_the_greatest_keys_first_and_no_more_than_the_limit(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    rows = [hold(f"A-{n}", token=f"t{n % 2}", authorization_code=f"c{n % 3}") for n in (3, 1, 5, 2, 4)]
    # Byte order decides, whatever language the database speaks.
    rows += [hold(key, token="order") for key in ("a", "B", "é", "中")]
    await committed(store, log, *(insert(HOLDS, row) for row in rows))
    transaction = await store.begin()
    by_code = (("merchant_id", rows[0].merchant_id), ("authorization_code", "c1"))
    found = await transaction.find(
        [
            Find(HOLDS, (("token", "t1"),), 2),
            Find(HOLDS, by_code, 9),
            Find(HOLDS, (("token", "nobody"),), 2),
            Find(HOLDS, (("token", "t0"),), 2),
            Find(HOLDS, (("token", "order"),), 9),
        ]
    )
    await transaction.rollback()
    keys = [[row.hold_id for row in rows] for rows in found]
    assert keys == [["A-5", "A-3"], ["A-4", "A-1"], [], ["A-4", "A-2"], ["中", "é", "a", "B"]]
    assert found[0][0] == rows[2]


async def test_find_follows_a_row_whose_columns_change(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    log = await committed(store, log, insert(HOLDS, hold("A-1", token="old")), insert(HOLDS, hold("A-2", token="old")))
    await committed(store, log, put(HOLDS, hold("A-1", token="new")), remove(HOLDS, "A-2"))
    transaction = await store.begin()
    found = await transaction.find([Find(HOLDS, (("token", token),), 5) for token in ("old", "new")])
    assert found == [[], [hold("A-1", token="new")]]
    assert await transaction.find([]) == []
    await transaction.rollback()


async def test_claim_takes_what_is_due_oldest_first(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    rows = [due("c", 10), due("a", 30), due("b", 20), due("d", 31), due("e", 20)]
    log = await committed(store, log, *(insert(DUE, row) for row in rows))
    transaction = await store.begin()
    assert await transaction.claim(30, 3) == [rows[0], rows[2], rows[4]]
    await transaction.rollback()
    await committed(store, log, put(DUE, due("c", 40)), remove(DUE, "b"))
    transaction = await store.begin()
    assert await transaction.claim(30, 9) == [rows[4], rows[1]]
    assert await transaction.claim(9, 9) == []
    await transaction.rollback()


# --- writing ------------------------------------------------------------------------------------------------------


async def test_a_fresh_key_that_exists_is_a_conflict_and_nothing_stays(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await committed(store, await store.take_log("A", "worker-1", LEASE_S), insert(REQUESTS, request("k1")))
    transaction = await store.begin()
    with pytest.raises(Conflict):
        await transaction.write(
            batch(log, put(HOLDS, hold("A-2")), insert(REQUESTS, request("k1", outcome="approved")))
        )
    with pytest.raises(StoreError):
        await transaction.commit()
    await transaction.rollback()
    assert await fetched(store, REQUESTS, "k1") == {"k1": request("k1")}
    assert await fetched(store, HOLDS, "A-2") == {}
    assert len(await reader.entries("A", 1, 9)) == 1
    await committed(store, log, put(HOLDS, hold("A-2")))


async def test_put_makes_or_replaces_and_remove_forgives(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    log = await committed(store, log, put(HOLDS, hold("A-1")), remove(HOLDS, "A-9"))
    log = await committed(store, log, put(HOLDS, hold("A-1", state="completed")), put(HOLDS, hold("A-2")))
    assert await fetched(store, HOLDS, "A-1", "A-2") == {"A-1": hold("A-1", state="completed"), "A-2": hold("A-2")}
    await committed(store, log, remove(HOLDS, "A-1"))
    assert await fetched(store, HOLDS, "A-1", "A-2") == {"A-2": hold("A-2")}


async def test_writes_of_one_key_come_to_the_last(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    log = await committed(store, log, insert(HOLDS, hold("old")), insert(HOLDS, hold("gone")))
    log = await committed(
        store,
        log,
        *(insert(HOLDS, hold("new")), put(HOLDS, hold("new", version=2)), put(HOLDS, hold("new", version=3))),
        *(insert(HOLDS, hold("never")), remove(HOLDS, "never")),
        *(remove(HOLDS, "old"), insert(HOLDS, hold("old", version=7))),
        *(put(HOLDS, hold("gone", version=2)), remove(HOLDS, "gone")),
    )
    rows = await fetched(store, HOLDS, "new", "never", "old", "gone")
    assert {key: row.version for key, row in rows.items()} == {"new": 3, "old": 7}
    transaction = await store.begin()
    with pytest.raises(Conflict):
        await transaction.write(batch(log, put(HOLDS, hold("x")), insert(HOLDS, hold("x"))))
    await transaction.rollback()
    transaction = await store.begin()
    with pytest.raises(Conflict):
        await transaction.write(batch(log, insert(HOLDS, hold("old")), put(HOLDS, hold("old", version=9))))
    await transaction.rollback()


async def test_rollback_leaves_nothing(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.write(
        batch(log, insert(HOLDS, hold("A-1")), insert(DUE, due("d", 1)), put(MERCHANTS, merchant("M")))
    )
    await transaction.rollback()
    await transaction.rollback()
    assert await fetched(store, HOLDS, "A-1") == {}
    assert await reader.logs() == [log]
    assert await reader.entries("A", 1, 9) == []
    assert await store.reference_version() == 0
    await committed(store, log, insert(HOLDS, hold("A-1")))


async def test_a_batch_may_be_empty(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.commit()
    log = await committed(store, log, entries=0)
    assert await reader.logs() == [log]


async def test_a_hundred_mixed_rows_in_one_batch(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    keys = [f"k{n:02}" for n in range(100)]
    sessions = [session(key, signed_on=n % 2 == 0, previous_mak=b"q" if n % 3 else None) for n, key in enumerate(keys)]
    requests = [
        request(key, token=None if n % 2 else key, hold_id="h" if n % 5 else None) for n, key in enumerate(keys)
    ]
    log = await committed(
        store, log, *(put(SESSIONS, row) for row in sessions), *(insert(REQUESTS, row) for row in requests)
    )
    assert await fetched(store, SESSIONS, *(row[0] for row in sessions)) == {row[0]: row for row in sessions}
    assert await fetched(store, REQUESTS, *(row[0] for row in requests)) == {row[0]: row for row in requests}
    log = await committed(store, log, *(remove(REQUESTS, row[0]) for row in requests[:50]), entries=0)
    assert len(await fetched(store, REQUESTS, *(row[0] for row in requests))) == 50


async def test_begin_waits_for_the_transaction_before(harness: Harness) -> None:
    store = await harness.store()
    first = await store.begin()
    second = asyncio.ensure_future(store.begin())
    await asyncio.sleep(0.02)
    assert not second.done()
    await first.rollback()
    await (await second).rollback()


# --- logs ---------------------------------------------------------------------------------------------------------


async def test_a_log_is_gapless_and_read_back(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    assert log == LogState("A", 1, 0, EMPTY, bytes(32))
    for entries in (1, 2, 300):
        log = await committed(store, log, entries=entries)
    assert (log.batch, log.next_number) == (3, 304)
    assert await reader.logs() == [log]
    assert await reader.entries("A", 2, 3) == [entry("A", 2), entry("A", 3)]
    assert await reader.entries("A", 300, 310) == [entry("A", number) for number in range(300, 304)]
    assert await reader.entries("B", 1, 9) == []
    leaves = [entry("A", number).leaf for number in range(1, 304)]
    assert await reader.leaves("A", 1, 1000) == leaves
    assert await reader.leaves_of("A", [303, 2, 304]) == {2: leaves[1], 303: leaves[302]}
    assert await reader.leaves_of("B", [1]) == {}
    nodes = append(EMPTY, leaves)[1]
    assert await reader.nodes("A", 8, 0, 9) == [node.hash for node in nodes if node.level == 8]
    assert await reader.nodes("A", 8, 1, 9) == []
    transaction = await store.begin()
    with pytest.raises(AssertionError):
        await transaction.write(batch(log)._replace(entries=[entry("A", 305)]))
    await transaction.rollback()


async def test_an_old_batch_or_epoch_is_fenced(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    first = await store.take_log("A", "worker-1", LEASE_S)
    second = await committed(store, first, insert(HOLDS, hold("A-1")))
    third = await store.take_log("A", "worker-1", LEASE_S)
    assert third == second._replace(epoch=2)
    for stale in (first, second, third._replace(epoch=3), third._replace(log="B")):
        transaction = await store.begin()
        # A row that would be a conflict too: that the lease is gone is what matters.
        with pytest.raises(Fenced):
            await transaction.write(
                batch(stale, insert(HOLDS, hold("A-1")), put(HOLDS, hold("A-2")), remove(HOLDS, "A-1"))
            )
        await transaction.rollback()
    assert await fetched(store, HOLDS, "A-1", "A-2") == {"A-1": hold("A-1")}
    assert await reader.logs() == [third]
    await committed(store, third)


async def test_take_log_prefers_the_holders_own(harness: Harness) -> None:
    store = await harness.store()
    assert (await store.take_log("ABC", "worker-1", LEASE_S)).log == "A"
    assert (await store.take_log("ABC", "worker-2", LEASE_S)).log == "B"
    again = await store.take_log("ABC", "worker-2", LEASE_S)
    assert (again.log, again.epoch) == ("B", 2)
    assert (await store.take_log("ABC", "worker-3", LEASE_S)).log == "C"
    with pytest.raises(Fenced):
        await store.take_log("ABC", "worker-4", LEASE_S)
    await harness.pass_time(LEASE_S + 1)


async def test_a_lease_that_ran_out_is_free_and_keeps_the_log(harness: Harness) -> None:
    store = await harness.store()
    old = await committed(store, await store.take_log("A", "worker-1", 0.05), insert(HOLDS, hold("A-1")))
    await harness.pass_time(0.06)
    new = await store.take_log("A", "worker-2", LEASE_S)
    assert new == old._replace(epoch=2)
    with pytest.raises(Fenced):
        await store.renew(old, LEASE_S)
    transaction = await store.begin()
    with pytest.raises(Fenced):
        await transaction.write(batch(old))
    await transaction.rollback()
    await store.release(old)
    with pytest.raises(Fenced):
        await store.take_log("A", "worker-3", LEASE_S)


async def test_renew_prolongs_and_release_ends(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", 0.05)
    await store.renew(log, LEASE_S)
    await harness.pass_time(0.06)
    with pytest.raises(Fenced):
        await store.take_log("A", "worker-2", LEASE_S)
    await store.release(log)
    assert (await store.take_log("A", "worker-2", LEASE_S)).epoch == 2


async def test_the_reference_version_grows_with_reference_rows_only(harness: Harness) -> None:
    store = await harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    before = await store.reference_version()
    log = await committed(store, log, insert(HOLDS, hold("A-1")), put(DUE, due("d", 1)))
    assert await store.reference_version() == before
    log = await committed(store, log, insert(MERCHANTS, merchant("M1")), insert(MERCHANTS, merchant("M2")))
    middle = await store.reference_version()
    assert middle > before
    await committed(store, log, remove(MERCHANTS, "M1"))
    assert await store.reference_version() > middle


async def test_the_first_checkpoint_of_a_size_is_kept(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await committed(store, await store.take_log("A", "worker-1", LEASE_S), entries=9)
    for size, signed in ((3, "three"), (7, CHINESE), (3, "other"), (5, "five")):
        await store.put_checkpoint(Checkpoint(log.log, size, signed))
    assert await reader.checkpoint_of("A", 3) == Checkpoint("A", 3, "three")
    assert await reader.checkpoint_of("A", 4) is None
    assert await reader.checkpoint("A", 4) == Checkpoint("A", 7, CHINESE)
    assert await reader.checkpoint("A", 8) is None
    assert await reader.checkpoint("B", 0) is None


# --- reading ------------------------------------------------------------------------------------------------------


async def test_select(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    rows = [
        request("k1", terminal_id="T1", at_us=10, hold_id="h2"),
        request("k2", terminal_id="T2", at_us=20),
        request("k3", terminal_id="T1", at_us=20, hold_id="h1"),
        request("k4", terminal_id="T1", at_us=30, outcome="approved"),
    ]
    await committed(store, log, *(insert(REQUESTS, row) for row in reversed(rows)))

    async def keys(*arguments: Any, **named: Any) -> list[str]:
        return [row.trace_key for row in await reader.select(REQUESTS, *arguments, **named)]

    assert await keys({}) == ["k1", "k2", "k3", "k4"]
    assert await keys({"terminal_id": "T1"}) == ["k1", "k3", "k4"]
    assert await keys({"terminal_id": "T1", "outcome": "asked"}, limit=1) == ["k1"]
    assert await keys({}, ("at_us", 10, 30)) == ["k1", "k2", "k3"]
    assert await keys({"terminal_id": "T1"}, ("at_us", 11, 30)) == ["k3"]
    assert await keys({}, order="at_us") == ["k4", "k3", "k2", "k1"]
    assert await keys({}, order="at_us", limit=2) == ["k4", "k3"]
    assert await keys({}, order="hold_id") == ["k1", "k3", "k4", "k2"]
    assert await keys({"terminal_id": "T9"}) == []
    assert await reader.select(REQUESTS, {"trace_key": "k3"}) == [rows[2]]
    assert await reader.row(REQUESTS, "k2") == rows[1]
    assert await reader.row(REQUESTS, "k9") is None
    assert await reader.rows(REQUESTS, ["k3", "k9", "k1", "k3"]) == {"k1": rows[0], "k3": rows[2]}
    assert await reader.rows(REQUESTS, []) == {}


async def test_what_is_due_of_one_kind(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    rows = [due(key, at) for at, key in enumerate(("expire:B", "tell:k2", "tell:k1", "telling:k", "tell", "undo:k9"))]
    await committed(store, await store.take_log("A", "worker-1", LEASE_S), *(insert(DUE, row) for row in rows))
    assert [row.key for row in await reader.due("tell")] == ["tell:k1", "tell:k2"]
    assert await reader.due("undo") == [rows[5]]
    assert await reader.due("answer") == []


async def test_entries_of_a_rare_kind(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    written = batch(log, entries=5)
    raised = [each._replace(kind=FINDING) if each.number in (2, 5) else each for each in written.entries]
    transaction = await store.begin()
    await transaction.write(written._replace(entries=raised))
    await transaction.commit()
    assert await reader.entries_of("A", FINDING) == [raised[1], raised[4]]
    assert await reader.entries_of("B", FINDING) == []


async def test_scan_gives_every_row_by_key(harness: Harness) -> None:
    store, reader = await harness.store(), await harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    rows = [hold(f"A-{n:04}") for n in range(1200)]
    log = await committed(store, log, *(insert(HOLDS, row) for row in reversed(rows)))
    seen: list[Hold] = []
    async for row in reader.scan(HOLDS):
        if not seen:
            # One view: what is committed meanwhile belongs to the next scan.
            log = await committed(store, log, remove(HOLDS, "A-1199"), insert(HOLDS, hold("B")))
            assert await reader.row(HOLDS, "B") == hold("B")
        seen.append(row)
    assert seen == rows
    assert [row async for row in reader.scan(TERMINALS)] == []


# --- several engines ----------------------------------------------------------------------------------------------


async def test_fetched_rows_are_locked(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log = await committed(first, await first.take_log("A", "worker-1", LEASE_S), insert(HOLDS, hold("A-1")))
    mine = await first.begin()
    await mine.fetch(HOLDS, ["A-1"])
    other = await second.begin()
    waiting = asyncio.ensure_future(other.fetch(HOLDS, ["A-1"]))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await mine.write(batch(log, put(HOLDS, hold("A-1", version=2))))
    await mine.commit()
    assert (await waiting)["A-1"].version == 2
    await other.rollback()


async def test_a_row_removed_under_a_waiting_fetch_is_gone(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log = await committed(first, await first.take_log("A", "worker-1", LEASE_S), insert(HOLDS, hold("A-1")))
    mine = await first.begin()
    await mine.fetch(HOLDS, ["A-1"])
    other = await second.begin()
    waiting = asyncio.ensure_future(other.fetch(HOLDS, ["A-1"]))
    await asyncio.sleep(0.02)
    await mine.write(batch(log, remove(HOLDS, "A-1")))
    await mine.commit()
    assert await waiting == {}
    await other.rollback()


async def test_reference_and_shared_rows_and_finds_do_not_wait(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    rows = [
        insert(MERCHANTS, merchant("M")),
        insert(CARDS, row(Card, pan_hash=b"1", token="token")),
        insert(HOLDS, hold("A-1")),
    ]
    log = await committed(first, await first.take_log("A", "worker-1", LEASE_S), *rows)
    mine = await first.begin()
    await mine.write(batch(log, *(put(write.table, write.row) for write in rows)))
    other = await second.begin()
    assert await other.fetch(MERCHANTS, ["M"]) == {"M": merchant("M")}
    assert len(await other.fetch(CARDS, [b"1"])) == 1
    assert len((await other.find([Find(HOLDS, (("token", "token-1"),), 5)]))[0]) == 1
    await other.rollback()
    await mine.rollback()


async def test_claim_skips_what_others_hold(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log = await first.take_log("A", "worker-1", LEASE_S)
    await committed(first, log, *(insert(DUE, due(key, at)) for at, key in enumerate("abc")))
    mine, other = await first.begin(), await second.begin()
    assert [row.key for row in await mine.claim(9, 2)] == ["a", "b"]
    assert [row.key for row in await other.claim(9, 2)] == ["c"]
    await mine.rollback()
    assert [row.key for row in await other.claim(9, 2)] == ["a", "b"]
    await other.rollback()


async def test_two_engines_insert_the_same_key(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log_a = await first.take_log("AB", "worker-1", LEASE_S)
    log_b = await second.take_log("AB", "worker-2", LEASE_S)
    mine, other = await first.begin(), await second.begin()
    assert await mine.fetch(REQUESTS, ["k"]) == await other.fetch(REQUESTS, ["k"]) == {}
    await mine.write(batch(log_a, insert(REQUESTS, request("k"))))
    waiting = asyncio.ensure_future(other.write(batch(log_b, insert(REQUESTS, request("k", outcome="declined")))))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await mine.commit()
    with pytest.raises(Conflict):
        await waiting
    await other.rollback()
    assert await fetched(second, REQUESTS, "k") == {"k": request("k")}


async def test_an_insert_given_up_leaves_the_key_free(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log_a = await first.take_log("AB", "worker-1", LEASE_S)
    log_b = await second.take_log("AB", "worker-2", LEASE_S)
    mine, other = await first.begin(), await second.begin()
    await mine.write(batch(log_a, insert(REQUESTS, request("k"))))
    waiting = asyncio.ensure_future(other.write(batch(log_b, insert(REQUESTS, request("k", outcome="declined")))))
    await asyncio.sleep(0.02)
    await mine.rollback()
    await waiting
    await other.commit()
    assert (await fetched(first, REQUESTS, "k"))["k"].outcome == "declined"


async def test_a_deadlock_is_a_conflict_of_one(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    log = await first.take_log("A", "worker-1", LEASE_S)
    await committed(first, log, insert(HOLDS, hold("A-1")), insert(HOLDS, hold("A-2")))

    async def cross(store: Store, *keys: str) -> str:
        transaction = await store.begin()
        try:
            for key in keys:
                await transaction.fetch(HOLDS, [key])
                await asyncio.sleep(0.02)
            await transaction.commit()
        except Conflict:
            return "conflict"
        finally:
            await transaction.rollback()
        return "done"

    ends = await asyncio.gather(cross(first, "A-1", "A-2"), cross(second, "A-2", "A-1"))
    assert sorted(ends) == ["conflict", "done"]


async def test_take_log_waits_for_the_batch_that_is_committing(shared: Harness) -> None:
    first, second, reader = await shared.store(), await shared.store(), await shared.reader()
    old = await first.take_log("A", "worker-1", 0.01)
    transaction = await first.begin()
    await transaction.write(batch(old))
    await shared.pass_time(0.02)
    taking = asyncio.ensure_future(second.take_log("A", "worker-2", LEASE_S))
    await asyncio.sleep(0.02)
    assert not taking.done()
    await transaction.commit()
    new = await taking
    assert (new.epoch, new.batch, new.next_number) == (2, 1, 2)
    assert await reader.logs() == [new]


async def test_a_writer_that_lost_its_lease_before_it_wrote_is_fenced(shared: Harness) -> None:
    first, second = await shared.store(), await shared.store()
    old = await first.take_log("A", "worker-1", 0.01)
    transaction = await first.begin()
    await shared.pass_time(0.02)
    new = await second.take_log("A", "worker-2", LEASE_S)
    with pytest.raises(Fenced):
        await transaction.write(batch(old))
    await transaction.rollback()
    await committed(second, new)


async def test_housekeeping_does_not_wait_for_a_batch(shared: Harness) -> None:
    store = await shared.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.fetch(HOLDS, ["A-1"])
    await asyncio.wait_for(_housekeeping(store, log), 2)
    await transaction.rollback()


async def _housekeeping(store: Store, log: LogState) -> None:
    await store.renew(log, LEASE_S)
    await store.put_checkpoint(Checkpoint(log.log, 0, "none"))
    await store.reference_version()


async def test_two_workers_never_get_one_log(shared: Harness) -> None:
    stores: Sequence[Store] = [await shared.store() for _ in range(4)]
    takes = [store.take_log("ABCDEF", f"worker-{n}", LEASE_S) for n, store in enumerate(stores)]
    taken = await asyncio.gather(*takes)
    assert len({log.log for log in taken}) == 4
    assert {log.epoch for log in taken} == {1}
