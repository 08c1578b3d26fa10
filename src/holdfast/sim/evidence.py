"""What real stores hold, read once all is quiet, in the shape that the auditor of made-up worlds judges.

Nothing is derived here: entries, nodes, checkpoints and rows as they are stored, the public key of whoever signs, and
the rules that the acquirer's tables say.
"""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.domain.records import (
    ACCOUNTS,
    ANSWERS,
    BATCHES,
    DEVICES,
    FREEZES,
    HOLDS,
    MERCHANTS,
    REQUESTS,
    SALES,
    SCHEMES,
)
from holdfast.domain.rules import EVERYWHERE, Rules, rules_of
from holdfast.domain.tables import DUE, Entry, Table
from holdfast.runtime.roles import RoleDsns
from holdfast.store.interface import Checkpoint, LogState, Reader
from holdfast.store.postgres_reader import PostgresReader
from holdfast.store.sqlite import SqliteReader

ACQUIRER, ISSUER = "acquirer", "issuer"
REGISTER_TABLES = (MERCHANTS, SCHEMES, REQUESTS, HOLDS, BATCHES, DUE)
BOOK_TABLES = (ACCOUNTS, ANSWERS, FREEZES, DUE)
JOURNAL_TABLES = (DEVICES, SALES, DUE)
STORED_LEVELS = (8, 16)
AT_ONCE = 2000


class StoredLog(NamedTuple):
    """One log, see `logbook.Log`."""

    state: LogState
    entries: list[Entry]
    nodes: dict[int, dict[int, bytes]]
    checkpoints: dict[int, Checkpoint]


class StoredRows(NamedTuple):
    """The rows of one table by their keys."""

    rows: dict[Any, Any]


class Stored(NamedTuple):
    """What one party recorded, see `logbook.Kept`."""

    logs: dict[str, StoredLog]
    tables: dict[str, StoredRows]

    def table(self, table: Table) -> StoredRows:
        """The rows of a table that was read."""
        return self.tables[table.name]


class Evidence(NamedTuple):
    """What everybody recorded; journals by terminal. `signers` are Ed25519 public keys by party and terminal."""

    register: Stored
    book: Stored
    journals: dict[str, Stored]
    signers: dict[str, bytes]

    def rules_for(self, scheme: str, merchant_id: str) -> Rules:
        """See `logbook.Given`."""
        merchant = self.register.table(MERCHANTS).rows[merchant_id]
        said = self.register.table(SCHEMES).rows
        texts = [said[name].rules if name in said else "" for name in (EVERYWHERE, scheme, f"{scheme}/{merchant.mcc}")]
        return rules_of(scheme, merchant.mcc, *texts, merchant.rules)

    def signed(self, installation: str, body: bytes, sealed: str) -> bool:
        """See `logbook.Given`."""
        try:
            signature = b64decode(sealed.split()[-1], validate=True)
            Ed25519PublicKey.from_public_bytes(self.signers[installation]).verify(signature, body)
        except (InvalidSignature, Base64Error, IndexError):
            return False
        return True


async def read_evidence(
    dsns: RoleDsns, public_key: bytes, journals: Mapping[str, Path], terminals_key: bytes
) -> Evidence:
    """All of it; `journals` are the files of terminals. Unreachable when something cannot be read."""
    register, book = await asyncio.gather(
        _of_postgres(dsns.reader_acquirer, ACQUIRER, REGISTER_TABLES),
        _of_postgres(dsns.reader_issuer, ISSUER, BOOK_TABLES),
    )
    read = {terminal_id: await read_journal(path) for terminal_id, path in journals.items()}
    signers = {ACQUIRER: public_key, ISSUER: public_key, **dict.fromkeys(journals, terminals_key)}
    return Evidence(register, book, read, signers)


async def read_journal(path: Path) -> Stored:
    """One terminal's file."""
    reader = SqliteReader(path)
    try:
        return await read_stored(reader, JOURNAL_TABLES)
    finally:
        await reader.close()


async def _of_postgres(dsn: str, party: str, tables: Sequence[Table]) -> Stored:
    reader = await PostgresReader.connect(dsn, party)
    try:
        return await read_stored(reader, tables)
    finally:
        await reader.close()


async def read_stored(reader: Reader, tables: Sequence[Table]) -> Stored:
    """Everything that one party's store has of these tables, and all its logs."""
    logs = {state.log: await _log(reader, state) for state in await reader.logs()}
    return Stored(logs, {table.name: StoredRows({row[0]: row async for row in reader.scan(table)}) for table in tables})


async def _log(reader: Reader, state: LogState) -> StoredLog:
    name, size = state.log, state.frontier.size
    entries: list[Entry] = []
    checkpoints: dict[int, Checkpoint] = {}
    # One more than the head says: an entry beyond it must be seen.
    for first in range(1, size + 2, AT_ONCE):
        sizes = range(first, min(first + AT_ONCE, size + 2))
        entries += await reader.entries(name, sizes[0], sizes[-1])
        found = await asyncio.gather(*(reader.checkpoint_of(name, each) for each in sizes))
        checkpoints |= {each.size: each for each in found if each is not None}
    nodes = {
        level: dict(enumerate(await reader.nodes(name, level, 0, (size >> level) - 1)))
        for level in STORED_LEVELS
        if size >> level
    }
    return StoredLog(state, entries, nodes, checkpoints)
