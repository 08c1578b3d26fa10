"""The watcher: one process that reads what is recorded and tells machines about it, at `/metrics` and `/healthz`.

Rule 1: it only reads, over connections of its own, so that no page ever delays an answer to a terminal.
Rule 2: nothing that it says is old. A number is counted when it is asked for, at most once a second; what cannot be
counted is left out, and `holdfast_database_up` says why.
Rule 3: a question that the database leaves unanswered is given up: the next scrape asks anew.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import uvloop
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from holdfast.clock import SECOND_US
from holdfast.errors import HoldfastError, Unreachable
from holdfast.reading.in_doubt import (
    ACQUIRER,
    FOUND,
    RELEASED,
    TERMINAL,
    Open,
    at_acquirer,
    doubts_of,
    in_terminal_files,
)
from holdfast.runtime import launcher
from holdfast.runtime.business_clock import BusinessClock
from holdfast.runtime.config import ISSUER, WatchConfig, load_watch_config
from holdfast.runtime.engine import Log
from holdfast.runtime.logs import forward_libraries, open_log
from holdfast.runtime.pages import Page, serve_pages
from holdfast.runtime.pos import files_of
from holdfast.store.postgres_link import LOST
from holdfast.store.postgres_reader import PostgresReader

PAGE_S_MIN = 1.0
"""So often at the most everything is counted anew; scrapes in between share the answer."""

DATABASE_S = 3.0
"""How long the database is waited for: scrapers give up after 10 s."""

_AWAY = (HoldfastError, asyncpg.PostgresError, *LOST)
"""What somebody raises who asks a database that is not there."""


class Recorded(NamedTuple):
    """What the database says: what is open at the acquirer, and how many entries each log has, by party."""

    open: list[Open]
    entries: dict[str, dict[str, int]]


class Seen(NamedTuple):
    """What one look has found. `recorded` is None when the database is away, and then `says` tells why."""

    now_us: int
    recorded: Recorded | None
    says: str
    at_terminals: list[Open]
    unreadable_n: int


class Watcher:
    """Looks when it is asked, at most once a second."""

    def __init__(self, config: WatchConfig, log: Log) -> None:
        self._config = config
        self._log = log
        self._clock = BusinessClock(Path(config.folder))
        self._look: asyncio.Task[Seen] | None = None
        self._looked_s = 0.0
        self._given_up: set[asyncio.Task[Recorded]] = set()
        """Nobody waits for them any more; they are held until they end."""
        self._was_up = True

    async def metrics(self) -> Page:
        """All of it in Prometheus' own words."""
        return Page(HTTPStatus.OK, generate_latest(Measures(await self.seen())), CONTENT_TYPE_PLAIN_0_0_4)

    async def health(self) -> Page:
        """200 while the database answers, 503 with the reason while it does not."""
        seen = await self.seen()
        if seen.recorded is not None:
            return Page(HTTPStatus.OK, b"ok\n")
        return Page(HTTPStatus.SERVICE_UNAVAILABLE, f"{seen.says}\n".encode())

    async def seen(self) -> Seen:
        """What is so now."""
        now_s = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now_s - self._looked_s >= PAGE_S_MIN):
            self._look, self._looked_s = asyncio.create_task(self._looked()), now_s
        return await asyncio.shield(self._look)

    async def _looked(self) -> Seen:
        recorded, says = await self._patiently(recorded_in(self._config))
        if (recorded is not None) != self._was_up:
            self._was_up = recorded is not None
            self._log("the database answers again" if self._was_up else "the database is away", reason=says)
        open_there, unread = await in_terminal_files(files_of(Path(self._config.folder)))
        return Seen(self._clock.now_us(), recorded, says, open_there, len(unread))

    async def _patiently(self, asking: Coroutine[Any, Any, Recorded]) -> tuple[Recorded | None, str]:
        """The answer, or why there is none; a database that stands still is not waited for, not even to be let go."""
        task = asyncio.create_task(asking)
        await asyncio.wait({task}, timeout=DATABASE_S)
        if not task.done():
            task.cancel()
            self._given_up.add(task)
            task.add_done_callback(self._given_up.discard)
            return None, f"the database did not answer within {DATABASE_S:.0f} s"
        error = task.exception()
        if error is None:
            return task.result(), ""
        if not isinstance(error, _AWAY):
            raise error
        return None, str(error)


