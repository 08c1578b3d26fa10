"""A terminal's journal in a real file: every step of a made-up terminal is one commit, as its engine does it."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.records import TERMINAL_LOGS, TERMINAL_TABLES
from holdfast.keys.file import FileKeys
from holdfast.parties.step import Event, Step
from holdfast.register.tree import append
from holdfast.store.interface import Batch, LogState
from holdfast.store.sqlite import SqliteStore
from tests.parties import pos_world
from tests.parties.driver import Bench
from tests.parties.pos_world import CARD, PosWorld, answers_lost, lost

KEYS = FileKeys(bytes(32), bytes(range(32)))


class FiledBench(Bench):
    """A party whose steps are kept."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.steps: list[Step] = []

    def offer(self, event: Event, now_us: int) -> Step:
        """The step, kept."""
        step = super().offer(event, now_us)
        self.steps.append(step)
        return step


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> PosWorld:
    """A world with real keys that has a little of everything: approved, voided, told, owed, reversed and in flight."""
    monkeypatch.setattr(pos_world, "PlainKeys", lambda: KEYS)
    monkeypatch.setattr(pos_world, "TMK", KEYS.import_key("tmk", b"T" * 16))
    monkeypatch.setattr(pos_world, "ZONE_MAC", KEYS.import_key("zone-mac", b"Z" * 16))
    monkeypatch.setattr(pos_world, "Bench", FiledBench)
    made = PosWorld().signed_on()
    placed = made.approved("pre-auth", amount_minor=500_00, card=CARD)
    code = placed["authorization_code"]
    made.approved("complete", amount_minor=460_50, card=CARD, authorization_code=code)
    made.approved("sale", amount_minor=12_00, card=CARD)
    made.approved("settle")
    made.judge = lambda message: ("00", "654321")
    made.approved("pre-auth", amount_minor=300_00, card=CARD)
    made.line = answers_lost
    made.command("pre-auth", amount_minor=80_00, card=CARD)
    made.later(31)
    made.line = pos_world.let_through
    made.later(6)
    made.line = lost
    made.command("advise", amount_minor=280_00, card=CARD, authorization_code="654321")
    made.command("pre-auth", amount_minor=90_00, card=CARD)
    return made


def steps_of(world: PosWorld) -> list[Step]:
    """What the terminal did."""
    assert isinstance(world.terminal, FiledBench)
    return world.terminal.steps


async def write_all(path: Path, steps: list[Step]) -> SqliteStore:
    """Each step in a commit of its own; the store is left open."""
    store = SqliteStore(path, TERMINAL_TABLES)
    log = await store.take_log(TERMINAL_LOGS, "terminal", 30)
    for step in steps:
        log = await write(store, log, step)
    return store


async def write(store: SqliteStore, log: LogState, step: Step) -> LogState:
    """One commit."""
    frontier, nodes = append(log.frontier, [entry.leaf for entry in step.entries])
    previous = step.entries[-1].leaf if step.entries else log.previous
    after = log._replace(batch=log.batch + 1, frontier=frontier, previous=previous)
    transaction = await store.begin()
    await transaction.write(Batch(log, after, step.entries, nodes, step.write))
    await transaction.commit()
    return after


async def closed_file(path: Path, world: PosWorld) -> None:
    """A journal that was closed as it should be."""
    await (await write_all(path, steps_of(world))).close()


def killed_file(path: Path, world: PosWorld) -> None:
    """A journal whose process was killed between two commits: its log and index still lie beside it."""
    steps = steps_of(world)
    child = os.fork()
    if child == 0:
        asyncio.run(write_all(path, steps))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def copied(path: Path, folder: Path) -> Path:
    """The file with its log and index in another folder."""
    folder.mkdir()
    for name in ("", "-wal", "-shm"):
        source = path.with_name(path.name + name)
        if source.exists():
            shutil.copy(source, folder / source.name)
    return folder / path.name
