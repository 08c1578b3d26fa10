"""What goes wrong with machines, in worlds where nothing else does: it takes effect, and harms nobody."""

import pytest

from holdfast.sim.faults import CRASH_RECOVERY, DISK_FULL, KILL, RATES, WRITE_FAILS, Hostility
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
    ],
)
def test_it_takes_effect_and_harms_nobody(rates: dict[str, float], counted: str) -> None:
    world = troubled(1, **{kind.replace("-", "_"): rate for kind, rate in rates.items()})
    assert world.complaints == []
    assert world.faults.counts[counted] > 2


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
