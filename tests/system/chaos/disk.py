"""Two small disks of our own, one for the database and one for the terminals' journals, so that they can be full.

They are tmpfs in a mount namespace of their own: nobody else sees them, and they are gone with the last process that
does. Root makes one by itself; others as the root of a user namespace, or with `sudo -n` where those are forbidden.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

DATABASE, TERMINALS = "database", "terminals"
SIZES = {DATABASE: "640m", TERMINALS: "256m"}
BLOCK_BYTES = 4096

MOUNT = " && ".join(
    [f'mount -t tmpfs -o "size={size},mode=0700,$2" tmpfs "$1/{name}"' for name, size in SIZES.items()]
    + ["shift 2", 'exec "$@"']
)
"""A shell's words: FOLDER, OPTIONS of the mounts, and the command that shall see them."""


class NoDisk(Exception):
    """No way to have a disk of our own is allowed here."""


def ways() -> Iterator[tuple[list[str], str, list[str]]]:
    """Command that makes the namespace, options of the mounts, command that gives the rights of root back."""
    if os.geteuid() == 0:
        yield ["unshare", "-m"], "uid=0", []
    yield ["unshare", "-U", "-r", "-m"], "uid=0", []
    uid, gid = os.getuid(), os.getgid()
    back = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--"]
    yield ["sudo", "-n", "unshare", "-m"], f"uid={uid},gid={gid}", back


def run_with_disks(command: Sequence[str]) -> int:
    """Run a command, to which the folder with the disks in it is added; -> its exit code. NoDisk when none can be."""
    with tempfile.TemporaryDirectory(prefix="hf-chaos-", dir="/tmp") as folder:
        for name in SIZES:
            Path(folder, name).mkdir(mode=0o700)
        for namespace, options, back in ways():
            mounting = [*namespace, "sh", "-c", MOUNT, "sh", folder, options, *back]
            with contextlib.suppress(OSError):
                if subprocess.run([*mounting, "true"], capture_output=True, check=False).returncode == 0:
                    return _run([*mounting, *command, folder])
    raise NoDisk("a disk that can be full needs root, a user namespace, or `sudo -n`: none of them is allowed here")


def _run(command: list[str]) -> int:
    """Ctrl-C is for both of us: we wait until the other has tidied up."""
    environment = [f"{name}={os.environ[name]}" for name in ("PATH", "TMPDIR") if name in os.environ]
    at = command.index(sys.executable)
    with subprocess.Popen([*command[:at], "env", *environment, *command[at:]]) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue


class Filler:
    """Takes all the room that a disk has, until it is told to give it back."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "filler"

    def fill(self) -> None:
        """Take what is free now; call it again while others give room back."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            with contextlib.suppress(OSError):
                while free := os.fstatvfs(descriptor).f_bavail * os.fstatvfs(descriptor).f_frsize:
                    size = os.fstat(descriptor).st_size
                    os.posix_fallocate(descriptor, size, max(free // 2, min(free, BLOCK_BYTES)))
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give it back."""
        self._file.unlink(missing_ok=True)
