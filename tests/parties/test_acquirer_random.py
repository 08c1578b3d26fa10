"""Whatever terminals ask, undo and repeat in whatever order, and whatever the issuer does, these stay true.

Rows are what the entries rebuild, totals of batches are the sums of what was approved in them, no hold is completed
beyond its ceiling, nothing is given back that was not taken, nothing is left in doubt once the issuer is back, and
register and issuer agree on what is in force.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.clock import DAY_US, SECOND_US
from holdfast.domain.commands import BALANCE, BY_NAME, FINDING, REFUND, Silence
from holdfast.domain.hold import CONSEQUENCES, load
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, Hold, Request
from holdfast.domain.tables import DUE
from holdfast.money import percent_of
from holdfast.parties.exchange import EXCHANGE_FIELD, REPLACEMENT_FIELD, parse
from holdfast.parties.step import Received
from holdfast.wire.message import Message
from tests.parties.acquirer_audit import book_of
from tests.parties.acquirer_desk import VERBS, Desk
from tests.runtime.acquirer_bench import ISSUER

NAMES = ("T1", "T2", "T3")
MOODS = ("approves", "approves", "approves", "declines", "its answer is lost", "hears nothing", "says 68", "says 11")
RULES = (
    "",
    "completions=several",
    "rest=acquirer",
    "completions=several;rest=acquirer;completion_void_then=released",
    "completion_void_day=any;completion_void_by=merchant;increment=keeps;void_matches=any",
)
CEILING_PERCENT = 115


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
            return None if self.deaf_to_reversals else self.undo(exchange.exchange_id, message)
        if self.mood == "hears nothing":
            return None
        if exchange.exchange_id in self.barred:
            return "12", ""
        code = str(100_000 + int(exchange.exchange_id[2:]))
        if exchange.exchange_id not in self.in_force:
            if self.mood in ("declines", "says 68"):
                return ("51" if self.mood == "declines" else "68"), ""
            if message.get(3) != BALANCE.processing_code:
                self.in_force.add(exchange.exchange_id)
        return None if self.mood == "its answer is lost" else ("11" if self.mood == "says 11" else "00", code)

    def undo(self, exchange_id: str, message: Message) -> tuple[str, str]:
        if REPLACEMENT_FIELD not in message.fields:
            self.in_force.discard(exchange_id)
            self.barred.add(exchange_id)
        return "00", ""


HOLDERS = ("pre-authorization", "moto-pre-authorization")
POSTERS = ("completion", "completion-advice", "sale")
MEANT = {"voids-completion": POSTERS[:2], "voids-sale": POSTERS[2:], "refunds": POSTERS}
MEANT |= dict.fromkeys(("increments", "completes", "advises", "voids"), HOLDERS)
NEW = ("places", "orders", "sells", "asks-balance")
AMOUNTS = {"places": ("100.00", "60.00"), "completes": ("100.00", "90.00", "40.00", "115.00"), "increments": ("20.00",)}
AMOUNTS |= {"advises": ("90.00", "40.00", "150.00"), "refunds": ("10.00", "45.00")}


class RandomDay:
    """One desk, driven by numbers."""

    def __init__(self, rules: str) -> None:
        self.desk = Desk()
        self.desk.rules(rules)
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
        match what:
            case verb if verb in VERBS:
                self.ask(verb, name, pick)
            case "reverse" | "repeat" | "copy" if self.steps:
                self.desk.act_unaudited([what, self.steps[pick % len(self.steps)]])
            case "changes" if self.steps:
                self.desk.ask(self.steps[pick % len(self.steps)], "places", "C1", "77.00", [])
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
            case "settles":
                self.desk.act_unaudited([name, "settles"])

    def ask(self, verb: str, name: str, pick: int) -> None:
        """One request, about something of its kind if it must be about something."""
        about = f"C{pick % 3 + 1}"
        if verb not in NEW:
            known = self.meant(verb, name, standing=bool(pick % 8))
            if not known:
                return
            about = known[pick % len(known)]
        choice = AMOUNTS.get(verb, ("80.00",))
        amount = choice[pick % len(choice)]
        if verb.startswith("voids") and pick % 8:
            amount = self.whole(verb, about)
        if verb == "asks-balance":
            amount = "0.00"
        self.desk.ask(self.next_step(name), verb, about, amount, [])

    def meant(self, verb: str, name: str, standing: bool) -> list[str]:
        """What such a request may be about: anything of its kind, or what (`standing`) will do."""
        kinds = MEANT[verb]
        known = [step for step in self.steps if step in self.desk.slips and self.row_of(step).kind in kinds]
        if not standing:
            return known
        if kinds is HOLDERS:
            of_merchant = (step for step in known if (step[:2] == "T3") == (name == "T3"))
            return [step for step in of_merchant if self.desk.look(f"{step}.hold") == "held"]
        return [step for step in known if step[:2] == name and self.row_of(step).outcome == "approved"]

    def whole(self, verb: str, about: str) -> str:
        """What a void must be for."""
        minor = self.row_of(about).amount_minor
        hold = self.desk.database.table(HOLDS).rows.get(self.row_of(about).hold_id or "")
        if verb == "voids" and hold is not None:
            minor = hold.requested_minor
        return f"{minor // 100}.{minor % 100:02d}"

    def row_of(self, step: str) -> Request:
        return self.desk.row_of_key(self.desk.key_of(step))

    def late(self, body: bytes) -> None:
        """The issuer's approval of something it did approve, once more."""
        if body[:4] in (b"0100", b"0200", b"0220"):
            answer = self.desk.answer_of(body, "00", "424242")
            exchange = parse(answer.get(EXCHANGE_FIELD))
            assert exchange is not None
            if exchange.exchange_id in self.issuer.in_force | self.issuer.barred:
                self.desk.engine.offer(Received(0, ISSUER, answer))
                self.desk.turn()
                self.desk.answered()

    def quiet(self) -> None:
        """The issuer is back, and time passes until nobody waits for anything but the end of holds."""
        self.issuer.mood, self.issuer.deaf_to_reversals = "approves", False
        for pause_us in (*[130 * SECOND_US] * 4, Policy().release_after_us, 130 * SECOND_US):
            self.desk.now_us += pause_us
            self.desk.turn(claim=True)
        self.desk.answered()