async def recorded_in(config: WatchConfig) -> Recorded:
    """Ask both parties' schemas. The connections are new ones: a look must not hang on what was lost before it."""
    reader = await PostgresReader.connect(config.acquirer_dsn, ACQUIRER)
    try:
        items, register = await at_acquirer(reader), await reader.logs()
    finally:
        await reader.close()
    reader = await PostgresReader.connect(config.issuer_dsn, ISSUER)
    try:
        book = await reader.logs()
    finally:
        await reader.close()
    logs = {ACQUIRER: register, ISSUER: book}
    return Recorded(items, {party: {each.log: each.frontier.size for each in heads} for party, heads in logs.items()})


# --- the page -----------------------------------------------------------------------------------------------------

Values = list[tuple[tuple[str, ...], float]]
"""Values of labels -> how much."""


class Measures(Collector):
    """One look as metrics."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterable[Metric]:
        """See `Collector.collect`."""
        seen = self._seen
        says = "Whether the database answers; what it alone knows is left out while it does not."
        yield gauge("database_up", says, (), [((), seen.recorded is not None)])
        yield from in_doubt(seen)
        says = "Files of terminals in the data folder that cannot be read."
        yield gauge("terminals_unreadable", says, (), [((), seen.unreadable_n)])
        if seen.recorded is not None:
            yield from of_database(seen.recorded, seen.now_us)


def in_doubt(seen: Seen) -> Iterable[Metric]:
    """How much is in doubt at which party, and since when."""
    found = {TERMINAL: doubts_of(TERMINAL, seen.at_terminals)}
    if seen.recorded is not None:
        found[ACQUIRER] = doubts_of(ACQUIRER, seen.recorded.open)
    counts: Values = [((party, what), n) for party, doubts in found.items() for what, n in doubts.counts.items()]
    yield gauge(
        "in_doubt", "What somebody was sent, or is about to be, and has not acknowledged.", ("party", "what"), counts
    )
    ages: Values = [
        ((party,), max(seen.now_us - doubts.oldest_us, 0) / SECOND_US if doubts.oldest_us is not None else 0)
        for party, doubts in found.items()
    ]
    yield gauge("in_doubt_oldest_seconds", "Age of the oldest of them, 0 where there is none.", ("party",), ages)


def of_database(recorded: Recorded, now_us: int) -> Iterable[Metric]:
    """What else the acquirer owes, and how long the logs are."""
    found = [item for item in recorded.open if item.what == FOUND]
    late = [item for item in found if item.due_us is not None and item.due_us < now_us]
    releases = [item for item in recorded.open if item.what == RELEASED]
    yield gauge("findings_open", "Findings whose owner has something to do.", (), [((), len(found))])
    yield gauge("findings_overdue", "Those of them whose time has passed.", (), [((), len(late))])
    yield gauge("releases_owed", "Rests of completed holds that the issuer must still free.", (), [((), len(releases))])
    for party, name in ((ACQUIRER, "register"), (ISSUER, "book")):
        sizes: Values = [((log,), size) for log, size in recorded.entries[party].items()]
        yield gauge(f"{name}_entries", f"Entries of each log of the {name}.", ("log",), sizes)


def gauge(name: str, says: str, labels: tuple[str, ...], values: Values) -> Metric:
    """One of our metrics."""
    family = GaugeMetricFamily(f"holdfast_{name}", says, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family


# --- the process --------------------------------------------------------------------------------------------------


async def run(config: WatchConfig, log: Log) -> None:
    """Answer until told to stop."""
    watcher = Watcher(config, log)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pages = {"/metrics": watcher.metrics, "/healthz": watcher.health}
    server = await serve_pages(socket.socket(fileno=config.listen), pages)
    log("watching")
    await stop.wait()
    server.close()


def main() -> None:
    """Read the configuration, tie our life to the starter's, and run."""
    os.umask(0o077)
    try:
        config = load_watch_config(sys.stdin.readline())
        launcher.die_with(config.parent, signal.SIGKILL)
        log = open_log(Path(config.log), config.name)
    except (Unreachable, OSError) as error:
        sys.exit(f"holdfast: {error}")
    forward_libraries(log)
    uvloop.run(run(config, log))


if __name__ == "__main__":
    main()
