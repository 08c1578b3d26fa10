"""The stores under test, each behind one small harness, so that a contract is written once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from holdfast.domain.records import ACQUIRER_TABLES
from holdfast.store.interface import Reader, Store
from holdfast.store.memory import MemoryDatabase, MemoryReader, MemoryStore
from holdfast.store.sqlite import SqliteReader, SqliteStore


class Harness(Protocol):
    """One empty database. `store` connects another engine, where the database takes several."""

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


async def _harness(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    if kind == "memory":
        return MemoryHarness()
    return SqliteHarness(tmp_path)


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """Every kind of store."""
    made = await _harness(request.param, request, tmp_path)
    yield made
    await made.close()


@pytest_asyncio.fixture(params=["memory"])
async def shared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """Every kind of store that several engines share."""
    made = await _harness(request.param, request, tmp_path)
    yield made
    await made.close()
