"""What people do and what becomes of devices: each kind by itself leaves nothing to complain of, and is labelled."""

from functools import cache

import pytest

from holdfast.sim.faults import (
    CANCELS,
    LOST_DEVICE,
    RATES,
    SIGNS_OFF,
    SWAP,
    SWITCHES_OFF,
    WALKS_AWAY,
    Hostility,
)
from holdfast.sim.findings import ANOTHER
from holdfast.sim.labels import ADVISED, DEVICE_LOST, DEVICE_REPLACED, Labels
from holdfast.sim.world import World

MINUTES = 4


@cache
def world_of(*kinds: str, rate: float = 0.4, seed: int = 2) -> World:
    """A world in which nothing but this goes wrong, and often, once it has come to rest."""
    world = World(seed, MINUTES)
    rates = dict.fromkeys(RATES, 0.0) | dict.fromkeys(kinds, rate)
    world.plan = world.plan._replace(hostility=Hostility(rates))
    world.run()
    return world


@pytest.mark.parametrize("kind", [WALKS_AWAY, CANCELS, SWITCHES_OFF, SIGNS_OFF, SWAP, LOST_DEVICE])
def test_what_people_do_leaves_nothing_to_complain_of(kind: str) -> None:
    world = world_of(kind)
    assert world.complaints == []
    assert world.faults.counts[kind] >= 1
    assert {struck.partition(":")[0] for struck in world.faults.struck} == {kind}


def test_who_leaves_out_a_strike_tells_the_same_story_without_it() -> None:
    struck = frozenset(world_of(WALKS_AWAY).faults.struck)
    world = World(2, MINUTES, only=frozenset(world_of(WALKS_AWAY).guests) | (struck - {f"{WALKS_AWAY}:1"}))
    world.plan = world_of(WALKS_AWAY).plan
    world.run()
    assert f"{WALKS_AWAY}:1" not in world.faults.struck


def complaints_without(world: World, labels: Labels) -> list[str]:
    """What the auditor says of this world if these had been its labels."""
    kept, world.labels = world.labels, labels
    try:
        world.audit()
        return list(world.complaints)
    finally:
        world.labels = kept
        world.complaints.clear()


def without(labels: Labels, *causes: str) -> Labels:
    """All labels but those of these causes."""
    left = Labels()
    left._times = {label: times for label, times in labels._times.items() if label.cause not in causes}
    return left


def test_devices_that_came_after_another_and_were_heard_are_named_by_a_finding() -> None:
    """By a sign-on alone nobody knows a device; that none that was heard is missing the auditor sees to."""
    world = world_of(LOST_DEVICE, rate=0.9)
    assert world.complaints == []
    lost = world.labels.about(DEVICE_LOST)
    assert lost, "a seed in which no device is lost shows nothing"
    said = [str(entry.body) for log in world.acquirers.database.logs.values() for entry in log.entries]
    named = {terminal_id for terminal_id in lost if any(ANOTHER in body and terminal_id in body for body in said)}
    assert len(named) >= 2
    assert sum(ANOTHER in body for body in said) == len(named), "each once"


@pytest.mark.parametrize(
    ("kind", "causes", "says"),
    [
        (LOST_DEVICE, (DEVICE_LOST, DEVICE_REPLACED), "another journal"),
        (WALKS_AWAY, (ADVISED,), "a completion was advised"),
    ],
)
def test_a_finding_without_its_label_is_a_complaint(kind: str, causes: tuple[str, ...], says: str) -> None:
    world = world_of(kind)
    assert complaints_without(world, world.labels) == []
    complaints = complaints_without(world, without(world.labels, *causes))
    assert complaints
    assert all(complaint.startswith("I2: register: ") and says in complaint for complaint in complaints[:1])


def test_a_device_that_nobody_found_is_a_complaint() -> None:
    world = world_of(LOST_DEVICE)
    logs = world.acquirers.database.logs
    kept = {name: list(log.entries) for name, log in logs.items()}
    try:
        for log in logs.values():
            log.entries[:] = [entry for entry in log.entries if ANOTHER.encode() not in entry.body]
        complaints = complaints_without(world, world.labels)
    finally:
        for name, log in logs.items():
            log.entries[:] = kept[name]
    assert any("devices were terminal" in complaint for complaint in complaints)
