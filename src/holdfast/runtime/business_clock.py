"""Business time: the time of the machine, and in a sandbox as far ahead of it as its clock was advanced.

Rule 1: an advance is an appointment. It stands in `clock.json` of the data folder, durable, before it takes place, and
every process of the folder looks there several times a second. At that instant of the machine's time all of them
jump together, so that no two parties date one exchange thirty days apart, whoever is killed meanwhile.
Rule 2: business time never runs backwards: appointments are only added, and each has an id. The same id again is the
same appointment.
Rule 3: an installation without that file is no sandbox, and its clock is the machine's. Leases, patience of sockets and
pauses of processes never come from here.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from holdfast.clock import DAY_US, SECOND_US
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import sync_folder

CLOCK_FILE = "clock.json"
FOLLOWS = "follows"
"""A folder of terminals has a file that only names the file of the sandbox whose clock they follow."""

LOOK_EVERY_S = 0.25
NOTICE_US = SECOND_US
"""So long before it takes place an advance is written down: everybody has looked by then."""

SPAN_DAYS_MAX = 366
AHEAD_DAYS_MAX = 3660
"""Ten years: dates on the wire have two digits for a year or none at all."""


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


def machine_us() -> int:
    """The clock of the machine, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class BusinessClock:
    """The clock of one process that works in a data folder. Unreachable when its file cannot be understood."""

    def __init__(self, folder: Path) -> None:
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
        if not seen or seen == self._seen:
            return
        value = _value_at(self._path)
        if FOLLOWS in value:
            self._path = Path(value[FOLLOWS])
            self._read()
            return
        found = _advances_of(value, self._path)
        if found[: len(self.advances)] == self.advances:
            self.advances = found
        self._seen = seen


# --- the file -----------------------------------------------------------------------------------------------------


def is_sandbox(folder: Path) -> bool:
    """Whether the clock of that installation may be advanced. A folder of terminals that follow one is none."""
    path = folder / CLOCK_FILE
    return path.exists() and FOLLOWS not in _value_at(path)


def appoint(folder: Path, span_us: int, name: str, actor: str) -> Advance:
    """Write an advance down, durable; the same id again gives the same one.

    BadInput outside a sandbox, for an id that was given to another span, and for more than is sane.
    """
    if not is_sandbox(folder):
        followed = followed_by(folder)
        if followed is not None:
            raise BadInput(f"the terminals in {folder} follow the clock of {followed}: advance that one")
        raise BadInput(
            f"{folder} is no sandbox, and its clock is the clock on the wall: only an installation that was made "
            "with `holdfast up --sample` has one that can be advanced"
        )
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
        _write(folder, {"advances": [each._asdict() for each in (*known, advance)]})
    return advance


def recall(folder: Path, recorded: Sequence[Advance]) -> None:
    """Make an installation a sandbox, with the advances that its logs tell of even if this folder never saw them.

    So a restored sandbox, or a second one on the same database, goes on where its logs are.
    """
    with _alone(folder):
        known = _known(folder)
        missing = {advance.id: advance for advance in recorded if advance.id not in {each.id for each in known}}
        if missing or not is_sandbox(folder):
            everything = sorted((*known, *missing.values()), key=lambda advance: advance.machine_us)
            _write(folder, {"advances": [each._asdict() for each in everything]})


def follow(terminals: Path, folder: Path) -> None:
    """Have the terminals of a folder of their own follow the clock of a sandbox, from now on."""
    if terminals == folder:
        return
    if is_sandbox(terminals):
        raise BadInput(f"{terminals} has a clock of its own: its terminals follow that one")
    _write(terminals, {FOLLOWS: str(folder / CLOCK_FILE)})


def followed_by(terminals: Path) -> Path | None:
    """The sandbox whose clock a folder of terminals follows."""
    path = terminals / CLOCK_FILE
    named = _value_at(path).get(FOLLOWS) if path.exists() else None
    return Path(named).parent if named else None


def spelled(span_us: int) -> str:
    """`1d12h`, as it is typed."""
    seconds = span_us // SECOND_US
    parts = []
    for letter, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{letter}"] * bool(count)
    return "".join(parts) or "0s"


def _known(folder: Path) -> tuple[Advance, ...]:
    path = folder / CLOCK_FILE
    return _advances_of(_value_at(path), path) if path.exists() else ()


def _signature(path: Path) -> tuple[int, ...]:
    """What changes whenever another file is put in its place; () while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _value_at(path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _not_understood(path) from error
    if not isinstance(value, dict):
        raise _not_understood(path)
    return value


def _advances_of(value: dict[str, Any], path: Path) -> tuple[Advance, ...]:
    try:
        return tuple(Advance(**row) for row in value["advances"])
    except (KeyError, TypeError) as error:
        raise _not_understood(path) from error


def _not_understood(path: Path) -> Unreachable:
    # Going on without it would turn business time back.
    return Unreachable(f"{path} cannot be understood: remove it, and `holdfast up` makes it anew from the register")


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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Whoever adds an appointment is the only one who does."""
    descriptor = os.open(folder / f"{CLOCK_FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
