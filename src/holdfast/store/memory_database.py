"""The committed state of a made-up database: what several `MemoryStore` objects share and a crash leaves behind.

Everything here is plain and immediate: no waiting, no transaction. Look-ups go through indexes, never through all rows.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from holdfast.domain.tables import DUE, Due, Entry, Find, Key, Row, Table
from holdfast.register.tree import EMPTY, HASH_BYTES, Node
from holdfast.store.changes import Changes, moves_reference
from holdfast.store.columns import columns_of
from holdfast.store.interface import Batch, Checkpoint, LogState

Place = tuple[str, Key]
"""What can be locked: a table's name and a key."""


class MemoryRows:
    """The rows of one table, with an index for each of its look-ups."""

    def __init__(self, table: Table) -> None:
        self.rows: dict[Key, Row] = {}
        self.due: list[tuple[int, str]] = []
        """(due_us, key) in order, when the rows are due rows."""
        names = [column.name for column in columns_of(table.row)]
        self.positions = {index: tuple(names.index(name) for name in index) for index in table.indexes}
        self._is_due = table.row is Due
        self._keys: dict[tuple[str, ...], dict[tuple[Any, ...], list[Any]]] = {index: {} for index in table.indexes}

    def put(self, row: Row) -> None:
        """A row in place of whatever stood under its key."""
        key = row[0]
        before = self.rows.get(key)
        self.rows[key] = row
        for index, at in self.positions.items():
            values = tuple(row[position] for position in at)
            if before is not None:
                old = tuple(before[position] for position in at)
                if old == values:
                    continue
                self._forget(index, old, key)
            insort(self._keys[index].setdefault(values, []), key)
        if self._is_due:
            if before is not None:
                _drop(self.due, (before.due_us, key))
            insort(self.due, (row.due_us, key))

    def remove(self, key: Key) -> None:
        """No row under that key any more."""
        before = self.rows.pop(key, None)
        if before is None:
            return
        for index, at in self.positions.items():
            self._forget(index, tuple(before[position] for position in at), key)
        if self._is_due:
            _drop(self.due, (before.due_us, key))

    def keys_where(self, index: tuple[str, ...], values: tuple[Any, ...]) -> Sequence[Key]:
        """The keys of the rows whose columns equal the values, in order. None equals nothing, as in SQL."""
        return () if None in values else self._keys[index].get(values, ())

    def find(self, find: Find) -> list[Row]:
        """The rows of a bounded look-up, greatest key first."""
        index = tuple(name for name, _ in find.where)
        keys = self.keys_where(index, tuple(value for _, value in find.where))
        return [self.rows[key] for key in reversed(keys[-find.limit :])] if find.limit else []

    def _forget(self, index: tuple[str, ...], values: tuple[Any, ...], key: Key) -> None:
        keys = self._keys[index][values]
        _drop(keys, key)
        if not keys:
            del self._keys[index][values]


def _drop(ordered: list[Any], what: Any) -> None:
    at = bisect_left(ordered, what)
    assert ordered[at] == what
    del ordered[at]


class MemoryLog:
    """One log: its head, its lease and everything appended to it."""

    def __init__(self, log: str) -> None:
        self.state = LogState(log, 0, 0, EMPTY, bytes(HASH_BYTES))
        self.holder = ""
        self.lease_until_s = 0.0
        self.entries: list[Entry] = []
        self.nodes: dict[int, dict[int, bytes]] = {}
        self.checkpoints: dict[int, Checkpoint] = {}


class Undone(NamedTuple):
    """What a batch changed, as it was before: the log, and each row, None where there was none."""

    before: LogState
    nodes: Sequence[Node]
    rows: list[tuple[Table, Key, Row | None]]


class MemoryDatabase:
    """Committed state. `clock_s` is the database's own clock: leases and idle transactions are measured by it."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.clock_s = clock_s
        self.logs: dict[str, MemoryLog] = {}
        self.reference_version = 0
        self.locks: dict[Place, Any] = {}
        """Which transaction holds what."""
        self._tables: dict[str, MemoryRows] = {}
        self._last: deque[Undone] = deque(maxlen=0)
        """The last batches, newest last, as far as they can be torn off."""

    def table(self, table: Table) -> MemoryRows:
        """The rows of a table; a table that nobody used yet is empty."""
        rows = self._tables.get(table.name)
        if rows is None:
            rows = self._tables[table.name] = MemoryRows(table)
        return rows

    def apply(self, batch: Batch, changes: Sequence[Changes]) -> None:
        """Make a batch part of the committed state, at once."""
        if self._last.maxlen:
            self._last.append(self._as_it_is(batch, changes))
        log = self.logs[batch.before.log]
        log.state = batch.after
        log.entries.extend(batch.entries)
        for node in batch.nodes:
            log.nodes.setdefault(node.level, {})[node.index] = node.hash
        for change in changes:
            rows = self.table(change.table)
            for key in change.removed:
                rows.remove(key)
            for row in (*change.fresh, *change.puts):
                rows.put(row)
        self.reference_version += moves_reference(changes)

    def remember(self, commits: int) -> None:
        """From now on so many of the last commits can be torn off."""
        self._last = deque(maxlen=commits)

    def tear(self, commits: int) -> list[Entry]:
        """The last commits never were, save the first one of all; -> the entries that are gone, the oldest first."""
        lost: list[Entry] = []
        for _ in range(commits):
            if not self._last or not self._last[-1].before.frontier.size:
                break
            lost = self._take_back(self._last.pop()) + lost
        return lost

    def _as_it_is(self, batch: Batch, changes: Sequence[Changes]) -> Undone:
        rows: list[tuple[Table, Key, Row | None]] = []
        for change in changes:
            known = self.table(change.table).rows
            keys = [*change.removed, *(row[0] for row in (*change.fresh, *change.puts))]
            rows += [(change.table, key, known.get(key)) for key in keys]
        return Undone(batch.before, batch.nodes, rows)

    def _take_back(self, undone: Undone) -> list[Entry]:
        log, size = self.logs[undone.before.log], undone.before.frontier.size
        lost, log.entries = log.entries[size:], log.entries[:size]
        log.state = undone.before._replace(epoch=log.state.epoch)
        log.checkpoints = {at: checkpoint for at, checkpoint in log.checkpoints.items() if at <= size}
        for node in undone.nodes:
            del log.nodes[node.level][node.index]
        for table, key, row in undone.rows:
            if row is None:
                self.table(table).remove(key)
            else:
                self.table(table).put(row)
        return lost

    def due_keys(self, now_us: int) -> list[Key]:
        """The keys of the due rows whose time has come, oldest first."""
        due = self.table(DUE).due
        return [key for _, key in due[: bisect_right(due, now_us, key=lambda pair: pair[0])]]
