"""What a store must be able to hold: tables of flat rows, log entries, and changes of rows.

A row is a NamedTuple whose first field is its key. Fields are `str`, `int`, `bytes`, `bool` or one of these `| None`: a
store derives its columns from them. A table never knows which database it lies in.
"""

from typing import Any, NamedTuple, TypeAlias

Key: TypeAlias = str | bytes
Row: TypeAlias = Any
"""One of the NamedTuples of `records`; the key is `row[0]`."""


class Table(NamedTuple):
    """One table of a party: its name, the type of its rows, and what can be looked up besides the key.

    `indexes` lists the columns of each look-up (equality on all of them). Rows of a `reference` table (merchants,
    BINs, …) change rarely: they are read without a lock and an engine may keep them until the reference version moves.
    Rows of a `shared` table are read without a lock although they change, because an old value does no harm. `secret`
    tables (vault, keys) can be shredded without breaking a proof.
    """

    name: str
    row: type
    indexes: tuple[tuple[str, ...], ...] = ()
    reference: bool = False
    shared: bool = False
    secret: bool = False

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def locks(self) -> bool:
        """Whether reading a row to decide on it locks it."""
        return not (self.reference or self.shared)


class Find(NamedTuple):
    """A bounded look-up: at most `limit` rows whose columns equal the values, the greatest keys first, not locked.

    `where` names the columns of one of the table's indexes, in its order.
    """

    table: Table
    where: tuple[tuple[str, str | int | bytes], ...]
    limit: int


class Write(NamedTuple):
    """One change of one row. `row` None removes it. `fresh` says that the key must be new (else Conflict)."""

    table: Table
    key: Key
    row: Row | None
    fresh: bool = False


def insert(table: Table, row: Row) -> Write:
    """A row whose key must not exist yet."""
    return Write(table, row[0], row, fresh=True)


def put(table: Table, row: Row) -> Write:
    """A row in place of whatever stood under its key."""
    return Write(table, row[0], row)


def remove(table: Table, key: Key) -> Write:
    """No row under that key any more."""
    return Write(table, key, None)


class Entry(NamedTuple):
    """One entry of a log: `body` are its canonical bytes, `leaf` their hash; the rest is derived from `body`."""

    number: int
    at_us: int
    kind: str
    body: bytes
    leaf: bytes


class Due(NamedTuple):
    """Something we wait for: a row with a due time, never a timer. It belongs to nobody; any worker may claim it."""

    key: str
    """`<kind>:<key of what it is about>`."""
    due_us: int
    attempts: int
    since_us: int


DUE = Table("due", Due)
