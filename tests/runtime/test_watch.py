"""The watcher says what is recorded, never what was; and it answers whatever the database does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast.runtime import watch
from holdfast.runtime.config import WatchConfig
from holdfast.runtime.pos import file_of
from holdfast.runtime.roles import RoleDsns
from holdfast.runtime.watch import Watcher
from tests.reading.town import PostgresGround, Town
from tests.store.conftest import postgres

__all__ = ["postgres"]

Numbers = dict[tuple[str, ...], float]
"""The values of a metric, by the values of its labels."""


def config_of(dsns: RoleDsns, folder: Path) -> WatchConfig:
    return WatchConfig("watcher", 1, dsns.reader_acquirer, dsns.reader_issuer, str(folder), "", -1)


def watcher_of(dsns: RoleDsns, folder: Path) -> Watcher:
    return Watcher(config_of(dsns, folder), lambda event, **facts: None)


async def told(watcher: Watcher) -> dict[str, Numbers]:
    """Its metrics, by name without `holdfast_`."""
    page = await watcher.metrics()
    assert page.status is HTTPStatus.OK
    families = text_string_to_metric_families(page.body.decode())
    return {
        family.name.removeprefix("holdfast_"): {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in families
    }


def not_zero(numbers: Numbers) -> Numbers:
    return {labels: value for labels, value in numbers.items() if value}


@pytest.fixture
async def town(postgres: RoleDsns) -> AsyncIterator[Town]:
    ground = PostgresGround(postgres)
    await ground.empty()
    yield await Town.built(ground)
    await ground.close()


@pytest.fixture
def silent_dsns() -> Iterator[RoleDsns]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dsn = f"postgresql://u:p@127.0.0.1:{listener.getsockname()[1]}/x"
        yield RoleDsns(dsn, dsn, dsn, dsn)


async def test_what_is_in_doubt_is_counted(
    town: Town, postgres: RoleDsns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAGE_S_MIN", 0)
    watcher = watcher_of(postgres, tmp_path)
    watcher._clock.now_us = lambda: town.now_us  # type: ignore[method-assign]
    quiet = await told(watcher)
    assert quiet["database_up"] == {(): 1}
    assert not_zero(quiet["in_doubt"]) == {}
    assert quiet["in_doubt_oldest_seconds"] == {("acquirer",): 0, ("terminal",): 0}
    assert {("acquirer", "answer"), ("acquirer", "release"), ("terminal", "settlement")} <= set(quiet["in_doubt"])
    desk = await town.terminal()
    await desk.ask_in_vain("alice", 30_000)
    assert not_zero((await told(watcher))["in_doubt"]) == {("acquirer", "answer"): 1}
    await town.pass_time(13)
    town.now_us += 100_000_000
    late = await told(watcher)
    assert not_zero(late["in_doubt"]) == {("acquirer", "reversal"): 1}
    assert 113 <= late["in_doubt_oldest_seconds"]["acquirer",] < 114, "as old as the request"
    assert late["register_entries"]["A",] > quiet["register_entries"]["A",]
    assert late["book_entries"]["I",] > 0
    assert (late["findings_open"], late["releases_owed"]) == ({(): 0}, {(): 0})
    await town.wake_issuer()
    assert not_zero((await told(watcher))["in_doubt"]) == {}


async def test_a_finding_and_its_time(
    town: Town, postgres: RoleDsns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAGE_S_MIN", 0)
    watcher = watcher_of(postgres, tmp_path)
    watcher._clock.now_us = lambda: town.now_us  # type: ignore[method-assign]
    await (await town.terminal()).ask_in_vain("alice", 30_000)
    await town.pass_time(13)
    for _ in range(town.policy.undo_finding_attempts):
        await town.pass_time(120)
    found = await told(watcher)
    assert (found["findings_open"], found["findings_overdue"]) == ({(): 1}, {(): 0})
    town.now_us += town.policy.finding_due_us + 1
    assert (await told(watcher))["findings_overdue"] == {(): 1}


async def test_many_who_ask_at_once_share_one_look(town: Town, postgres: RoleDsns, tmp_path: Path) -> None:
    watcher = watcher_of(postgres, tmp_path)
    first, second = await asyncio.gather(watcher.seen(), watcher.seen())
    assert first is second is await watcher.seen()
    await asyncio.sleep(watch.PAGE_S_MIN + 0.05)
    assert await watcher.seen() is not first


async def test_without_a_database_nothing_is_said_that_it_alone_knows(tmp_path: Path) -> None:
    nowhere = "postgresql://u:secret@127.0.0.1:1/x"
    watcher = watcher_of(RoleDsns(nowhere, nowhere, nowhere, nowhere), tmp_path)
    found = await told(watcher)
    assert found["database_up"] == {(): 0}
    assert {labels[0] for labels in found["in_doubt"]} == {"terminal"}
    assert "register_entries" not in found
    page = await watcher.health()
    assert page.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert b"cannot be reached" in page.body
    assert b"secret" not in page.body


async def test_a_database_that_stands_still_is_not_waited_for(
    silent_dsns: RoleDsns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "DATABASE_S", 0.1)
    watcher = watcher_of(silent_dsns, tmp_path)
    async with asyncio.timeout(2):
        assert (await told(watcher))["database_up"] == {(): 0}
        assert b"did not answer" in (await watcher.health()).body


async def test_a_terminals_file_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = file_of(tmp_path, "T0000001")
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 400)
    nowhere = "postgresql://u:p@127.0.0.1:1/x"
    found = await told(watcher_of(RoleDsns(nowhere, nowhere, nowhere, nowhere), tmp_path))
    assert found["terminals_unreadable"] == {(): 1}
