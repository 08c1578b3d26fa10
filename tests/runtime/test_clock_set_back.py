"""A clock that is set back: what was to come within a minute must not wait until the wrong year has come."""

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US
from holdfast.domain.tables import DUE, Due, put
from holdfast.parties.step import TURN, Command, Decision, Event, Step
from holdfast.runtime.engine import Engine
from holdfast.runtime.links import Links
from holdfast.sim.keys import SimKeys
from holdfast.store.memory import MemoryDatabase, MemoryStore
from tests.runtime.acquirer_bench import run

TODAY_US = 20_000 * DAY_US


class Waiter:
    """Told to wait, it lets a row be due a minute later; what is due comes again after a minute."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def decide(self, event: Event) -> Decision:
        (turn,) = yield (TURN,)
        if isinstance(event, Due):
            self.heard.append(event.key)
        key = event.key if isinstance(event, Due) else "answer:1"
        return Step(write=(put(DUE, Due(key, turn.now_us + MINUTE_US, 0, turn.now_us)),))

    def refuse(self, event: Event, error: Exception) -> Decision:
        raise AssertionError(event) from error


class Clock:
    """A clock that can be set."""

    now_us = TODAY_US


def started(database: MemoryDatabase, party: Waiter, clock: Clock, waits_us_max: int | None) -> Engine:
    """An engine on that database, with its log taken."""
    keys = SimKeys("T", "T")
    engine = Engine(
        party,
        MemoryStore(database),
        keys,
        Links(keys),
        lambda: clock.now_us,
        lambda event, **facts: None,
        "terminal",
        ("J",),
        waits_us_max=waits_us_max,
    )
    run(engine.take())
    return engine


def waiting_from_another_year(waits_us_max: int | None) -> tuple[Engine, Waiter, Clock, MemoryDatabase]:
    """A row was put there by a clock that was a year ahead; then the clock was set right."""
    database, party, clock = MemoryDatabase(lambda: 0.0), Waiter(), Clock()
    engine = started(database, party, clock, waits_us_max)
    clock.now_us = TODAY_US + 365 * DAY_US
    engine.offer(Command(0, "wait", {}, "01"))
    run(engine.turn(False))
    clock.now_us = TODAY_US
    return engine, party, clock, database


def test_what_is_due_in_another_year_is_due_now_also_after_a_restart() -> None:
    _, party, clock, database = waiting_from_another_year(2 * MINUTE_US)
    engine = started(database, party, clock, 2 * MINUTE_US)
    run(engine.turn(True))
    assert party.heard == ["answer:1"]
    run(engine.turn(True))
    assert party.heard == ["answer:1"], "now it waits by the right clock"
    clock.now_us += MINUTE_US
    run(engine.turn(True))
    assert party.heard == ["answer:1"] * 2


def test_a_clock_that_is_set_back_by_a_second_lets_nothing_come_early() -> None:
    engine, party, clock, _ = waiting_from_another_year(2 * MINUTE_US)
    run(engine.turn(True))
    clock.now_us -= SECOND_US
    run(engine.turn(True))
    assert party.heard == ["answer:1"]


def test_where_a_party_may_wait_for_as_long_as_it_likes_nothing_comes_early() -> None:
    engine, party, _, _ = waiting_from_another_year(None)
    run(engine.turn(True))
    assert party.heard == []
