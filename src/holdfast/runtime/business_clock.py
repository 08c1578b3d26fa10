"""Business time: the time of the machine, and in a sandbox as far ahead of it as its clock was advanced.

Rule 1: an advance is an appointment. It stands in `clock.json` of the data folder, durable, before it takes place, and
every process of the folder looks there several times a second. At that instant of the machine's time all of them
jump together, so that no two parties date one exchange thirty days apart, whoever is killed meanwhile.
Rule 2: business time never runs backwards: appointments are only added, and each has an id. The same id again is the
same appointment.
Rule 3: an installation without a file of its own is no sandbox, and its clock is the machine's. Leases, patience of
sockets and pauses of processes never come from here.
Rule 4: whatever becomes of the files, nobody goes on at a time before what it has recorded.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US, rfc3339
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.clock_file import (
    AHEAD_DAYS_MAX,
    CLOCK_FILE,
    Advance,
    is_installation,
    read,
    write_following,
    write_sandbox,
)
from holdfast.runtime.datafolder import installation_in

LOOK_EVERY_S = 0.25
NOTICE_US = SECOND_US
"""So long before it takes place an advance is written down: everybody has looked by then."""

SET_BACK_US_MAX = 5 * MINUTE_US
"""A machine's clock may be put right by that much; where more is missing, something is wrong."""


def machine_us() -> int:
    """The clock of the machine, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def refuse_time_before(now_us: int, last_us: int, whose: str, what_to_do: str) -> None:
    """Unreachable where the clock is behind what was recorded last: going on would date what is new before the old."""
    if now_us < last_us - SET_BACK_US_MAX:
        raise Unreachable(
            f"the newest entry of {whose} is of {rfc3339(last_us)}, and here it is {rfc3339(now_us)}: time never goes "
            f"back; {what_to_do}"
        )


class BusinessClock:
    """The clock of one process that works in a data folder. Unreachable when its file cannot be understood."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / CLOCK_FILE
        self.advances: tuple[Advance, ...] = ()
        """All that are known, past ones and what is appointed."""
        self._past_n = 0
        self._ahead_us = 0
        self._seen: tuple[int, ...] = ()
        self._look_at_s = 0.0
        self._read()

    def now_us(self) -> int:
        """Business time."""
        if time.monotonic() >= self._look_at_s:
            self._look()
        at_us = machine_us()
        while self._past_n < len(self.advances) and self.advances[self._past_n].machine_us <= at_us:
            self._ahead_us += self.advances[self._past_n].span_us
            self._past_n += 1
        return at_us + self._ahead_us

    @property
    def ahead_us(self) -> int:
        """How far business time is ahead of the machine's."""
        self.now_us()
        return self._ahead_us

    def leaps(self) -> int:
        """How many advances have taken place."""
        self.now_us()
        return self._past_n

    @property
    def newest(self) -> str:
        """The id of the newest advance that has taken place, "" where there was none."""
        self.now_us()
        return self.advances[self._past_n - 1].id if self._past_n else ""

    def _look(self) -> None:
        """What is there now; a file that cannot be read any more changes nothing of what is known."""
        try:
            self._read()
        except Unreachable:
            self._look_at_s = time.monotonic() + LOOK_EVERY_S

    def _read(self) -> None:
        self._look_at_s = time.monotonic() + LOOK_EVERY_S
        seen = _signature(self._path)
        if seen and seen == self._seen:
            return
        file = read(self._path)
        if file is not None and file.follows is not None and self._path.parent == self._folder:
            self._path = file.follows
            self._read()
            return
        if self._path.parent != self._folder and (file is None or file.follows is not None):
            raise _cannot_follow(self._folder, self._path)
        found = file.advances if file is not None else ()
        if found[: len(self.advances)] == self.advances:
            self.advances = found
        self._seen = seen


# --- the file -----------------------------------------------------------------------------------------------------


def is_sandbox(folder: Path) -> bool:
    """Whether the clock of that installation may be advanced. A folder of terminals that follow one is none."""
    file = read(folder / CLOCK_FILE)
    return file is not None and file.follows is None


