"""`holdfast doctor`: what is wrong with this machine or this installation, and how to mend it.

Each check is a function that returns what it found, or raises `Trouble` with what is wrong and what to do.
"""

import asyncio
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import typer

from holdfast.clock import DEFAULT_ZONE
from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path
from holdfast.edges.status import process_status
from holdfast.edges.up import DEFAULT_POS
from holdfast.errors import HoldfastError, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.runtime.config import ACQUIRER, ISSUER, Notice, notice_of, parse_address, role_dsns
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import find_binaries
from holdfast.runtime.roles import where
from holdfast.runtime.unprivileged import find_identity
from holdfast.store.migrate import newest_revision
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, one_line

FREE_BYTES_MIN = 1 << 30
SKEW_S_MAX = 2.0
CONNECT_S = 3.0
PYTHON_MIN = (3, 11)


class Trouble(HoldfastError):
    """Something is wrong: what, and what to do."""


class Place(NamedTuple):
    """What the checks look at. `folder` is None where there is none yet, `notice` where nothing runs."""

    path: Path
    folder: DataFolder | None
    notice: Notice | None
    db: str
    keys: Path


def doctor(data: DataOption = None, db: DbOption = "", keys: KeysOption = None, json: JsonOption = False) -> None:
    """Check this machine and this installation, and say how to mend what is wrong. Ends 1 when something is."""
    found = asyncio.run(examined(data_path(data), db, keys))
    if json:
        for row in found:
            print_json(row)
    else:
        print_table(
            "doctor",
            ("check", "", "found"),
            ((row["check"], "ok" if row["ok"] else "WRONG", row["found"]) for row in found),
        )
    if not all(row["ok"] for row in found):
        raise typer.Exit(1)


async def examined(path: Path, db: str, keys: Path | None) -> list[dict[str, object]]:
    """One row per check; a check of the folder that fails spares those that need it."""
    place = Place(path, None, None, db, path / "keys" if keys is None else keys)
    rows = [await _checked(name, check, place) for name, check in OF_THE_MACHINE]
    row = await _checked("data folder", _data_folder, place)
    rows.append(row)
    if not row["ok"]:
        return rows
    place = _looked_up(place)
    return rows + [await _checked(name, check, place) for name, check in OF_THE_INSTALLATION]


async def _checked(name: str, check: Callable[[Place], Awaitable[str]], place: Place) -> dict[str, object]:
    try:
        return {"check": name, "ok": True, "found": await check(place)}
    except HoldfastError as error:
        return {"check": name, "ok": False, "found": str(error)}


def _looked_up(place: Place) -> Place:
    """The place with its folder and what runs there."""
    if not place.path.exists():
        return place
    folder = DataFolder(place.path, create=False)
    try:
        return place._replace(folder=folder, notice=notice_of(folder))
    except Unreachable:
        return place._replace(folder=folder)


# --- the machine --------------------------------------------------------------------------------------------------


async def _python(place: Place) -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        raise Trouble(f"Python {found} is too old: install 3.11 or newer and run script/setup")
    return found


async def _postgresql(place: Place) -> str:
    binaries = find_binaries()
    identity = await find_identity(binaries / "postgres")
    return f"{binaries.parent} runs (identity {identity.word})"


async def _clock(place: Place) -> str:
    try:
        ZoneInfo(DEFAULT_ZONE)
    except ZoneInfoNotFoundError:
        raise Trouble(f"the machine does not know the zone {DEFAULT_ZONE}: install tzdata") from None
    at_s = time.time()
    if not 1_735_689_600 < at_s < 4_102_444_800:
        raise Trouble(f"the clock says {time.ctime(at_s)}, which cannot be: set it, and let NTP keep it")
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))


async def _disk(place: Place) -> str:
    there = next(folder for folder in (place.path, *place.path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < FREE_BYTES_MIN:
        raise Trouble(f"{free >> 20} MiB are free at {there}: make room for at least {FREE_BYTES_MIN >> 20} MiB")
    return f"{free >> 30} GiB free at {there}"


# --- the installation ---------------------------------------------------------------------------------------------


async def _data_folder(place: Place) -> str:
    if not place.path.exists():
        return f"{place.path} does not exist yet: `holdfast up` makes it"
    folder = DataFolder(place.path, create=False)
    return f"{folder.path} is yours alone"


async def _keys(place: Place) -> str:
    if not (place.keys / "master.key").exists() and (place.folder is None or not _has_cluster(place.folder)):
        return f"none in {place.keys} yet: `holdfast up` makes them"
    FileKeys.open(place.keys)
    return f"{place.keys} can be used"


def _has_cluster(folder: DataFolder) -> bool:
    return (folder.postgres / "PG_VERSION").exists()


async def _processes(place: Place) -> str:
    if place.folder is None or place.notice is None:
        return f"nothing runs: start it with `holdfast up --data {place.path}`"
    answers = [await process_status(place.folder, name) for name in place.notice.names]
    silent = [f"{answer['process']} {answer['says']}" for answer in answers if answer["says"] == "does not answer"]
    if silent:
        raise Trouble(
            f"{', '.join(silent)}: see {place.folder.logs}; end `up` (pid {place.notice.pid}) and start again"
        )
    return ", ".join(f"{answer['process']} {answer['says']}" for answer in answers)


async def _port(place: Place) -> str:
    address = parse_address(place.notice.pos) if place.notice else DEFAULT_POS
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
        probe.settimeout(CONNECT_S)
        answers = probe.connect_ex((address.host, address.port)) == 0
    if place.notice is not None and not answers:
        raise Trouble(f"nobody answers at {address} although `up` runs (pid {place.notice.pid}): see its logs")
    if place.notice is None and answers:
        return (
            f"{address} is taken by another program: `holdfast up` will move to the next port, or name one with --pos"
        )
    return f"{address} {'answers' if answers else 'is free'}"


async def _database(place: Place) -> str:
    if not place.db and place.notice is None:
        return "not running"
    database = place.db if place.notice is None else place.notice.database
    dsns = role_dsns(database, place.keys if place.notice is None else Path(place.notice.keys))
    revisions = []
    for party, dsn in ((ACQUIRER, dsns.reader_acquirer), (ISSUER, dsns.reader_issuer)):
        revision, skew_s = await _asked(dsn, party)
        if revision != newest_revision(party):
            raise Trouble(f"schema {party} is at {revision}, not {newest_revision(party)}: `holdfast up` migrates it")
        if abs(skew_s) > SKEW_S_MAX:
            raise Trouble(f"the database's clock is {skew_s:.1f} s off ours: let NTP keep both")
        revisions.append(f"{party} at {revision}")
    return f"{where(database)}: {', '.join(revisions)}"


async def _asked(dsn: str, party: str) -> tuple[str, float]:
    """The revision of a schema, and how far the server's clock is ahead of ours."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": party})
        try:
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
            at_s = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())")
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise Trouble(f"the database at {where(dsn)} does not answer: {one_line(error)}; see its log") from error
    return str(revision), float(at_s) - time.time()


OF_THE_MACHINE = (("python", _python), ("postgresql", _postgresql), ("clock", _clock), ("disk", _disk))
OF_THE_INSTALLATION = (("keys", _keys), ("processes", _processes), ("port", _port), ("database", _database))
