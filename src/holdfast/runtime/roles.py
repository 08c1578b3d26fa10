"""One database, a schema and a role per party, a read-only role per schema; no role reads another's.

It works alike on the embedded PostgreSQL and on one that is given with `--db`. Passwords are random and kept with the
installation's keys; the server is told only SCRAM verifiers, so that no password stands in its logs or in the file that
is written for a DBA. A role that exists already is never given another password: it may be another installation's.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import kept_secret
from holdfast.store.postgres_link import one_line

DATABASE = "holdfast"
PARTIES = ("acquirer", "issuer")

PARTY_SETTINGS = {
    # What is promised must not hang on a default of somebody else's server.
    "synchronous_commit": "on",
    # A worker that is stopped in mid-transaction gives its locks back; a live one needs milliseconds.
    "idle_in_transaction_session_timeout": "5s",
}
READER_SETTINGS = {
    "default_transaction_read_only": "on",
    # Long enough for a report that is read page by page; a forgotten one must not keep dead rows for ever.
    "idle_in_transaction_session_timeout": "10min",
}

CONNECT_PATIENCE_S = 10.0
LOCK_PATIENCE_S = 60.0
_SCRAM_ITERATIONS = 4096
_LOCK_KEY = 0x686F6C64

# asyncpg ends with an internal error of its own when the server dies between two messages.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class RoleDsns(NamedTuple):
    """Address per role, password included. Readers may select from their own party's schema and nothing else."""

    acquirer: str
    issuer: str
    reader_acquirer: str
    reader_issuer: str


async def ensure_database(superuser_dsn: str, keys: Path) -> RoleDsns:
    """Make database, roles and schemas as far as they are missing, and return where each role connects.

    They go into the database that the address names, or into `holdfast` (made where missing) when it names `postgres`.
    `keys` is the installation's key folder: `database-roles.json` keeps the passwords. BadInput when the address is
    none; Unreachable when the server cannot be reached, when the roles belong to another installation, or when the
    user of the address may not create roles: then `database-setup.sql` beside the passwords is what a DBA has to run.
    """
    passwords = _passwords(keys)
    admin = await _connect(superuser_dsn)
    try:
        # Two `up` on one server take turns; the lock goes with the session.
        await admin.execute("select pg_advisory_lock($1)", _LOCK_KEY, timeout=LOCK_PATIENCE_S)
        database = await _home_database(admin)
        dsns = {role: with_login(superuser_dsn, role, passwords[role], database) for role in passwords}
        await _refuse_foreign_roles(admin, dsns, keys)
        try:
            await _make_all(admin, superuser_dsn, database, passwords)
        except asyncpg.InsufficientPrivilegeError as error:
            if not await _all_in_place(dsns):
                raise _what_the_dba_must_run(superuser_dsn, database, passwords, keys) from error
    except _TROUBLE as error:
        raise Unreachable(f"the database at {where(superuser_dsn)} cannot be set up: {one_line(error)}") from error
    finally:
        with contextlib.suppress(*_TROUBLE):
            await admin.close(timeout=CONNECT_PATIENCE_S)
    return RoleDsns(*(dsns[role] for role in _role_names()))


def with_login(dsn: str, user: str, password: str, database: str) -> str:
    """The same server and options for another user and database."""
    hosts = urlsplit(dsn).netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return _rewritten(dsn, f"{login}@{hosts}", database, without=("user", "password"))


def _rewritten(dsn: str, netloc: str, database: str, without: tuple[str, ...] = ()) -> str:
    # Options may name user and database a second time, and would win.
    parts = urlsplit(dsn)
    options = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("dbname", "database", *without)]
    query = urlencode(options, quote_via=quote, safe="/,:")
    return urlunsplit((parts.scheme, netloc, f"/{quote(database, safe='')}", query, ""))


def where(dsn: str) -> str:
    """The address without the login: what may be shown."""
    parts = urlsplit(dsn)
    hosts = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "localhost")
    return f"{hosts}{parts.path}"


def _role_names() -> tuple[str, ...]:
    return (*(f"holdfast_{party}" for party in PARTIES), *(f"holdfast_reader_{party}" for party in PARTIES))


def _passwords(keys: Path) -> dict[str, str]:
    path = keys / "database-roles.json"
    try:
        text = kept_secret(path, lambda: json.dumps({role: secrets.token_urlsafe(24) for role in _role_names()}))
    except OSError as error:
        # No cause: a folder of somebody else's is no loss that waiting could mend.
        raise Unreachable(f"{path} cannot be kept: {error.strerror}; --keys must name a folder of yours") from None
    try:
        passwords = json.loads(text)
        return {role: str(passwords[role]) for role in _role_names()}
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} does not hold the passwords of the roles: restore it from the backup") from error


async def _connect(dsn: str) -> asyncpg.Connection:
    if not _is_address(dsn):
        raise BadInput("a database address looks like postgresql://user:password@host:5432/database")
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_PATIENCE_S, command_timeout=LOCK_PATIENCE_S)
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise BadInput(f"the database address {where(dsn)} cannot be used: {one_line(error)}") from error
    except _TROUBLE as error:
        raise Unreachable(f"the database at {where(dsn)} cannot be reached: {one_line(error)}") from error


def _is_address(dsn: str) -> bool:
    try:
        return urlsplit(dsn).scheme in ("postgresql", "postgres")
    except ValueError:
        return False


