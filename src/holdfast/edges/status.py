"""`holdfast status`: what runs in an installation, how long its logs are, and what is open.

What is in doubt is what `holdfast open` lists; what else waits is counted by the database.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import typer

from holdfast.clock import rfc3339
from holdfast.domain.hold import State
from holdfast.domain.records import BATCHES, FREEZES, HOLDS, REQUESTS
from holdfast.domain.tables import DUE
from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path, database_of
from holdfast.errors import Unreachable
from holdfast.reading.in_doubt import ADVISED, FOUND, RELEASED, Open, at_acquirer, doubts_of
from holdfast.runtime.business_clock import BusinessClock, spelled
from holdfast.runtime.config import ACQUIRER, ISSUER, door_of, issuer_notice_of, notice_of, read_file
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import STATUS, call
from holdfast.runtime.roles import RoleDsns, where
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, one_line
from holdfast.store.postgres_reader import PostgresReader

STATUS_TIMEOUT_S = 3.0
NOT_READY = 4
"""The exit code for what cannot be reached yet."""

_HELD = {ACQUIRER: HOLDS, ISSUER: FREEZES}
"""The holds of each party: a due row for its end stays when a hold ends otherwise, so the holds are counted."""

WAITS_FOR = {
    "answer": "an answer",
    "undo": "a reversal to be acknowledged",
    "tell": "an advice to be acknowledged",
    "release": "the rest of a hold to be freed",
    "expire": "a hold to end by itself",
}
"""The kinds of due rows as people read them."""

# ruff: noqa: S608 - every name in a statement comes from our own table definitions

_OPEN = f"SELECT split_part(key, ':', 1) AS kind, count(*) AS n FROM {DUE.name} GROUP BY 1"
# The first trace key of a batch is that of its first request, and an index away.
_BATCHES = f"""
    SELECT count(*) AS open, min((
        SELECT at_us FROM {REQUESTS.name} AS request WHERE request.batch_id = batch.batch_id ORDER BY trace_key LIMIT 1
    )) AS oldest_us
    FROM {BATCHES.name} AS batch WHERE settled = ''
