"""`holdfast clock`: business time, and in a sandbox the way to advance it for all parties at once."""

import asyncio
import re
import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from holdfast.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, rfc3339
from holdfast.domain.tables import DUE
from holdfast.edges.output import print_json
from holdfast.edges.places import DataOption, JsonOption, data_path
from holdfast.edges.status import counting
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.advances import recorded_in
from holdfast.runtime.business_clock import (
    BusinessClock,
    appoint,
    follow,
    is_sandbox,
    machine_us,
    no_sandbox,
    refuse_following,
    spelled,
)
from holdfast.runtime.clock_file import ADVANCE_ID, ADVANCE_ID_CHARS_MAX, SPAN_DAYS_MAX, Advance
from holdfast.runtime.config import ACQUIRER, ISSUER, Notice, door_of, installation_of, notice_of, role_dsns
from holdfast.runtime.continuity import RETIRED
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import STATUS, call
from holdfast.runtime.pos import FOLDER
from holdfast.runtime.roles import RoleDsns

FOLLOW_PATIENCE_S = 20.0
"""A process that was just killed is started again and follows within that."""

WHO_FOLLOWS = (
    "sample terminals used with it on this machine follow by themselves; others only with --terminals DIR, their --data"
)

POLL_S = 0.05
STATUS_TIMEOUT_S = 2.0

_SPAN = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_BACKWARDS = re.compile(r"-\d.*")
_SIZES_US = (DAY_US, HOUR_US, MINUTE_US, SECOND_US)

# ruff: noqa: S608 - the name in the statement comes from our own table definitions
_DUE_BETWEEN = f"SELECT count(*) FROM {DUE.name} WHERE due_us > $1 AND due_us <= $2"
_HOLDERS = "SELECT DISTINCT holder FROM logs WHERE lease_until_us > extract(epoch FROM clock_timestamp()) * 1000000"


class Forward(TyperCommand):
    """A span with a minus is told what it is: it is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """BadInput where time would run backwards."""
        for backwards in filter(_BACKWARDS.fullmatch, args):
            parse_span(backwards)
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Business time: show it, and in a sandbox advance it.", add_completion=False, rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def clock(context: typer.Context, data: DataOption = None, json: JsonOption = False) -> None:
    """Show business time, and how far it is ahead of the machine's."""
    if context.invoked_subcommand is not None:
        context.obj = (data, json)
        return
    show(shown(DataFolder(data_path(data), create=False).path), json)


