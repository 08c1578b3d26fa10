"""What the logs of a sandbox tell of its clock, and what they must still be told.

An advance is a fact of the register and of the book: whoever writes a log that lived before the advance records it
there, once. The data folder's appointments (see `business_clock`) can be made anew from these entries.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import orjson

from holdfast.domain.commands import AUDIT
from holdfast.domain.records import ISSUER_LOGS
from holdfast.errors import Unreachable
from holdfast.parties.advancing import ADVANCED
from holdfast.runtime.clock_file import Advance
from holdfast.runtime.config import ACQUIRER, ISSUER
from holdfast.runtime.roles import RoleDsns
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line, where

SAMPLE = "sample"
"""Who gives the commands that load the sample."""

_FIRST = "SELECT body FROM entries WHERE log = $1 AND number = 1"
_LAST = "SELECT at_us FROM entries WHERE log = $1 ORDER BY number DESC LIMIT 1"
_NEWEST = """
    SELECT max(newest.at_us) FROM logs
    CROSS JOIN LATERAL (SELECT at_us FROM entries WHERE log = logs.log ORDER BY number DESC LIMIT 1) AS newest
"""
_AUDITS = "SELECT body FROM entries WHERE kind = $1"
_AUDITS_OF_LOG = f"{_AUDITS} AND log = $2"


def facts_of(advance: Advance) -> dict[str, Any]:
    """The arguments of the command that records it."""
    return {
        "advance": advance.id,
        "machine": advance.machine_us,
        "from": advance.from_us,
        "to": advance.to_us,
    }


async def recorded_in(dsns: RoleDsns) -> list[Advance] | None:
    """The advances that the logs of a sandbox tell of; None for what is no sandbox.

    A sandbox is what was made with the sample: the very first entry of its book says so.
    """
    (first,) = await _ask(dsns.reader_issuer, ISSUER, (_FIRST, ISSUER_LOGS[0])) or [b"{}"]
    if orjson.loads(first).get("actor") != SAMPLE:
        return None
    bodies = await _ask(dsns.reader_issuer, ISSUER, (_AUDITS, AUDIT))
    bodies += await _ask(dsns.reader_acquirer, ACQUIRER, (_AUDITS, AUDIT))
    return list({advance.id: advance for advance in _told_by(bodies)}.values())


async def unrecorded(dsn: str, party: str, log: str, advances: Sequence[Advance]) -> list[Advance]:
    """Those of the advances that happened, or will, after what a log has recorded, and that it does not tell of."""
    last = await _ask(dsn, party, (_LAST, log)) if advances else []
    if not last:
        return []
    told = {advance.id for advance in _told_by(await _ask(dsn, party, (_AUDITS_OF_LOG, AUDIT, log)))}
    return [advance for advance in advances if advance.id not in told and advance.to_us > last[0]]


async def newest_us(dsn: str, party: str) -> int:
    """When the newest entry of a party's logs was recorded, in business time; 0 where there is none."""
    (newest,) = await _ask(dsn, party, (_NEWEST,))
    return newest or 0


async def newest_of_log_us(dsn: str, party: str, log: str) -> int:
    """The same for one log."""
    return max(await _ask(dsn, party, (_LAST, log)), default=0)


def _told_by(bodies: Iterable[bytes]) -> Iterable[Advance]:
    for body in map(orjson.loads, bodies):
        if body["phase"] == ADVANCED:
            yield Advance(body["advance"], body["actor"], body["machine"], body["from"], body["to"])


async def _ask(dsn: str, schema: str, question: tuple[str, *tuple[str, ...]]) -> list[Any]:
    """The first column of the answer."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": schema})
        try:
            return [row[0] for row in await connection.fetch(*question)]
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unreachable(f"the logs at {where(dsn)} cannot be read: {one_line(error)}") from error
