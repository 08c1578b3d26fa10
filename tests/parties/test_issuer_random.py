"""Whatever an acquirer asks, in any order: no money is made or lost, and when all is undone everything is as before."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from holdfast.domain.commands import BY_NAME, Means
from holdfast.domain.hold import load
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES
from holdfast.domain.responses import APPROVED_CODES
from holdfast.money import format_amount
from tests.parties.issuer_desk import KINDS, Desk, audit, exchange_id

FUNDS_MINOR = 1000_00
AMOUNTS = st.sampled_from(["100.00", "115.00", "250.00", "400.00"])
NEW = ["places", "orders", "sells"]
LINKED = sorted(set(KINDS) - set(NEW))
HABITS = ["", "over_hold=if_available", "rest=kept", "increment=keeps;validity_days=5", "validity_edge=day"]
RESTS = st.sampled_from(["", "kept", "freed"])


class AnyOrder(RuleBasedStateMachine):
    """The desk audits every step; at the end all is reversed, last first, and the money is back."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.words: list[str] = []

    @initialize(habits=st.sampled_from(HABITS), percent=st.sampled_from([100, 115]))
    def open(self, habits: str, percent: int) -> None:
        self.desk = Desk(habits)
        self.desk.open("C1", "debit", FUNDS_MINOR, frozen_percent=percent)
        self.desk.open("C2", "credit", FUNDS_MINOR)

    @rule(verb=st.sampled_from(NEW), card=st.sampled_from(["C1", "C2"]), amount=AMOUNTS)
    def ask_for_new_money(self, verb: str, card: str, amount: str) -> None:
        self.words.append(f"A{len(self.words) + 1}")
        self.desk.act([self.words[-1], verb, card, amount])

    @precondition(lambda self: self.words)
    @rule(verb=st.sampled_from(LINKED), pick=st.integers(0, 99), amount=AMOUNTS, exact=st.booleans(), rest=RESTS)
    def ask_about_what_was_done(self, verb: str, pick: int, amount: str, exact: bool, rest: str) -> None:
        """`exact`: for as much as what is meant was for, as a void must be."""
        about = self.meant(BY_NAME[KINDS[verb]].means, pick)
        if exact:
            amount = format_amount(self.amount_of(verb, about))
        self.words.append(f"A{len(self.words) + 1}")
        self.desk.act([self.words[-1], verb, about, amount, *([f"rest={rest}"] if rest else [])])

    @precondition(lambda self: self.desk.asked)
    @rule(what=st.sampled_from(["reverse", "reverse", "repeat", "free"]), pick=st.integers(0, 99))
    def come_back_to(self, what: str, pick: int) -> None:
        asked = list(self.desk.asked)
        self.desk.act([what, asked[pick % len(asked)]])

    @rule()
    def reverse_what_was_never_asked(self) -> None:
        self.words.append(f"A{len(self.words) + 1}")
        assert self.desk.act(["reverse", self.words[-1]]) == "00"

    @rule(days=st.sampled_from([1, 4, 30]), works=st.booleans())
    def time_passes(self, days: int, works: bool) -> None:
        """Sometimes the due rows are late."""
        self.desk.act(["wait", str(days), "days"])
        if works:
            self.desk.act(["time", "passes"])

    def meant(self, means: Means, pick: int) -> str:
        """An exchange that a request may mean: one that posted, or one that placed a hold."""
        wanted = {Means.HOLD: ("places", "orders", "sells"), Means.POSTING: ("completes", "advises", "sells")}[means]
        kinds = {KINDS[verb] for verb in wanted}
        fitting = [word for word, asked in self.desk.asked.items() if asked.kind in kinds] or self.words
        return fitting[pick % len(fitting)]

    def amount_of(self, verb: str, about: str) -> int:
        """What a void of it would be for."""
        freeze = self.desk.bench.rows[FREEZES].get(exchange_id(about))
        if verb == "voids" and freeze is not None and freeze.requested_minor:
            return int(freeze.requested_minor)
        asked = self.desk.asked.get(about)
        return asked.amount_minor if asked else 1

    def teardown(self) -> None:
        """An approval that was reversed is never in force again; and nothing is left when all is reversed."""
        desk = self.desk
        for word in reversed(self.words):
            assert desk.act(["reverse", word]) == "00", "the last in force can be undone"
        for row in desk.bench.rows[FREEZES].values():
            assert (row.state, load(row.acts)) == ("reversed", ())
        for answer in desk.bench.rows[ANSWERS].values():
            standing = answer.outcome == "approved" and answer.hold_id and answer.response_code in APPROVED_CODES
            assert not standing or "#" in answer.exchange_id
        for card in ("C1", "C2"):
            assert (desk.look(f"{card}.available"), desk.look(f"{card}.held")) == ("1000.00", "0.00")


AnyOrder.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def made_richer(desk: Desk) -> None:
    row = desk.bench.rows[ACCOUNTS]["acc-C1"]
    desk.bench.rows[ACCOUNTS]["acc-C1"] = row._replace(available_minor=row.available_minor + 1)


def forgotten(desk: Desk) -> None:
    desk.bench.rows[FREEZES].clear()


def rewritten(desk: Desk) -> None:
    row = desk.bench.rows[ANSWERS]["A-000001"]
    desk.bench.rows[ANSWERS]["A-000001"] = row._replace(outcome="declined")


@pytest.mark.parametrize("spoil", [made_richer, forgotten, rewritten])
def test_the_audit_sees_what_it_should(spoil: Callable[[Desk], Any]) -> None:
    desk = Desk()
    desk.open("C1", "debit", FUNDS_MINOR)
    desk.act(["A1", "places", "C1", "100.00"])
    spoil(desk)
    with pytest.raises(AssertionError):
        audit(desk.bench)
