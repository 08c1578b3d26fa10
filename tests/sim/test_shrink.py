"""A complaint's shortest story: shorter than the world it came from, still wrong in the same way, and readable."""

from collections.abc import Sequence

import pytest

from holdfast.sim.run import played, replay_command
from holdfast.sim.shrink import _minimal, shape, shorten
from holdfast.sim.story import told

BUG, SEED, MINUTES = "issuer-not-idempotent", 1, 5


@pytest.mark.parametrize("needed", [{"a"}, {"a", "j"}, {"c", "d", "e"}, set("abcdefghij"), set()])
def test_what_is_needed_is_what_is_left(needed: set[str]) -> None:
    def fails(names: Sequence[str]) -> bool:
        return needed <= set(names)

    assert set(_minimal(list("abcdefghij"), fails, lambda: False)) == needed


def test_the_shape_of_a_complaint_is_what_it_says_without_its_numbers() -> None:
    first = shape("I2: T0000009/000001/000003/0200 is reversed in the register and in force in the book")
    assert first == shape("I2: T0000001/000002/000013/0100 is reversed in the register and in force in the book")
    assert first != shape("I2: T0000009/000001/000003/0200 is approved in the register and not in force in the book")


def test_a_story_is_much_shorter_and_goes_wrong_in_the_same_way() -> None:
    world = played(SEED, MINUTES, BUG)
    first = world.complaints[0]
    shorter = shorten(SEED, MINUTES, BUG, first)
    assert len(shorter.only) < 12 < 100 < shorter.of
    again = played(SEED, MINUTES, BUG, shorter.only)
    assert shape(first) in map(shape, again.complaints)
    assert sorted([*again.guests, *again.faults.struck]) == sorted(shorter.only)
    for name in shorter.only:
        without = played(SEED, MINUTES, BUG, shorter.only - {name})
        assert shape(first) not in map(shape, without.complaints), f"{name} is not needed"


def test_a_story_can_be_read_and_hangs_on_nothing_but_its_names() -> None:
    shorter = shorten(SEED, MINUTES, BUG, played(SEED, MINUTES, BUG).complaints[0])
    lines = told(SEED, MINUTES, BUG, shorter.only)
    assert lines == told(SEED, MINUTES, BUG, shorter.only)
    assert any("issuer hears from acquirer" in line for line in lines)
    assert any(line.startswith("COMPLAINT I3") for line in lines)
    assert told(SEED, MINUTES, None, shorter.only)[-1].startswith("COMPLAINT") is False
    assert replay_command(SEED, MINUTES, BUG, shorter.only).endswith(f"--only {','.join(sorted(shorter.only))}")


def test_a_world_that_is_given_all_its_names_is_the_world_itself() -> None:
    whole = played(SEED, MINUTES)
    named = played(SEED, MINUTES, only=frozenset([*whole.guests, *whole.faults.struck]))
    assert whole.scheduler.trace() == named.scheduler.trace()
