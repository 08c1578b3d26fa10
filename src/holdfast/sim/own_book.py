"""The auditor's own fold of the issuer's book: answers, holds, and where the money must lie."""

from typing import Any, NamedTuple

from holdfast.sim.folds import OwnHold, entry_of
from holdfast.sim.logbook import Complain, Facts


class Moment(NamedTuple):
    """What an issuer knew of an account when it judged a question: what is available, and its own habits then."""

    available_minor: int
    frozen_percent: int
    habits: dict[str, str]


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
        self.moments: dict[str, Moment] = {}
        """By exchange: what was known before it was judged."""
        self.odd: list[Facts] = []
        self._frozen_percents: dict[str, int] = {}
        self._habits: dict[str, dict[str, str]] = {}
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
            self._opens(facts["account"])
        if phase == "imported":
            self._habits |= {issuer: habits_of(text) for issuer, text in facts.get("links", ())}
        if phase == "judged":
            self.moments[facts["exchange_id"]] = self._moment(facts)
        self._post(facts)
        if phase == "opened":
            self.begun |= {account: subs["available"] for account, subs in self.accounts.items()}
        if "hold" in facts:
            hold = facts["hold"]["id"]
            self.holds.setdefault(hold, OwnHold(hold)).add(facts)
        if phase in ("judged", "barred"):
            self._answer(facts["exchange_id"], facts)
        elif phase == "released":
            self._answer(f"{facts['exchange_id']}#release", facts)
        elif phase == "recorded":
            self._undo(facts)

    def _opens(self, account: dict[str, Any]) -> None:
        self.accounts[account["id"]] = {"available": 0, "held": 0}
        self._frozen_percents[account["id"]] = account["frozen_percent"]

    def _moment(self, facts: Facts) -> Moment:
        account_id = facts.get("account_id", "")
        available_minor = self.accounts[account_id]["available"] if account_id else 0
        return Moment(available_minor, self._frozen_percents.get(account_id, 0), self._habits.get(facts["issuer"], {}))

    def _post(self, facts: Facts) -> None:
        postings = facts.get("postings", ())
        if sum(amount_minor for _, _, amount_minor in postings) != 0:
            self._complain(f"I4: book: the posting of {entry_of(facts)} does not sum to zero")
        for account, sub, amount_minor in postings:
            self.accounts[account][sub] += amount_minor

    def _answer(self, key: str, facts: Facts) -> None:
        known = self.answers.get(key)
        # Judged anew when repeated: a reversal that was refused, and a release that found nothing to free.
        anew = known is not None and (
            (key.endswith("#undo") and known.outcome == "declined")
            or (key.endswith("#release") and "hold" not in known.facts)
        )
        if known is not None and not anew:
            self._complain(f"I3: book: exchange {key} was answered by {known.entry} and by {entry_of(facts)}")
        self.answers[key] = OwnAnswer(facts)

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
            placed, walk = hold.changes[0], hold.walked()
            account = money[placed["account_id"]]
            account["available"] -= walk.held_minor + walk.taken_minor
            account["held"] += walk.held_minor
            money[f"{placed['issuer']}/clearing"]["available"] += walk.taken_minor
        return money


def habits_of(text: str) -> dict[str, str]:
    """What an issuer's link says of its habits: what is usual is not said."""
    return dict(each.split("=", 1) for each in text.split(";") if each)
