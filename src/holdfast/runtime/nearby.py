"""Which sandbox of this machine serves at an address: so its terminals follow its clock without being told to.

Nothing is written for that, and nothing can be out of date: an `up` holds the lock of its data folder open for as long
as it runs, which its owner sees in /proc, and what runs in a folder says itself where it serves.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.runtime.business_clock import is_sandbox
from holdfast.runtime.config import Address, notice_of, parse_address
from holdfast.runtime.datafolder import LOCK_FILE, DataFolder

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing listens here: this is what another may listen at


def sandbox_at(address: Address) -> Path | None:
    """The data folder of the sandbox that serves there; None for any other acquirer, and for another user's."""
    return next((folder for folder in locked_folders() if _serves_at(folder, address)), None)


def locked_folders() -> Iterator[Path]:
    """Every folder whose lock a process of ours holds open, whatever folder that is."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            # Others' processes are not ours to look into, and any may end meanwhile.
            with contextlib.suppress(OSError):
                for held in (process / "fd").iterdir():
                    path = held.readlink()
                    if path.name == LOCK_FILE:
                        yield path.parent


def _serves_at(folder: Path, address: Address) -> bool:
    try:
        if not is_sandbox(folder):
            return False
        at = parse_address(notice_of(DataFolder(folder, create=False)).pos)
    except HoldfastError:
        return False
    same_host = address.host == at.host or (address.host in LOOPBACK and at.host in LOOPBACK | ANYWHERE)
    return same_host and address.port == at.port