def appoint(folder: Path, span_us: int, name: str, actor: str) -> Advance:
    """Write an advance down, durable; the same id again gives the same one.

    BadInput outside a sandbox, for an id that was given to another span, and for more than is sane.
    """
    if not is_sandbox(folder):
        followed = followed_by(folder)
        if followed is not None:
            raise BadInput(f"the terminals in {folder} follow the clock of {followed}: advance that one")
        raise no_sandbox(folder)
    with _alone(folder):
        known = _known(folder)
        same = next((advance for advance in known if advance.id == name), None)
        if same is not None and same.span_us == span_us:
            return same
        if same is not None:
            raise BadInput(f"--id {name} was given to another advance, of {spelled(same.span_us)}: choose another id")
        ahead_us = sum(advance.span_us for advance in known)
        if ahead_us + span_us > AHEAD_DAYS_MAX * DAY_US:
            raise BadInput(
                f"the clock would be {spelled(ahead_us + span_us)} ahead, at most {AHEAD_DAYS_MAX}d are possible: "
                "make a new sandbox"
            )
        at_us = max((machine_us() + NOTICE_US, *(advance.machine_us + 1 for advance in known)))
        advance = Advance(name, actor, at_us, at_us + ahead_us, at_us + ahead_us + span_us)
        write_sandbox(folder, installation_in(folder), [*known, advance])
    return advance


def no_sandbox(folder: Path) -> BadInput:
    """What is said of an installation whose clock nobody can advance."""
    return BadInput(
        f"{folder} is no sandbox, and its clock is the clock on the wall: only an installation that was made "
        "with `holdfast up --sample` has one that can be advanced"
    )


def recall(folder: Path, recorded: Sequence[Advance]) -> None:
    """Make an installation a sandbox, with the advances that its logs tell of even if this folder never saw them.

    So a restored sandbox, or a second one on the same database, goes on where its logs are.
    """
    with _alone(folder):
        known = _known(folder)
        missing = {advance.id: advance for advance in recorded if advance.id not in {each.id for each in known}}
        if missing or not is_sandbox(folder):
            everything = sorted((*known, *missing.values()), key=lambda advance: advance.machine_us)
            write_sandbox(folder, installation_in(folder), everything)


def refuse_clock_file(folder: Path) -> None:
    """BadInput where an installation that is no sandbox has a file that would set its clock."""
    path = folder / CLOCK_FILE
    if os.path.lexists(path):
        raise BadInput(f"{folder} is no sandbox, and its clock is the clock on the wall: remove {path}, then start")


def follow(terminals: Path, folder: Path) -> None:
    """Have the terminals of a folder of their own follow the clock of a sandbox, from now on."""
    refuse_following(terminals, folder)
    if terminals != folder:
        write_following(terminals, folder / CLOCK_FILE)


def refuse_following(terminals: Path, folder: Path) -> None:
    """BadInput for a folder whose terminals cannot follow that sandbox: that of another installation."""
    if terminals != folder and is_installation(terminals):
        raise BadInput(f"{terminals} is an installation with a clock of its own, which follows no other")


def followed_by(terminals: Path) -> Path | None:
    """The sandbox whose clock a folder of terminals follows."""
    file = read(terminals / CLOCK_FILE)
    return file.follows.parent if file is not None and file.follows is not None else None


def spelled(span_us: int) -> str:
    """`1d12h`, as it is typed."""
    seconds = span_us // SECOND_US
    parts = []
    for letter, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{letter}"] * bool(count)
    return "".join(parts) or "0s"


def _known(folder: Path) -> tuple[Advance, ...]:
    file = read(folder / CLOCK_FILE)
    return file.advances if file is not None else ()


def _signature(path: Path) -> tuple[int, ...]:
    """What changes whenever another file is put in its place; () while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _cannot_follow(terminals: Path, path: Path) -> Unreachable:
    # Today's date would be wrong by as far as the acquirer is ahead.
    return Unreachable(
        f"the terminals in {terminals} follow the clock of the sandbox in {path.parent}, and {path} is missing or not "
        f"a sandbox's: start that sandbox, or remove {terminals / CLOCK_FILE} to have them follow another"
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Whoever adds an appointment is the only one who does."""
    descriptor = os.open(folder / f"{CLOCK_FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