@app.command("advance", cls=Forward)
def advance(
    context: typer.Context,
    span: Annotated[str, typer.Argument(help="How far: 30d, 12h, 90m, 45s, or some of them like 1d12h.")],
    data: DataOption = None,
    terminals: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of terminals that follow too, from now on; may be repeated.", metavar="DIR"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="A name for this advance: given again, it is not made twice.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Advance the clock of a sandbox, for all its parties. Holds expire, what waited is tried again.

    Sample terminals that are used with it on this machine follow by themselves; others only with --terminals.
    """
    data_before, json_before = context.obj
    folder = DataFolder(data_path(data or data_before), create=False)
    span_us = parse_span(span)
    name = parse_id(name) if name is not None else secrets.token_hex(4)
    followers = folders_of_terminals(terminals or (), folder.path) if is_sandbox(folder.path) else []
    done = asyncio.run(advanced(folder, span_us, name, followers))
    if json or json_before:
        print_json(done)
    else:
        print_advance(done)
        if not terminals:
            sys.stdout.write(f"{WHO_FOLLOWS}\n")


def folders_of_terminals(named: Iterable[Path], sandbox: Path) -> list[Path]:
    """The folders that --terminals names; BadInput for one that is another installation's, or without a terminal."""
    folders = [path.expanduser().resolve() for path in named]
    for folder in folders:
        refuse_following(folder, sandbox)
        if not any((folder / FOLDER).glob("*.sqlite")):
            raise BadInput(f"no terminal was ever used in {folder}: --terminals is what they have as --data")
    return folders


def parse_span(text: str) -> int:
    """`1d12h` -> microseconds; BadInput for what is no span, none at all, or more than a year."""
    if _BACKWARDS.fullmatch(text):
        raise BadInput(f"{text!r} is no span of time: a clock only goes forward")
    found = _SPAN.fullmatch(text)
    if found is None or not text:
        raise BadInput(f"{text!r} is not a span of time, like 30d, 12h, 90m, 45s or 1d12h")
    span_us = sum(int(count or 0) * size_us for count, size_us in zip(found.groups(), _SIZES_US, strict=True))
    if not 0 < span_us <= SPAN_DAYS_MAX * DAY_US:
        raise BadInput(f"a span is between 1s and {SPAN_DAYS_MAX}d, not {text}")
    return span_us


def parse_id(text: str) -> str:
    """The name of an advance, or BadInput."""
    if not ADVANCE_ID.fullmatch(text):
        raise BadInput(f"--id {text!r} is not 1 to {ADVANCE_ID_CHARS_MAX} letters, digits and . _ : -")
    return text


def shown(folder: Path) -> dict[str, Any]:
    """The clock of that folder, as JSON shows it."""
    business = BusinessClock(folder)
    ahead_us = business.ahead_us
    return {
        "sandbox": is_sandbox(folder),
        "business_time": rfc3339(business.now_us()),
        "machine_time": rfc3339(machine_us()),
        "ahead_s": ahead_us // SECOND_US,
        "ahead": spelled(ahead_us),
    }


def show(values: dict[str, Any], json: bool) -> None:
    """For people, or as JSON."""
    if json:
        print_json(values)
        return
    ahead = f"{values['ahead']} ahead of the machine's" if values["ahead_s"] else "the machine's"
    sandbox = "" if values["sandbox"] else "; no sandbox: it cannot be advanced"
    sys.stdout.write(f"business time is {values['business_time']}, {ahead}{sandbox}\n")


async def advanced(folder: DataFolder, span_us: int, name: str, followers: Iterable[Path]) -> dict[str, Any]:
    """Appoint the advance, have these folders of terminals follow, and wait until everything that runs has done so."""
    notice = running(folder)
    dsns = role_dsns(notice.database, Path(notice.keys)) if notice else None
    if dsns is not None:
        if await recorded_in(dsns) is None:
            raise no_sandbox(folder.path)
        await refuse_shared(folder, dsns)
    made = appoint(folder.path, span_us, name, "operator")
    for terminals in followers:
        follow(terminals, folder.path)
    came_due = await due_between(dsns, made) if dsns is not None else {}
    await asyncio.sleep(max(0.0, (made.machine_us - machine_us()) / SECOND_US))
    if notice is not None:
        await followed(folder, notice, made)
    return {
        "id": made.id,
        "advanced": spelled(made.span_us),
        "from": rfc3339(made.from_us),
        "to": rfc3339(made.to_us),
        "followed": list(notice.names) if notice else [],
        "came_due": came_due,
        **shown(folder.path),
    }


def running(folder: DataFolder) -> Notice | None:
    """What runs in the folder; None where nothing does."""
    try:
        return notice_of(folder)
    except Unreachable:
        return None


async def refuse_shared(folder: DataFolder, dsns: RoleDsns) -> None:
    """Another installation that serves on the same database would go on by its own clock: BadInput."""
    ours = installation_of(folder)
    for dsn, party in ((dsns.reader_acquirer, ACQUIRER), (dsns.reader_issuer, ISSUER)):
        async with counting(dsn, party) as connection:
            holders = [row["holder"] for row in await connection.fetch(_HOLDERS)]
        others = [each for each in holders if each != RETIRED and not each.startswith(f"{ours}/")]
        if others:
            raise BadInput(
                "another `holdfast up` serves on the same database and would keep its own time: stop it, advance, "
                "and start it again"
            )


async def due_between(dsns: RoleDsns, made: Advance) -> dict[str, int]:
    """How many due rows of each party come due by the advance itself."""
    counts = {}
    for dsn, party in ((dsns.reader_acquirer, ACQUIRER), (dsns.reader_issuer, ISSUER)):
        async with counting(dsn, party) as connection:
            counts[party] = int(await connection.fetchval(_DUE_BETWEEN, made.from_us, made.to_us))
    return counts


async def followed(folder: DataFolder, notice: Notice, made: Advance) -> None:
    """Until every process has recorded the advance and goes by the new time; Unreachable names who has not."""
    until_s = time.monotonic() + FOLLOW_PATIENCE_S
    left = list(notice.names)
    while left:
        left = [name for name in left if not await has_followed(door_of(folder, name), folder, made)]
        if left and time.monotonic() > until_s:
            raise Unreachable(
                f"the clock is advanced to {rfc3339(made.to_us)}; within {FOLLOW_PATIENCE_S:.0f} s these did not "
                f"follow: {', '.join(left)}; they do once they run again: see `holdfast status`"
            )
        await asyncio.sleep(POLL_S)


async def has_followed(door: Path, folder: DataFolder, made: Advance) -> bool:
    """Whether the process behind that door goes by this advance, or by one that came after it."""
    try:
        answer = await call(door, STATUS, timeout_s=STATUS_TIMEOUT_S)
    except Unreachable:
        return False
    later = {each.id for each in BusinessClock(folder.path).advances if each.machine_us >= made.machine_us}
    return answer.get("advance") in later


def print_advance(done: dict[str, Any]) -> None:
    """For people."""
    sys.stdout.write(f"business time is {done['to']}, {done['advanced']} later (advance {done['id']})\n")
    if done["followed"]:
        counts = ", ".join(f"{party} {count}" for party, count in done["came_due"].items())
        sys.stdout.write(f"{', '.join(done['followed'])} have followed; came due by it: {counts}\n")
    else:
        sys.stdout.write("nothing runs here: the next `holdfast up` begins at that time\n")
