"""Where the towns of these tests keep their books: in memory, in files, and in a real PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.runtime.roles import RoleDsns
from tests.reading import trade
from tests.reading.town import Ground, MemoryGround, PostgresGround, SqliteGround, Town, live
from tests.store.conftest import postgres

__all__ = ["postgres"]


@pytest.fixture
async def sqlite_ground(tmp_path: Path) -> AsyncIterator[SqliteGround]:
    """Files: quick, and open to whoever wants to spoil them."""
    ground = SqliteGround(tmp_path)
    yield ground
    await ground.close()


@pytest.fixture(scope="session")
def lived_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a town in which a day was lived: to be copied."""
    folder = tmp_path_factory.mktemp("lived")

    async def live_there() -> None:
        ground = SqliteGround(folder)
        await live(await Town.built(ground))
        await ground.close()

    asyncio.run(live_there())
    return folder


@pytest.fixture
async def lived_ground(lived_files: Path, tmp_path: Path) -> AsyncIterator[SqliteGround]:
    """A town in which a day was lived, to be spoiled."""
    shutil.copytree(lived_files, tmp_path, dirs_exist_ok=True)
    ground = SqliteGround(tmp_path)
    yield ground
    await ground.close()


@pytest.fixture(scope="session")
def traded_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a town that has lived through everything, some of which is open: to be copied."""
    folder = tmp_path_factory.mktemp("traded")

    async def live_there() -> None:
        ground = SqliteGround(folder)
        town = await Town.built(ground)
        await trade.trade(town)
        await trade.leave_open(town)
        await ground.close()

    asyncio.run(live_there())
    return folder


@pytest.fixture
async def traded_ground(traded_files: Path, tmp_path: Path) -> AsyncIterator[SqliteGround]:
    """A town that has lived through everything, to be spoiled."""
    shutil.copytree(traded_files, tmp_path, dirs_exist_ok=True)
    ground = SqliteGround(tmp_path)
    yield ground
    await ground.close()


@pytest.fixture
async def postgres_ground(postgres: RoleDsns) -> AsyncIterator[PostgresGround]:
    """The database of a real installation, empty."""
    ground = PostgresGround(postgres)
    await ground.empty()
    yield ground
    await ground.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def any_ground(request: pytest.FixtureRequest) -> Ground:
    """Every kind of store."""
    if request.param == "memory":
        return MemoryGround()
    ground: Ground = request.getfixturevalue(f"{request.param}_ground")
    return ground


@pytest.fixture(params=["sqlite", "postgres"])
def sql_ground(request: pytest.FixtureRequest) -> Ground:
    """Every store that can be spoiled from outside."""
    ground: Ground = request.getfixturevalue(f"{request.param}_ground")
    return ground
