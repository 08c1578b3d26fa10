"""Brings a backup back, as a new installation in a new folder.

Rule 1: whole or not at all. Everything is made in a folder beside the target, which takes the target's name when all is
there and its database has been stopped; what fails is removed.
Rule 2: the keys are copied in; where they come from is left as it is, so that a restore can be tried while the
installation serves.
Rule 3: what comes back may be less than what was told to others. Its logs end, those of a new generation go on (see
`runtime.continuity`), and a signed note beside the keys says where each ended and how long it was once known to be.
Rule 4: no terminal goes on as if nothing had happened. Every session ends, so that each signs on again and names the
last entry that it was told (see `parties.chain_check`) before it is told a newer one.
"""

import asyncio
import contextlib
import glob
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg

from holdfast.domain.generations import unused
from holdfast.errors import BadInput, RegisterBroken, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import MAK
from holdfast.parties.admission import MAK_BYTES
from holdfast.register import checkpoint as notes
from holdfast.register import restoration as restorations
from holdfast.register.restoration import Ended, Restoration
from holdfast.runtime.archive import DUMPS, KEPT, Backup
from holdfast.runtime.backup import program
from holdfast.runtime.config import ACQUIRER
from holdfast.runtime.continuity import restorations_of, retire_logs
from holdfast.runtime.datafolder import DataFolder, sync_folder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.kept import keep_text, kept_checkpoints
from holdfast.runtime.roles import PARTIES, RoleDsns, ensure_database
from holdfast.store.migrate import keep_secret, migrate
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line


class Source(NamedTuple):
    """Where the keys come from: the key files by name, and the signed checkpoints and notes that lay beside them."""

    files: Mapping[str, str]
    kept: list[str]


class Staged(NamedTuple):
    """A restored installation whose database still runs, in the folder that will become the target."""

    keys: Path
    dsns: RoleDsns
    restoration: Restoration


