"""Every kind of fault that is counted changed the story: without it another story is told."""

from functools import cache

import pytest

from holdfast.sim.faults import KINDS, RATES
from holdfast.sim.run import played
from holdfast.sim.world import World

SEEDS, MINUTES = range(1, 101), 5
"""A kind that takes effect in one world of a hundred is met; most are met in the first of them."""


@cache
def world_of(seed: int) -> World:
    return played(seed, MINUTES)


@pytest.mark.parametrize("kind", KINDS)
def test_what_took_effect_changed_the_trace(kind: str) -> None:
    world = next((world for world in map(world_of, SEEDS) if world.faults.counts[kind]), None)
    assert world is not None, f"{kind} took effect in none of {len(SEEDS)} worlds"
    if kind not in RATES:
        # It comes of other kinds, or of the calendar: nobody can leave it out.
        return
    names = [*world.guests, *world.faults.struck]
    without = frozenset(name for name in names if name.partition(":")[0] != kind)
    other = played(world.seed, MINUTES, only=without)
    assert len(without) < len(names)
    assert other.faults.counts[kind] == 0
    assert other.scheduler.trace() != world.scheduler.trace()
