"""The file under a terminal's store: one writing process, mode 0600, whole and of our shape or refused on opening.

SQLite needs no migration tool: `user_version` says which shape a file has. A new file gets the newest shape at once, an
older one goes through the steps that it lacks, forward only, each in one transaction.

Who only reads leaves the index of the log as it is: it alone tells how many pages were committed (see `sqlite_wal`).
SQLite would make it anew from what is left of the log.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from zlib import crc32

from holdfast.domain.tables import Table
from holdfast.errors import CommitUnknown, Conflict, RegisterBroken, StoreError, Unreachable
from holdfast.store.columns import SQLITE_TYPES, create_sqlite, shapes_of
from holdfast.store.sqlite_wal import index_of

STEPS: tuple[str, ...] = ()
"""What leads from shape 1 to 2, from 2 to 3, …: scripts that are never changed once released."""

VERSION = 1 + len(STEPS)

BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SURELY_NOT = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY})

MENDS = "end this command: the terminal mends its file when it is opened again"


MENDS_WHEN_OPENED = "`sync` mends it, or says that the terminal must be loaded again"


class FileLock:
    """The sole right to write a file, held in a file beside it: closing SQLite's own file would drop SQLite's locks."""

    def __init__(self, path: Path) -> None:
        self._file: int | None = None
        try:
            file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unreachable(f"terminal file {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 20).decode("ascii", "replace").strip()
            os.close(file)
            raise Unreachable(f"terminal file {path} is in use by pid {owner or '?'}: end that one first") from None
        self.was_taken = os.fstat(file).st_size > 0
        """Whether somebody had the file before: then it should be there."""
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let others have the file. May be called again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def connect(path: Path, tables: Sequence[Table], first: str) -> sqlite3.Connection:
    """Open or make the file, and execute the first statement. Unreachable when that is impossible, RegisterBroken when
    the file is damaged.
    """
    try:
        make_private(path)
    except OSError as error:
        raise Unreachable(f"terminal file {path} cannot be opened: {error.strerror}") from error
    connection = open_file(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _assert_whole(connection, path)
        _migrate(connection, path, tables)
        connection.execute(first)
    except sqlite3.Error as error:
        connection.close()
        refuse_file(error, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file so that nothing can be written through it."""
    if not path.is_file():
        raise Unreachable(f"terminal file {path} does not exist: the terminal has not been used yet")
    if is_empty(path):
        raise RegisterBroken(f"terminal file {path} is empty: {MENDS_WHEN_OPENED}")
    connection = open_to_look(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        connection.close()
        refuse_file(error, path)
    return connection


def refuse_file(error: sqlite3.Error, path: Path) -> NoReturn:
    """What an error on opening means."""
    if primary_code(error) in BROKEN:
        raise RegisterBroken(f"terminal file {path} is damaged ({error}): keep it and call support") from error
    raise Unreachable(f"terminal file {path} cannot be opened: {error}") from error


def refuse(error: sqlite3.Error) -> NoReturn:
    """What an error of a statement means."""
    code = primary_code(error)
    if code in BROKEN:
        raise RegisterBroken(f"the terminal file is damaged ({error}): {MENDS}") from error
    if code == sqlite3.SQLITE_CONSTRAINT:
        raise Conflict(f"the terminal file refused a row: {error}") from error
    raise StoreError(f"the terminal file refused: {error}") from error


def refuse_commit(error: sqlite3.Error) -> NoReturn:
    """What an error of a commit means: only where SQLite says why it did nothing is it sure that it did nothing.

    A page that could not be written is one of these: the mark of the commit is written behind all others.
    """
    if primary_code(error) in _SURELY_NOT | BROKEN or error_code(error) == sqlite3.SQLITE_IOERR_WRITE:
        refuse(error)
    raise CommitUnknown(f"the terminal file may or may not hold the batch: {error}") from error


def error_code(error: sqlite3.Error) -> int:
    """The extended code; 0 where Python itself complains."""
    return int(getattr(error, "sqlite_errorcode", 0))


def primary_code(error: sqlite3.Error) -> int:
    """The primary code below the extended one."""
    return error_code(error) & 0xFF


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to an existing file, in autocommit."""
    return _opened(path, "mode=rw")


def open_to_look(path: Path) -> sqlite3.Connection:
    """The same for whoever changes nothing, not even the index of the log: an empty one stands for one that is gone.

    In a process that looks at a file and then writes it, this must be closed before.
    """
    try:
        # One that is there is not touched: to close it would drop the locks that SQLite has on it in this process.
        os.close(os.open(index_of(path), os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise Unreachable(f"terminal file {path} cannot be opened: {error.strerror}") from error
    return _opened(path, "mode=ro&readonly_shm=1")


def _opened(path: Path, how: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        refuse_file(error, path)


def is_empty(path: Path) -> bool:
    """Whether nothing is in a file. SQLite would take the log beside it for a leftover, and delete it."""
    return path.stat().st_size == 0


def make_private(path: Path) -> None:
    """A file is 0600 from its first moment, and its name is durable before anything is written into it."""
    if path.exists():
        return
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _assert_whole(connection: sqlite3.Connection, path: Path) -> None:
    complaint = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if complaint != "ok":
        raise RegisterBroken(
            f"terminal file {path} is damaged ({' '.join(complaint.split())}): keep it and call support"
        )


def _migrate(connection: sqlite3.Connection, path: Path, tables: Sequence[Table]) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise Unreachable(f"terminal file {path} was written by a newer Holdfast: use that one")
    if version == 0:
        _step(connection, [*schema_of(tables), "INSERT INTO versions VALUES ('reference', 0)"], VERSION, tables)
    else:
        for at, script in enumerate(STEPS[version - 1 :], version + 1):
            _step(connection, script.split(";"), at, tables)
    _assert_shape(connection, path, tables)


def _step(connection: sqlite3.Connection, statements: Sequence[str], version: int, tables: Sequence[Table]) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {seal_of(tables)}")


def schema_of(tables: Sequence[Table]) -> list[str]:
    """The statements that make a file of the newest shape."""
    return [statement for shape in shapes_of(tables) for statement in create_sqlite(shape)]


def seal_of(tables: Sequence[Table]) -> int:
    """What a file of this shape bears in its head: thus definitions that are others than they were can be told from
    those of another Holdfast.
    """
    return crc32("\n".join((*schema_of(tables), str(VERSION))).encode()) & 0x7FFF_FFFF


def is_of_another(connection: sqlite3.Connection, tables: Sequence[Table]) -> bool:
    """Whether another Holdfast made this file, older or newer: then its shape is not ours to judge."""
    version, seal = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    return bool(version and seal) and seal != seal_of(tables) and _definitions(connection) != set(schema_of(tables))


def is_as_made(connection: sqlite3.Connection, tables: Sequence[Table]) -> bool:
    """Whether a file of ours still has the shape that we gave it."""
    return _pragma(connection, "user_version") == VERSION and _definitions(connection) == set(schema_of(tables))


def _definitions(connection: sqlite3.Connection) -> set[str]:
    return {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _assert_shape(connection: sqlite3.Connection, path: Path, tables: Sequence[Table]) -> None:
    """The columns are those of our rows: a forgotten step must be noticed before a row is read askew."""
    for shape in shapes_of(tables):
        found = connection.execute("SELECT name, type, [notnull] FROM pragma_table_info(?)", (shape.name,)).fetchall()
        due = [(c.name, SQLITE_TYPES[c.kind], int(not c.nullable)) for c in shape.columns]
        if [(name, kind.lower(), notnull) for name, kind, notnull in found] != due:
            raise Unreachable(
                f"terminal file {path} holds another {shape.name} than this Holdfast: use the one it is of"
            )
