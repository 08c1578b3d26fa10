"""What must be true of an acquirer's database after every step, whatever happened (I1, I6, I7, and secrecy)."""

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.domain.projections import continued, hold_after, opened, placed, reversed_by
from holdfast.domain.records import ACQUIRER_TABLES, HOLDS, REQUESTS, Hold, Request
from holdfast.domain.tables import Table
from holdfast.ids import entry_id
from holdfast.register.canonical import decode_strict, leaf_hash
from holdfast.store.columns import columns_of
from holdfast.store.memory import MemoryDatabase

OPENING = frozenset({"asked", "refused", "recorded", "barred"})
CONTINUING = frozenset({"answered", "unknown", "late", "undone", "objected"})


def rebuilt(book: Iterable[dict[str, Any]]) -> tuple[dict[str, Request], dict[str, Hold]]:
    """Requests and holds, folded from what the entries say."""
    requests: dict[str, Request] = {}
    holds: dict[str, Hold] = {}
    for said in book:
        phase, key = said.get("phase"), said.get("trace_key", "")
        if phase in OPENING and key:
            requests[key] = opened(said)
        elif phase in CONTINUING:
            requests[key] = continued(requests[key], said)
        if "reverses" in said and said["reverses"] in requests:
            requests[said["reverses"]] = reversed_by(requests[said["reverses"]], said)
        if "hold" in said:
            change = said["hold"]
            before = placed(said, requests[key]) if change["version"] == 1 else holds[change["id"]]
            assert change["version"] == before.version + 1, "versions of a hold have no gaps"
            holds[change["id"]] = hold_after(before, said)
    return requests, holds


def book_of(database: MemoryDatabase, log: str = "A") -> list[dict[str, Any]]:
    """What each entry of one register says, the first one first."""
    return [decode_strict(entry.body) for entry in database.logs[log].entries]


def audit(database: MemoryDatabase, said: Sequence[str], secrets: Iterable[str]) -> None:
    """All of it, for a database with one register."""
    assert_gapless(database)
    requests, holds = rebuilt(book_of(database))
    assert database.table(REQUESTS).rows == requests
    assert database.table(HOLDS).rows == holds
    for table in ACQUIRER_TABLES:
        for row in database.table(table).rows.values():
            assert_storable(table, row)
    assert_secret(database, said, secrets)


def assert_gapless(database: MemoryDatabase) -> None:
    """Entries are numbered from 1, and each leaf is the hash of what is stored."""
    for name, log in database.logs.items():
        for number, entry in enumerate(log.entries, 1):
            assert entry.number == number
            assert entry.leaf == leaf_hash(entry.body)
            facts = decode_strict(entry.body)
            assert entry_id(str(facts["log"]), int(str(facts["number"]))) == entry_id(name, number)


def assert_storable(table: Table, row: Any) -> None:
    """A database would take the row: each value is of its column's type, and null only where that may be."""
    for column, value in zip(columns_of(table.row), row, strict=True):
        fits = column.nullable if value is None else type(value) is column.kind
        assert fits, f"{table.name}.{column.name} is {value!r}"


def assert_secret(database: MemoryDatabase, said: Sequence[str], secrets: Iterable[str]) -> None:
    """Card numbers, tracks and PIN blocks stand in no entry, in no row outside the vault, and in no line."""
    logs = [entry.body for log in database.logs.values() for entry in log.entries]
    rows = [row for table in ACQUIRER_TABLES if not table.secret for row in database.table(table).rows.values()]
    everything = b"\n".join([*logs, *map(flat, rows), *(line.encode() for line in said)]).lower()
    for secret in secrets:
        assert secret.lower().encode() not in everything, "a secret is written down"


def flat(row: Any) -> bytes:
    """A row as one string: text as it is, bytes as they are and as hex."""
    return b"|".join(value + value.hex().encode() if isinstance(value, bytes) else str(value).encode() for value in row)
