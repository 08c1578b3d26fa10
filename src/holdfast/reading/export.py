"""What an export of the register says: two schemas, each a table of columns with a version, and the rows in them.

Rule 1: a column that `register list --json` has too carries the same name and the same value. Beside each amount in
minor units stands the same amount as a decimal number.
Rule 2: a column that is added, removed or changed makes a new version, which every row and every file names.
`docs/export.md` is made from these tables, and a test keeps it so.
Rule 3: rows come and go one page at a time: a register of millions is never in memory.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import orjson

from holdfast.money import format_amount
from holdfast.reading.views import EntryRow, Filters, Register, RegisterRow

TEXT, INTEGER, DECIMAL, DATE, TIME = "text", "integer", "decimal", "date", "time"

ROWS_AT_ONCE = 1000


class Column(NamedTuple):
    """One column: its name, its kind, and what it says."""

    name: str
    kind: str
    says: str


class Schema(NamedTuple):
    """The columns of one export. `values` makes a row of them, in their order: text for every kind but integers."""

    name: str
    version: int
    columns: tuple[Column, ...]
    values: Callable[[Any], tuple[str | int | None, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The header."""
        return tuple(column.name for column in self.columns)


VERSION = Column("schema_version", INTEGER, "version of this table of columns")


def _request_values(row: RegisterRow) -> tuple[str | int | None, ...]:
    said = row._asdict()
    for name in ("amount", "pre_auth_amount", "completed_amount", "refunded_amount"):
        said[f"{name}_decimal"] = None if said[name] is None else format_amount(said[name])
    said["schema_version"] = REQUESTS.version
    return tuple(said[name] for name in REQUESTS.names)


REQUESTS = Schema(
    "requests",
    1,
    (
        Column("entry", TEXT, "register entry that the terminal was told"),
        Column("at", TEXT, "when the request came: RFC 3339, with the zone of the installation"),
        Column("date", DATE, "day of `at`, local"),
        Column("time", TIME, "time of `at`, local, whole seconds"),
        Column("kind", TEXT, "what was asked: pre-authorization, completion, void, reversal, settlement, claim, …"),
        Column("outcome", TEXT, "present state: approved, declined, unknown, reversed, expired, claimed"),
        Column("response_code", TEXT, "DE39; empty while the outcome is not known"),
        Column("merchant_id", TEXT, "DE42"),
        Column("merchant_name", TEXT, "name of the merchant as it is imported now"),
        Column("terminal_id", TEXT, "DE41"),
        Column("operator", TEXT, "cashier"),
        Column("card", TEXT, "card number, masked: the first six and the last four digits"),
        Column("issuer", TEXT, "institution that issued the card"),
        Column("amount", INTEGER, "amount in minor units (fen)"),
        Column("amount_decimal", DECIMAL, "the same amount with its point"),
        Column("currency", TEXT, "ISO 4217 number; 156 is the renminbi"),
        Column("pre_auth_amount", INTEGER, "what the hold that the request belongs to asked for in all, minor units"),
        Column("pre_auth_amount_decimal", DECIMAL, "the same amount with its point"),
        Column("trace_key", TEXT, "terminal, batch, trace number and message type: names the request for ever"),
        Column("rrn", TEXT, "retrieval reference number, DE37"),
        Column("authorization_code", TEXT, "DE38"),
        Column("original", TEXT, "entry of the request that this one refers to"),
        Column("reason", TEXT, "why it was declined, where that is known"),
        Column("leaf", TEXT, "hash of the entry in the register's tree, hex"),
        Column("asked_entry", TEXT, "entry that opened the request; holds and texts name it by this one"),
        Column("business_date", DATE, "date on which it is settled"),
        Column("batch", TEXT, "terminal and batch in which it counts"),
        Column("scheme", TEXT, "scheme of the card: CUP, VIS, MCC, …"),
        Column("hold", TEXT, "hold that it placed or belongs to: the entry that asked for that"),
        Column("hold_state", TEXT, "state of that hold now: held, completed, voided, expired, reversed"),
        Column("completed_amount", INTEGER, "what was posted on that hold, minor units"),
        Column("completed_amount_decimal", DECIMAL, "the same amount with its point"),
        Column("refunded_amount", INTEGER, "what of it was refunded, minor units"),
        Column("refunded_amount_decimal", DECIMAL, "the same amount with its point"),
        Column(
            "rest", TEXT, "what becomes of the rest of a completed hold: empty (the issuer frees it), kept, ours, freed"
        ),
        Column("waits_for", TEXT, "what is open: answer, undo, tell, release, expire; empty where nothing is"),
        VERSION,
    ),
    _request_values,
)


