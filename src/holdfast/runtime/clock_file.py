"""`clock.json`: what stands in it, and whose it is.

Rule 1: the file of a sandbox bears the name of its installation, and counts in that installation's folder alone. One
that came from elsewhere, or was made by hand, is nobody's: an installation has the machine's time then.
Rule 2: a folder of terminals has a file that only names the file of the sandbox whose clock they follow. An
installation follows nobody, and nobody follows who follows.
Rule 3: a file is read as a whole or not at all: going on with a part of it, or without it, would turn time back.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from holdfast.clock import DAY_US, SECOND_US
from holdfast.errors import Unreachable
from holdfast.runtime.datafolder import INSTALLATION_FILE, sync_folder

CLOCK_FILE = "clock.json"
SANDBOX = "sandbox"
ADVANCES = "advances"
FOLLOWS = "follows"

SPAN_DAYS_MAX = 366
AHEAD_DAYS_MAX = 3660
"""Ten years: dates on the wire have two digits for a year or none at all."""

INSTANT_US_MAX = 4_000_000_000 * SECOND_US
"""In the year 2096: no machine says anything later, and every date that is made of it exists."""

ADVANCE_ID_CHARS_MAX = 64
ADVANCE_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{ADVANCE_ID_CHARS_MAX}}}")


class Advance(NamedTuple):
    """At `machine_us` of the machine's time, business time goes from `from_us` to `to_us` at once."""

    id: str
    actor: str
    machine_us: int
    from_us: int
    to_us: int

    @property
    def span_us(self) -> int:
        """How far."""
        return self.to_us - self.from_us


class ClockFile(NamedTuple):
    """One file: the advances of a sandbox, or the file that is followed (then there are no advances)."""

    advances: tuple[Advance, ...]
    follows: Path | None = None


def is_installation(folder: Path) -> bool:
    """Whether an installation has run in that folder, sandbox or not."""
    return (folder / INSTALLATION_FILE).exists()


def read(path: Path) -> ClockFile | None:
    """The file, if it counts where it lies; None where there is none, or another's. Unreachable for a damaged one."""
    try:
        value = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _not_understood(path) from error
    if not isinstance(value, dict):
        raise _not_understood(path)
    if FOLLOWS in value:
        follows = _followed(value, path)
        return None if is_installation(path.parent) else ClockFile((), follows)
    advances = _advances_of(value, path)
    ours = _installation_at(path.parent)
    return ClockFile(advances) if ours and value.get(SANDBOX) == ours else None


def write_sandbox(folder: Path, installation: str, advances: list[Advance]) -> None:
    """Put the advances of a sandbox in place, durable."""
    _write(folder, {SANDBOX: installation, ADVANCES: [each._asdict() for each in advances]})


def write_following(terminals: Path, path: Path) -> None:
    """Name the file that a folder of terminals follows, durable."""
    _write(terminals, {FOLLOWS: str(path)})


def _installation_at(folder: Path) -> str:
    """The name of the installation in that folder, "" where there is none."""
    try:
        return (folder / INSTALLATION_FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _followed(value: dict[str, Any], path: Path) -> Path:
    named = value[FOLLOWS]
    if not isinstance(named, str) or "\0" in named or len(value) > 1:
        raise _not_understood(path)
    followed = Path(named)
    if not followed.is_absolute() or followed.name != CLOCK_FILE or followed.parent == path.parent:
        raise _not_understood(path)
    return followed


def _advances_of(value: dict[str, Any], path: Path) -> tuple[Advance, ...]:
    try:
        found = tuple(Advance(**row) for row in value[ADVANCES])
    except (KeyError, TypeError) as error:
        raise _not_understood(path) from error
    if not all(map(_can_be, found)):
        raise _not_understood(path)
    instants = [each.machine_us for each in found]
    ids = {each.id for each in found}
    ahead_us = sum(each.span_us for each in found)
    if instants != sorted(instants) or len(ids) < len(found) or ahead_us > AHEAD_DAYS_MAX * DAY_US:
        raise _not_understood(path)
    return found


def _can_be(advance: Advance) -> bool:
    """Whether each of its values has its type, and lies where it may."""
    words = (advance.id, advance.actor)
    if not all(type(word) is str for word in words) or not ADVANCE_ID.fullmatch(advance.id):
        return False
    if not all(type(at_us) is int for at_us in advance[2:]):
        return False
    ahead_us = advance.from_us - advance.machine_us
    return (
        0 <= advance.machine_us <= INSTANT_US_MAX
        and 0 <= ahead_us <= AHEAD_DAYS_MAX * DAY_US
        and 0 < advance.span_us <= SPAN_DAYS_MAX * DAY_US
    )


def _not_understood(path: Path) -> Unreachable:
    mended = "`holdfast up` makes that of a sandbox anew, and `clock advance --terminals` that of its terminals"
    return Unreachable(f"{path} cannot be understood: remove it; {mended}")


def _write(folder: Path, value: dict[str, Any]) -> None:
    """In place at once and durable, mode 0600."""
    try:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{CLOCK_FILE}.")
        try:
            with os.fdopen(descriptor, "wb") as draft:
                draft.write(orjson.dumps(value))
                draft.flush()
                os.fsync(draft.fileno())
            Path(name).replace(folder / CLOCK_FILE)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(folder)
    except OSError as error:
        raise Unreachable(f"{folder / CLOCK_FILE} cannot be written: {error.strerror}") from error
