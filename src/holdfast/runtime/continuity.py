"""A register only grows, also from one run to the next, and over a restore.

Rule 1: who takes over a log looks first at the newest checkpoint beside the keys. A log that is shorter than what was
signed was cut, or lies in an older copy of the database; it is not served.
Rule 2: after a restore the logs of before are never written again; those of a new generation go on (see
`domain.generations`), and the first entry of each party's first log says so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from holdfast.domain.generations import generation_of, is_of, names_in
from holdfast.domain.records import ACQUIRER_LOGS, ISSUER_LOGS
from holdfast.errors import RegisterBroken, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.parties.restored import RESTORED
from holdfast.parties.step import Command
from holdfast.register import checkpoint as notes
from holdfast.register import restoration as restorations
from holdfast.register.restoration import Ended, Restoration
from holdfast.register.tree import EMPTY, HASH_BYTES, frontier_bytes, root
from holdfast.runtime.config import ACQUIRER, ISSUER
from holdfast.runtime.engine import Engine
from holdfast.runtime.kept import kept_checkpoints
from holdfast.store.interface import LogState
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line, where
from holdfast.store.postgres_reader import PostgresReader

LETTERS = {ACQUIRER: ACQUIRER_LOGS, ISSUER: ISSUER_LOGS}

RETIRED = "ended by a restore"
"""The holder of a log that nobody may take any more."""

_NEVER_US = 2**62

_LOGS = "SELECT log, holder, size FROM logs ORDER BY log"
_RETIRE = "UPDATE logs SET holder = $1, epoch = epoch + 1, lease_until_us = $2"
_BEGIN = (
    "INSERT INTO logs (log, holder, epoch, batch, size, frontier, previous, lease_until_us) "
    "VALUES ($1, '', 0, 0, 0, $2, $3, 0)"
)


class Logs(NamedTuple):
    """The logs of a party: the names that its processes may take, and the sizes of those that a restore ended."""

    names: tuple[str, ...]
    ended: dict[str, int]

    @property
    def first(self) -> str:
        """The log whose first entry tells of the restore; "" where there was none."""
        return self.names[0] if self.ended else ""


async def logs_of(dsn: str, party: str) -> Logs:
    """The logs of a party as its database has them; Unreachable when that cannot be read."""
    try:
        connection = await _connected(dsn, party)
        try:
            rows = await connection.fetch(_LOGS)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unreachable(f"the logs at {where(dsn)} cannot be read: {one_line(error)}") from error
    ended = {str(row["log"]): int(row["size"]) for row in rows if row["holder"] == RETIRED}
    going = [str(row["log"]) for row in rows if row["log"] not in ended]
    return Logs(names_in(generation_of(going[0]) if going else "", LETTERS[party]), ended)


async def retire_logs(dsn: str, party: str, generation: str) -> None:
    """End all logs of a party that was restored, and begin its first one in a new generation."""
    connection = await _connected(dsn, party)
    try:
        async with connection.transaction():
            await connection.execute(_RETIRE, RETIRED, _NEVER_US)
            first = names_in(generation, LETTERS[party])[0]
            await connection.execute(_BEGIN, first, frontier_bytes(EMPTY), bytes(HASH_BYTES))
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _connected(dsn: str, party: str) -> asyncpg.Connection:
    settings = {"search_path": party, "application_name": "holdfast"}
    return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=settings)


# --- no log gets shorter ------------------------------------------------------------------------------------------


async def refuse_shortened_party(dsn: str, party: str, keys: Path) -> None:
    """RegisterBroken when a log of this party that may still be taken is shorter than what was signed of it."""
    logs = await logs_of(dsn, party)
    # First what was signed, then the logs: another `up` of this database may write and sign meanwhile.
    kept = newest_kept(keys)
    reader = await PostgresReader.connect(dsn, party)
    try:
        heads = {head.log: head for head in await reader.logs()}
    finally:
        await reader.close()
    for log in logs.names:
        if log in kept or log in heads:
            refuse_shortened(log, heads.get(log), kept, keys)


def refuse_shortened(log: str, head: LogState | None, kept: dict[str, notes.Checkpoint], keys: Path) -> None:
    """RegisterBroken when the head of a log (None: there is no such log) is not as it was signed."""
    signed = kept.get(log)
    size = head.frontier.size if head is not None else 0
    if signed is None or size > signed.size:
        return
    if size < signed.size:
        raise RegisterBroken(
            f"log {log} ends at {size} entries, but {keys / 'checkpoints'} has a checkpoint of {signed.size} that we "
            f"signed; gone: {Ended(log, size, signed.size).lost}. It was cut, or an older copy of the database is in "
            "its place. Put the right one back, or bring a backup into a new folder with `holdfast restore`"
        )
    if head is not None and root(head.frontier) != signed.root:
        raise RegisterBroken(
            f"log {log} has {size} entries, but not those that we signed (checkpoint in {keys / 'checkpoints'}): it "
            "was changed. Put the right database back, or bring a backup into a new folder with `holdfast restore`"
        )


def newest_kept(keys: Path) -> dict[str, notes.Checkpoint]:
    """The longest checkpoint beside the keys, by log. What these keys did not sign is left to the audit."""
    public_key = FileKeys.open(keys).public_key()
    newest: dict[str, notes.Checkpoint] = {}
    for text in kept_checkpoints(keys):
        try:
            said = notes.verify(text, public_key)
        except RegisterBroken:
            continue
        if said.log not in newest or newest[said.log].size < said.size:
            newest[said.log] = said
    return newest


# --- the first entry after a restore ------------------------------------------------------------------------------


async def record_restore(writer: Engine, logs: Logs, told: Restoration | None) -> None:
    """Write the entry that tells of the restore, by an engine of `Restored`, into the log that it may take."""
    if (await writer.take()).frontier.size:
        return
    writer.offer(Command(0, RESTORED, facts_of(logs, told), "system"))
    await writer.turn(False)
    if not writer.head.frontier.size:
        raise RegisterBroken(f"the restore could not be recorded in log {logs.first}: see the log of this process")


def facts_of(logs: Logs, told: Restoration | None) -> dict[str, Any]:
    """What the entry says: where the logs ended, and, from the note beside the keys, what was known of them."""
    facts: dict[str, Any] = {"ended": dict(sorted(logs.ended.items()))}
    if told is not None:
        letters = tuple(name[-1] for name in logs.names)
        lost = (each for each in told.ended if each.known > each.size and is_of(each.log, letters))
        facts["restored_at"], facts["backup_at"] = told.at_us, told.backup_us
        facts["lost"] = {each.log: [each.size + 1, each.known] for each in lost}
    return facts


def newest_restoration(keys: Path, public_key: bytes) -> Restoration | None:
    """The last restore that the notes beside the keys tell of."""
    told = restorations_of(kept_checkpoints(keys), public_key)
    return max(told, key=lambda restoration: restoration.at_us, default=None)


def restorations_of(kept: Sequence[str], public_key: bytes) -> list[Restoration]:
    """The notes about restores among what was kept beside the keys, as far as they are signed with this key."""
    found = []
    for text in kept:
        if restorations.is_restoration(text):
            try:
                found.append(restorations.verify(text, public_key))
            except RegisterBroken:
                continue
    return found
