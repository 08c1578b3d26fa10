"""Starts PostgreSQL's programs as a user they accept, as children that die with us.

PostgreSQL refuses to run as root, and its initdb wants a user that has a name. Where we are not such a user, a user
namespace makes us look like one without changing who owns the files; where the machine allows no namespaces, root
becomes the dedicated user of DEDICATED_USERS and lends it the folders of the database.
"""

import asyncio
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import IO, NamedTuple

from holdfast.errors import Unreachable
from holdfast.runtime import launcher

DEDICATED_USERS = ("holdfast", "postgres")
"""Users that may run the database where root finds no user namespace; never one that other services share."""

_CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""Nothing of ours: a PGOPTIONS or PGDATA of the shell must not change what the database does."""


class Identity(NamedTuple):
    """Who a program runs as: the launcher's word for it, and the user to lend files to (None: they stay ours)."""

    word: str
    owner: tuple[int, int] | None = None


async def find_identity(postgres: Path) -> Identity:
    """The first identity under which that program runs here; Unreachable says why none does and what to do."""
    refusals = []
    for identity in _candidates():
        program = await spawn(
            identity, [str(postgres), "--version"], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, refusal = await program.communicate()
        if program.returncode == 0:
            return identity
        if program.returncode != launcher.EXIT_REFUSED:
            raise Unreachable(f"{postgres} does not run on this machine: {_one_line(refusal)}")
        refusals.append(_one_line(refusal))
    reason = f" ({'; '.join(refusals)})" if refusals else ""
    if os.geteuid() == 0:
        raise Unreachable(
            f"PostgreSQL does not run as root, and no user namespace can be made here{reason}: run holdfast as an "
            f"ordinary user, or make one for the database with `useradd --system {DEDICATED_USERS[0]}`"
        )
    raise Unreachable(
        f"user id {os.geteuid()} has no name, which PostgreSQL needs, and no user namespace can be made here{reason}: "
        "add the user to /etc/passwd, or run as one that is there"
    )


async def spawn(
    identity: Identity,
    command: list[str],
    *,
    stdin: IO[bytes] | int = asyncio.subprocess.DEVNULL,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
) -> asyncio.subprocess.Process:
    """Start a program that dies with the thread which runs this event loop.

    It gets a session of its own: Ctrl-C in our terminal is for us, who drain before we stop the database.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), identity.word),
        *command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd="/",
        env=_CLEAN_ENVIRONMENT,
        start_new_session=True,
    )


def lend_tree(top: Path, identity: Identity) -> None:
    """Give a folder with all that is in it to whom the identity's files belong, when it is not theirs already."""
    uid, gid = identity.owner or (os.geteuid(), os.getegid())
    if top.stat().st_uid == uid:
        return
    for folder, _, files in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118 - thousands of files
            os.chown(path, uid, gid, follow_symlinks=False)


def let_through(folder: Path, identity: Identity) -> None:
    """Let the dedicated user enter a folder of ours without reading it, to reach what it was lent further inside."""
    if identity.owner is None:
        return
    os.chown(folder, -1, identity.owner[1])
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXGRP)


def _candidates() -> list[Identity]:
    named = sorted((user for user in pwd.getpwall() if user.pw_uid != 0), key=lambda user: user.pw_uid)
    if os.geteuid() != 0 and any(user.pw_uid == os.geteuid() for user in named):
        return [Identity("same")]
    # Inside the namespace the number decides nothing; it only has to have a name, or initdb refuses.
    found = [Identity(f"namespace:{user.pw_uid}:{user.pw_gid}") for user in named[:1]]
    if os.geteuid() == 0:
        users = {user.pw_name: user for user in named}
        dedicated = [users[name] for name in DEDICATED_USERS if name in users]
        found += [Identity(f"user:{user.pw_uid}:{user.pw_gid}", (user.pw_uid, user.pw_gid)) for user in dedicated]
    return found


def _one_line(output: bytes) -> str:
    return " ".join(output.decode(errors="replace").split()).removeprefix("launcher: ") or "no reason given"
