"""The life of a hold: a fold over the acts in force.

Rule 1: every way a hold can change is a row of TRANSITIONS; what is not in it cannot happen.
Rule 2: this file does not know which party is asking; acquirer and issuer fold the same acts.
Rule 3: a reversal never edits. It takes an act out of the fold, and only the last act in force can be taken out.
"""

from enum import StrEnum
from typing import NamedTuple

import orjson


class State(StrEnum):
    """What a hold is."""

    NONE = "none"
    HELD = "held"
    COMPLETED = "completed"
    VOIDED = "voided"
    EXPIRED = "expired"
    REVERSED = "reversed"


class Act(StrEnum):
    """What can be done to a hold."""

    PLACE = "place"
    COMPLETE = "complete"
    VOID = "void"
    EXPIRE = "expire"


TRANSITIONS = {
    (State.NONE, Act.PLACE): State.HELD,
    (State.HELD, Act.COMPLETE): State.COMPLETED,
    (State.HELD, Act.VOID): State.VOIDED,
    (State.HELD, Act.EXPIRE): State.EXPIRED,
}


class InForce(NamedTuple):
    """One act in force. `by` names the request (an exchange id) that did it."""

    act: Act
    by: str
    amount_minor: int


class Life(NamedTuple):
    """What the fold says: the state, and what was completed (posted)."""

    state: State
    completed_minor: int


Acts = tuple[InForce, ...]


def fold(acts: Acts) -> Life:
    """The acts in force, oldest first -> the state of the hold. Acts that no row of the table allows are a bug."""
    state, completed_minor = State.NONE, 0
    for act in acts:
        state = TRANSITIONS[state, act.act]
        if act.act is Act.COMPLETE:
            completed_minor += act.amount_minor
    return Life(State.REVERSED if not acts else state, completed_minor)


def allows(state: str, act: str) -> bool:
    """Whether the table lets this act happen in this state."""
    return (State(state), Act(act)) in TRANSITIONS


class Reversal(StrEnum):
    """What became of an attempt to take an act out of the fold."""

    TAKEN_OUT = "taken out"
    BUILT_UPON = "built upon"
    NOT_IN_FORCE = "not in force"


def take_out(acts: Acts, by: str) -> tuple[Reversal, Acts]:
    """Take the act of request `by` out of force, if it is the last one (an expiry after it was only time passing)."""
    standing = acts[:-1] if acts and acts[-1].act is Act.EXPIRE else acts
    if standing and standing[-1].by == by:
        return Reversal.TAKEN_OUT, standing[:-1]
    if any(act.by == by for act in standing):
        return Reversal.BUILT_UPON, acts
    return Reversal.NOT_IN_FORCE, acts


def dump(acts: Acts) -> str:
    """Acts -> the text that a row keeps."""
    return orjson.dumps([[act.act, act.by, act.amount_minor] for act in acts]).decode()


def load(text: str) -> Acts:
    """The text of a row -> acts."""
    return tuple(InForce(Act(act), by, amount_minor) for act, by, amount_minor in orjson.loads(text))