"""


def status(data: DataOption = None, db: DbOption = "", keys: KeysOption = None, json: JsonOption = False) -> None:
    """What runs and what is open. Ends 4 while what runs cannot serve a terminal yet."""
    shown = asyncio.run(gathered(data, db, keys))
    print_json(shown) if json else print_status(shown)
    if shown["running"] and not shown["running"]["ready"]:
        raise typer.Exit(NOT_READY)


def print_status(shown: dict[str, Any]) -> None:
    """For people."""
    if shown["running"]:
        running = shown["running"]
        state = "ready" if running["ready"] else "starting"
        pages = f", metrics at http://{running['http']}/metrics" if running["http"] else ""
        print(f"{state}: terminals connect to {running['pos']}{pages}, since {running['since']} (pid {running['pid']})")
        if shown["clock"]["ahead"] != spelled(0):
            print(f"business time is {shown['clock']['business_time']}, {shown['clock']['ahead']} ahead")
        columns = ("process", "pid", "log", "waiting", "in_flight", "links", "says")
        rows = (tuple(process.get(name, "") for name in columns) for process in shown["processes"])
        print_table("processes", columns, rows)
    print_table("logs", ("party", "log", "entries"), (tuple(row.values()) for row in shown["logs"]))
    waits = [
        (party, WAITS_FOR.get(kind, kind), n)
        for party, counts in shown["open"].items()
        for kind, n in sorted(counts.items())
    ]
    print_table("open", ("party", "waits for", "how many"), waits)
    holds = [(party, state, n) for party, counts in shown["holds"].items() for state, n in sorted(counts.items())]
    print_table("holds", ("party", "state", "how many"), holds)
    undelivered, batches = shown["undelivered"], shown["batches"]
    since = f", the oldest since {batches['oldest']}" if batches["oldest"] else ""
    print(f"in doubt: {shown['in_doubt']}{', see `holdfast open`' * bool(shown['in_doubt'])}")
    print(f"not acknowledged yet: {undelivered['advices']} advices, {undelivered['releases']} releases")
    print(f"findings: {shown['findings']}{', see `register list --entries --kind finding`' * bool(shown['findings'])}")
    print(f"batches not settled: {batches['open']}{since}")


async def gathered(data: Path | None, db: str, keys: Path | None) -> dict[str, Any]:
    """All of it as one object."""
    dsns = database_of(data, db, keys)
    shown: dict[str, Any] = {"running": None, "clock": None, "processes": []}
    if not db:
        folder = DataFolder(data_path(data), create=False)
        notice = notice_of(folder)
        shown["running"] = {
            "pid": notice.pid,
            "pos": notice.pos,
            "http": notice.http or None,
            "ready": notice.ready,
            "since": rfc3339(notice.since_us),
        }
        clock = BusinessClock(folder.path)
        shown["clock"] = {"business_time": rfc3339(clock.now_us()), "ahead": spelled(clock.ahead_us)}
        shown["processes"] = [await process_status(folder, name) for name in notice.names]
    return shown | await recorded(dsns)


async def process_status(folder: DataFolder, name: str) -> dict[str, Any]:
    """What one process says at its door, or that it does not answer; one that is stopped lets us in and is silent."""
    try:
        answer = await call(door_of(folder, name), STATUS, timeout_s=STATUS_TIMEOUT_S)
    except Unreachable:
        answer = {"ok": False, "reason": "does not answer"}
    if answer.get("unknown"):
        answer["reason"] = f"silent for {STATUS_TIMEOUT_S:.0f} s: it runs and says nothing"
    if answer.pop("ok"):
        return answer | {"says": "serving"}
    notice = read_file(issuer_notice_of(folder)) if name == ISSUER else None
    if notice is not None and notice["door"] != str(door_of(folder, name)):
        return {"process": name, "says": f"waiting: the issuer at {notice['address']} is active"}
    return {"process": name, "says": answer["reason"]}


async def recorded(dsns: RoleDsns) -> dict[str, Any]:
    """The logs of both parties, and what is open there."""
    logs: list[dict[str, Any]] = []
    waits: dict[str, dict[str, int]] = {}
    holds: dict[str, dict[str, int]] = {}
    items: list[Open] = []
    for party, dsn in ((ACQUIRER, dsns.reader_acquirer), (ISSUER, dsns.reader_issuer)):
        reader = await PostgresReader.connect(dsn, party)
        try:
            heads = await reader.logs()
            items += await at_acquirer(reader) if party == ACQUIRER else []
        finally:
            await reader.close()
        logs += [{"party": party, "log": head.log, "entries": head.frontier.size} for head in heads]
        async with counting(dsn, party) as connection:
            waits[party], holds[party] = await waiting(connection, party)
    async with counting(dsns.reader_acquirer, ACQUIRER) as connection:
        return {"logs": logs, "open": waits, "holds": holds} | await register_counts(connection, items)


@contextlib.asynccontextmanager
async def counting(dsn: str, party: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a party's schema; Unreachable when the database does not answer."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": party})
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise Unreachable(f"the database at {where(dsn)} does not answer: {one_line(error)}") from error


async def waiting(connection: asyncpg.Connection, party: str) -> tuple[dict[str, int], dict[str, int]]:
    """How many rows wait for what, and how many holds are in which state."""
    waits = Counter({row["kind"]: row["n"] for row in await connection.fetch(_OPEN)})
    states = await connection.fetch(f"SELECT state, count(*) AS n FROM {_HELD[party].name} GROUP BY 1")
    holds = {row["state"]: row["n"] for row in states}
    waits["expire"] = holds.get(State.HELD.value, 0)
    return dict(+waits), holds


async def register_counts(connection: asyncpg.Connection, items: Sequence[Open]) -> dict[str, Any]:
    """What somebody must see to: what is in doubt, what the issuers have not acknowledged, findings, open batches."""
    whats = Counter(item.what for item in items)
    batches = await connection.fetchrow(_BATCHES)
    oldest_us = batches["oldest_us"]
    return {
        "in_doubt": doubts_of(ACQUIRER, items).total,
        "undelivered": {"advices": whats[ADVISED], "releases": whats[RELEASED]},
        "findings": whats[FOUND],
        "batches": {"open": batches["open"], "oldest": rfc3339(oldest_us) if oldest_us is not None else None},
    }
