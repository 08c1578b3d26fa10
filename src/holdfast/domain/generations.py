"""Names of logs, before and after a restore.

A log is named by one letter. A restored register may be shorter than what terminals and issuers were told, so its logs
end where the backup ended and are never written again. What follows goes into logs of a new generation, named by two
letters: `QA` takes the place of `A`, `QB` of `B`. So no entry's id, RRN or exchange id is ever given to two things.
"""

from collections.abc import Iterable, Sequence

GENERATIONS = "ABCDEFGHKLMNPQRSTUVWXYZ"
"""Without I, J and O, which are taken for digits when an RRN is read aloud."""


def names_in(generation: str, letters: Sequence[str]) -> tuple[str, ...]:
    """The logs of a party in a generation; "" is the one before any restore."""
    return tuple(f"{generation}{letter}" for letter in letters)


def generation_of(log: str) -> str:
    """`QA` -> `Q`, `A` -> ``."""
    return log[:-1]


def is_of(log: str, letters: Sequence[str]) -> bool:
    """Whether a log, of whatever generation, is one of the party with these letters."""
    return log[-1:] in letters and (log[:-1] == "" or log[:-1] in GENERATIONS) and len(log) <= 2


def unused(logs: Iterable[str]) -> str:
    """The generations that none of these logs belongs to."""
    used = {generation_of(log) for log in logs}
    return "".join(letter for letter in GENERATIONS if letter not in used)
