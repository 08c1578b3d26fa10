"""The auditor's own folds: what the register, the issuer's book and a journal come to, by the invariants alone.

Nothing here is shared with the product: no table of transitions, no projection, no ledger. What an entry says is taken
literally, and whether it may say that is judged here.

    a hold     placed once, then completed, voided or expired once; a reversal takes out the last of these, and an
               expiry never stands in a reversal's way; entries that change it are counted without gaps
    a request  opened once; an issuer answered it, or was silent; a reversal takes it out of force
    money      every posting sums to zero; where money lies follows from the acts in force
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from holdfast.sim.logbook import Complain, Facts

Rows: TypeAlias = Mapping[str, Any]

OPENING = frozenset({"asked", "refused", "recorded", "barred"})
ENDS = {"complete": "completed", "void": "voided", "expire": "expired"}


def entry_of(facts: Facts) -> str:
    """The id of an entry."""
    return f"{facts['log']}-{facts['number']:06d}"


class OwnHold:
    """One hold by the entries that change it."""

    def __init__(self, hold_id: str) -> None:
        self.hold_id = hold_id
        self.changes: list[Facts] = []
        self.acts: list[list[Any]] = []
        self.terms: Facts = {}

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
                self._put(change["act"], whose, complain)
            self.terms = self.terms or change

    def _take_out(self, by: str, whose: str, complain: Complain) -> None:
        if self.acts and self.acts[-1][0] == "expire":
            self.acts.pop()
        if not self.acts or self.acts[-1][1] != by:
            complain(f"I3: {whose}: hold {self.hold_id}: {by} was taken out and was not the last act in force")
            return
        self.acts.pop()

    def _put(self, act: list[Any], whose: str, complain: Complain) -> None:
        before = [name for name, _, _ in self.acts]
        if before != ([] if act[0] == "place" else ["place"]):
            complain(f"I3: {whose}: hold {self.hold_id}: {act[0]} by {act[1]} when in force was {before}")
        self.acts.append(act)

    @property
    def state(self) -> str:
        """What the hold is."""
        if not self.acts:
            return "reversed"
        return ENDS.get(self.acts[-1][0], "held")

    @property
    def completed_minor(self) -> int:
        """What was completed."""
        return sum(amount_minor for name, _, amount_minor in self.acts if name == "complete")

    def said(self) -> list[list[Any]]:
        """The acts in force as two parties may compare them: each books an expiry by an entry of its own."""
        return [[name, "" if name == "expire" else by, amount_minor] for name, by, amount_minor in self.acts]


class OwnRequest:
    """One request in the register. `entry` is what the terminal is told, `asked_entry` what opened it."""

    def __init__(self, trace_key: str, story: list[Facts], whose: str, complain: Complain) -> None:
        opened = [facts for facts in story if facts["phase"] in OPENING]
        answered = [facts for facts in story if facts["phase"] in ("answered", "unknown")]
        if len(opened) != 1:
            complain(f"I3: {whose}: request {trace_key} was opened {len(opened)} times")
        if len(answered) > 1:
            complain(f"I3: {whose}: request {trace_key} was answered {len(answered)} times")
        self.trace_key = trace_key
        self.story = story
        self.opened = opened[0] if opened else story[0]
        self.told = answered[0] if answered else self.opened
        self.outcome: str = self.told.get("outcome", "unknown")
        if self.outcome == "unknown" and any(facts["phase"] == "undone" for facts in story):
            self.outcome = "reversed"
        self.owed = any(facts["phase"] in ("unknown", "late") for facts in story) or self.told.get("undo") == "owed"
        """Whether the issuer was ever owed a reversal of it."""
        if self.opened["kind"] == "reversal":
            # What a reversal's own entry says of that is about its original.
            self.owed = False

    def reverse(self, facts: Facts) -> None:
        """A reversal of it was recorded and took it out of force."""
        self.outcome = "reversed"
        self.owed = self.owed or facts.get("undo") == "owed"

    @property
    def exchange_id(self) -> str:
        """What names it towards the issuer."""
        return entry_of(self.opened)

    @property
    def amount_minor(self) -> int:
        """DE4."""
        return int(self.opened.get("amount", 0))


class OwnRegister:
    """All logs of the acquirer together."""

    def __init__(self, logs: Iterable[list[Facts]], complain: Complain) -> None:
        self.requests: dict[str, OwnRequest] = {}
        self.holds: dict[str, OwnHold] = {}
        self.odd: list[Facts] = []
        """Findings, and decisions that failed."""
        stories: dict[str, list[Facts]] = {}
        entries = sorted((facts for log in logs for facts in log), key=lambda facts: (facts["at"], facts["number"]))
        for facts in entries:
            if facts["kind"] in ("finding", "refusal"):
                self.odd.append(facts)
            elif facts.get("phase") != "duplicate" and "trace_key" in facts:
                stories.setdefault(facts["trace_key"], []).append(facts)
            if "hold" in facts:
                hold = facts["hold"]["id"]
                self.holds.setdefault(hold, OwnHold(hold)).add(facts)
        for hold in self.holds.values():
            hold.fold("register", complain)
        for trace_key, story in stories.items():
            self.requests[trace_key] = OwnRequest(trace_key, story, "register", complain)
        self._reverse(entries, complain)

    def _reverse(self, entries: list[Facts], complain: Complain) -> None:
        for facts in entries:
            if facts.get("undoes") != "taken out":
                continue
            request = self.requests.get(facts["reverses"])
            if request is None:
                complain(f"I3: register: {entry_of(facts)} reverses {facts['reverses']}, which is not registered")
            else:
                request.reverse(facts)


class OwnAnswer:
    """What the issuer's book says of one exchange."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.outcome: str = facts["outcome"]
        self.entry = entry_of(facts)

    @property
    def in_force(self) -> bool:
        """Whether it approved and nobody has undone that."""
        return self.outcome == "approved"


