"""`holdfast service`: a systemd unit for this installation, on stdout.

It is printed and not installed, so that whoever is responsible for the machine reads it first. The program is the one
that prints it; what the unit may do is as little as serving needs.
"""

import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from holdfast.edges.places import DbOption
from holdfast.edges.up import DEFAULT_POS, WORKERS_MAX, tell
from holdfast.errors import BadInput
from holdfast.runtime.config import parse_address
from holdfast.runtime.datafolder import SOCKET_NAME_BYTES_MAX, SOCKET_PATH_BYTES_MAX
from holdfast.runtime.node import FILES_MAX

STATE = Path("/var/lib")
"""Folders below it systemd makes, and hands over to the user of the unit."""

HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

DATA_BYTES_MAX = SOCKET_PATH_BYTES_MAX - SOCKET_NAME_BYTES_MAX - len("/run/")
"""With a longer path the sockets would lie in a temporary folder, and a unit has one for itself."""

START_S = 900
"""After a crash the database replays its log first."""

STOP_S = 180
"""More than a drain ever takes: workers, then the issuer, then the database's last checkpoint."""

PORTS_OF_ROOT = 1024

_PLAIN = re.compile(r"/[A-Za-z0-9/._-]+")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")

UNIT = """\
# systemd unit of Holdfast, printed by `holdfast service`. To install it, as root:
#
#   useradd --system --home-dir {data} --shell /usr/sbin/nologin {user}
#   {program} service … >/etc/systemd/system/holdfast.service
#   systemctl daemon-reload && systemctl enable --now holdfast
#
# What `up` says is in the journal (journalctl -u holdfast), what its processes say in {data}/logs.
# Other commands run as the same user: sudo -u {user} {program} status --data {data}

[Unit]
Description=Holdfast card pre-authorization
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
User={user}
{places}
UMask=0077
LimitNOFILE={files}
SyslogIdentifier=holdfast
TimeoutStartSec={start_s}
Restart=on-failure
RestartSec=5
# Bad usage does not get better by trying again.
RestartPreventExitStatus=2

# Only the supervisor is told to stop: it lets each process drain in the order of the flow. What is left is killed.
KillMode=mixed
TimeoutStopSec={stop_s}

# It reads its program and its data, listens, and runs PostgreSQL as itself; nothing else.
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def service(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder of the service.")] = STATE / "holdfast",
    db: DbOption = "",
    keys: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the keys, where it is another.")] = None,
    pos: Annotated[str, typer.Option(metavar="H:P", help="Where terminals connect.")] = str(DEFAULT_POS),
    workers: Annotated[int, typer.Option(min=1, max=WORKERS_MAX, help="Processes that serve terminals.")] = 1,
    user: Annotated[str, typer.Option(help="Whom it runs as: an ordinary user of its own.")] = "holdfast",
) -> None:
    """Print a systemd unit that serves this installation whenever the machine runs."""
    if _USER.fullmatch(user) is None or user == "root":
        raise BadInput(f"--user {user!r} is not the name of an ordinary user")
    refuse_password(db, user)
    folders = [plain(folder.expanduser().absolute()) for folder in (data, *([keys] if keys else []))]
    if len(str(folders[0])) > DATA_BYTES_MAX:
        raise BadInput(f"{folders[0]} is too long for the sockets of a service: {DATA_BYTES_MAX} bytes work")
    sys.stdout.write(unit_of(folders, db, pos, workers, user))
    for closed in unreachable(user):
        tell(
            f"{closed} is closed to user {user}, who has to run what lies in it: install Holdfast elsewhere, as in /opt"
        )


def unit_of(folders: list[Path], db: str, pos: str, workers: int, user: str) -> str:
    """The text of the unit; `folders` are those of the data and, where it is another, of the keys."""
    data = folders[0]
    words = ["up", "--data", str(data), "--pos", pos]
    words += ["--workers", str(workers)] if workers > 1 else []
    words += ["--db", db] if db else []
    words += ["--keys", str(folders[1])] if len(folders) > 1 else []
    program = program_path()
    port = parse_address(pos).port
    read = (*folders, program, Path(__file__).resolve())
    return UNIT.format(
        data=data,
        user=user,
        program=program,
        command=" ".join(map(word, (str(program), *words))),
        places="\n".join(map(place_line, folders)),
        files=FILES_MAX,
        start_s=START_S,
        stop_s=STOP_S,
        capabilities="CAP_NET_BIND_SERVICE" if port is not None and port < PORTS_OF_ROOT else "",
        home="read-only" if any(path.is_relative_to(home) for path in read for home in HOMES) else "yes",
    )


def program_path() -> Path:
    """The `holdfast` that lies beside the Python that runs this."""
    return Path(sys.executable).absolute().with_name("holdfast")


def place_line(folder: Path) -> str:
    """The line that lets the unit write there."""
    if folder.is_relative_to(STATE) and folder != STATE:
        return f"StateDirectory={folder.relative_to(STATE)}\nStateDirectoryMode=0700"
    return f"ReadWritePaths={folder}"


def word(text: str) -> str:
    """One word of a command line, as systemd reads it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", text) else escaped


def plain(folder: Path) -> Path:
    """The folder, if its name needs no quotes anywhere; else BadInput."""
    if _PLAIN.fullmatch(str(folder)) is None:
        raise BadInput(f"{folder} has letters that a unit and a socket cannot take: use a-z, A-Z, 0-9, dot, dash and _")
    return folder


def refuse_password(db: str, user: str) -> None:
    """BadInput when the address holds a password: everybody may read a unit."""
    try:
        named = urlsplit(db).password or "password=" in urlsplit(db).query
    except ValueError:
        named = False
    if named:
        raise BadInput(
            "everybody may read a unit: leave the password out of --db, and put it into the file .pgpass, mode 0600, "
            f"in the home folder of {user}"
        )


def unreachable(user: str) -> Iterator[Path]:
    """The first folder on the way to the program, and to Python, that others than its owner may not enter."""
    for target in (program_path(), Path(sys.executable).resolve(), Path(__file__).resolve()):
        closed = [folder for folder in reversed(target.parents) if not folder.stat().st_mode & stat.S_IXOTH]
        if closed and closed[0].owner() != user:
            yield closed[0]
            return
