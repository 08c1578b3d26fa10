"""What has to be there before anything is served: keys, database, tables, and a sandbox's clock.

Rule 1: each step may be done again, so a database that goes away in the middle is waited for, and all of it is done
anew. Only one that never answered is given up at once, for its address may be wrong.
Rule 2: what waiting does not mend (another installation's roles, a shortened log, missing keys) is told at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg

from holdfast.errors import HoldfastError, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.keys.folder import SIGNING_FILE
from holdfast.runtime.advances import newest_us, recorded_in
from holdfast.runtime.business_clock import BusinessClock, recall, refuse_clock_file, refuse_time_before
from holdfast.runtime.config import ACQUIRER, ISSUER
from holdfast.runtime.continuity import refuse_shortened_party
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.roles import RoleDsns, ensure_database
from holdfast.store.migrate import migrate
from holdfast.store.postgres_link import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, LOST, one_line, where

SET_RIGHT = "set the clock of this machine right, then start again"

LOSS_PATIENCE_S = 60.0
LOSS_RETRY_S = 0.1

_Made = TypeVar("_Made")


async def outlasting(
    step: Callable[[], Awaitable[_Made]], tell: Callable[[str], None], patience_s: float = LOSS_PATIENCE_S
) -> _Made:
    """Do it, and again whenever the database went away over it; its own error when that lasts too long."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    told = False
    while True:
        try:
            return await step()
        except HoldfastError as error:
            if not was_lost(error):
                raise
            if loop.time() > until_s:
                raise Unreachable(
                    f"{error}; waited {patience_s:.0f} s for it: see that it runs, then start again"
                ) from error
            if not told:
                tell(f"{error}; waiting for it")
                told = True
        await asyncio.sleep(LOSS_RETRY_S)


def was_lost(error: BaseException) -> bool:
    """Whether that was said because a connection was lost, or could not be made."""
    return isinstance(error.__cause__, LOST)


async def prepare(server: str, folder: DataFolder, keys: Path, tell: Callable[[str], None]) -> RoleDsns:
    """All of it, once the server at this address answers; returns where the roles connect."""
    dsns = await ensure_database(server, keys)

    async def rest() -> None:
        await _prepare_schemas(dsns, keys, tell)
        await recall_clock(folder, dsns)
        await refuse_set_back(folder, dsns)

    await outlasting(rest, tell)
    return dsns


async def _prepare_schemas(dsns: RoleDsns, keys: Path, tell: Callable[[str], None]) -> None:
    open_or_create_keys(keys, fresh=not await _has_logs(dsns.acquirer))
    for party, dsn in ((ACQUIRER, dsns.acquirer), (ISSUER, dsns.issuer)):
        if await migrate(dsn, party, party):
            tell(f"database: the {party}'s tables are at the newest version")
        await refuse_shortened_party(dsn, party, keys)


def make_keys_folder(keys: Path) -> None:
    """The folder of keys and passwords, closed to others when it is new."""
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unreachable(f"{keys} cannot be made: {error.strerror}; --keys must name a folder of yours") from error


def open_or_create_keys(keys: Path, fresh: bool) -> None:
    """The installation's keys must be there; only where nothing was ever recorded are new ones made."""
    if fresh and not (keys / SIGNING_FILE).exists():
        FileKeys.create(keys)
    else:
        FileKeys.open(keys)


async def recall_clock(folder: DataFolder, dsns: RoleDsns) -> None:
    """A sandbox goes on by the clock that its logs tell of; BadInput for anything else with a clock of its own."""
    recorded = await recorded_in(dsns)
    if recorded is None:
        refuse_clock_file(folder.path)
    else:
        recall(folder.path, recorded)


async def refuse_set_back(folder: DataFolder, dsns: RoleDsns) -> None:
    """Unreachable where the logs were written at a later time than it is here."""
    now_us = BusinessClock(folder.path).now_us()
    for party, dsn in ((ACQUIRER, dsns.reader_acquirer), (ISSUER, dsns.reader_issuer)):
        refuse_time_before(now_us, await newest_us(dsn, party), f"the {party}'s logs", SET_RIGHT)


async def _has_logs(dsn: str) -> bool:
    """Whether anything was ever recorded in the acquirer's schema."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S)
        try:
            if not await connection.fetchval("SELECT to_regclass('acquirer.logs') IS NOT NULL"):
                return False
            return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM acquirer.logs)"))
        finally:
            connection.terminate()
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unreachable(f"the logs at {where(dsn)} cannot be read: {one_line(error)}") from error
