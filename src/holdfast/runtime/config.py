"""What the processes of an installation tell each other: how a node is configured, and where a reader finds it all.

Rule 1: a node is told everything through its standard input, so that no password stands on a command line or in a file.
Rule 2: the notice in the folder of sockets says what runs and where; it holds no secret. Passwords stay with the keys.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import DataFolder, installation_in
from holdfast.runtime.roles import DATABASE, PARTIES, RoleDsns, with_login

ACQUIRER, ISSUER = PARTIES

HERE = "here"
"""Address of an issuer that this installation itself runs."""

NOTICE = "up.json"


class Address(NamedTuple):
    """Where something listens: a TCP port, or a unix socket (then `port` is None and `host` its path)."""

    host: str
    port: int | None

    def __str__(self) -> str:
        if self.port is None:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, any_port: bool = False) -> Address:
    """`127.0.0.1:9000`, `[::1]:9000` or `unix:/path`, else BadInput; `any_port` lets port 0 stand for any free one."""
    if text.startswith("unix:/"):
        return Address(text.removeprefix("unix:"), None)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or (":" in host and not bracketed) or not (port.isascii() and port.isdecimal()):
        raise BadInput(f"address {text!r} is not a host and a port, like 127.0.0.1:9000")
    if not (0 < int(port) <= 0xFFFF or (any_port and int(port) == 0)):
        raise BadInput(f"address {text!r}: a port is between {0 if any_port else 1} and 65535")
    return Address(host, int(port))


class NodeConfig(NamedTuple):
    """All that one process of a party needs to know.

    `holder` names the process in the lease of its log: the same at each start, so that it gets its log back at once.
    `listen` is the file descriptor of the socket that it accepts on (the supervisor keeps it open across restarts).
    `issuer_notice` is the file that says where the active issuer is. `folder` is the data folder, where a sandbox has
    its clock.
    """

    party: str
    name: str
    parent: int
    dsn: str
    keys: str
    holder: str
    door: str
    log: str
    listen: int
    issuer_notice: str
    folder: str

    @property
    def module(self) -> str:
        """What runs it."""
        return "holdfast.runtime.node"

    def dump(self) -> bytes:
        """One line."""
        return orjson.dumps(self._asdict()) + b"\n"


def load_node_config(line: str) -> NodeConfig:
    """The reverse of `NodeConfig.dump`; Unreachable for half a line."""
    return NodeConfig(**_whole(line))


class WatchConfig(NamedTuple):
    """All that the watcher needs to know; it reads as `acquirer_dsn` and `issuer_dsn` let it, and answers at `listen`.

    `folder` is the data folder, whose clock and terminals it looks at.
    """

    name: str
    parent: int
    acquirer_dsn: str
    issuer_dsn: str
    folder: str
    log: str
    listen: int

    @property
    def module(self) -> str:
        """What runs it."""
        return "holdfast.runtime.watch"

    def dump(self) -> bytes:
        """One line."""
        return orjson.dumps(self._asdict()) + b"\n"


def load_watch_config(line: str) -> WatchConfig:
    """The reverse of `WatchConfig.dump`; Unreachable for half a line."""
    return WatchConfig(**_whole(line))


def _whole(line: str) -> dict[str, Any]:
    if not line.endswith("\n"):
        raise Unreachable("`holdfast up` was gone before it had said what to run; the next one starts this anew")
    value: dict[str, Any] = json.loads(line)
    return value


class IssuerNotice(NamedTuple):
    """Where the active issuer is: its address for acquirers, and its door."""

    address: str
    door: str


def write_file(path: Path, value: dict[str, Any]) -> None:
    """Put a small JSON file in place at once, mode 0600: whoever reads it sees the old one or the new one.

    Unreachable when it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(value))
        beside.rename(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Unreachable(f"{path} cannot be written: {error.strerror}") from error


def read_file(path: Path) -> dict[str, Any] | None:
    """What `write_file` put there; None when there is nothing."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class Notice(NamedTuple):
    """What `up` says of itself while it runs. `database` is the server's address without a login, `http` where its
    pages are ("" where there are none).
    """

    pid: int
    pos: str
    http: str
    workers: int
    database: str
    keys: str
    since_us: int
    ready: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its processes; each has a door."""
        return (*acquirer_names(self.workers), ISSUER)


def acquirer_names(workers: int) -> tuple[str, ...]:
    """One name for each worker."""
    return tuple(f"{ACQUIRER}-{slot}" for slot in range(1, workers + 1))


def door_of(folder: DataFolder, name: str) -> Path:
    """The command socket of that process."""
    return folder.socket_path(f"{name}.door")


def issuer_notice_of(folder: DataFolder) -> Path:
    """The file that says where the active issuer is."""
    return folder.socket_path("issuer.json")


def installation_of(folder: DataFolder) -> str:
    """A name for this data folder that no other has: leases are held under it."""
    return installation_in(folder.path)


def put_notice(folder: DataFolder, notice: Notice) -> None:
    """Say what runs."""
    write_file(folder.socket_path(NOTICE), notice._asdict())


def drop_notice(folder: DataFolder) -> None:
    """Nothing runs any more."""
    with contextlib.suppress(FileNotFoundError):
        folder.socket_path(NOTICE).unlink()


def notice_of(folder: DataFolder) -> Notice:
    """What runs in this folder; Unreachable, naming the command that starts it, when nothing does."""
    found = read_file(folder.socket_path(NOTICE))
    if found is None or not _runs(found["pid"]):
        raise Unreachable(f"nothing runs in {folder.path}: start it with `holdfast up --data {folder.path}`")
    return Notice(**found)


def _runs(pid: int) -> bool:
    """Whether that process lives; a zombie does not. That another one has its number is found out at the door."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def without_login(dsn: str) -> str:
    """The address of a server and a database, without user and password."""
    parts = urlsplit(dsn)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"


def role_dsns(database: str, keys: Path) -> RoleDsns:
    """Where each role connects, with the passwords that lie with the keys; Unreachable when they are not there."""
    path = keys / "database-roles.json"
    try:
        passwords = json.loads(path.read_text(encoding="utf-8"))
        named = urlsplit(database).path.strip("/")
        name = DATABASE if named in ("", "postgres") else named
        roles = ("holdfast_acquirer", "holdfast_issuer", "holdfast_reader_acquirer", "holdfast_reader_issuer")
        return RoleDsns(*(with_login(database, role, passwords[role], name) for role in roles))
    except OSError as error:
        raise Unreachable(f"{path} cannot be read: {error.strerror}; name the keys of the installation") from error
    except (ValueError, KeyError) as error:
        raise Unreachable(f"{path} does not hold the passwords of the roles: restore it from the backup") from error
