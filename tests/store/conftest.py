"""The stores under test, each behind one small harness, so that a contract is written once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from holdfast.domain.records import ACQUIRER_TABLES
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.roles import RoleDsns, ensure_database
from holdfast.store.columns import shapes_of
from holdfast.store.interface import Reader, Store
from holdfast.store.memory import MemoryDatabase, MemoryReader, MemoryStore
from holdfast.store.migrate import migrate
from holdfast.store.postgres import PostgresStore
from holdfast.store.postgres_reader import PostgresReader
from holdfast.store.sqlite import SqliteReader, SqliteStore


class Harness(Protocol):
    """One empty database. `store` connects another engine, where the database takes several."""

    async def empty(self) -> None: ...
    async def store(self) -> Store: ...
    async def reader(self) -> Reader: ...
    async def pass_time(self, seconds: float) -> None: ...
    async def close(self) -> None: ...


async def yield_once(point: str) -> None:
    await asyncio.sleep(0)


class MemoryHarness:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.shared = MemoryDatabase(lambda: self.now_s)

    async def empty(self) -> None: ...

    async def store(self) -> Store:
        return MemoryStore(self.shared, pause=yield_once, waits_max=1_000_000)

    async def reader(self) -> Reader:
        return MemoryReader(self.shared)

    async def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    async def close(self) -> None: ...


class SqliteHarness:
    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.path = folder / "terminal.sqlite"
        self.stores: list[Store] = []

    async def empty(self) -> None: ...

    async def store(self) -> Store:
        store = SqliteStore(self.path, ACQUIRER_TABLES, lambda: self.now_s)
        self.stores.append(store)
        return store

    async def reader(self) -> Reader:
        return SqliteReader(self.path)

    async def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    async def close(self) -> None:
        for store in self.stores:
            await store.close()


class PostgresHarness:
    def __init__(self, dsns: RoleDsns) -> None:
        self.dsns = dsns
        self.open: list[Store | Reader] = []

    async def empty(self) -> None:
        names = [shape.name for shape in shapes_of(ACQUIRER_TABLES) if shape.name != "versions"]
        connection = await asyncpg.connect(self.dsns.acquirer)
        await connection.execute(f"TRUNCATE {', '.join(names)}; UPDATE versions SET version = 0")
        await connection.close()

    async def store(self) -> Store:
        store = await PostgresStore.connect(self.dsns.acquirer, "acquirer", ACQUIRER_TABLES)
        self.open.append(store)
        return store

    async def reader(self) -> Reader:
        reader = await PostgresReader.connect(self.dsns.reader_acquirer, "acquirer")
        self.open.append(reader)
        return reader

    async def pass_time(self, seconds: float) -> None:
        # Only leases made to run out at once are waited for.
        await asyncio.sleep(min(seconds, 0.1))

    async def close(self) -> None:
        for connected in self.open:
            await connected.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleDsns]:
    """A server of our own, with the schemas of both parties at their newest revision."""
    folder = DataFolder(tmp_path_factory.mktemp("postgres") / "data")
    server = EmbeddedPostgres(folder)
    with folder.lock("tests"), asyncio.Runner() as runner:
        try:
            yield runner.run(_migrated(server, folder))
        finally:
            runner.run(server.stop())


async def _migrated(server: EmbeddedPostgres, folder: DataFolder) -> RoleDsns:
    dsns = await ensure_database(await server.start(), folder.keys)
    assert await migrate(dsns.acquirer, "acquirer", "acquirer")
    assert await migrate(dsns.issuer, "issuer", "issuer")
    return dsns


def _made(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    if request.param == "memory":
        return MemoryHarness()
    if request.param == "sqlite":
        return SqliteHarness(tmp_path)
    return PostgresHarness(request.getfixturevalue("postgres"))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def _any(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return _made(request, tmp_path)


@pytest.fixture(params=["memory", "postgres"])
def _several(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return _made(request, tmp_path)


@pytest.fixture
async def harness(_any: Harness) -> AsyncIterator[Harness]:
    """Every kind of store."""
    await _any.empty()
    yield _any
    await _any.close()


@pytest.fixture
async def shared(_several: Harness) -> AsyncIterator[Harness]:
    """Every kind of store that several engines share."""
    await _several.empty()
    yield _several
    await _several.close()


@pytest.fixture
async def postgres_harness(postgres: RoleDsns) -> AsyncIterator["PostgresHarness"]:
    """What only PostgreSQL can do."""
    made = PostgresHarness(postgres)
    await made.empty()
    yield made
    await made.close()
