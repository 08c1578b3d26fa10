"""`holdfast status`: what runs in an installation, how long its logs are, and what is open."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import typer

from holdfast.clock import rfc3339
from holdfast.domain.hold import State
from holdfast.domain.records import FREEZES, HOLDS
from holdfast.domain.tables import DUE
from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path, database_of
from holdfast.errors import Unreachable
from holdfast.runtime.config import ACQUIRER, ISSUER, door_of, issuer_notice_of, notice_of, read_file
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import STATUS, call
from holdfast.runtime.roles import RoleDsns, where
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, one_line
from holdfast.store.postgres_reader import PostgresReader

STATUS_TIMEOUT_S = 3.0
NOT_READY = 4
"""The exit code for what cannot be reached yet."""

IN_DOUBT = ("answer", "undo")
"""Due rows of the acquirer that stand for an outcome not known to both sides: an answer, or a reversal, to come."""

_HELD = {ACQUIRER: HOLDS, ISSUER: FREEZES}
"""The holds of each party: a due row for its end stays when a hold ends otherwise, so the holds are counted."""

_OPEN = f"SELECT split_part(key, ':', 1) AS kind, count(*) AS n FROM {DUE.name} GROUP BY 1"  # noqa: S608


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
        print(f"{state}: terminals connect to {running['pos']}, since {running['since']} (pid {running['pid']})")
        columns = ("process", "pid", "log", "waiting", "in_flight", "links", "says")
        rows = (tuple(process.get(name, "") for name in columns) for process in shown["processes"])
        print_table("processes", columns, rows)
    print_table("logs", ("party", "log", "entries"), (tuple(row.values()) for row in shown["logs"]))
    waits = [(party, kind, n) for party, counts in shown["open"].items() for kind, n in sorted(counts.items())]
    print_table("open", ("party", "waits for", "how many"), waits)
    print(f"in doubt: {shown['in_doubt']}")


async def gathered(data: Path | None, db: str, keys: Path | None) -> dict[str, Any]:
    """All of it as one object."""
    dsns = database_of(data, db, keys)
    shown: dict[str, Any] = {"running": None, "processes": []}
    if not db:
        folder = DataFolder(data_path(data), create=False)
        notice = notice_of(folder)
        shown["running"] = {
            "pid": notice.pid,
            "pos": notice.pos,
            "ready": notice.ready,
            "since": rfc3339(notice.since_us),
        }
        shown["processes"] = [await process_status(folder, name) for name in notice.names]
    logs, waits = await recorded(dsns)
    in_doubt = sum(waits[ACQUIRER][kind] for kind in IN_DOUBT)
    return shown | {"logs": logs, "open": waits, "in_doubt": in_doubt}


async def process_status(folder: DataFolder, name: str) -> dict[str, Any]:
    """What one process says at its door, or that it does not answer."""
    try:
        answer = await call(door_of(folder, name), STATUS, timeout_s=STATUS_TIMEOUT_S)
    except Unreachable:
        answer = {"ok": False, "reason": "does not answer"}
    if answer.pop("ok"):
        return answer | {"says": "serving"}
    notice = read_file(issuer_notice_of(folder)) if name == ISSUER else None
    if notice is not None and notice["door"] != str(door_of(folder, name)):
        return {"process": name, "says": f"waiting: the issuer at {notice['address']} is active"}
    return {"process": name, "says": answer["reason"]}


async def recorded(dsns: RoleDsns) -> tuple[list[dict[str, Any]], dict[str, Counter[str]]]:
    """The logs of both parties, and their due rows by kind."""
    logs: list[dict[str, Any]] = []
    waits: dict[str, Counter[str]] = {}
    for party, dsn in ((ACQUIRER, dsns.reader_acquirer), (ISSUER, dsns.reader_issuer)):
        reader = await PostgresReader.connect(dsn, party)
        try:
            heads = await reader.logs()
        finally:
            await reader.close()
        logs += [{"party": party, "log": head.log, "entries": head.frontier.size} for head in heads]
        waits[party] = await due_by_kind(dsn, party)
    return logs, waits


async def due_by_kind(dsn: str, party: str) -> Counter[str]:
    """How many rows wait for what."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": party})
        try:
            waits = Counter({row["kind"]: row["n"] for row in await connection.fetch(_OPEN)})
            held = f"SELECT count(*) FROM {_HELD[party].name} WHERE state = $1"  # noqa: S608
            waits["expire"] = await connection.fetchval(held, State.HELD.value)
            return +waits
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise Unreachable(f"the database at {where(dsn)} does not answer: {one_line(error)}") from error
