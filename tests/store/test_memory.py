"""What only the simulator's store can do: crash, lose the outcome of a commit, and let a scheduler decide who runs."""

from collections.abc import Callable, Coroutine, Iterator
from types import coroutine
from typing import Any

import pytest

from holdfast.domain.tables import DUE, Due, Entry, insert, put
from holdfast.errors import CommitUnknown, Conflict, Fenced, StoreError
from holdfast.register.canonical import leaf_hash
from holdfast.register.tree import append
from holdfast.store.interface import Batch, Checkpoint, LogState
from holdfast.store.memory import IDLE_IN_TRANSACTION_S, MemoryDatabase, MemoryReader, MemoryStore, crash


class World:
    """A database with a clock that is set by hand, and coroutines that go one step when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.shared = MemoryDatabase(lambda: self.now_s)

    def store(self, **how: Any) -> MemoryStore:
        return MemoryStore(self.shared, pause=hand_over, **how)


@coroutine
def hand_over(point: str) -> Iterator[str]:
    yield point


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Drive it to its end, whatever it waits for."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value


def step_to(coroutine: Coroutine[Any, Any, Any], point: str) -> None:
    """Drive it until it pauses at that point."""
    while coroutine.send(None) != point:
        pass


def a_batch(log: LogState, *keys: str) -> Batch:
    return Batch(log, log._replace(batch=log.batch + 1), (), (), [insert(DUE, Due(key, 1, 0, 1)) for key in keys])


async def a_commit(store: MemoryStore, batch: Batch) -> None:
    transaction = await store.begin()
    await transaction.write(batch)
    await transaction.commit()


def rows(world: World) -> list[str]:
    return [row.key for row in run(MemoryReader(world.shared).select(DUE, {}))]


def test_a_crash_before_the_commit_leaves_nothing_and_frees_the_locks() -> None:
    world = World()
    store, other = world.store(), world.store()
    log = run(store.take_log("A", "worker-1", 9))
    dying = a_commit(store, a_batch(log, "a"))
    step_to(dying, "commit")
    crash(store)
    assert rows(world) == []
    assert world.shared.locks == {}
    with pytest.raises(StoreError):
        run(dying)
    with pytest.raises(StoreError):
        run(store.begin())
    world.now_s = 10
    run(a_commit(other, a_batch(run(other.take_log("A", "worker-2", 9)), "a")))
    assert rows(world) == ["a"]


def test_a_crash_after_the_commit_loses_nothing() -> None:
    world = World()
    store = world.store()
    log = run(store.take_log("A", "worker-1", 9))
    dying = a_commit(store, a_batch(log, "a"))
    step_to(dying, "committed")
    crash(store)
    dying.close()
    assert rows(world) == ["a"]
    assert world.shared.locks == {}
    again = run(world.store().take_log("A", "worker-1", 9))
    assert (again.epoch, again.batch) == (2, 1)


@pytest.mark.parametrize(("outcome", "batch", "kept"), [("before", 0, []), ("after", 1, ["a"])])
def test_a_commit_of_unknown_outcome_is_read_back_by_its_batch(outcome: str, batch: int, kept: list[str]) -> None:
    world = World()
    outcomes: Iterator[Any] = iter([outcome, None])
    store = world.store(fail_commit=lambda: next(outcomes))
    log = run(store.take_log("A", "worker-1", 9))
    with pytest.raises(CommitUnknown):
        run(a_commit(store, a_batch(log, "a")))
    assert world.shared.locks == {}
    again = run(store.take_log("A", "worker-1", 9))
    assert (again.epoch, again.batch, rows(world)) == (2, batch, kept)
    with pytest.raises(Fenced):
        run(a_commit(store, a_batch(log, "b")))
    run(store.open.rollback()) if store.open else None
    run(a_commit(store, a_batch(again, "b")))


def test_a_stopped_engine_loses_its_locks_to_who_waits_for_them() -> None:
    world = World()
    stopped, other = world.store(), world.store()
    log = run(stopped.take_log("AB", "worker-1", 99))
    log_b = run(other.take_log("AB", "worker-2", 99))
    run(a_commit(stopped, a_batch(log, "a")))
    held = run(stopped.begin())
    run(held.claim(1, 1))
    wants = run(other.begin())
    waiting = wants.fetch(DUE, ["a"])
    step_to(waiting, "lock")
    assert waiting.send(None) == "lock"
    world.now_s += IDLE_IN_TRANSACTION_S + 1
    assert list(run(waiting)) == ["a"]
    with pytest.raises(StoreError):
        run(held.commit())
    run(wants.rollback())
    assert log_b.log == "B"


def test_without_a_hook_a_held_lock_is_a_conflict() -> None:
    world = World()
    first, second = MemoryStore(world.shared), MemoryStore(world.shared)
    run(a_commit(first, a_batch(run(first.take_log("A", "worker-1", 9)), "a")))
    held = run(first.begin())
    run(held.fetch(DUE, ["a"]))
    with pytest.raises(Conflict):
        run(run(second.begin()).fetch(DUE, ["a"]))
    with pytest.raises(StoreError):
        run(first.begin())


def test_every_interleaving_of_two_increments_counts_both() -> None:
    """Two engines read a row and write it one higher: locks make them take turns, whoever runs when."""
    for schedule in range(2**10):
        world = World()
        stores = [world.store(), world.store()]
        logs = [run(store.take_log("AB", f"worker-{n}", 9)) for n, store in enumerate(stores)]
        run(a_commit(stores[0], a_batch(logs[0], "a")))
        logs[0] = logs[0]._replace(batch=1)
        running = [increment(store, log) for store, log in zip(stores, logs, strict=True)]
        drive(running, lambda step, schedule=schedule: schedule >> step % 10 & 1)  # type: ignore[misc]
        assert run(MemoryReader(world.shared).row(DUE, "a")).attempts == 2


async def increment(store: MemoryStore, log: LogState) -> None:
    transaction = await store.begin()
    row = (await transaction.fetch(DUE, ["a"]))["a"]
    after = log._replace(batch=log.batch + 1)
    await transaction.write(Batch(log, after, (), (), [put(DUE, row._replace(attempts=row.attempts + 1))]))
    await transaction.commit()


def drive(running: list[Coroutine[Any, Any, None]], chosen: Callable[[int], int]) -> None:
    step = 0
    while running:
        turn = running[chosen(step) % len(running)]
        step += 1
        try:
            turn.send(None)
        except StopIteration:
            running.remove(turn)


def test_a_write_that_fails_leaves_nothing_and_frees_the_locks() -> None:
    world = World()
    store = world.store()
    log = run(store.take_log(("A",), "one", 10.0))
    store.fail_write = lambda what: what == "batch"
    with pytest.raises(StoreError):
        run(a_commit(store, a_batch(log, "k")))
    assert (rows(world), world.shared.locks) == ([], {})
    store.fail_write = lambda what: False
    run(a_commit(store, a_batch(log, "k")))
    assert rows(world) == ["k"]


def test_a_full_disk_takes_no_log_renews_no_lease_and_keeps_no_checkpoint() -> None:
    world = World()
    store = world.store()
    log = run(store.take_log(("A",), "one", 10.0))
    full = world.store(fail_write=lambda what: True)
    for write in (
        full.take_log(("A",), "one", 10.0),
        full.renew(log, 10.0),
        full.put_checkpoint(Checkpoint("A", 0, "")),
    ):
        with pytest.raises(StoreError):
            run(write)
    assert (world.shared.logs["A"].state, world.shared.logs["A"].checkpoints) == (log, {})


def test_torn_commits_never_were_and_the_log_goes_on_behind_what_is_left() -> None:
    world = World()
    world.shared.remember(2)
    store = world.store()
    log = run(store.take_log(("A",), "one", 10.0))
    for number, name in enumerate(("first", "second", "third"), 1):
        entry = Entry(number, 0, name, name.encode(), leaf_hash(name.encode()))
        frontier, nodes = append(log.frontier, [entry.leaf])
        after = log._replace(batch=number, frontier=frontier, previous=entry.leaf)
        writes = [put(DUE, Due("k", number, 0, 0)), insert(DUE, Due(name, 9, 0, 0))]
        run(a_commit(store, Batch(log, after, (entry,), nodes, writes)))
        log = after
    assert [entry.kind for entry in world.shared.tear(3)] == ["second", "third"]
    assert rows(world) == ["first", "k"]
    assert run(MemoryReader(world.shared).row(DUE, "k")).due_us == 1
    left = run(world.store().take_log(("A",), "one", 10.0))
    assert (left.batch, left.next_number, left.epoch) == (1, 2, log.epoch + 1)


def test_the_first_commit_of_all_is_never_torn() -> None:
    world = World()
    world.shared.remember(3)
    store = world.store()
    log = run(store.take_log(("A",), "one", 10.0))
    run(a_commit(store, a_batch(log, "k")))
    assert (world.shared.tear(3), rows(world)) == ([], ["k"])
