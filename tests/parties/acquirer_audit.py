"""What must be true of an acquirer's database after every step, whatever happened (I1, I4, I6, I7, and secrecy)."""

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.domain.commands import BY_NAME
from holdfast.domain.hold import InForce, load
from holdfast.domain.projections import new_batch, rebuilt, side_of
from holdfast.domain.records import ACQUIRER_TABLES, BATCHES, HOLDS, REQUESTS, Batch, Hold
from holdfast.domain.rules import DOMESTIC
from holdfast.domain.tables import Table
from holdfast.ids import entry_id
from holdfast.register.canonical import decode_strict, leaf_hash
from holdfast.store.columns import columns_of
from holdfast.store.memory import MemoryDatabase

COUNTS = ("approved", "claimed")
"""Outcomes that a terminal was answered 00 for: they count in the totals of its batch."""


def book_of(database: MemoryDatabase, log: str = "A") -> list[dict[str, Any]]:
    """What each entry of one register says, the first one first."""
    return [decode_strict(entry.body) for entry in database.logs[log].entries]


def audit(database: MemoryDatabase, said: Sequence[str], secrets: Iterable[str]) -> None:
    """All of it, for a database with one register."""
    assert_gapless(database)
    book = book_of(database)
    assert_rebuilt(database, book)
    assert_versions(book)
    for hold in database.table(HOLDS).rows.values():
        assert 0 <= hold.refunded_minor <= max(hold.completed_minor, 0), f"{hold.hold_id} gives back more than it took"
    assert_totals(database)
    assert_acts_are_approved(database)
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


def assert_rebuilt(database: MemoryDatabase, book: list[dict[str, Any]]) -> None:
    """Each request, hold and batch is what the entries say of it, and there is none that no entry speaks of."""
    rows = rebuilt(book)
    for table in (REQUESTS, HOLDS, BATCHES):
        assert database.table(table).rows == {key: row for (of, key), row in rows.items() if of is table}


def assert_versions(book: list[dict[str, Any]]) -> None:
    """What changes a hold or a batch names the next version of it."""
    versions: dict[tuple[str, str], int] = {}
    for what, change in ((what, said[what]) for said in book for what in ("hold", "batch") if what in said):
        versions[what, change["id"]] = versions.get((what, change["id"]), 0) + 1
        assert change["version"] == versions[what, change["id"]], f"versions of {what} {change['id']} have a gap"


def assert_totals(database: MemoryDatabase) -> None:
    """The totals of each batch are the sums of its requests that were answered 00 and never reversed."""
    sums: dict[str, Batch] = {}
    for row in database.table(REQUESTS).rows.values():
        total = BY_NAME[row.kind].total if row.kind in BY_NAME else ""
        if not total or row.outcome not in COUNTS or not row.trace_key.endswith(BY_NAME[row.kind].mti):
            continue
        side = side_of(total, (row.scheme or DOMESTIC) != DOMESTIC)
        batch = sums.get(row.batch_id, new_batch(row.batch_id))
        added = {f"{side}_minor": row.amount_minor, f"{side}_count": 1}
        sums[row.batch_id] = batch._replace(**{name: getattr(batch, name) + by for name, by in added.items()})
    for known in database.table(BATCHES).rows.values():
        counted = sums.pop(known.batch_id, new_batch(known.batch_id))
        assert known[2:10] == counted[2:10], f"the totals of {known.batch_id} are not those of its requests"
    assert sums == {}, "what was approved counts nowhere"


def assert_acts_are_approved(database: MemoryDatabase) -> None:
    """What is in force in a hold was approved, for that amount; and whatever was approved about a hold is in force."""
    asked = {row.asked_entry: row for row in database.table(REQUESTS).rows.values() if row.kind in BY_NAME}
    in_force: dict[str, InForce] = {}
    hold: Hold
    for hold in database.table(HOLDS).rows.values():
        for each in load(hold.acts):
            if each.by in asked:
                assert each.by not in in_force, f"{each.by} is in force twice"
                in_force[each.by] = each
                assert asked[each.by].hold_id == hold.hold_id
                assert each.amount_minor == asked[each.by].amount_minor
    for entry, row in asked.items():
        about_a_hold = BY_NAME[row.kind].act is not None and row.reason is None
        if entry in in_force:
            # An advice that the issuer refused after something was built upon it stands: its finding names an owner.
            stands = row.outcome == "approved" or row.delivery == "objected"
            assert stands, f"{entry} is in force and {row.outcome}"
        elif about_a_hold:
            assert row.outcome != "approved", f"{entry} is approved and not in force"


def assert_storable(table: Table, row: Any) -> None:
    """A database would take the row: each value is of its column's type, and null only where that may be."""
    for column, value in zip(columns_of(table.row), row, strict=True):
        fits = column.nullable if value is None else type(value) is column.kind
        assert fits, f"{table.name}.{column.name} is {value!r}"


def assert_secret(database: MemoryDatabase, said: Sequence[str], secrets: Iterable[str]) -> None:
    """Card numbers, tracks, PIN blocks and chip data stand in no entry, no row outside the vault, and no line."""
    logs = [entry.body for log in database.logs.values() for entry in log.entries]
    rows = [row for table in ACQUIRER_TABLES if not table.secret for row in database.table(table).rows.values()]
    everything = b"\n".join([*logs, *map(flat, rows), *(line.encode() for line in said)]).lower()
    for secret in secrets:
        assert secret.lower().encode() not in everything, "a secret is written down"


def flat(row: Any) -> bytes:
    """A row as one string: text as it is, bytes as they are and as hex."""
    return b"|".join(value + value.hex().encode() if isinstance(value, bytes) else str(value).encode() for value in row)
