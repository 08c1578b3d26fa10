"""Where the towns of these tests keep their books: in memory, in files, and in a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.runtime.roles import RoleDsns
from tests.reading.town import Ground, MemoryGround, PostgresGround, SqliteGround
from tests.store.conftest import postgres

__all__ = ["postgres"]


@pytest.fixture
async def sqlite_ground(tmp_path: Path) -> AsyncIterator[SqliteGround]:
    """Files: quick, and open to whoever wants to spoil them."""
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
