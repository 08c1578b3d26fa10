"""What a batch comes to: at most one change per row, in one fixed order, so that two writers never wait crosswise.

The last write of a key wins. A fresh row that is written again stays fresh, one that is removed again was never there,
and a row that is removed and inserted again is simply put in place.
"""

from collections.abc import Iterable
from typing import NamedTuple

from holdfast.domain.tables import Key, Row, Table, Write
from holdfast.errors import Conflict
from holdfast.store.interface import Batch


class Changes(NamedTuple):
    """The net changes of one table, each list in key order and no key in two of them."""

    table: Table
    fresh: list[Row]
    puts: list[Row]
    removed: list[Key]


def changes_of(batch: Batch) -> list[Changes]:
    """The net changes of a batch, by table name. Raises Conflict when it inserts a key that it has already written."""
    _assert_gapless(batch)
    touched: dict[Table, dict[Key, Write]] = {}
    for write in batch.writes:
        last = touched.setdefault(write.table, {})
        earlier = last.get(write.key)
        last[write.key] = write if earlier is None else _together(earlier, write)
    return [_sorted(table, touched[table].values()) for table in sorted(touched, key=lambda table: table.name)]


def moves_reference(changes: Iterable[Changes]) -> bool:
    """Whether any reference table changes, so that engines must drop what they kept of it."""
    return any(change.table.reference for change in changes)


def _together(earlier: Write, later: Write) -> Write:
    if later.fresh and earlier.row is not None:
        raise Conflict(f"{later.table.name} {later.key!r} is inserted twice in one batch")
    # `fresh` without a row stands for "inserted and removed again": nothing to do, but the key must still be new later.
    came_fresh = earlier.fresh
    return later._replace(fresh=came_fresh)


def _sorted(table: Table, writes: Iterable[Write]) -> Changes:
    changes = Changes(table, [], [], [])
    for write in sorted(writes, key=lambda write: write.key):
        if write.row is None:
            if not write.fresh:
                changes.removed.append(write.key)
        elif write.fresh:
            changes.fresh.append(write.row)
        else:
            changes.puts.append(write.row)
    return changes


def _assert_gapless(batch: Batch) -> None:
    before, after = batch.before, batch.after
    assert (after.log, after.epoch, after.batch) == (before.log, before.epoch, before.batch + 1), "not the next batch"
    assert after.frontier.size == before.frontier.size + len(batch.entries), "the frontier and the entries differ"
    for number, entry in enumerate(batch.entries, before.next_number):
        assert entry.number == number, f"entry {entry.number} stands where {number} belongs"
