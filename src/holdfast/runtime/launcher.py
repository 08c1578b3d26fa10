"""Becomes another program, as a user that PostgreSQL accepts, and dies with whoever started it.

Run as a script (`python -I -S launcher.py PARENT IDENTITY PROGRAM ARGUMENT…`), so that it is alone in its process: only
a process without threads may enter a user namespace, and the wish to die with the parent is lost at every change of
user, so it has to be the last thing said before the program takes over.

IDENTITY is `same`, `namespace:UID:GID` (that user as seen from inside, unchanged outside) or `user:UID:GID` (truly that
user).
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
EXIT_REFUSED = 125


def main(parent: int, identity: str, program: list[str]) -> None:
    kind, _, ids = identity.partition(":")
    if kind == "namespace":
        enter_namespace(*map(int, ids.split(":")))
    elif kind == "user":
        become_user(*map(int, ids.split(":")))
    # SIGQUIT is PostgreSQL's immediate shutdown: bounded in time, and what was committed is durable all the same.
    die_with(parent, signal.SIGQUIT)
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606 - the caller names the program by its full path


def enter_namespace(uid: int, gid: int) -> None:
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    libc_call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1", encoding="ascii")


def become_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent: int, ending: signal.Signals) -> None:
    libc_call("prctl", PR_SET_PDEATHSIG, ending, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the starter is gone already")


def libc_call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*map(ctypes.c_ulong, arguments)) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except OSError as error:
        sys.stderr.write(f"launcher: {error.strerror or error}\n")
        sys.exit(EXIT_REFUSED)
