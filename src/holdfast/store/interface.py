"""Durable state behind one narrow interface; the same contract test runs against every store.

A store knows tables, logs and transactions, and nothing of holds. Writers: one engine per log, which took its lease. A
transaction reads what deciding needs (locked, except for reference and shared tables), writes everything of a batch at
once and commits. Readers see committed state only and cannot write.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from holdfast.domain.tables import Due, Entry, Find, Key, Row, Table, Write
from holdfast.register.tree import Frontier, Node


class LogState(NamedTuple):
    """The head of one log as its single writer knows it.

    `epoch` fences: a commit under an older epoch is refused. `batch` counts the commits of the log, so that a commit
    of unknown outcome can be read back. `previous` is the leaf of the last entry (32 zero bytes before the first).
    """

    log: str
    epoch: int
    batch: int
    frontier: Frontier
    previous: bytes

    @property
    def next_number(self) -> int:
        """Entries are numbered from 1 without gaps; entry n is leaf n - 1."""
        return self.frontier.size + 1


class Batch(NamedTuple):
    """All that one commit writes. `before` is the log as the writer knew it, `after` as it will be."""

    before: LogState
    after: LogState
    entries: Sequence[Entry]
    nodes: Sequence[Node]
    writes: Sequence[Write]


class Checkpoint(NamedTuple):
    """A signed head of a log, as stored: `signed` is the text of the signed note."""

    log: str
    size: int
    signed: str


class Transaction(Protocol):
    """One batch. After any StoreError the transaction is over: call `rollback` and begin again."""

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of these keys that exist, locked in key order (not locked: reference and shared tables).

        MUST be called with all keys of a table at once where they are known, so that locks are taken in one order.
        Raises Conflict on a deadlock or a lock that was waited for too long.
        """

    async def find(self, finds: Sequence[Find]) -> list[list[Row]]:
        """The rows of each look-up, greatest key first, unlocked: a row to decide on is then fetched by its key."""

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """At most `limit` due rows whose time has come, oldest first, locked; rows that others hold are skipped."""

    async def write(self, batch: Batch) -> None:
        """Append entries and nodes, change rows, move the head of the log from `before` to `after`.

        Raises Fenced when the log's epoch or batch is no longer `before`'s, Conflict when a fresh key exists.
        A write to a reference table moves the reference version in the same transaction.
        """

    async def commit(self) -> None:
        """Durable when this returns. Raises CommitUnknown when that cannot be said, Conflict when it surely is not."""

    async def rollback(self) -> None:
        """Give everything up; never raises."""


class Store(Protocol):
    """What an engine needs."""

    async def take_log(self, names: Sequence[str], holder: str, lease_s: float) -> LogState:
        """Take the lease of a log under a new epoch, for `holder`.

        The log is, among `names`: the holder's own (whatever its lease: a holder that asks again is a restarted one),
        else the first one that does not exist yet or whose lease has run out. Raises Fenced when others hold them all.
        Waits for a transaction of the old holder that is just committing.
        """

    async def renew(self, log: LogState, lease_s: float) -> None:
        """Prolong the lease. Raises Fenced when a newer epoch stands there."""

    async def release(self, log: LogState) -> None:
        """Let the lease run out now, so that the next holder need not wait."""

    async def begin(self) -> Transaction:
        """Start a batch. Waits until the transaction before it on this store object has ended."""

    async def reference_version(self) -> int:
        """Grows whenever a reference table changed."""

    async def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint; one of that log and size may already be there, which is then kept."""

    async def close(self) -> None:
        """Give the connections back."""


class Reader(Protocol):
    """Committed state, read-only: what `reading` answers from."""

    async def logs(self) -> list[LogState]:
        """All logs of this party, by name."""

    async def entries(self, log: str, first: int, last: int) -> list[Entry]:
        """The stored entries with these numbers, both included, in order; missing ones are missing."""

    async def entries_of(self, log: str, kind: str) -> list[Entry]:
        """The stored entries of a rare kind (see `columns.RARE_KINDS`), in order; not looked for among the others."""

    async def leaves(self, log: str, first: int, last: int) -> list[bytes]:
        """The stored leaf hashes of these numbers."""

    async def leaves_of(self, log: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """The stored leaf hashes of just these numbers, by number; one question for all of them."""

    async def nodes(self, log: str, level: int, first: int, last: int) -> list[bytes]:
        """Stored tree nodes of one level with these indexes (from 0), both included, in order."""

    async def checkpoint(self, log: str, size_min: int) -> Checkpoint | None:
        """The newest signed checkpoint that covers at least `size_min` entries."""

    async def checkpoint_of(self, log: str, size: int) -> Checkpoint | None:
        """The signed checkpoint of exactly that size."""

    async def row(self, table: Table, key: Key) -> Row | None:
        """One row by its key."""

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of these keys that exist; one question for all of them."""

    async def select(
        self,
        table: Table,
        equal: Mapping[str, str | int | bytes],
        between: tuple[str, int, int] | None = None,
        order: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """Rows whose columns equal the values and whose one integer column lies in [low, high).

        Ordered by `order` descending (key descending within it), by key ascending without it.
        """

    async def due(self, kind: str) -> list[Due]:
        """The due rows of one kind (the part of their key before the colon), by key, whatever else is due."""

    def scan(self, table: Table) -> AsyncIterator[Row]:
        """Every row, by key, in one consistent view."""

    async def close(self) -> None:
        """Give the connection back."""
