"""The auditor's own folds of the acquirer's logs: requests, batches, and with `folds` the holds.

a request  opened once; an issuer answered it, or was silent; a reversal takes it out of force; of some the issuer
           is told until it acknowledges that
a batch    counts what the terminal was told to be approved, and what it advised; a reversal takes that out again
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from holdfast.sim.folds import OwnHold, entry_of
from holdfast.sim.logbook import Complain, Facts

OPENING = frozenset({"asked", "refused", "recorded", "barred"})
ADVICE = "completion-advice"
HOLD_KINDS = frozenset(
    {"pre-authorization", "increment", "moto-pre-authorization", "void", "completion", ADVICE, "completion-void"}
)
SIDES = {
    "sale": "debit",
    "completion": "debit",
    ADVICE: "debit",
    "sale-void": "credit",
    "completion-void": "credit",
    "refund": "credit",
}
"""The total that a kind counts in."""
BALANCE = "balance"
MONEY_KINDS = HOLD_KINDS | SIDES.keys() | {BALANCE}
"""Kinds that are asked at an issuer."""
CLAIM_MTI = "0330"
DOMESTIC = "CUP"


class OwnRequest:
    """One request in the register. `told` is the entry that the terminal was told, `opened` what opened it."""

    def __init__(self, trace_key: str, story: list[Facts], whose: str, complain: Complain) -> None:
        opened = [facts for facts in story if facts["phase"] in OPENING]
        answered = [facts for facts in story if facts["phase"] in ("answered", "unknown")]
        if len(opened) != 1:
            complain(f"I3: {whose}: request {trace_key} was opened {len(opened)} times")
        if len(answered) > 1:
            complain(f"I3: {whose}: request {trace_key} was answered {len(answered)} times")
        self.trace_key = trace_key
        self.opened = opened[0] if opened else story[0]
        self.told = answered[0] if answered else self.opened
        self.kind: str = self.opened["kind"]
        self.outcome: str = self.told.get("outcome", "unknown")
        phases = {facts["phase"] for facts in story}
        self.disputed = "disputed" in phases
        if self.outcome == "unknown" and "undone" in phases:
            self.outcome = "reversed"
        if self.disputed:
            self.outcome = "claimed"
        self.owed = any(facts["phase"] == "late" for facts in story) or self.told.get("undo") == "owed"
        """Whether the issuer was ever owed a reversal of it."""
        if self.kind == "reversal":
            # What a reversal's own entry says of that is about its original.
            self.owed = False
        self.undone, self.objected = "undone" in phases, "objected" in phases
        self.delivery = self.told.get("delivery", self.opened.get("delivery", ""))
        if self.delivery:
            ended = {"delivered": "done", "disputed": "objected"}
            self.delivery = next((ended[phase] for phase in ended if phase in phases), "owed")

    def reverse(self, facts: Facts) -> None:
        """A reversal of it was recorded and took it out of force."""
        self.outcome, self.delivery = "reversed", ""
        self.owed = self.owed or facts.get("undo") == "owed"

    @property
    def of_money(self) -> bool:
        """Whether it is asked at an issuer."""
        return self.kind in MONEY_KINDS and not self.trace_key.endswith(CLAIM_MTI)

    @property
    def was_approved(self) -> bool:
        """Whether its terminal was ever told so."""
        return bool(self.told.get("outcome") == "approved")

    @property
    def exchange_id(self) -> str:
        """What names it towards the issuer."""
        return entry_of(self.opened)

    @property
    def hold_id(self) -> str:
        """The hold that it makes or means, "" for none."""
        if self.told is not self.opened and "hold" in self.told:
            return str(self.told["hold"]["id"])
        return self.opened.get("hold_id") or ""

    @property
    def amount_minor(self) -> int:
        """DE4."""
        return int(self.opened.get("amount", 0))

    @property
    def batch_id(self) -> str:
        """The batch that it counts in."""
        return self.trace_key[:15]

    @property
    def side(self) -> str:
        """The total that it counts in, '' for none."""
        side = SIDES.get(self.kind, "")
        return f"foreign_{side}" if side and self.opened.get("scheme", DOMESTIC) != DOMESTIC else side

    @property
    def counts(self) -> bool:
        """Whether it counts in the totals of its batch: what was approved, and what was advised whoever objects."""
        if not self.side or self.trace_key.endswith(CLAIM_MTI):
            return False
        return self.outcome == "approved" or (self.outcome == "claimed" and self.kind == ADVICE)


Sums = dict[str, tuple[int, int]]
"""Side -> amount and count."""

SIDE_NAMES = ("debit", "credit", "foreign_debit", "foreign_credit")


def sums_of(digits: str) -> tuple[Sums, tuple[str, str]]:
    """DE48 of a settlement: the sums, and the flags of both halves."""
    halves = (digits[:31], digits[31:])
    numbers = [int(half[at : at + size]) for half in halves for at, size in ((0, 12), (12, 3), (15, 12), (27, 3))]
    sums = {name: (numbers[2 * at], numbers[2 * at + 1]) for at, name in enumerate(SIDE_NAMES)}
    return sums, (halves[0][30], halves[1][30])


class Settled(NamedTuple):
    """One settlement: what the terminal said, what the register counted then, and the flags that it answered."""

    facts: Facts
    told: Sums
    counted: Sums
    answered: Sums
    flags: tuple[str, str]


class OwnBatch:
    """One batch by the entries that count in it."""

    def __init__(self, batch_id: str) -> None:
        self.batch_id = batch_id
        self.changes: list[Facts] = []
        self.sums: Sums = dict.fromkeys(SIDE_NAMES, (0, 0))
        self.settlements: list[Settled] = []
        self.uploaded: list[str] = []

    def fold(self, complain: Complain) -> None:
        """The totals from all entries, in the order of their versions."""
        self.changes.sort(key=lambda facts: facts["batch"]["version"])
        versions = [facts["batch"]["version"] for facts in self.changes]
        if versions != list(range(1, len(versions) + 1)):
            complain(f"I6: register: batch {self.batch_id} has the versions {versions}")
        for facts in self.changes:
            change = facts["batch"]
            if "settled" in change:
                answered, flags = sums_of(change["settled"])
                told, _ = sums_of(facts["told"])
                self.settlements.append(Settled(facts, told, dict(self.sums), answered, flags))
            elif "uploaded" in change:
                self.uploaded += change["uploaded"]
            else:
                amount_minor, count = self.sums[change["total"]]
                moved_minor = change["amount"] * change["count"]
                self.sums[change["total"]] = amount_minor + moved_minor, count + change["count"]


class OwnRegister:
    """All logs of the acquirer together."""

    def __init__(self, logs: Iterable[list[Facts]], complain: Complain) -> None:
        self.requests: dict[str, OwnRequest] = {}
        self.holds: dict[str, OwnHold] = {}
        self.batches: dict[str, OwnBatch] = {}
        self.odd: list[Facts] = []
        """Decisions that failed."""
        self.findings: list[Facts] = []
        self.uploads: list[Facts] = []
        self.entries: list[Facts] = [facts for log in logs for facts in log]
        """Log by log: no two of them keep the same time, and what follows what is said by versions."""
        stories: dict[str, list[Facts]] = {}
        for facts in self.entries:
            self._follow(facts, stories)
        for hold in self.holds.values():
            hold.fold("register", complain)
        for batch in self.batches.values():
            batch.fold(complain)
        for trace_key, story in stories.items():
            self.requests[trace_key] = OwnRequest(trace_key, story, "register", complain)
        self._reverse(complain)

    def _follow(self, facts: Facts, stories: dict[str, list[Facts]]) -> None:
        if facts["kind"] == "refusal":
            self.odd.append(facts)
        elif facts["kind"] == "finding":
            self.findings.append(facts)
        elif facts.get("phase") != "duplicate" and "trace_key" in facts:
            stories.setdefault(facts["trace_key"], []).append(facts)
        if "hold" in facts:
            hold = facts["hold"]["id"]
            self.holds.setdefault(hold, OwnHold(hold)).add(facts)
        if "batch" in facts:
            batch = facts["batch"]["id"]
            self.batches.setdefault(batch, OwnBatch(batch)).changes.append(facts)
        if facts["kind"] == "batch-upload":
            self.uploads.append(facts)

    def _reverse(self, complain: Complain) -> None:
        for facts in self.entries:
            if facts.get("undoes") != "taken out":
                continue
            request = self.requests.get(facts["reverses"])
            if request is None:
                complain(f"I3: register: {entry_of(facts)} reverses {facts['reverses']}, which is not registered")
            else:
                request.reverse(facts)

    def counted(self) -> dict[str, Sums]:
        """What every batch must come to, by what became of its requests."""
        sums: dict[str, Sums] = {}
        for request in self.requests.values():
            if request.counts:
                batch = sums.setdefault(request.batch_id, dict.fromkeys(SIDE_NAMES, (0, 0)))
                amount_minor, count = batch[request.side]
                batch[request.side] = amount_minor + request.amount_minor, count + 1
        return sums


def of_business(facts: dict[str, Any]) -> bool:
    """Whether an entry answers a request of business, and says that it was approved or registered."""
    answered = facts.get("phase") == "answered" or facts.get("kind") == ADVICE
    return answered and facts.get("outcome") in ("approved", "claimed")
