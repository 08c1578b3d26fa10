"""Makes a backup: both parties' schemas as of one moment, while everything goes on.

Rule 1: one snapshot for all. A connection exports it, pg_dump of each party reads in it, and what the manifest says of
the logs is read in it too, so that acquirer and issuer fit together after a restore.
Rule 2: the keys stay apart, unless they are asked for; then they are sealed under a passphrase. Without them a backup
opens no card number. Terminals' journals are theirs: a journal that is brought back would ask its questions again.
Rule 3: no password stands on a command line: PostgreSQL's programs get it through their environment.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from holdfast import __version__
from holdfast.errors import Unreachable
from holdfast.keys.file import FileKeys
from holdfast.register.tree import parse_frontier, root
from holdfast.runtime.archive import CHUNK_BYTES, DUMPS, KEPT, SEALED_KEYS, LogThen, Manifest, Writer
from holdfast.runtime.config import without_login
from holdfast.runtime.embedded import find_binaries, why
from holdfast.runtime.kept import kept_checkpoints
from holdfast.runtime.roles import PARTIES, RoleDsns
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line, where

KEY_FILES = "*.key"
"""Passwords of the database are none: a restored one gets its own."""

_TROUBLE = (*LOST, asyncpg.PostgresError)

_HEADS = """
SELECT l.log, l.size, l.frontier,
    coalesce((SELECT at_us FROM entries e WHERE e.log = l.log AND e.number = l.size), 0) AS last_us,
    coalesce((SELECT signed FROM checkpoints c WHERE c.log = l.log ORDER BY size DESC LIMIT 1), '') AS checkpoint
FROM logs l ORDER BY l.log"""


async def back_up(
    writer: Writer, dsns: RoleDsns, keys: Path, installation: str, sealed_keys: bytes | None, now_us: int
) -> Manifest:
    """Write everything into an archive and return its manifest. Unreachable when database or keys cannot be read."""
    signer = FileKeys.open(keys)
    writer.add(KEPT, json.dumps(_kept(keys)).encode())
    if sealed_keys is not None:
        writer.add(SEALED_KEYS, sealed_keys)
    try:
        async with one_snapshot(dsns) as (snapshot, views):
            logs = [log for party, view in views.items() for log in await _logs(party, view)]
            revisions = {
                party: str(await view.fetchval("SELECT version_num FROM alembic_version"))
                for party, view in views.items()
            }
            server = str(await views[PARTIES[0]].fetchval("SHOW server_version"))
            for party in PARTIES:
                await writer.add_stream(DUMPS[party], dump_of(_dsn_of(dsns, party), party, snapshot))
    except _TROUBLE as error:
        raise Unreachable(f"the database at {where(dsns.acquirer)} cannot be read: {one_line(error)}") from error
    public_key = signer.public_key().hex()
    manifest = Manifest(
        now_us, f"holdfast {__version__}", installation, server, public_key, revisions, logs, dict(writer.parts)
    )
    said = manifest.dump()
    writer.finish(said, signer.sign(said))
    return manifest


def key_texts(keys: Path) -> dict[str, str]:
    """The key files as they are, by name; KeyRefused when they are not whole, Unreachable when one cannot be read."""
    FileKeys.open(keys)
    try:
        return {path.name: path.read_text(encoding="ascii") for path in sorted(keys.glob(KEY_FILES))}
    except OSError as error:
        raise Unreachable(f"{error.filename} cannot be read: {error.strerror}") from error


def _kept(keys: Path) -> list[str]:
    try:
        return kept_checkpoints(keys)
    except OSError as error:
        raise Unreachable(f"the checkpoints in {keys} cannot be read: {error.strerror}") from error


def _dsn_of(dsns: RoleDsns, party: str) -> str:
    return dsns.acquirer if party == PARTIES[0] else dsns.issuer


@asynccontextmanager
async def one_snapshot(dsns: RoleDsns) -> AsyncIterator[tuple[str, dict[str, asyncpg.Connection]]]:
    """A snapshot's name, and for each party a connection that sees the database as of then."""
    async with contextlib.AsyncExitStack() as stack:
        views: dict[str, asyncpg.Connection] = {}
        snapshot = ""
        for party in PARTIES:
            # The first of them waits for as long as the dumps take.
            settings = {"search_path": party, "idle_in_transaction_session_timeout": "0"}
            view = await asyncpg.connect(_dsn_of(dsns, party), timeout=CONNECT_TIMEOUT_S, server_settings=settings)
            stack.callback(view.terminate)
            await view.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot:
                await view.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            else:
                snapshot = str(await view.fetchval("SELECT pg_export_snapshot()"))
            views[party] = view
        yield snapshot, views


async def _logs(party: str, view: asyncpg.Connection) -> list[LogThen]:
    return [
        LogThen(party, row["log"], row["size"], _root(row["frontier"]), row["last_us"], row["checkpoint"])
        for row in await view.fetch(_HEADS)
    ]


def _root(frontier: bytes) -> str:
    return root(parse_frontier(frontier)).hex()


async def dump_of(dsn: str, party: str, snapshot: str) -> AsyncGenerator[bytes, None]:
    """What pg_dump says of a party's tables; who owns them and may read them is the affair of whoever restores."""
    command = ["--format=custom", "--no-owner", "--no-acl", f"--table={party}.*", f"--snapshot={snapshot}"]
    async with program("pg_dump", command, dsn) as dump:
        assert dump.stdout is not None, "a pipe was asked for"
        while chunk := await dump.stdout.read(CHUNK_BYTES):
            yield chunk


@asynccontextmanager
async def program(
    name: str, arguments: list[str], dsn: str, stdin: int = asyncio.subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of PostgreSQL's programs on a database; Unreachable, with its own words, unless it ends well."""
    login = urlsplit(dsn)
    command = [str(find_binaries() / name), *arguments, "--no-password", f"--dbname={without_login(dsn)}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "PGUSER": unquote(login.username or ""),
            "PGPASSWORD": unquote(login.password or ""),
        },
    )
    assert process.stderr is not None, "a pipe was asked for"
    complaint = asyncio.create_task(process.stderr.read())
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # It ended before it had read everything: its own words tell why.
            yield process
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        said = (await complaint).decode(errors="replace")
    if code != 0:
        raise Unreachable(f"{name} failed: {why(said)}")
