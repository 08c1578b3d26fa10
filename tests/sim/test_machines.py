"""What goes wrong with machines, in worlds where nothing else does: it takes effect, and harms nobody."""

from typing import Any

import orjson
import pytest

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US
from holdfast.domain.tables import DUE
from holdfast.sim.auditor import Auditor
from holdfast.sim.faults import (
    CRASH_RECOVERY,
    DISK_FULL,
    FOREIGN_AGAIN,
    FOREIGN_FORGETS,
    ISSUER_DOWN,
    JUMP,
    KILL,
    RATES,
    SKEW,
    TORN,
    WRITE_FAILS,
    Hostility,
)
from holdfast.sim.folds import OwnHold
from holdfast.sim.labels import ISSUER_DOUBLED, ISSUER_FORGOT, JOURNAL_TORN, Labels
from holdfast.sim.world import World


def troubled(seed: int, **rates: float) -> World:
    """A world in which only these things go wrong, and so often."""
    world = World(seed, 4)
    hostility = Hostility(dict.fromkeys(RATES, 0.0) | {kind.replace("_", "-"): rate for kind, rate in rates.items()})
    world.plan = world.plan._replace(hostility=hostility, returns_after_days=0)
    world.run()
    return world


@pytest.mark.parametrize(
    ("rates", "counted"),
    [
        ({KILL: 2.0, CRASH_RECOVERY: 0.8}, CRASH_RECOVERY),
        ({DISK_FULL: 3.0}, DISK_FULL),
        ({WRITE_FAILS: 0.05}, WRITE_FAILS),
        ({SKEW: 4.0}, SKEW),
        ({JUMP: 4.0}, JUMP),
        ({TORN: 4.0}, TORN),
        ({FOREIGN_AGAIN: 0.5}, FOREIGN_AGAIN),
        ({FOREIGN_FORGETS: 0.5}, FOREIGN_FORGETS),
    ],
)
def test_it_takes_effect_and_harms_nobody(rates: dict[str, float], counted: str) -> None:
    world = troubled(1, **{kind.replace("-", "_"): rate for kind, rate in rates.items()})
    assert world.complaints == []
    assert world.faults.counts[counted] > 2


@pytest.mark.parametrize(("kind", "cause"), [(FOREIGN_AGAIN, ISSUER_DOUBLED), (FOREIGN_FORGETS, ISSUER_FORGOT)])
def test_what_a_foreign_issuer_does_is_permitted_by_its_label_alone(kind: str, cause: str) -> None:
    world, complaints = troubled(1, **{kind.replace("-", "_"): 0.5}), list[str]()
    assert world.labels.about(cause)
    Auditor(world.acquirers.database, world.issuer.database, world.plan, complaints.append, Labels()).hosts()
    assert complaints
    assert {complaint[:2] for complaint in complaints} <= {"I2", "I3"}, "the book is right by itself all the same"


def test_an_issuer_that_is_away_comes_back_when_all_heals_and_everything_is_resolved() -> None:
    world = troubled(1, issuer_down=1.0)
    assert world.complaints == []
    assert world.faults.counts[ISSUER_DOWN] == 1


def test_a_torn_journal_is_recorded_first_of_all_and_rebuilt_and_has_its_finding() -> None:
    world = World(3, 2)
    world._begin()
    for cashier in world.cashiers:
        cashier.open_shop(2)
    world._run_for(2 * MINUTE_US)
    till = world._ours[0]
    kept = len(till.database.logs["J"].entries)
    lost = till.machine.tear(3)
    world.labels.put(till.name, JOURNAL_TORN)
    assert lost
    world._run_for(10 * MINUTE_US)
    says = [orjson.loads(entry.body) for entry in till.database.logs["J"].entries[kept - len(lost) :]]
    assert (says[0]["phase"], says[0]["kept"]) == ("mended", kept - len(lost))
    assert "rebuilt" in {each["phase"] for each in says}
    world.audit(quiet=False)
    assert world.complaints == []
    complaints: list[str] = []
    Auditor(world.acquirers.database, world.issuer.database, world.plan, complaints.append, Labels()).terminal(
        till.name, till.database
    )
    assert len(complaints) == 1, "without its label the finding is one too many"


def test_nothing_is_written_while_a_disk_is_full_and_all_of_it_afterwards() -> None:
    world = World(2, 1)
    world._begin()
    register = world.acquirers.database
    world.acquirers.fill(60_000_000)
    before = register.logs["A"].state
    for cashier in world.cashiers:
        cashier.open_shop(1)
    world._run_for(59_000_000)
    assert register.logs["A"].state == before
    world._run_for(60_000_000)
    assert register.logs["A"].state.batch > before.batch
    assert world.faults.counts[DISK_FULL] == 1


def test_a_terminal_whose_clock_was_a_year_ahead_is_quiet_within_minutes_of_its_being_set_right() -> None:
    world = World(2, 1)
    world._begin()
    for machine in (till.machine for till in world._ours):
        machine.set_clock(365 * DAY_US)
    for cashier in world.cashiers:
        cashier.open_shop(1)
    world._run_for(20 * SECOND_US)
    for machine in world.acquirers.machines:
        machine.crash(60 * SECOND_US)
    world._run_for(60 * SECOND_US)
    for machine in (till.machine for till in world._ours):
        machine.set_clock(0)
    world._run_for(10 * MINUTE_US)
    assert all(till.clean for till in world._ours)
    assert not any(till.database.table(DUE).rows for till in world._ours)


def at(log: str, number: int, at_us: int, version: int = 0) -> dict[str, Any]:
    """An entry, and the version that it made of the hold."""
    act = ["increase" if version > 1 else "place", f"{log}-{number:06d}", 100]
    facts = {"log": log, "number": number, "at": at_us}
    return facts | {"hold": {"version": version, "act": act}} if version else facts


def stood(entry: dict[str, Any], *changes: dict[str, Any]) -> list[int]:
    """How much the hold may have been of when the entry was written."""
    hold = OwnHold("A-000001")
    for facts in changes:
        hold.add(facts)
    hold.fold("", lambda what: None)
    return [walk.requested_minor for walk in hold.before(entry)]


def test_in_its_own_log_an_entry_comes_after_the_one_before_it_whatever_the_clock_said() -> None:
    placed, raised = at("A", 1, 900_000_000, 1), at("A", 3, 100_000_000, 2)
    assert stood(at("A", 2, 500_000_000), placed, raised) == [100]
    assert stood(at("A", 4, 0), placed, raised) == [200]


def test_entries_of_two_logs_have_an_order_only_where_their_times_are_far_apart() -> None:
    placed, raised = at("A", 1, 0, 1), at("B", 1, 1_000_000_000, 2)
    assert stood(at("A", 2, 999_000_000), placed, raised) == [100, 200]
    assert stood(at("A", 2, 500_000_000), placed, raised) == [100]
    assert stood(at("A", 2, 1_500_000_000), placed, raised) == [200]
