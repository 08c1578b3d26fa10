"""Brings a party's PostgreSQL schema to the newest revision: forward only, one history per party.

Alembic keeps the history and turns it into SQL; asyncpg runs that SQL in one transaction, so that no second driver is
needed and a migration happens as a whole or not at all. When the schema is at its newest revision already, which is the
case at every start but the first, Alembic is not even imported. (A terminal's SQLite file needs none of this, see
`sqlite_file`.)

Whoever may read the schema may read all its tables but the secret ones: those are taken away from everybody but the
owner in the transaction that makes them.
"""

from io import StringIO
from pathlib import Path

import asyncpg

from holdfast.domain.records import ACQUIRER_TABLES, ISSUER_TABLES
from holdfast.errors import BadInput, Unreachable
from holdfast.store.columns import quoted
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line, where

MIGRATIONS = Path(__file__).parent / "migrations"
PARTIES = {"acquirer": ACQUIRER_TABLES, "issuer": ISSUER_TABLES}

_LOCK_KEY = 0x6D696772
"""Two `up` on one database take turns."""

_VERSION = "SELECT version_num FROM alembic_version"
_HAS_VERSION = "SELECT to_regclass('alembic_version') IS NOT NULL"

_OTHER_ROLES = """
SELECT DISTINCT r.rolname FROM pg_class c CROSS JOIN aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY($2) AND a.grantee <> c.relowner"""


def newest_revision(party: str) -> str:
    """The last revision of a party; files are named by their revision, in order (`0001_first.py`)."""
    if party not in PARTIES:
        raise BadInput(f"there is no party {party!r}: it is one of {', '.join(PARTIES)}")
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / party).glob("[0-9]*_*.py"))


async def migrate(dsn: str, schema: str, party: str) -> bool:
    """Bring `schema` to the newest revision of `party`, as the schema's owner; whether there was anything to do.

    Raises Unreachable when the database cannot be reached, refuses, or was written by a newer release.
    """
    newest = newest_revision(party)
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": schema})
        try:
            if await _revision(connection) == newest:
                return False
            async with connection.transaction():
                return await _upgrade(connection, schema, party, newest)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError, ValueError) as error:
        raise Unreachable(f"schema {schema} at {where(dsn)} cannot be migrated: {one_line(error)}") from error


async def _upgrade(connection: asyncpg.Connection, schema: str, party: str, newest: str) -> bool:
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_KEY, schema)
    revision = await _revision(connection)
    if revision == newest:
        return False
    if revision is not None and revision > newest:
        raise Unreachable(f"schema {schema} is at revision {revision}, newer than this Holdfast: use the newer one")
    await connection.execute(upgrade_sql(party, revision))
    await _keep_secret(connection, schema, [table.name for table in PARTIES[party] if table.secret])
    return True


async def keep_secret(dsn: str, schema: str, party: str) -> None:
    """Take what is secret from everybody but the owner, in tables that no migration made: they were brought back."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": schema})
        try:
            await _keep_secret(connection, schema, [table.name for table in PARTIES[party] if table.secret])
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unreachable(f"the rights of schema {schema} cannot be set: {one_line(error)}") from error


async def _keep_secret(connection: asyncpg.Connection, schema: str, names: list[str]) -> None:
    roles = [row["rolname"] for row in await connection.fetch(_OTHER_ROLES, schema, names)]
    if roles:
        await connection.execute(f"REVOKE ALL ON TABLE {quoted(names)} FROM {quoted(roles)}")


async def _revision(connection: asyncpg.Connection) -> str | None:
    if not await connection.fetchval(_HAS_VERSION):
        return None
    return str(await connection.fetchval(_VERSION))


def upgrade_sql(party: str, revision: str | None) -> str:
    """The SQL that leads from a revision (None: an empty schema) to the newest."""
    from alembic import command
    from alembic.config import Config

    script = StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _escaped(MIGRATIONS))
    config.set_main_option("version_locations", _escaped(MIGRATIONS / party))
    command.upgrade(config, f"{revision}:head" if revision else "head", sql=True)
    return script.getvalue()


def _escaped(path: Path) -> str:
    """A path for Alembic's configuration, where a per cent sign means something else."""
    return str(path).replace("%", "%%")