class OwnBook:
    """The issuer's log."""

    def __init__(self, log: list[Facts], complain: Complain) -> None:
        self.accounts: dict[str, dict[str, int]] = {}
        self.begun: dict[str, int] = {}
        self.holds: dict[str, OwnHold] = {}
        self.answers: dict[str, OwnAnswer] = {}
        self.odd: list[Facts] = []
        self._complain = complain
        for facts in log:
            self._follow(facts)
        for hold in self.holds.values():
            hold.fold("book", complain)

    def _follow(self, facts: Facts) -> None:
        phase = facts.get("phase")
        if facts["kind"] == "refusal":
            self.odd.append(facts)
        if phase == "opened":
            self.accounts[facts["account"]["id"]] = {"available": 0, "held": 0}
        self._post(facts)
        if phase == "opened":
            self.begun |= {account: subs["available"] for account, subs in self.accounts.items()}
        if "hold" in facts:
            hold = facts["hold"]["id"]
            self.holds.setdefault(hold, OwnHold(hold)).add(facts)
        if phase in ("judged", "barred"):
            self._answer(facts["exchange_id"], facts)
        elif phase == "recorded":
            self._undo(facts)

    def _post(self, facts: Facts) -> None:
        postings = facts.get("postings", ())
        if sum(amount_minor for _, _, amount_minor in postings) != 0:
            self._complain(f"I4: book: the posting of {entry_of(facts)} does not sum to zero")
        for account, sub, amount_minor in postings:
            self.accounts[account][sub] += amount_minor

    def _answer(self, exchange_id: str, facts: Facts) -> None:
        known = self.answers.get(exchange_id)
        if known is not None:
            self._complain(f"I3: book: exchange {exchange_id} was answered by {known.entry} and by {entry_of(facts)}")
        self.answers[exchange_id] = OwnAnswer(facts)

    def _undo(self, facts: Facts) -> None:
        exchange_id = facts["exchange_id"]
        self._answer(f"{exchange_id}#undo", facts)
        if facts["undoes"] == "never seen":
            self._answer(exchange_id, {**facts, "outcome": "tombstone", "response_code": "12"})
        elif facts["undoes"] == "taken out":
            self.answers[exchange_id].outcome = "reversed"

    def expected(self) -> dict[str, dict[str, int]]:
        """Where the money must lie, by what the accounts began with and the acts in force of every hold."""
        money = {account: {"available": begun, "held": 0} for account, begun in self.begun.items()}
        for hold in self.holds.values():
            placed = hold.changes[0]
            account = money[placed["account_id"]]
            if hold.state == "held":
                account["available"] -= hold.terms["frozen"]
                account["held"] += hold.terms["frozen"]
            account["available"] -= hold.completed_minor
            money[f"{placed['issuer']}/clearing"]["available"] += hold.completed_minor
        return money


class OwnJournal:
    """One terminal's journal: what it believes of each request, and the counters of the device."""

    def __init__(self, log: list[Facts]) -> None:
        self.outcomes: dict[str, str] = {}
        self.told: dict[str, Facts] = {}
        self.asked: dict[str, Facts] = {}
        self.odd: list[Facts] = []
        self.in_flight = self.reversal = self.batch = ""
        self.stan = 0
        for facts in log:
            self._follow(facts)

    def _follow(self, facts: Facts) -> None:
        phase, key = facts.get("phase"), facts.get("trace_key", "")
        if facts["kind"] == "refusal":
            self.odd.append(facts)
        if phase in ("asked", "stored"):
            self.asked[key], self.outcomes[key] = facts, "asked"
        if phase == "asked":
            self.in_flight, self.stan = key, int(key.split("/")[2])
        elif phase == "stored":
            self.reversal = key
        elif phase in ("answered", "unknown"):
            self.in_flight, self.outcomes[key], self.told[key] = "", facts["outcome"], facts
            if facts["kind"] == "sign-on" and facts["outcome"] == "approved":
                self.batch = facts["batch"]
        elif phase in ("undone", "stands"):
            self.reversal, undone = "", phase == "undone"
            self.outcomes[key] = "approved" if undone else "declined"
            self.outcomes[facts["reverses"]] = "reversed" if undone else "approved"
            if not undone:
                self.told[facts["reverses"]] = facts
