"""Whatever terminals ask, undo and repeat in whatever order, and whatever the issuer does, these stay true.

The rows are what the entries rebuild, nothing is left in doubt once the issuer is back, and register and issuer agree
on what is in force.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.clock import DAY_US, SECOND_US
from holdfast.domain.commands import BY_NAME
from holdfast.domain.hold import load
from holdfast.domain.records import HOLDS, REQUESTS
from holdfast.domain.tables import DUE
from holdfast.parties.exchange import EXCHANGE_FIELD, parse
from holdfast.parties.step import Received
from holdfast.wire.message import Message
from tests.parties.acquirer_desk import Desk
from tests.runtime.acquirer_bench import ISSUER

NAMES = ("T1", "T2", "T3")
MOODS = ("approves", "approves", "approves", "declines", "its answer is lost", "hears nothing", "says 68", "says 11")


class MoodyIssuer:
    """Approves whatever it is in the mood for, holds or no holds, and forgets nothing that it approved."""

    def __init__(self) -> None:
        self.mood = MOODS[0]
        self.deaf_to_reversals = False
        self.in_force: set[str] = set()
        self.barred: set[str] = set()

    def judge(self, message: Message) -> tuple[str, str] | None:
        exchange = parse(message.get(EXCHANGE_FIELD))
        assert exchange is not None
        if message.mti in ("0420", "0421"):
            return None if self.deaf_to_reversals else self.undo(exchange.exchange_id)
        if self.mood == "hears nothing":
            return None
        if exchange.exchange_id in self.barred:
            return "12", ""
        if self.mood in ("declines", "says 68"):
            return ("51" if self.mood == "declines" else "68"), ""
        self.in_force.add(exchange.exchange_id)
        code = str(100_000 + int(exchange.exchange_id[2:]))
        return None if self.mood == "its answer is lost" else ("11" if self.mood == "says 11" else "00", code)

    def undo(self, exchange_id: str) -> tuple[str, str]:
        self.in_force.discard(exchange_id)
        self.barred.add(exchange_id)
        return "00", ""


class RandomDay:
    """One desk, driven by numbers."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.issuer = MoodyIssuer()
        self.desk.judge = self.issuer.judge
        self.stans = dict.fromkeys(NAMES, 0)
        self.steps: list[str] = []
        for name in NAMES:
            self.desk.terminal_of(name)

    def next_step(self, name: str) -> str:
        self.stans[name] += 1
        self.steps.append(f"{name}/{self.stans[name]}")
        return self.steps[-1]

    def one(self, what: str, pick: int, other: int) -> None:
        """One thing happens; `pick` and `other` choose among whatever there is."""
        name = NAMES[other % len(NAMES)]
        placed = [step for step in self.steps if step in self.desk.slips and self.kind_of(step) == "pre-authorization"]
        match what:
            case "places":
                self.desk.ask(self.next_step(name), "places", f"C{pick % 3 + 1}", "100.00", [])
            case "completes" | "voids" if placed:
                amount = "100.00" if what == "voids" or pick % 4 else "90.00"
                self.desk.ask(self.next_step(name), what, placed[pick % len(placed)], amount, [])
            case "reverse" | "repeat" | "copy" if self.steps:
                self.desk.act_unaudited([what, self.steps[pick % len(self.steps)]])
            case "changes" if self.steps:
                step = self.steps[pick % len(self.steps)]
                self.desk.ask(step, "places", "C1", "77.00", [])
            case "unheard":
                self.desk.ask(self.next_step(name), "places", "C1", "100.00", ["mac=wrong"])
            case "late" if self.desk.asked:
                self.late(self.desk.asked[pick % len(self.desk.asked)])
            case "mood":
                self.issuer.mood = MOODS[pick % len(MOODS)]
                self.issuer.deaf_to_reversals = other % 3 == 0
            case "wait":
                self.desk.now_us += (1, 5, 12, 130)[pick % 4] * SECOND_US + (20 * DAY_US if other == 0 else 0)
                self.desk.turn(claim=True)
                self.desk.answered()
            case "sign-on":
                self.desk.sign_on(name)

    def late(self, body: bytes) -> None:
        """The issuer's approval of something it did approve, once more."""
        if body[:4] in (b"0100", b"0200"):
            answer = self.desk.answer_of(body, "00", "424242")
            exchange = parse(answer.get(EXCHANGE_FIELD))
            assert exchange is not None
            if exchange.exchange_id in self.issuer.in_force | self.issuer.barred:
                self.desk.engine.offer(Received(0, ISSUER, answer))
                self.desk.turn()
                self.desk.answered()

    def kind_of(self, step: str) -> str:
        row = self.desk.database.table(REQUESTS).rows.get(self.desk.key_of(step))
        return row.kind if row else ""

    def quiet(self) -> None:
        """The issuer is back, and time passes until nobody waits for anything but the end of holds."""
        self.issuer.mood, self.issuer.deaf_to_reversals = "approves", False
        for _ in range(4):
            self.desk.now_us += 130 * SECOND_US
            self.desk.turn(claim=True)
        self.desk.answered()


EVENTS = st.sampled_from(
    (
        "places",
        "completes",
        "voids",
        "reverse",
        "repeat",
        "copy",
        "changes",
        "unheard",
        "late",
        "mood",
        "wait",
        "sign-on",
    )
)


@settings(max_examples=80)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 50), st.integers(0, 8)), min_size=5, max_size=40))
def test_a_random_day(events: list[tuple[str, int, int]]) -> None:
    day = RandomDay()
    for event in events:
        day.one(*event)
    day.desk.audit()
    day.quiet()
    day.desk.audit()
    assert [due.key for due in day.desk.rows(DUE) if not due.key.startswith("expire:")] == []
    business = [row for row in day.desk.rows(REQUESTS) if row.kind in BY_NAME]
    assert {row.outcome for row in business} <= {"approved", "declined", "reversed", "tombstone"}
    assert {row.asked_entry for row in business if row.outcome == "approved"} == day.issuer.in_force
    holds: list[Any] = day.desk.rows(HOLDS)
    acts = {act.by for hold in holds for act in load(hold.acts) if act.act != "expire"}
    assert acts == day.issuer.in_force
    assert not any(entry.kind in ("refusal", "finding") for entry in day.desk.entries)