def _entry_values(row: EntryRow) -> tuple[str | int | None, ...]:
    said = row._asdict()
    said["amount_decimal"] = None if row.amount is None else format_amount(row.amount)
    said["facts"] = orjson.dumps(row.facts, option=orjson.OPT_SORT_KEYS).decode()
    said["schema_version"] = ENTRIES.version
    return tuple(said[name] for name in ENTRIES.names)


ENTRIES = Schema(
    "entries",
    1,
    (
        Column("entry", TEXT, "log and number of the entry"),
        Column("at", TEXT, "when it was written: RFC 3339, with the zone of the installation"),
        Column("date", DATE, "day of `at`, local"),
        Column("time", TIME, "time of `at`, local, whole seconds"),
        Column("kind", TEXT, "kind of the request, or audit, finding, sign-on, expiry"),
        Column("phase", TEXT, "what happened: asked, answered, unknown, undone, …"),
        Column("outcome", TEXT, "what became of the request by this entry"),
        Column("response_code", TEXT, "DE39"),
        Column("amount", INTEGER, "amount in minor units (fen)"),
        Column("amount_decimal", DECIMAL, "the same amount with its point"),
        Column("trace_key", TEXT, "request that the entry is about"),
        Column("reason", TEXT, "why, where that is known"),
        Column("leaf", TEXT, "hash of the entry in the register's tree, hex"),
        Column("facts", TEXT, "all that the entry says, as JSON with sorted keys"),
        VERSION,
    ),
    _entry_values,
)

SCHEMAS = (REQUESTS, ENTRIES)

Values = tuple[str | int | None, ...]


class Sum(NamedTuple):
    """What was written of one sort: how many rows, and the sum of their amounts in minor units."""

    kind: str
    state: str
    currency: str
    rows: int
    amount: int


class Totals:
    """Counts rows as they pass: requests by kind, outcome and currency, entries by kind and phase."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], tuple[int, int]] = {}

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(rows for rows, _ in self._sums.values())

    def add(self, row: RegisterRow | EntryRow) -> None:
        """One more. Entries are no sums of money: one request has several of them."""
        if isinstance(row, RegisterRow):
            sort, amount_minor = (row.kind, row.outcome, row.currency), row.amount
        else:
            sort, amount_minor = (row.kind, row.phase or "", ""), 0
        rows, sum_minor = self._sums.get(sort, (0, 0))
        self._sums[sort] = rows + 1, sum_minor + amount_minor

    def sums(self) -> Iterator[Sum]:
        """By kind, then by state."""
        for sort, (rows, amount_minor) in sorted(self._sums.items()):
            yield Sum(*sort, rows, amount_minor)


async def pages(register: Register, filters: Filters, entries: bool, totals: Totals) -> AsyncIterator[list[Values]]:
    """The rows of an export, newest first, some at a time; `totals` counts them."""
    schema = ENTRIES if entries else REQUESTS
    page: list[Values] = []
    async for row in register.entries(filters) if entries else register.rows(filters):
        totals.add(row)
        page.append(schema.values(row))
        if len(page) == ROWS_AT_ONCE:
            yield page
            page = []
    yield page


def markdown(schema: Schema) -> str:
    """The table of columns as it stands in the documentation."""
    lines = [f"| {column.name} | {column.kind} | {column.says} |" for column in schema.columns]
    return "\n".join(["| column | kind | says |", "|---|---|---|", *lines])
