"""The data folder of an installation: it belongs to its owner alone, and one command at a time changes it.

Rule 1: the folder and everything in it can be entered by its owner only. A folder that others could read is refused
rather than tightened in silence, because what it holds may already have been read.
Rule 2: whatever starts or stops something in the folder holds its lock. The kernel drops the lock with the one who
held it, however it ended, so that nothing has to be cleaned up after a `kill -9`.
"""

import fcntl
import os
import pwd
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import BadInput, Unreachable

FOLDER_PATH_BYTES_MAX = 900
"""PostgreSQL keeps a path in 1024 bytes and hangs names of its own behind ours."""

SOCKET_PATH_BYTES_MAX = 107
"""`sockaddr_un.sun_path` has 108 bytes, the last of them zero."""

SOCKET_NAME_BYTES_MAX = 32
"""Room for the longest name below the socket folder (`postgres/.s.PGSQL.5432` takes 22)."""

LOCK_FILE = "lock"

INSTALLATION_FILE = "installation"
"""Only the folder of an installation has it; terminals that have a folder of their own never do."""

# A comma separates hosts in a connection string and folders in PostgreSQL's settings; quotes and spaces have rules of
# their own there. A folder spelled with other characters gets its sockets elsewhere, like one that is too long.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


class DataFolder:
    """A private folder (mode 0700) with `postgres/`, `keys/`, `logs/` and a place for sockets.

    BadInput when the path is a file, too long, somebody else's or open to others; Unreachable when it cannot be made
    or written. With `create=False` a missing folder is Unreachable too: a reader must not make one by a typing error.
    """

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        self.path = _resolved(Path(path))
        self._locked = False
        if create:
            _make_private(self.path)
        _refuse_unless_private(self.path)
        for inner in (self.postgres, self.keys, self.logs):
            _make_folder(inner)

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.path / "postgres"

    @property
    def keys(self) -> Path:
        """Passwords and keys, each file 0600."""
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        """Logs of everything that runs in this folder."""
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """The folder for sockets: `run/` inside, or a private one in the temporary folder, kept in `run.elsewhere`."""
        inside = self.path / "run"
        if _can_hold_sockets(inside):
            _make_folder(inside)
            return inside
        return self._run_elsewhere()

    @property
    def locked(self) -> bool:
        """Whether this object holds the folder's lock."""
        return self._locked

    def socket_path(self, name: str) -> Path:
        """Where the socket of that name lies, always within 107 bytes; every command finds the same place."""
        assert len(os.fsencode(name)) <= SOCKET_NAME_BYTES_MAX, f"socket name {name!r} is too long"
        return self.run / name

    @contextmanager
    def lock(self, purpose: str) -> Iterator[None]:
        """Hold the folder for `holdfast PURPOSE`; Unreachable names the command that holds it already."""
        descriptor = self._take_lock(f"holdfast {purpose}")
        self._locked = True
        try:
            yield
        finally:
            self._locked = False
            os.close(descriptor)

    def _take_lock(self, command: str) -> int:
        path = self.path / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unreachable(f"data folder {self.path} cannot be locked: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise Unreachable(f"data folder {self.path} cannot be locked: {error.strerror}") from error
            raise Unreachable(
                f"data folder {self.path} is in use by {holder}: stop it or name another --data"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{command}\n".encode(), 0)
        return descriptor

    def _run_elsewhere(self) -> Path:
        # The record is read and written under its own lock, so that `up` and a reader agree on one folder.
        descriptor = os.open(self.path / "run.elsewhere", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            recorded = Path(os.fsdecode(os.pread(descriptor, 4096, 0)))
            if recorded.is_absolute() and _is_private_folder(recorded):
                return recorded
            made = _make_socket_folder()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, os.fsencode(made), 0)
            return made
        finally:
            os.close(descriptor)


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in that file; where there is none yet, `make()` one and keep it, mode 0600, durable before it is used.

    Two that make it at the same time end with the same secret.
    """
    if not path.exists():
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as draft:
                draft.write(make())
                draft.flush()
                os.fsync(draft.fileno())
            _link_unless_present(Path(name), path)
        finally:
            Path(name).unlink()
        sync_folder(path.parent)
    return path.read_text(encoding="utf-8")


def installation_in(folder: Path) -> str:
    """A name for that data folder that no other has; it is made where there is none yet."""
    return kept_secret(folder / INSTALLATION_FILE, lambda: os.urandom(8).hex()).strip()


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_unless_present(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return


def _resolved(path: Path) -> Path:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput(f"data folder {path} is not a path that leads anywhere: {error}") from error
    length = len(os.fsencode(resolved))
    if length > FOLDER_PATH_BYTES_MAX:
        raise BadInput(
            f"data folder path has {length} bytes, at most {FOLDER_PATH_BYTES_MAX} work: name a shorter --data"
        )
    return resolved


def _make_private(path: Path) -> None:
    """Make the folder, or close an empty one of ours to others: nothing was in it that they could have read."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid() and next(path.iterdir(), None) is None:
            path.chmod(0o700)
    except FileExistsError:
        return  # It is a file; the check that follows says so.
    except OSError as error:
        raise Unreachable(
            f"data folder {path} cannot be made: {error.strerror}; name another --data or have its parent opened to you"
        ) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unreachable(f"{path} cannot be made: {error.strerror}") from error


def _refuse_unless_private(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise Unreachable(
            f"data folder {path} cannot be reached: {error.strerror}; name the one of `holdfast up --data`"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise BadInput(f"data folder {path} is not a folder: name another --data")
    if status.st_uid != os.geteuid():
        owner = _user_name(status.st_uid)
        raise BadInput(f"data folder {path} belongs to user {owner}: run as {owner} or name another --data")
    if _open_to_others(status):
        raise BadInput(
            f"data folder {path} is open to other users (mode {stat.S_IMODE(status.st_mode):o}): "
            f"run chmod 700 {shlex.quote(str(path))} or name another --data"
        )
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise Unreachable(
            f"data folder {path} cannot be written: run chmod 700 {shlex.quote(str(path))} "
            "if its disk is not read-only, or name another --data"
        )


def _open_to_others(status: os.stat_result) -> bool:
    # Entering without reading (0710) is what the database's own user is given where root has to lend it a folder.
    return bool(status.st_mode & 0o067)


def _is_private_folder(path: Path) -> bool:
    """Whether that is a folder, not a link, ours and closed: somebody else may have taken the name meanwhile."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not _open_to_others(status)


def _can_hold_sockets(folder: Path) -> bool:
    length = len(os.fsencode(folder)) + 1 + SOCKET_NAME_BYTES_MAX
    return length <= SOCKET_PATH_BYTES_MAX and _PLAIN_PATH.fullmatch(str(folder)) is not None


def _make_socket_folder() -> Path:
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - mkdtemp makes a new 0700 folder in it
        if not _can_hold_sockets(parent / "holdfast-12345678"):
            continue
        try:
            return Path(tempfile.mkdtemp(prefix="holdfast-", dir=parent))
        except OSError:
            continue
    raise Unreachable("no temporary folder takes the sockets: name a --data whose path is shorter")


def _holder(lock_text: bytes) -> str:
    pid, _, command = lock_text.decode(errors="replace").strip().partition("\n")
    return f"pid {pid} ({command})" if pid else "another command that is just starting"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
