"""The auditor's own fold of a hold: what its acts in force come to, by the invariants alone.

Nothing here is shared with the product: no table of transitions, no projection, no ledger. What an entry says is taken
literally, and whether it may say that is judged here.

    a hold     made once, by a pre-authorization or a sale; then increased, completed (at once or in parts), voided,
               expired; a completion may be voided, and what was posted be refunded up to the rest. A reversal takes
               out the last act that somebody asked for; entries that change a hold are counted without gaps
    money      what is frozen is freed by what ends the hold, by the completion of a part as far as that goes, and
               frozen again when a completion is voided; what is posted and not given back was taken
"""

from typing import Any, NamedTuple

from holdfast.sim.logbook import Complain, Facts

BEFORE, NOBODY_KNOWS, AFTER = -1, 0, 1
CLOCKS_DIFFER_US = 180_000_000
"""So far apart may two clocks be that are both thought right."""

ASKED_BY_NOBODY = ("expire", "release")
"""Acts that never stand in a reversal's way."""


def entry_of(facts: Facts) -> str:
    """The id of an entry."""
    return f"{facts['log']}-{facts['number']:06d}"


def order_of(facts: Facts, other: Facts) -> int:
    """Whether an entry came before another one, or after it.

    Within a log the numbers say so; of two logs only the times do, and no two clocks agree.
    """
    if facts["log"] == other["log"]:
        return BEFORE if facts["number"] < other["number"] else AFTER
    later_us = facts["at"] - other["at"]
    if abs(later_us) <= CLOCKS_DIFFER_US:
        return NOBODY_KNOWS
    return BEFORE if later_us < 0 else AFTER


class Walk:
    """Where a hold stands after some acts."""

    def __init__(self) -> None:
        self.state = "none"
        self.requested_minor = self.completed_minor = self.refunded_minor = 0
        self.held_minor = 0
        self.expires_us = 0
        self.code = ""
        self.posts: list[list[Any]] = []
        """The acts that post and were not voided since."""
        self._before: list[int] = []
        """What was held before each of them."""

    @property
    def taken_minor(self) -> int:
        """What was taken from the account for the merchant."""
        return self.completed_minor - self.refunded_minor

    def may(self, name: str, amount_minor: int) -> bool:
        """Whether this may happen now."""
        held = self.state == "held"
        if name in ("place", "sell"):
            return self.state == "none"
        if name in ("increase", "void"):
            return held and not self.posts
        if name in ("reopen", "take-back"):
            voids_the_last = bool(self.posts) and self.posts[-1][2] == amount_minor
            return voids_the_last and not self.refunded_minor and self.state in ("held", "completed")
        if name == "refund":
            return self.refunded_minor + amount_minor <= self.completed_minor
        if name == "release":
            return held and bool(self.posts)
        return held and name in ("complete", "complete-part", "expire")

    def freezes_rightly(self, act: list[Any]) -> bool:
        """Whether a completion that is voided freezes what it took of the hold, and of what it freed no more than that.

        What it freed may be spent by now.
        """
        if act[0] != "reopen" or not self.posts:
            return True
        frozen_minor = act[3].get("frozen_minor", 0) if len(act) > 3 else 0
        before_minor = self._before[-1]
        return bool(min(act[2], before_minor) <= frozen_minor <= before_minor - self.held_minor)

    def go(self, act: list[Any]) -> None:
        """One more act in force."""
        name, _, amount_minor, *said = act
        terms = said[0] if said else {}
        frozen_minor = terms.get("frozen_minor", 0)
        self.code, self.expires_us = terms.get("code") or self.code, terms.get("expires_us") or self.expires_us
        if name in ("place", "increase", "sell"):
            self.requested_minor += amount_minor
        if name in ("complete", "complete-part", "sell"):
            self.posts.append(act)
            self._before.append(self.held_minor)
        elif name in ("reopen", "take-back"):
            self.posts.pop()
            self._before.pop()
        elif name == "refund":
            self.refunded_minor += amount_minor
        self.completed_minor = sum(post[2] for post in self.posts)
        if name in ("place", "increase", "reopen"):
            self.held_minor += frozen_minor
        elif name == "complete-part":
            self.held_minor = max(self.held_minor - amount_minor, 0)
        elif name not in ("sell", "refund"):
            self.held_minor = 0
        self.state = ENDS.get(name, self.state)