@asynccontextmanager
async def staged(
    backup: Backup, source: Source, target: Path, now_us: int, tell: Callable[[str], None]
) -> AsyncIterator[Staged]:
    """Restore; the target is there once the block is over, and only if nothing was raised in it.

    BadInput when the target is in use or the keys are not those of the backup, Unreachable when something does not run.
    """
    refuse_used(target)
    remove_unfinished(target)
    beside = target.parent / f".{target.name}.restoring-{secrets.token_hex(4)}"
    try:
        folder = DataFolder(beside)
        with folder.lock("restore"):
            signer = put_keys(folder.keys, source, backup)
            server = EmbeddedPostgres(folder, tell)
            try:
                dsns = await ensure_database(await server.start(), folder.keys)
                await fill(backup, dsns, tell)
                restoration = restoration_of(backup, source.kept, signer.public_key(), now_us)
                keep_restoration(folder.keys, restoration, signer)
                await retire(dsns, restoration)
                await end_sessions(dsns.acquirer, signer)
                yield Staged(folder.keys, dsns, restoration)
            finally:
                await server.stop()
            _take_name(beside, target)
    except OSError as error:
        raise Unreachable(f"{target} cannot be restored into: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def refuse_used(target: Path) -> None:
    """BadInput unless there is nothing at the target, or an empty folder."""
    if target.is_dir() and not target.is_symlink():
        if next(target.iterdir(), None) is not None:
            raise BadInput(f"{target} is not empty: a backup is restored into a new folder")
    elif target.exists() or target.is_symlink():
        raise BadInput(f"{target} is no folder: name a new one")


def remove_unfinished(target: Path) -> None:
    """Remove what a restore into this target left that was killed: it holds keys."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.restoring-*"):
        # One that still goes on holds its lock.
        with contextlib.suppress(BadInput, Unreachable), DataFolder(left, create=False).lock("restore"):
            shutil.rmtree(left, ignore_errors=True)


def _take_name(beside: Path, target: Path) -> None:
    try:
        # Over an empty folder, but over nothing else.
        beside.rename(target)
    except OSError as error:
        raise BadInput(f"{target} was taken meanwhile ({error.strerror}): name another folder") from error
    sync_folder(target.parent)


# --- keys ---------------------------------------------------------------------------------------------------------


def put_keys(folder: Path, source: Source, backup: Backup) -> FileKeys:
    """The keys, and what lay beside them, in the new installation's folder; BadInput when they are not the backup's."""
    for name, text in source.files.items():
        if Path(name).name != name or not name.endswith(".key"):
            raise BadInput(f"{name!r} is no key file: the sealed keys of the backup are not what Holdfast seals")
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    signer = FileKeys.open(folder)
    backup.refuse_unless_signed(signer.public_key())
    for number, text in enumerate(dict.fromkeys(source.kept)):
        keep_text(folder, f"before-{number:04d}", text)
    return signer


def kept_of(backup: Backup, keys: Path | None) -> list[str]:
    """Every signed checkpoint and note that is known: those of the backup, and what lies beside the keys by now."""
    try:
        beside = kept_checkpoints(keys) if keys is not None else []
    except OSError as error:
        raise Unreachable(f"the checkpoints in {keys} cannot be read: {error.strerror}") from error
    return [*kept_in(backup), *beside]


def kept_in(backup: Backup) -> list[str]:
    """What lay beside the keys when the backup was made."""
    return [str(text) for text in json.loads(backup.read(KEPT))]


# --- the database -------------------------------------------------------------------------------------------------


async def fill(backup: Backup, dsns: RoleDsns, tell: Callable[[str], None]) -> None:
    """Bring back both parties' tables, at the newest revision, with the rights of this database."""
    for party, dsn in zip(PARTIES, (dsns.acquirer, dsns.issuer), strict=True):
        tell(f"restoring the {party}'s tables")
        await _restore(backup, party, dsn)
        await migrate(dsn, party, party)
        await keep_secret(dsn, party, party)
        await _learn_sizes(dsn)


async def _restore(backup: Backup, party: str, dsn: str) -> None:
    command = ["--no-owner", "--no-acl", "--exit-on-error", "--single-transaction"]
    async with program("pg_restore", command, dsn, stdin=asyncio.subprocess.PIPE) as process:
        assert process.stdin is not None, "a pipe was asked for"
        for chunk in backup.chunks(DUMPS[party]):
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()


async def _learn_sizes(dsn: str) -> None:
    """Without statistics, PostgreSQL would plan for empty tables until it looks at them by itself."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            await connection.execute("ANALYZE")
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unreachable(f"the restored database does not answer: {one_line(error)}") from error


# --- what follows -------------------------------------------------------------------------------------------------


def restoration_of(
    backup: Backup,
    kept: Iterable[str],
    public_key: bytes,
    now_us: int,
    choose: Callable[[str], str] = secrets.choice,
) -> Restoration:
    """Where each log ends, how long it is known to have been, and a generation that nobody has seen a log of."""
    kept = list(kept)
    sizes = {log.log: log.size for log in backup.manifest.logs}
    known = dict(sizes)
    for log, size in _signed_sizes(kept, public_key):
        known[log] = max(known.get(log, 0), size)
    earlier = restorations_of(kept, public_key)
    for ended in (ended for restoration in earlier for ended in restoration.ended):
        known[ended.log] = max(known.get(ended.log, 0), ended.known)
    begun = [f"{restoration.generation}A" for restoration in earlier]
    free = unused([*known, *begun])
    if not free:
        raise BadInput("this register was restored so often that no letter is left to name its logs by")
    ended_logs = tuple(Ended(log, sizes.get(log, 0), known[log]) for log in sorted(known))
    return Restoration(now_us, backup.manifest.made_us, choose(free), ended_logs)


def _signed_sizes(kept: Iterable[str], public_key: bytes) -> Iterable[tuple[str, int]]:
    for text in kept:
        if not restorations.is_restoration(text):
            try:
                said = notes.verify(text, public_key)
            except RegisterBroken:
                continue  # The audit tells of it.
            yield said.log, said.size


def keep_restoration(keys: Path, restoration: Restoration, signer: FileKeys) -> None:
    """Sign the note and put it beside the keys."""
    body = restorations.body(restoration)
    keep_text(keys, f"restored-{restoration.at_us}", restorations.assemble(body, signer.sign(body)))


async def retire(dsns: RoleDsns, restoration: Restoration) -> None:
    """End the logs in the database, and begin those that go on."""
    for party, dsn in zip(PARTIES, (dsns.acquirer, dsns.issuer), strict=True):
        await retire_logs(dsn, party, restoration.generation)


_SESSIONS = "SELECT terminal_id, mac_algorithm FROM sessions"
_END_SESSION = (
    "UPDATE sessions SET signed_on = false, mak = $2, previous_mak = NULL, previous_until_us = 0 WHERE terminal_id = $1"
)


async def end_sessions(dsn: str, keys: FileKeys) -> None:
    """Sign every terminal off, under a MAC key that nobody has.

    Signed off alone, a terminal would be declined under an entry of the new generation, and would name that one when it
    signs on. Under an unknown key its request is not even received: it is sent to sign on, and told no entry.
    """
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": ACQUIRER, "application_name": "holdfast"}
    )
    try:
        async with connection.transaction():
            ended = [
                (row["terminal_id"], keys.new_working_key(MAK, MAK_BYTES[row["mac_algorithm"]]))
                for row in await connection.fetch(_SESSIONS)
            ]
            await connection.executemany(_END_SESSION, ended)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
