"""The life of a hold: a fold over the acts in force.

Rule 1: every way a hold can change is a row of TRANSITIONS; what is not in it cannot happen.
Rule 2: this file does not know which party is asking; acquirer and issuer fold the same acts.
Rule 3: a reversal never edits. It takes an act out of the fold, and only the last act in force can be taken out.
A sale is a hold that was never open: it is placed and completed by one act.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

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
    INCREASE = "increase"
    COMPLETE = "complete"
    COMPLETE_PART = "complete-part"
    """A completion that leaves the rest held: more may follow, or whoever asked frees the rest himself."""
    RELEASE = "release"
    """The rest of a hold that was completed in part is freed."""
    REOPEN = "reopen"
    """A completion is voided, and the hold stands again."""
    REFUND = "refund"
    VOID = "void"
    EXPIRE = "expire"
    SELL = "sell"
    TAKE_BACK = "take-back"
    """A sale is voided, or a completion together with its hold."""


TRANSITIONS = {
    (State.NONE, Act.PLACE): State.HELD,
    (State.HELD, Act.INCREASE): State.HELD,
    (State.HELD, Act.COMPLETE): State.COMPLETED,
    (State.HELD, Act.COMPLETE_PART): State.HELD,
    (State.HELD, Act.RELEASE): State.COMPLETED,
    (State.HELD, Act.VOID): State.VOIDED,
    (State.HELD, Act.EXPIRE): State.EXPIRED,
    (State.HELD, Act.REOPEN): State.HELD,
    (State.COMPLETED, Act.REOPEN): State.HELD,
    (State.COMPLETED, Act.REFUND): State.COMPLETED,
    (State.HELD, Act.REFUND): State.HELD,
    (State.EXPIRED, Act.REFUND): State.EXPIRED,
    (State.VOIDED, Act.REFUND): State.VOIDED,
    (State.NONE, Act.SELL): State.COMPLETED,
    (State.COMPLETED, Act.TAKE_BACK): State.VOIDED,
    (State.HELD, Act.TAKE_BACK): State.VOIDED,
}

PLACES = frozenset({Act.PLACE, Act.SELL})
"""Acts that make a hold."""

ENLARGES = frozenset({Act.PLACE, Act.INCREASE, Act.SELL})
"""Acts that ask for money that is not asked for yet."""

POSTS = frozenset({Act.COMPLETE, Act.COMPLETE_PART, Act.SELL})
"""Acts that move money to the merchant."""

CONSEQUENCES = frozenset({Act.EXPIRE, Act.RELEASE})
"""Acts that nobody at a terminal asked for: whatever goes out of the fold before them takes them along."""


class Terms(NamedTuple):
    """What an act fixes for its hold beside its amount; the last act that says so counts.

    `frozen_minor` is what the issuer froze by it, which may differ from the amount. `code` is the authorization code,
    `on` the date (YYYY-MM-DD) of its slip, of a posting the business date; `expires_us` is the end of the hold,
    `batch_id` the batch that a posting counts in. `advised` says that it is a completion of which the issuer was only
    told: such a one cannot be voided.
    """

    frozen_minor: int = 0
    code: str = ""
    on: str = ""
    expires_us: int = 0
    advised: bool = False
    batch_id: str = ""

    def as_facts(self) -> dict[str, Any]:
        """For an entry: what differs from "nothing said"."""
        return {name: value for name, value in self._asdict().items() if value}


NO_TERMS = Terms()


class InForce(NamedTuple):
    """One act in force. `by` names the request (an exchange id) that did it."""

    act: Act
    by: str
    amount_minor: int
    terms: Terms = NO_TERMS

    def as_facts(self) -> list[Any]:
        """For an entry or a row."""
        said = self.terms.as_facts()
        return [self.act.value, self.by, self.amount_minor, *([said] if said else [])]


Acts: TypeAlias = tuple[InForce, ...]


class Life(NamedTuple):
    """What the fold says: the state, what was asked for, completed (posted) and refunded, the code, and the end."""

    state: State
    requested_minor: int
    completed_minor: int
    refunded_minor: int
    code: str
    expires_us: int


def fold(acts: Acts) -> Life:
    """The acts in force, oldest first -> the life of the hold. Acts that no row of the table allows are a bug."""
    state, requested_minor, completed_minor, refunded_minor, code, expires_us = State.NONE, 0, 0, 0, "", 0
    for each in acts:
        act, amount_minor, terms = each.act, each.amount_minor, each.terms
        state = TRANSITIONS[state, act]
        code, expires_us = terms.code or code, terms.expires_us or expires_us
        if act in ENLARGES:
            requested_minor += amount_minor
        if act in POSTS:
            completed_minor += amount_minor
        elif act is Act.REOPEN or act is Act.TAKE_BACK:
            completed_minor -= amount_minor
        elif act is Act.REFUND:
            refunded_minor += amount_minor
    if not acts:
        state = State.REVERSED
    return Life(state, requested_minor, completed_minor, refunded_minor, code, expires_us)


def allows(state: str, act: str) -> bool:
    """Whether the table lets this act happen in this state."""
    return (State(state), Act(act)) in TRANSITIONS


def standing_post(acts: Acts) -> InForce | None:
    """The last posting that nothing in force has voided since: what a completion void or sale void can mean."""
    posts: list[InForce] = []
    for each in acts:
        if each.act in POSTS:
            posts.append(each)
        elif posts and (each.act is Act.REOPEN or each.act is Act.TAKE_BACK):
            posts.pop()
    return posts[-1] if posts else None


class Reversal(StrEnum):
    """What became of an attempt to take an act out of the fold."""

    TAKEN_OUT = "taken out"
    BUILT_UPON = "built upon"
    NOT_IN_FORCE = "not in force"


def take_out(acts: Acts, by: str) -> tuple[Reversal, Acts]:
    """Take the act of request `by` out of force, if it is the last one that somebody asked for."""
    standing = acts
    while standing and standing[-1].act in CONSEQUENCES:
        standing = standing[:-1]
    if standing and standing[-1].by == by:
        return Reversal.TAKEN_OUT, standing[:-1]
    if any(each.by == by for each in standing):
        return Reversal.BUILT_UPON, acts
    return Reversal.NOT_IN_FORCE, acts


def acts_after(acts: Acts, change: Mapping[str, Any]) -> Acts:
    """The acts in force after a change as an entry says it: `out` is taken out, then `act` is put in force."""
    if "out" in change:
        _, acts = take_out(acts, change["out"])
    if "act" in change:
        acts = (*acts, _in_force(change["act"]))
    return acts


def dump(acts: Acts) -> str:
    """Acts -> the text that a row keeps."""
    return orjson.dumps([each.as_facts() for each in acts]).decode()


def load(text: str) -> Acts:
    """The text of a row -> acts."""
    return tuple(_in_force(said) for said in orjson.loads(text))


def _in_force(said: list[Any]) -> InForce:
    name, by, amount_minor, *terms = said
    return InForce(Act(name), by, amount_minor, Terms(**terms[0]) if terms else NO_TERMS)