EVENTS = st.sampled_from(
    (
        *VERBS,
        *("places", "completes", "completes", "advises", "refunds", "voids-completion", "increments"),
        *("reverse", "repeat", "copy", "changes", "unheard", "late", "mood", "wait", "sign-on", "settles"),
    )
)


@settings(max_examples=100)
@given(
    st.sampled_from(RULES),
    st.lists(st.tuples(EVENTS, st.integers(0, 50), st.integers(0, 8)), min_size=20, max_size=60),
)
def test_a_random_day(rules: str, events: list[tuple[str, int, int]]) -> None:
    day = RandomDay(rules)
    for event in events:
        day.one(*event)
    day.desk.audit()
    day.quiet()
    day.desk.audit()
    assert [due.key for due in day.desk.rows(DUE) if not due.key.startswith(("expire:", "release:"))] == []
    assert not any(entry.kind == "refusal" for entry in day.desk.entries)
    within_ceilings(day.desk.rows(HOLDS))
    nothing_in_doubt(day.desk.rows(REQUESTS))
    agrees_with_the_issuer(day)


def within_ceilings(holds: list[Hold]) -> None:
    """Rules never let more be completed than 115 % of what was asked for."""
    for hold in holds:
        assert 0 <= hold.completed_minor <= percent_of(hold.requested_minor, CEILING_PERCENT)


def nothing_in_doubt(rows: list[Request]) -> None:
    """Each request has ended; only a balance may have been left unanswered, because nothing depends on it."""
    for row in rows:
        if row.kind in BY_NAME and BY_NAME[row.kind].silence is not Silence.FORGOTTEN:
            assert row.outcome in ("approved", "declined", "reversed", "tombstone", "claimed"), row
            assert row.undo in ("", "done")
            assert row.delivery in ("", "done", "objected") or row.rest == "ours"


def agrees_with_the_issuer(day: RandomDay) -> None:
    """What is approved here is in force there; what differs, a finding names."""
    business = [row for row in day.desk.rows(REQUESTS) if row.kind in BY_NAME and row.kind != BALANCE.name]
    approved = {row.asked_entry for row in business if row.outcome == "approved"}
    assert approved == day.issuer.in_force
    acts = {each.by for hold in day.desk.rows(HOLDS) for each in load(hold.acts) if each.act not in CONSEQUENCES}
    named = {str(said["about"]) for said in book_of(day.desk.database) if said["kind"] == FINDING}
    assert acts ^ approved <= named, "the register's holds and the issuer differ, and nobody is told"
    refunds = {row.asked_entry for row in business if row.kind == REFUND.name}
    claims = {row.asked_entry for row in business if row.outcome == "claimed"}
    assert named <= refunds | claims, "our own books never differ about anything else"
    assert claims <= named
