"""The loop around an engine: no wait that is not needed, a database that goes away, another writer, a drain."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.errors import CommitUnknown, Fenced, StoreError
from holdfast.keys.file import FileKeys
from holdfast.parties.step import TURN, Command, Decision, Event, Outcome, Step, Wait
from holdfast.runtime.driver import CLAIM_INTERVAL_S, CountedLinks, Driver
from holdfast.runtime.engine import LEASE_S, Engine
from holdfast.runtime.pos import JOURNAL_WORDS
from holdfast.store.interface import LogState
from holdfast.store.memory import MemoryDatabase, MemoryStore

LOGS = ("A",)


class Clerk:
    """A party that notes every command and answers it, except `ask`, whose answer comes with the due row it leaves."""

    def decide(self, event: Event) -> Decision:
        (turn,) = yield (TURN,)
        entry = turn.record("noted", {"event": type(event).__name__})
        if isinstance(event, Due):
            return Step((entry,), (remove(DUE, event.key),), (Outcome("question", {"late": True}),))
        assert isinstance(event, Command)
        if event.name == "ask":
            due = Due("question", turn.now_us + event.arguments["after_us"], 0, turn.now_us)
            writes: tuple[Write, ...] = (put(DUE, due),)
            return Step((entry,), writes, wait=Wait("question", event.caller))
        return Step((entry,), send=(Outcome(event.caller, {"entry": turn.entry}),))

    def refuse(self, event: Event, error: Exception) -> Decision:
        (turn,) = yield (TURN,)
        return Step((turn.record("refused", {}),))


class FlakyStore(MemoryStore):
    """A database that can be away, or leave one waiting, or not say whether it has committed."""

    away = False
    frozen = False
    silent = False

    async def begin(self) -> Any:
        if self.frozen:
            await asyncio.Event().wait()
        if self.away:
            raise StoreError("away")
        transaction = await super().begin()
        if self.silent:
            self.away = True
            transaction.commit = self._no_word  # type: ignore[method-assign]
        return transaction

    async def take_log(self, names: Sequence[str], holder: str, lease_s: float) -> LogState:
        if self.away:
            raise StoreError("away")
        return await super().take_log(names, holder, lease_s)

    async def _no_word(self) -> None:
        raise CommitUnknown("the disk says nothing")


class Desk:
    """An engine on a memory store, and its driver."""

    def __init__(self, refused: Callable[[Command, bool], Mapping[str, Any]] | None = None) -> None:
        self.database = MemoryDatabase(time.monotonic)
        self.store = FlakyStore(self.database)
        self.links = CountedLinks(FileKeys(bytes(32), bytes(range(32))))
        self.said: list[str] = []
        self.engine = self.new_engine(self.store, "desk")
        self.driver = Driver(self.engine, self.links, self.say, refused)
        self.outcomes: list[Mapping[str, Any]] = []

    def new_engine(self, store: MemoryStore, holder: str) -> Engine:
        keys = FileKeys(bytes(32), bytes(range(32)))
        return Engine(Clerk(), store, keys, self.links, lambda: time.time_ns() // 1000, self.say, holder, LOGS)

    def say(self, event: str, **facts: object) -> None:
        self.said.append(event)

    async def start(self) -> "asyncio.Task[None]":
        await self.engine.take()
        return asyncio.create_task(self.driver.run(lambda: None, lambda: None))

    def command(self, name: str = "note", **arguments: int) -> None:
        def tell(value: Mapping[str, Any]) -> None:
            self.outcomes.append(value)
            self.links.drop(caller)

        caller = self.links.add_caller(tell)
        self.driver.offer(Command(caller, name, arguments, "test"))


async def until(check: Callable[[], object], within_s: float = 2.0) -> float:
    """How long it took until that was so."""
    started = time.monotonic()
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110 - what is waited for happens in a task of the code under test
            await asyncio.sleep(0)
    return time.monotonic() - started


async def finish(desk: Desk, running: "asyncio.Task[None]", within_s: float = 2.0) -> None:
    desk.driver.stop()
    await asyncio.wait_for(running, within_s)


async def test_what_is_offered_is_decided_on_at_once() -> None:
    desk = Desk()
    running = await desk.start()
    await asyncio.sleep(0.05)
    took = []
    for n in range(20):
        desk.command()
        took.append(await until(lambda n=n: len(desk.outcomes) == n + 1))  # type: ignore[misc]
    assert sorted(took)[10] < CLAIM_INTERVAL_S / 4
    await finish(desk, running)
    assert desk.outcomes[-1] == {"entry": "A-000020"}


async def test_due_rows_are_found_while_nothing_else_happens() -> None:
    desk = Desk()
    running = await desk.start()
    desk.command("ask", after_us=50_000)
    await until(lambda: desk.outcomes == [{"late": True}])
    await finish(desk, running)
    assert not desk.database.table(DUE).rows


async def test_while_the_database_is_away_events_wait_and_nothing_is_answered() -> None:
    desk = Desk()
    running = await desk.start()
    desk.store.away = True
    for _ in range(3):
        desk.command()
    await asyncio.sleep(0.3)
    assert not desk.outcomes
    assert desk.said.count("the database does not answer, waiting for it") == 1
    desk.store.away = False
    await until(lambda: len(desk.outcomes) == 3)
    assert [outcome["entry"] for outcome in desk.outcomes] == ["A-000001", "A-000002", "A-000003"]
    assert "the database answers again" in desk.said
    await finish(desk, running)


def refused(command: Command, unsure: bool) -> Mapping[str, Any]:
    return {"refused": command.name, "unsure": unsure}


async def test_commands_that_the_database_refuses_are_turned_away_at_once_and_are_never_done() -> None:
    desk = Desk(refused)
    running = await desk.start()
    desk.command("ask", after_us=200_000)
    await until(lambda: not desk.engine.waiting)
    desk.store.away = True
    desk.command()
    desk.command()
    await until(lambda: desk.outcomes == [{"refused": "note", "unsure": False}] * 2)
    refusals = [desk.driver.refusing]
    await asyncio.sleep(0.3)
    assert len(desk.outcomes) == 2, "what was due meanwhile is told by nobody before it is in the log"
    desk.store.away = False
    await until(lambda: desk.outcomes[2:] == [{"late": True}], 5.0)
    refusals.append(desk.driver.refusing)
    assert refusals == [True, False]
    await finish(desk, running)
    assert len(desk.database.logs["A"].entries) == 2, "the question and its end, and nothing of what was turned away"


async def test_a_command_that_may_have_been_committed_is_not_said_to_be_undone() -> None:
    desk = Desk(refused)
    running = await desk.start()
    desk.store.silent = True
    desk.command()
    await until(lambda: desk.outcomes == [{"refused": "note", "unsure": True}])
    desk.store.away = desk.store.silent = False
    desk.command()
    await until(lambda: len(desk.outcomes) == 2, 5.0)
    assert desk.outcomes[1] == {"entry": "A-000001"}
    await finish(desk, running)


async def test_who_lost_his_log_stops() -> None:
    desk = Desk()
    running = await desk.start()
    desk.command()
    await until(lambda: desk.outcomes)
    desk.database.logs["A"].lease_until_s = 0.0
    await desk.new_engine(MemoryStore(desk.database), "another").take()
    desk.command()
    with pytest.raises(Fenced):
        await asyncio.wait_for(running, 2)
    assert len(desk.outcomes) == 1


async def test_a_drain_waits_for_what_is_in_flight_and_gives_the_log_back() -> None:
    desk = Desk()
    running = await desk.start()
    desk.command("ask", after_us=300_000)
    await until(lambda: not desk.engine.waiting)
    desk.driver.stop()
    desk.command()
    await asyncio.wait_for(running, 2)
    assert {"late": True} in desk.outcomes
    assert desk.driver.stopping
    free = await desk.new_engine(MemoryStore(desk.database), "another").take()
    assert (free.log, free.epoch) == ("A", 2)


async def test_a_drain_has_an_end() -> None:
    desk = Desk()
    running = await desk.start()
    desk.command("ask", after_us=60_000_000)
    await until(lambda: not desk.engine.waiting)
    started = time.monotonic()
    desk.driver.stop(patience_s=0.3)
    await asyncio.wait_for(running, 2)
    assert 0.25 < time.monotonic() - started < 1
    assert not desk.outcomes


async def test_a_drain_does_not_wait_for_a_database_that_does_not_answer() -> None:
    desk = Desk()
    running = await desk.start()
    desk.store.frozen = True
    desk.command()
    await asyncio.sleep(0.05)
    desk.driver.stop(patience_s=0.1)
    await asyncio.wait_for(running, 2)
    assert not desk.outcomes
    assert desk.said == ["the database does not answer, stopping without it"]


async def test_a_terminal_says_that_its_journal_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    monkeypatch.setattr(desk.driver, "_words", JOURNAL_WORDS)
    running = await desk.start()
    desk.store.away = True
    desk.command()
    await asyncio.sleep(0.1)
    desk.store.away = False
    await until(lambda: "the journal can be written again" in desk.said)
    await finish(desk, running)
    assert desk.said[0] == "the journal cannot be written, waiting for it"


async def test_whoever_is_cancelled_from_outside_is() -> None:
    desk = Desk()
    running = await desk.start()
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_lease_is_prolonged_and_a_checkpoint_signed() -> None:
    desk = Desk()
    running = await desk.start()
    desk.command()
    await until(lambda: desk.database.logs["A"].checkpoints, 3.0)
    left_s = desk.database.logs["A"].lease_until_s - time.monotonic()
    assert LEASE_S - 1.5 < left_s <= LEASE_S
    await finish(desk, running)
