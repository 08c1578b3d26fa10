"""The store of the simulator: a made-up database that waits, locks, conflicts and crashes on demand.

It behaves as PostgreSQL does under READ COMMITTED: a transaction sees committed rows, holds the locks of what it
fetched and wrote until it ends, and changes nothing before its commit. It never waits by itself: whoever drives it
injects `pause`, which is awaited wherever a real database would let others run. Its points are "begin", "fetch",
"find", "claim", "write", "lock", "commit" (nothing is applied yet), "committed" (applied, and nobody was told yet) and
"taken" (a log is, and nobody was told yet).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Literal

from holdfast.domain.tables import DUE, Due, Entry, Find, Key, Row, Table
from holdfast.errors import CommitUnknown, Conflict, Fenced, StoreError
from holdfast.store.changes import Changes, changes_of
from holdfast.store.interface import Batch, Checkpoint, LogState
from holdfast.store.memory_database import MemoryDatabase, MemoryLog, Place

__all__ = ["IDLE_IN_TRANSACTION_S", "MemoryDatabase", "MemoryReader", "MemoryStore", "MemoryTransaction", "crash"]

Pause = Callable[[str], Awaitable[None]]
Outcome = Literal["before", "after"] | None

IDLE_IN_TRANSACTION_S = 5.0
"""A transaction whose engine has stopped for so long is ended by whoever waits for its locks."""

WAITS_MAX = 10_000
"""A lock that is asked for so often is a Conflict, as a lock timeout is."""


async def _never_pause(point: str) -> None:
    """The hook of a driver that lets nothing interleave."""


def _always_commit() -> Outcome:
    return None


def _always_write(what: str) -> bool:
    return False


class MemoryStore:
    """One engine's connection to a shared database.

    `fail_commit` is asked at every commit: "before" and "after" raise CommitUnknown without or with the batch applied.
    `fail_write` is asked whenever a "batch", a "lease" or a "checkpoint" is to be written: true raises StoreError, and
    nothing was.
    """

    def __init__(
        self,
        shared: MemoryDatabase,
        pause: Pause = _never_pause,
        fail_commit: Callable[[], Outcome] = _always_commit,
        waits_max: int = WAITS_MAX,
        fail_write: Callable[[str], bool] = _always_write,
    ) -> None:
        self.shared = shared
        self.pause = pause
        self.fail_commit = fail_commit
        self.waits_max = waits_max
        self.fail_write = fail_write
        self.crashed = False
        self.open: MemoryTransaction | None = None

    async def take_log(self, names: Sequence[str], holder: str, lease_s: float) -> LogState:
        """See `Store.take_log`."""
        self._assert_alive()
        for name in self._candidates(names, holder):
            await self._wait_for_writer(name)
            log = self.shared.logs.get(name)
            if log is None or self._may_take(log, holder):
                self._assert_writes("lease")
                log = self.shared.logs.setdefault(name, MemoryLog(name))
                log.holder, log.lease_until_s = holder, self.shared.clock_s() + lease_s
                log.state = log.state._replace(epoch=log.state.epoch + 1)
                taken = log.state
                await self.pause("taken")
                return taken
        raise Fenced(f"others hold all of the logs {', '.join(names)}")

    async def renew(self, log: LogState, lease_s: float) -> None:
        """See `Store.renew`."""
        held = self._held(log)
        self._assert_writes("lease")
        held.lease_until_s = self.shared.clock_s() + lease_s

    async def release(self, log: LogState) -> None:
        """See `Store.release`."""
        self._assert_alive()
        held = self.shared.logs.get(log.log)
        if held is not None and held.state.epoch == log.epoch:
            held.lease_until_s = self.shared.clock_s()

    async def begin(self) -> "MemoryTransaction":
        """See `Store.begin`."""
        waits = 0
        while self.open is not None:
            waits += 1
            if waits > self.waits_max:
                raise StoreError("the transaction before this one never ended")
            await self.pause("begin")
        self._assert_alive()
        self.open = MemoryTransaction(self)
        return self.open

    async def reference_version(self) -> int:
        """See `Store.reference_version`."""
        self._assert_alive()
        return self.shared.reference_version

    async def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """See `Store.put_checkpoint`."""
        self._assert_alive()
        self._assert_writes("checkpoint")
        self.shared.logs[checkpoint.log].checkpoints.setdefault(checkpoint.size, checkpoint)

    async def close(self) -> None:
        """Give up what is open."""
        crash(self)

    def _assert_writes(self, what: str) -> None:
        """StoreError when this cannot be written now."""
        if self.fail_write(what):
            raise StoreError(f"the {what} could not be written")

    def _candidates(self, names: Sequence[str], holder: str) -> list[str]:
        logs = self.shared.logs
        own = [name for name in names if name in logs and logs[name].holder == holder]
        free = [name for name in names if name not in logs or self._may_take(logs[name], holder)]
        return own + [name for name in free if name not in own]

    def _may_take(self, log: MemoryLog, holder: str) -> bool:
        return log.holder == holder or log.lease_until_s <= self.shared.clock_s()

    async def _wait_for_writer(self, name: str) -> None:
        waits = 0
        while (writer := self.shared.locks.get(_log_place(name))) is not None:
            waits += 1
            if waits > self.waits_max:
                raise Conflict(f"log {name} is being written for too long")
            writer.end_if_idle()
            await self.pause("lock")
            self._assert_alive()

    def _held(self, log: LogState) -> MemoryLog:
        self._assert_alive()
        held = self.shared.logs.get(log.log)
        if held is None or held.state.epoch != log.epoch:
            raise Fenced(f"log {log.log} has a newer epoch than {log.epoch}")
        return held

    def _assert_alive(self) -> None:
        if self.crashed:
            raise StoreError("this store was closed")


def crash(store: MemoryStore) -> None:
    """The engine of this store is gone: what it had not committed never was, and its locks are free."""
    store.crashed = True
    if store.open is not None:
        store.open.end()


def _log_place(log: str) -> Place:
    return "", log


class MemoryTransaction:
    """One batch of one store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._shared = store.shared
        self._places: list[Place] = []
        self._written: tuple[Batch, list[Changes]] | None = None
        self._over = False
        self._waits_for: MemoryTransaction | None = None
        self._idle_since_s: float | None = self._shared.clock_s()

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Transaction.fetch`."""
        await self._pause("fetch")
        rows = self._shared.table(table).rows
        present = sorted(key for key in set(keys) if key in rows)
        if table.locks:
            for key in present:
                await self._lock((table.name, key))
        self._rest()
        # A row that was removed while its lock was waited for is gone, as in PostgreSQL.
        return {key: rows[key] for key in present if key in rows}

    async def find(self, finds: Sequence[Find]) -> list[list[Row]]:
        """See `Transaction.find`."""
        await self._pause("find")
        self._rest()
        return [self._shared.table(find.table).find(find) for find in finds]

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """See `Transaction.claim`."""
        await self._pause("claim")
        rows, claimed = self._shared.table(DUE).rows, list[Due]()
        for key in self._shared.due_keys(now_us):
            if len(claimed) == limit:
                break
            place: Place = (DUE.name, key)
            if self._shared.locks.get(place, self) is self:
                self._hold(place)
                claimed.append(rows[key])
        self._rest()
        return claimed

    async def write(self, batch: Batch) -> None:
        """See `Transaction.write`."""
        assert self._written is None, "everything of a batch is written at once"
        changes = self._changes(batch)
        await self._pause("write")
        before = batch.before
        await self._lock(_log_place(before.log))
        log = self._shared.logs.get(before.log)
        if log is None or (log.state.epoch, log.state.batch) != (before.epoch, before.batch):
            self.end()
            raise Fenced(f"log {before.log} is no longer at epoch {before.epoch}, batch {before.batch}")
        for change in changes:
            await self._lock_changes(change)
        if self._store.fail_write("batch"):
            self.end()
            raise StoreError("the batch could not be written")
        self._written = batch, changes
        self._rest()

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        await self._pause("commit")
        outcome = self._store.fail_commit()
        if self._written is not None and outcome != "before":
            self._shared.apply(*self._written)
        self.end()
        if outcome is not None:
            raise CommitUnknown("the connection was lost during commit")
        await self._store.pause("committed")

    async def rollback(self) -> None:
        """See `Transaction.rollback`."""
        self.end()

    def end(self) -> None:
        """Free all locks; whatever was not applied is gone."""
        self._over = True
        for place in self._places:
            del self._shared.locks[place]
        self._places.clear()
        if self._store.open is self:
            self._store.open = None

    def end_if_idle(self) -> None:
        """What the database does to an engine that stopped in the middle of a transaction."""
        since_s = self._idle_since_s
        if since_s is not None and self._shared.clock_s() - since_s > IDLE_IN_TRANSACTION_S:
            self.end()

    def _changes(self, batch: Batch) -> list[Changes]:
        try:
            return changes_of(batch)
        except Conflict:
            self.end()
            raise

    async def _pause(self, point: str) -> None:
        self._assert_open()
        self._idle_since_s = None
        await self._store.pause(point)
        self._assert_open()

    def _rest(self) -> None:
        self._idle_since_s = self._shared.clock_s()

    def _assert_open(self) -> None:
        if self._over:
            raise StoreError("the transaction is over")

    async def _lock_changes(self, changes: Changes) -> None:
        table = changes.table
        keys = [row[0] for row in (*changes.fresh, *changes.puts)] + changes.removed
        for key in sorted(keys):
            await self._lock((table.name, key))
        rows = self._shared.table(table).rows
        for row in changes.fresh:
            if row[0] in rows:
                self.end()
                raise Conflict(f"{table.name} {row[0]!r} exists already")

    async def _lock(self, place: Place) -> None:
        """Wait until a place is ours. Who closes a circle of waiting (a deadlock) gives up."""
        waits = 0
        while (holder := self._shared.locks.get(place)) not in (None, self):
            waits += 1
            self._waits_for = holder
            if waits > self._store.waits_max or self._waits_in_a_circle():
                self.end()
                raise Conflict(f"waited in vain for {place[0] or 'log'} {place[1]!r}")
            holder.end_if_idle()
            await self._store.pause("lock")
            self._assert_open()
        self._waits_for = None
        self._hold(place)

    def _hold(self, place: Place) -> None:
        if place not in self._shared.locks:
            self._shared.locks[place] = self
            self._places.append(place)

    def _waits_in_a_circle(self) -> bool:
        other, seen = self._waits_for, set[int]()
        while other is not None and id(other) not in seen:
            if other is self:
                return True
            seen.add(id(other))
            other = other._waits_for
        return False


class MemoryReader:
    """Committed state of a shared database."""

    def __init__(self, shared: MemoryDatabase) -> None:
        self._shared = shared

    async def logs(self) -> list[LogState]:
        """See `Reader.logs`."""
        return [self._shared.logs[name].state for name in sorted(self._shared.logs)]

    async def entries(self, log: str, first: int, last: int) -> list[Entry]:
        """See `Reader.entries`."""
        held = self._shared.logs.get(log)
        return [] if held is None else held.entries[max(first - 1, 0) : max(last, 0)]

    async def entries_of(self, log: str, kind: str) -> list[Entry]:
        """See `Reader.entries_of`."""
        held = self._shared.logs.get(log)
        return [] if held is None else [entry for entry in held.entries if entry.kind == kind]

    async def leaves(self, log: str, first: int, last: int) -> list[bytes]:
        """See `Reader.leaves`."""
        return [entry.leaf for entry in await self.entries(log, first, last)]

    async def leaves_of(self, log: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """See `Reader.leaves_of`."""
        return {number: leaf for number in numbers for leaf in await self.leaves(log, number, number)}

    async def nodes(self, log: str, level: int, first: int, last: int) -> list[bytes]:
        """See `Reader.nodes`."""
        held = self._shared.logs.get(log)
        row = {} if held is None else held.nodes.get(level, {})
        return [row[index] for index in range(max(first, 0), min(last + 1, len(row))) if index in row]

    async def checkpoint(self, log: str, size_min: int) -> Checkpoint | None:
        """See `Reader.checkpoint`."""
        held = self._shared.logs.get(log)
        newest = None if held is None else max(held.checkpoints, default=None)
        return held.checkpoints[newest] if held is not None and newest is not None and newest >= size_min else None

    async def checkpoint_of(self, log: str, size: int) -> Checkpoint | None:
        """See `Reader.checkpoint_of`."""
        held = self._shared.logs.get(log)
        return None if held is None else held.checkpoints.get(size)

    async def row(self, table: Table, key: Key) -> Row | None:
        """See `Reader.row`."""
        return self._shared.table(table).rows.get(key)

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Reader.rows`."""
        known = self._shared.table(table).rows
        return {key: known[key] for key in keys if key in known}

    async def select(
        self,
        table: Table,
        equal: Mapping[str, str | int | bytes],
        between: tuple[str, int, int] | None = None,
        order: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """See `Reader.select`."""
        rows = [row for row in self._some_rows(table, equal) if _matches(row, equal, between)]
        if order is None:
            rows.sort(key=lambda row: row[0])
        else:
            rows.sort(key=lambda row: (getattr(row, order) is not None, getattr(row, order), row[0]), reverse=True)
        return rows[:limit]

    async def due(self, kind: str) -> list[Due]:
        """See `Reader.due`."""
        rows = self._shared.table(DUE).rows
        return [rows[key] for key in sorted(rows) if str(key).startswith(f"{kind}:")]

    async def scan(self, table: Table) -> AsyncIterator[Row]:
        """See `Reader.scan`."""
        rows = self._shared.table(table).rows
        for row in [rows[key] for key in sorted(rows)]:
            yield row

    async def close(self) -> None:
        """See `Reader.close`."""

    def _some_rows(self, table: Table, equal: Mapping[str, str | int | bytes]) -> list[Row]:
        """The rows of the first index that the question covers, else all."""
        held = self._shared.table(table)
        for index in table.indexes:
            if set(index) <= set(equal):
                return [held.rows[key] for key in held.keys_where(index, tuple(equal[name] for name in index))]
        return list(held.rows.values())


def _matches(row: Row, equal: Mapping[str, str | int | bytes], between: tuple[str, int, int] | None) -> bool:
    if any(getattr(row, name) != value for name, value in equal.items()):
        return False
    if between is None:
        return True
    name, low, high = between
    value = getattr(row, name)
    return value is not None and bool(low <= value < high)
