"""Each party has a schema and a role of its own; who may do what is tried on a real server, not read off the grants."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres, find_binaries
from holdfast.runtime.roles import ensure_database, where, with_login


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    folder = DataFolder(tmp_path / "data")
    with folder.lock("up"):
        embedded = EmbeddedPostgres(folder)
        await embedded.start()
        try:
            yield embedded
        finally:
            await embedded.stop()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


async def ask(dsn: str, *statements: str) -> object:
    """Run statements on a connection of their own; the first column of the last one's first row."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def refused(dsn: str, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        await ask(dsn, "set default_transaction_read_only = off", statement)


async def test_each_role_reaches_its_own_schema_and_no_other(postgres: EmbeddedPostgres, keys: Path) -> None:
    first = await ensure_database(postgres.dsn, keys)
    await ask(first.acquirer, "create table hold as select 5 as n", "select 1")
    await ask(first.issuer, "create table hold as select 6 as n", "select 1")
    dsns = await ensure_database(postgres.dsn, keys)
    assert dsns == first
    # A table made later is read as well: by the default privileges.
    await ask(dsns.acquirer, "create table later as select 9 as n", "select 1")

    assert await ask(dsns.acquirer, "select n from hold") == 5
    assert await ask(dsns.issuer, "select n from hold") == 6
    assert await ask(dsns.reader_acquirer, "select n from hold") == 5
    assert await ask(dsns.reader_acquirer, "select n from later") == 9
    assert await ask(dsns.reader_issuer, "select n from hold") == 6
    for dsn, other in (
        (dsns.acquirer, "issuer"),
        (dsns.reader_acquirer, "issuer"),
        (dsns.issuer, "acquirer"),
        (dsns.reader_issuer, "acquirer"),
    ):
        await refused(dsn, f"select n from {other}.hold")
        await refused(dsn, "create table public.x ()")
        await refused(dsn, "create schema x")
        await refused(dsn, "create role x")
    await refused(dsns.reader_acquirer, "insert into hold values (1)")
    await refused(dsns.reader_acquirer, "create table x ()")
    await refused(dsns.reader_acquirer, "set role holdfast_acquirer")
    assert await ask(dsns.acquirer, "show synchronous_commit") == "on"
    assert await ask(dsns.acquirer, "show idle_in_transaction_session_timeout") == "5s"


async def test_what_was_kept_from_a_reader_stays_so_at_the_next_start(postgres: EmbeddedPostgres, keys: Path) -> None:
    dsns = await ensure_database(postgres.dsn, keys)
    await ask(dsns.acquirer, "create table kept as select 7 as n", "revoke all on kept from holdfast_reader_acquirer")
    await ensure_database(postgres.dsn, keys)
    await refused(dsns.reader_acquirer, "select n from kept")


async def test_public_cannot_enter_and_passwords_are_kept_closed(postgres: EmbeddedPostgres, keys: Path) -> None:
    dsns = await ensure_database(postgres.dsn, keys)
    kept = keys / "database-roles.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert len(set(json.loads(kept.read_text()).values())) == 4
    await ask(postgres.dsn, "create role passer_by login password 'p'", "select 1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(with_login(postgres.dsn, "passer_by", "p", "holdfast"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(with_login(dsns.acquirer, "holdfast_acquirer", "guessed", "holdfast"))


async def test_two_that_start_at_once_agree(postgres: EmbeddedPostgres, keys: Path) -> None:
    one, two = await asyncio.gather(*(ensure_database(postgres.dsn, keys) for _ in range(2)))
    assert one == two
    assert await ask(one.issuer, "select 1") == 1


async def test_roles_of_another_installation_are_left_alone(postgres: EmbeddedPostgres, keys: Path) -> None:
    dsns = await ensure_database(postgres.dsn, keys)
    (keys / "database-roles.json").unlink()
    with pytest.raises(Unreachable, match=r"has holdfast_acquirer, .* already.*name the --keys folder"):
        await ensure_database(postgres.dsn, keys)
    assert await ask(dsns.acquirer, "select 1") == 1


async def test_a_user_who_may_create_roles_is_enough(postgres: EmbeddedPostgres, keys: Path) -> None:
    await ask(postgres.dsn, "create role admin login createrole createdb password 'p'", "select 1")
    admin = with_login(postgres.dsn, "admin", "p", "postgres")
    first = await ensure_database(admin, keys)
    assert await ensure_database(admin, keys) == first
    await ask(first.issuer, "create table hold as select 6 as n", "select 1")
    assert await ask(first.reader_issuer, "select n from hold") == 6


@pytest.mark.parametrize("database", ["postgres", "Café's own"])
async def test_for_a_user_who_may_not_the_dba_gets_a_script(
    postgres: EmbeddedPostgres, keys: Path, database: str
) -> None:
    await ask(postgres.dsn, "create role plain login password 'p'", "select 1")
    if database != "postgres":
        await ask(postgres.dsn, f'create database "{database}"', "select 1")
    plain = with_login(postgres.dsn, "plain", "p", database)
    with pytest.raises(Unreachable, match=r"have its DBA run `psql .*/keys/database-setup.sql`") as missing:
        await ensure_database(plain, keys)
    assert "\n" not in str(missing.value)
    script = (keys / "database-setup.sql").read_text()
    assert not any(password in script for password in json.loads((keys / "database-roles.json").read_text()).values())
    for _ in range(2):
        psql = await asyncio.create_subprocess_exec(
            find_binaries() / "psql", "-qv", "ON_ERROR_STOP=1", "-f", keys / "database-setup.sql", postgres.dsn
        )
        assert await psql.wait() == 0
    dsns = await ensure_database(plain, keys)
    home = "holdfast" if database == "postgres" else database
    assert await ask(dsns.acquirer, "create table hold ()", "select current_database()") == home


async def test_an_address_that_leads_nowhere_is_told_in_one_line_without_the_password(keys: Path) -> None:
    for dsn in ("mysql://u:secret@h/d", "host=h user=u", "postgresql://[u:secret@h/d"):
        with pytest.raises(BadInput, match="looks like postgresql://"):
            await ensure_database(dsn, keys)
    for dsn, said in (
        ("postgresql://u:secret@127.0.0.1:1/d", r"the database at 127\.0\.0\.1:1/d cannot be reached"),
        ("postgresql://u:secret@/d?host=/nonexistent", r"the database at /nonexistent/d cannot be reached"),
        ("postgresql://u:secret@h:port/d", "cannot be used"),
    ):
        with pytest.raises((Unreachable, BadInput), match=said) as problem:
            await ensure_database(dsn, keys)
        assert "secret" not in str(problem.value)
        assert "\n" not in str(problem.value)


def test_only_the_login_of_an_address_is_changed() -> None:
    dsn = (
        "postgresql://admin:p%40ss@h1:5432,h2:5433/postgres?sslmode=verify-full&user=x&target_session_attrs=read-write"
    )
    changed = with_login(dsn, "holdfast_issuer", "a/b", "home")
    assert changed == (
        "postgresql://holdfast_issuer:a%2Fb@h1:5432,h2:5433/home?sslmode=verify-full&target_session_attrs=read-write"
    )
    assert where(dsn) == "h1:5432,h2:5433/postgres"
