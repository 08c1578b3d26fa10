"""The auditor's own fold of one terminal's journal: what it believes of its requests, and its counters."""

from typing import NamedTuple

from holdfast.sim.logbook import Facts, Kept
from holdfast.sim.own_register import MONEY_KINDS

STANS = 999_999
SIGN_ON_AGAIN = "77"
"""The answer to a request of a batch that is not open, which proves nothing."""


class Former(NamedTuple):
    """A device that stood at a till: what it recorded, by which name it signed, and whether it was lost."""

    database: Kept
    name: str
    lost: bool


class OwnJournal:
    """One terminal's journal. `asked` is what opened each request, `told` what it was last told of it."""

    def __init__(self, log: list[Facts]) -> None:
        self.outcomes: dict[str, str] = {}
        self.told: dict[str, Facts] = {}
        self.asked: dict[str, Facts] = {}
        self.odd: list[Facts] = []
        self.in_flight = self.reversal = self.settling = self.batch = ""
        self.stan = 0
        self.signed_on = False
        """Whether it ever did, and a request of its batch was answered after that: a sign-on alone proves no device."""
        self.rebuilt = 0
        """How often it was damaged and is whole again."""
        for facts in log:
            self._follow(facts)

    @property
    def of_money(self) -> dict[str, Facts]:
        """Requests of business."""
        return {key: facts for key, facts in self.asked.items() if facts["kind"] in MONEY_KINDS}

    @property
    def of_its_own(self) -> set[str]:
        """Requests of business that it asked, and did not just hear of from the register, as of a former device's."""
        return {key for key, facts in self.of_money.items() if facts["phase"] != "recovered"}

    def _follow(self, facts: Facts) -> None:
        phase, key, kind = facts.get("phase"), facts.get("trace_key", ""), facts["kind"]
        if kind == "refusal":
            self.odd.append(facts)
        elif kind == "batch-upload":
            self._uploads(facts)
        elif phase in ("asked", "told", "again"):
            self._asks(key, facts)
        elif phase == "stored":
            self.asked[key], self.outcomes[key], self.reversal = facts, "asked", key
        elif phase in ("answered", "unknown"):
            self._is_told(key, facts)
        elif phase == "refused":
            self.outcomes[key] = "unknown"
        elif phase == "closed":
            self.batch, self.settling = facts["batch"], ""
        elif phase in ("undone", "stands"):
            self._is_undone(key, facts)
        elif phase == "mended":
            self.in_flight = ""
        elif phase == "rebuilt":
            self.rebuilt += 1
        elif phase == "recovered":
            self._is_recovered(key, facts)

    def _asks(self, key: str, facts: Facts) -> None:
        advice = facts["phase"] == "told"
        self.outcomes[key] = "stored" if advice else "asked"
        if not advice:
            self.in_flight = key
        if facts["phase"] != "again":
            self.asked[key], self.stan = facts, int(key.split("/")[2])
        if facts["kind"] == "settlement":
            self.settling = key

    def _uploads(self, facts: Facts) -> None:
        if facts["phase"] == "uploading":
            self.in_flight, self.stan = facts["trace_key"], facts.get("stan", self.stan)
        elif facts["phase"] == "uploaded":
            self.in_flight = ""

    def _is_told(self, key: str, facts: Facts) -> None:
        self.outcomes[key], self.told[key] = facts["outcome"], facts
        if self.in_flight == key:
            self.in_flight = ""
        if facts["kind"] == "sign-on" and facts["outcome"] == "approved":
            self.batch = facts["batch"]
        in_its_batch = "register_entry" in facts and facts.get("response_code") != SIGN_ON_AGAIN
        if facts["kind"] in MONEY_KINDS and in_its_batch and self.batch:
            self.signed_on = True

    def _is_recovered(self, key: str, facts: Facts) -> None:
        """The register's word of a request; `lost` where the journal knew nothing of it any more."""
        self.outcomes[key] = facts["outcome"]
        if "register_entry" in facts:
            self.told[key] = facts
        if not facts.get("lost"):
            return
        self.asked[key] = facts
        _, batch, stan, _ = key.split("/")
        # Trace numbers go round: what lies in the half behind the last one was used before it.
        if facts["kind"] in MONEY_KINDS and batch == self.batch and 0 < (int(stan) - self.stan) % STANS < STANS // 2:
            self.stan = int(stan)

    def _is_undone(self, key: str, facts: Facts) -> None:
        self.reversal, undone = "", facts["phase"] == "undone"
        self.outcomes[key] = "approved" if undone else "declined"
        self.outcomes[facts["reverses"]] = "reversed" if undone else "approved"
        if not undone:
            self.told[facts["reverses"]] = facts
