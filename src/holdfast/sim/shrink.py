"""A complaint's shortest story: guests and strikes of misfortune are left out while the same still goes wrong.

What is tried is a set of names (`T0000003:7` a guest, `loss:2` a strike); everything else of the seed stays as it is.
The search is delta debugging: halves, quarters, …, each alone and each left out; it is greedy, so the story is short
and not provably the shortest. It counts tries and not seconds, so that it comes to the same everywhere.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from holdfast.sim.run import played

TRIES_MAX = 400
WORDS_OF_SHAPE = 6


class Shorter(NamedTuple):
    """What is left of a story: the names that it needs, of how many that happened, found in so many tries."""

    only: frozenset[str]
    of: int
    tries: int


def shape(what: str) -> str:
    """A complaint without the numbers in it: two of one shape are taken for the same."""
    words = [re.sub(r"\S*\d\S*", "#", word) for word in what.partition(": ")[2].split()]
    return " ".join((what.partition(":")[0], *words[:WORDS_OF_SHAPE]))


def shorten(seed: int, minutes: int, bug: str | None, what: str, tried: Callable[[], None] = lambda: None) -> Shorter:
    """The shortest story found of this complaint; `tried` is called at each try."""
    world = played(seed, minutes, bug)
    # Guests by till, strikes by kind: what belongs together is left out together.
    happened = [*world.guests, *sorted(world.faults.struck)]
    wanted, tries = shape(what), 0

    def fails(names: Sequence[str]) -> bool:
        nonlocal tries
        tries += 1
        tried()
        complaints = played(seed, minutes, bug, frozenset(names)).complaints
        return any(shape(complaint) == wanted for complaint in complaints)

    left = _minimal(happened, fails, lambda: tries >= TRIES_MAX)
    return Shorter(frozenset(left), len(happened), tries)


def _minimal(names: list[str], fails: Callable[[Sequence[str]], bool], enough: Callable[[], bool]) -> list[str]:
    parts = 2
    while len(names) > 1 and not enough():
        size = -(-len(names) // parts)
        chunks = [names[at : at + size] for at in range(0, len(names), size)]
        shorter = _first_failing(names, chunks, fails, enough, alone=parts <= 2 or len(chunks) <= 4)
        if shorter is not None:
            names, parts = shorter, 2 if len(shorter) <= size else max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(names))
    return [] if names and not enough() and fails([]) else names


def _first_failing(
    names: list[str],
    chunks: list[list[str]],
    fails: Callable[[Sequence[str]], bool],
    enough: Callable[[], bool],
    alone: bool,
) -> list[str] | None:
    """A part of the names that still fails: one chunk alone, or all but one."""
    candidates = [*chunks] if alone else []
    if len(chunks) > 2 or not alone:
        candidates += [[name for name in names if name not in set(chunk)] for chunk in chunks]
    for candidate in candidates:
        if enough():
            return None
        if fails(candidate):
            return candidate
    return None