async def _home_database(admin: asyncpg.Connection) -> str:
    named = str(await admin.fetchval("select current_database()"))
    return DATABASE if named == "postgres" else named


async def _refuse_foreign_roles(admin: asyncpg.Connection, dsns: dict[str, str], keys: Path) -> None:
    """Roles that exist must take our passwords; else they are another installation's, and so is what they own."""
    rows = await admin.fetch("select rolname from pg_roles where rolname = any($1::text[])", list(dsns))
    existing = [row["rolname"] for row in rows]
    checks = await asyncio.gather(*(_takes_password(dsns[role]) for role in existing))
    foreign = [role for role, ours in zip(existing, checks, strict=True) if not ours]
    if foreign:
        raise Unreachable(
            f"the database has {', '.join(sorted(foreign))} already, with another password than {keys} holds: "
            "name the --keys folder of the installation that made them"
        )


async def _takes_password(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_PATIENCE_S)
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False
    except (asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError):
        return True  # The password was right; only the database or the right to enter it is still missing.
    connection.terminate()
    return True


async def _make_all(admin: asyncpg.Connection, dsn: str, database: str, passwords: dict[str, str]) -> None:
    login = await admin.fetchrow("select current_user as name, rolsuper from pg_roles where rolname = current_user")
    if not await admin.fetchval("select exists (select from pg_database where datname = $1)", database):
        await admin.execute(_create_database(database))
    home = _rewritten(dsn, urlsplit(dsn).netloc, database)
    inside = await asyncpg.connect(home, timeout=CONNECT_PATIENCE_S, command_timeout=LOCK_PATIENCE_S)
    try:
        member = None if login["rolsuper"] else login["name"]
        async with inside.transaction():
            for statement in _statements(database, passwords, member):
                await inside.execute(statement)
    finally:
        inside.terminate()


async def _all_in_place(dsns: dict[str, str]) -> bool:
    """Whether a DBA has made everything, seen by the roles themselves."""
    for party in PARTIES:
        for role, privilege in ((f"holdfast_{party}", "CREATE"), (f"holdfast_reader_{party}", "USAGE")):
            try:
                connection = await asyncpg.connect(
                    dsns[role], timeout=CONNECT_PATIENCE_S, command_timeout=LOCK_PATIENCE_S
                )
            except asyncpg.PostgresError:
                return False
            try:
                if not await connection.fetchval(
                    "select has_schema_privilege(n.oid, $2) from pg_namespace n where n.nspname = $1", party, privilege
                ):
                    return False
            finally:
                connection.terminate()
    return True


def _what_the_dba_must_run(dsn: str, database: str, passwords: dict[str, str], keys: Path) -> Unreachable:
    path = keys / "database-setup.sql"
    lines = ["-- Run by a superuser with psql; prepares this server for Holdfast. May be run again."]
    if database == DATABASE:
        create = _create_database(database).replace("'", "''")
        lines.append(  # \gexec runs the line that the query yields; PostgreSQL has no CREATE DATABASE IF NOT EXISTS.
            f"SELECT '{create}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}')\\gexec"  # noqa: S608
        )
    lines.append(f"\\connect {_identifier(database)}")
    lines += [f"{statement};" for statement in _statements(database, passwords, member=None)]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Unreachable(
        f"the user of {where(dsn)} may not create roles and schemas there: have its DBA run "
        f"`psql -v ON_ERROR_STOP=1 -f {path}` as a superuser, then start again"
    )


def _create_database(database: str) -> str:
    # Byte order, as in the embedded one: an index must not depend on a C library's release.
    return f"CREATE DATABASE {_identifier(database)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"


def _statements(database: str, passwords: dict[str, str], member: str | None) -> list[str]:
    """All there is to make inside the database, each statement good to run again.

    `member` joins the roles first: a user who is no superuser may give a schema only to a role that it belongs to.
    """
    statements = [_create_role(role, passwords[role]) for role in _role_names()]
    if member is not None:
        statements += [f"GRANT {role} TO {_identifier(member)}" for role in _role_names()]
    if database == DATABASE:
        # It is ours alone. In a database that somebody else named, others may live by what PUBLIC may do.
        statements += [
            f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {database} TO {', '.join(_role_names())}",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        ]
    for party in PARTIES:
        statements += _party_statements(party, f"holdfast_{party}", f"holdfast_reader_{party}")
    return statements


def _party_statements(schema: str, owner: str, reader: str) -> list[str]:
    settings = [(owner, PARTY_SETTINGS), (reader, READER_SETTINGS)]
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}"
    return [
        *(f"ALTER ROLE {role} SET {name} = '{value}'" for role, all_of in settings for name, value in all_of.items()),
        *(f"ALTER ROLE {role} SET search_path = {schema}" for role in (owner, reader)),
        f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}",
        f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {reader}",
        # Not on the tables that are there: of those, the migration that made them has kept back what is secret.
        f"{later} GRANT SELECT ON TABLES TO {reader}",
    ]


def _create_role(role: str, password: str) -> str:
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f"THEN CREATE ROLE {role} LOGIN PASSWORD '{_scram_verifier(password)}'; END IF; END $$"
    )


def _scram_verifier(password: str) -> str:
    """What PostgreSQL itself would store for that password (RFC 5803), made here so that it never sees it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_64, stored_64, server_64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{salt_64}${stored_64}:{server_64}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
