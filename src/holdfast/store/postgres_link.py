"""One connection to PostgreSQL that is made again after a loss, and what each of the server's refusals means.

A loss is never hidden: whoever was using the connection gets a StoreError (CommitUnknown when it was committing), and
only the next user gets a new connection.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg

from holdfast.errors import CommitUnknown, Conflict, StoreError, Unreachable, Unstorable
from holdfast.store.postgres_sql import STATEMENTS_MAX

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
"""A server that is silent for so long is lost to us; every wait inside it ends far sooner."""

PATIENCE_S = 15.0
"""How long a lost server is asked for again before the caller is told: a restart or a fail-over takes seconds."""

RETRY_INTERVAL_S = 0.1

LOCK_TIMEOUT_MS = 3_000
IDLE_IN_TRANSACTION_MS = 5_000
"""A worker that was stopped in the middle of a batch must not keep its locks."""

LEASE_LOCK_TIMEOUT_MS = 10_000
assert IDLE_IN_TRANSACTION_MS < LEASE_LOCK_TIMEOUT_MS, "taking a log must outlast the transaction of a stopped writer"

WRITER_SETTINGS = {
    "application_name": "holdfast",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    # Every statement goes by an index. A plan made while a table was empty must not scan it once it is full.
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg ends with when the server dies between two messages.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
)
"""The connection is gone, or its state is not known."""

_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,
)
_CONFLICTS = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)


class Link:
    """A lazily made connection with its settings. Use it from one task at a time."""

    def __init__(self, dsn: str, schema: str, settings: Mapping[str, str]) -> None:
        self._dsn = dsn
        self._settings = {"search_path": schema, **settings}
        self._connection: asyncpg.Connection | None = None

    async def open(self) -> None:
        """Connect at once. Unreachable, without patience, when that fails."""
        try:
            self._connection = await self._connect()
        except (*LOST, asyncpg.PostgresError, ValueError) as error:
            raise Unreachable(f"the database at {where(self._dsn)} cannot be reached: {one_line(error)}") from error

    async def connection(self) -> asyncpg.Connection:
        """The connection, made again if it was lost; StoreError when the server stays away."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect_again()
        return self._connection

    def drop(self) -> None:
        """Cut the connection: what it was doing is rolled back by the server."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Say good-bye."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=CONNECT_TIMEOUT_S)
            except (*LOST, asyncpg.PostgresError):
                connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            statement_cache_size=STATEMENTS_MAX,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            server_settings=self._settings,
        )

    async def _connect_again(self) -> asyncpg.Connection:
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while True:
            try:
                return await self._connect()
            except _NOT_YET as error:
                if loop.time() > until:
                    raise StoreError(f"the database at {where(self._dsn)} stays away: {one_line(error)}") from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                raise StoreError(f"the database at {where(self._dsn)} refuses us: {one_line(error)}") from error
            await asyncio.sleep(RETRY_INTERVAL_S)


_UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.NotNullViolationError,
    asyncpg.CheckViolationError,
    # A key that is longer than an index takes.
    asyncpg.ProgramLimitExceededError,
)


def refusal(error: Exception) -> StoreError:
    """What an error of a statement means: nothing of the batch has happened."""
    if isinstance(error, _CONFLICTS):
        return Conflict(f"another writer was first: {one_line(error)}")
    if isinstance(error, _UNSTORABLE):
        return Unstorable(f"the database cannot hold it: {one_line(error)}")
    return StoreError(f"the database refused: {one_line(error)}")


def commit_refusal(error: Exception) -> StoreError:
    """What an error of a commit means: only a conflict that the server names is sure to have changed nothing."""
    if isinstance(error, _CONFLICTS):
        return refusal(error)
    return CommitUnknown(f"the batch may or may not be committed: {one_line(error)}")


def _is_closed(error: BaseException) -> bool:
    return isinstance(error, asyncpg.InterfaceError) and "connection is closed" in str(error)


def where(dsn: str) -> str:
    """The address without its login: what may be shown."""
    parts = urlsplit(dsn)
    return (parts.netloc.rpartition("@")[2] or "the local socket") + parts.path


def one_line(error: BaseException) -> str:
    """An error's own words, in one line and without the values that PostgreSQL adds in its details."""
    if isinstance(error, asyncpg.InternalClientError) or _is_closed(error):
        # Its own words are about the driver's inner states.
        return "the server ended the connection in the middle of an answer"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # As text, asyncpg's errors append the server's DETAIL, which quotes the row.
    words = error.args[0] if isinstance(error, asyncpg.PostgresError) and error.args else error
    return " ".join(str(words).split()) or type(error).__name__
