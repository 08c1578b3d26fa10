"""The auditor's own fold of the issuer's book: answers, holds, and where the money must lie."""

from holdfast.sim.folds import OwnHold, entry_of
from holdfast.sim.logbook import Complain, Facts


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
        elif phase == "released":
            self._answer(f"{facts['exchange_id']}#release", facts)
        elif phase == "recorded":
            self._undo(facts)

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