ENDS = {
    "place": "held",
    "reopen": "held",
    "sell": "completed",
    "complete": "completed",
    "release": "completed",
    "void": "voided",
    "take-back": "voided",
    "expire": "expired",
}
"""What a hold is after an act; the others leave it as it is."""


class Done(NamedTuple):
    """One act that was put in force, the entry that says so, and how much was asked for and completed before it."""

    facts: Facts
    act: list[Any]
    requested_minor: int
    completed_minor: int


class OwnHold:
    """One hold by the entries that change it."""

    def __init__(self, hold_id: str) -> None:
        self.hold_id = hold_id
        self.changes: list[Facts] = []
        self.acts: list[list[Any]] = []
        self.done: list[Done] = []
        self.last = Walk()
        """As it stood when something was in force for the last time: a row keeps what no act says any more."""

    def add(self, facts: Facts) -> None:
        """An entry about this hold, in any order."""
        self.changes.append(facts)

    def fold(self, whose: str, complain: Complain) -> None:
        """The acts in force, oldest first, from all entries in the order of their versions."""
        self.changes.sort(key=lambda facts: facts["hold"]["version"])
        versions = [facts["hold"]["version"] for facts in self.changes]
        if versions != list(range(1, len(versions) + 1)):
            complain(f"I6: {whose}: hold {self.hold_id} has the versions {versions}")
        for facts in self.changes:
            change = facts["hold"]
            if "out" in change:
                self._take_out(change["out"], whose, complain)
            if "act" in change:
                self._put(change["act"], facts, whose, complain)
            self.last = self.walked() if self.acts else self.last

    def _take_out(self, by: str, whose: str, complain: Complain) -> None:
        while self.acts and self.acts[-1][0] in ASKED_BY_NOBODY:
            self.acts.pop()
        if not self.acts or self.acts[-1][1] != by:
            complain(f"I3: {whose}: hold {self.hold_id}: {by} was taken out and was not the last act in force")
            return
        self.acts.pop()

    def _put(self, act: list[Any], facts: Facts, whose: str, complain: Complain) -> None:
        walk = self.walked()
        if not walk.may(act[0], act[2]):
            before = [name for name, *_ in self.acts]
            complain(f"I3: {whose}: hold {self.hold_id}: {act[0]} by {act[1]} when in force was {before}")
            return
        if act[0] == "expire" and facts["at"] < walk.expires_us:
            complain(f"I3: {whose}: hold {self.hold_id}: {act[1]} ends it before its time")
        if whose == "book" and not walk.freezes_rightly(act):
            complain(f"I4: {whose}: hold {self.hold_id}: {act[1]} voids a completion and freezes {act[3:]}")
        self.done.append(Done(facts, act, walk.requested_minor, walk.completed_minor))
        self.acts.append(act)

    def walked(self) -> Walk:
        """Where it stands now."""
        walk = Walk()
        for act in self.acts:
            walk.go(act)
        return walk

    def before(self, entry: Facts) -> list[Walk]:
        """Where it may have stood when that entry was written, the hold's changes being in order."""
        first, last = 0, len(self.changes)
        for place, facts in enumerate(self.changes):
            order = order_of(facts, entry)
            if order == BEFORE:
                first = place + 1
            elif order == AFTER:
                last = min(last, place)
        return [self._after(count) for count in range(first, max(first, last) + 1)]

    def _after(self, count: int) -> Walk:
        before = OwnHold(self.hold_id)
        before.changes = self.changes[:count]
        before.fold("", lambda what: None)
        return before.walked()

    @property
    def state(self) -> str:
        """What the hold is."""
        return self.walked().state if self.acts else "reversed"

    def said(self, unlike: frozenset[str]) -> list[tuple[str, str, int]]:
        """The acts in force as two parties may compare them, without those of the requests `unlike`.

        Each books an end that nobody asked for by an entry of its own, and what a completion leaves is freed by one
        issuer at once and by another later.
        """
        return [
            ("complete" if name == "complete-part" else name, by, amount_minor)
            for name, by, amount_minor, *_ in self.acts
            if name not in ASKED_BY_NOBODY and by not in unlike
        ]
