"""From --data, --db and --keys to what was recorded: a read-only connection per party, and the signer's public key."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from holdfast.edges.places import data_path
from holdfast.errors import BadInput, KeyRefused, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.runtime.config import ACQUIRER, notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.kept import kept_checkpoints
from holdfast.runtime.roles import DATABASE, RoleDsns
from holdfast.store.interface import Reader
from holdfast.store.postgres_reader import PostgresReader


class Installation(NamedTuple):
    """Where the roles of an installation connect, and the folder with its keys."""

    dsns: RoleDsns
    keys: Path

    def public_key(self) -> bytes:
        """The Ed25519 public key (32 bytes) that signs its checkpoints; Unreachable when its keys cannot be read."""
        try:
            return FileKeys.open(self.keys).public_key()
        except KeyRefused as refused:
            raise Unreachable(str(refused)) from refused

    def kept_checkpoints(self) -> list[str]:
        """The signed checkpoints that lie beside its keys; Unreachable when they cannot be read."""
        try:
            return kept_checkpoints(self.keys)
        except OSError as error:
            raise Unreachable(f"the checkpoints in {self.keys} cannot be read: {error.strerror}") from error


def installation(data: Path | None, db: str, keys: Path | None) -> Installation:
    """The installation that the options mean: the one of a running `up`, or any that left its data in a server.

    Unreachable, naming the command that starts it, when neither is there.
    """
    folder = DataFolder(data_path(data), create=False) if data is not None or not (db and keys) else None
    if db:
        kept = keys or (folder.keys if folder else None)
        assert kept is not None, "without --keys there is a data folder"
        return Installation(role_dsns(_home(db), kept), kept)
    assert folder is not None, "without --db there is a data folder"
    notice = notice_of(folder)
    kept = keys or Path(notice.keys)
    return Installation(role_dsns(notice.database, kept), kept)


@contextlib.asynccontextmanager
async def open_reader(dsns: RoleDsns, party: str = ACQUIRER) -> AsyncIterator[Reader]:
    """What a party recorded, as far as its reading role may see it; Unreachable when the database cannot be reached."""
    dsn = dsns.reader_acquirer if party == ACQUIRER else dsns.reader_issuer
    reader = await PostgresReader.connect(dsn, party)
    try:
        yield reader
    finally:
        await reader.close()


def _home(db: str) -> str:
    """The address with the database in which `up --db` puts its schemas: its own where `postgres` is named."""
    try:
        parts = urlsplit(db)
        named = parts.path.strip("/") or parts.username or ""
    except ValueError:
        named, parts = "", urlsplit("")
    if parts.scheme not in ("postgresql", "postgres"):
        raise BadInput("a database address looks like postgresql://user:password@host:5432/database")
    return urlunsplit(parts._replace(path=f"/{DATABASE if named in ('', 'postgres') else named}"))
