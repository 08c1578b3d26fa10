"""Whatever stands in a registered row, its terminal is told what can be told of it, and its journal is rebuilt."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.records import REQUESTS, Request
from holdfast.parties.records import MTI_OF
from holdfast.wire.records import OUTCOMES
from tests.parties.mending_desk import MendingDesk
from tests.parties.pos_world import TERMINAL_ID, PosWorld
from tests.parties.torn import mended, rebuilt

LOST = 2
"""A request and its answer."""

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=40)
MAYBE = st.one_of(st.none(), TEXTS)
CODES = st.one_of(st.sampled_from(["00", "51", "e1", "5 ", "*1", "1-", "", "\N{DEGREE SIGN}C"]), MAYBE)
KINDS = st.one_of(st.sampled_from(sorted(MTI_OF)), TEXTS)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "echoes": KINDS,
        "outcome": st.one_of(st.sampled_from([outcome for outcome in OUTCOMES if outcome != "asked"]), TEXTS),
        "operator": st.one_of(CODES.map(lambda code: code or ""), TEXTS),
        "at_us": NUMBERS,
        "answered_us": NUMBERS,
        "business_date": TEXTS,
        "card": MAYBE,
        "amount_minor": NUMBERS,
        "currency": TEXTS,
        "rrn": TEXTS,
        "entry": TEXTS,
        "response_code": CODES,
        "authorization_code": CODES,
        "hold_id": MAYBE,
        "original": MAYBE,
        "reason": MAYBE,
        "sequence": NUMBERS,
        "scheme": TEXTS,
    },
)
ROWS = st.lists(st.tuples(KINDS, st.integers(100, 120), ROW), max_size=12)


def torn_after_a_hold() -> tuple[MendingDesk, Request]:
    """A terminal that has lost its hold, and the register's row of it."""
    desk = MendingDesk()
    desk.act(["places", "500.00"])
    mended(desk.world, LOST)
    row = desk.registered(1)
    assert row is not None
    return desk, row


def put(world: PosWorld, row: Request, kind: str, stan: int, changes: dict[str, Any]) -> None:
    """One more row of this terminal."""
    key = f"{TERMINAL_ID}/000001/{stan:06d}/{MTI_OF.get(kind, '0200')}"
    changed = {"trace_key": key, "kind": kind, **changes}
    world.acquirer.rows[REQUESTS][key] = row._replace(**changed)


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_whatever_is_registered_the_rebuild_ends(rows: list[tuple[str, int, dict[str, Any]]]) -> None:
    desk, row = torn_after_a_hold()
    for kind, stan, changes in rows:
        put(desk.world, row, kind, stan, changes)
    told = rebuilt(desk.world)
    assert (told["outcome"], told["kind"], desk.world.device.mending) == ("approved", "rebuild", "")
    assert desk.belief(desk.keys[0]) == "approved"
    assert "refusal" not in [said["kind"] for said in desk.world.acquirer.book]


@pytest.mark.parametrize(
    "changes",
    [{"response_code": code} for code in ("e1", "5 ", "*1")] + [{"operator": name} for name in ("*1", "1-")],
)
def test_an_odd_code_or_operator_hides_nothing_else(changes: dict[str, str]) -> None:
    desk, row = torn_after_a_hold()
    desk.world.acquirer.rows[REQUESTS][row.trace_key] = row._replace(**changes)  # type: ignore[arg-type]
    assert rebuilt(desk.world)["recovered"] == 1
    (sale,) = desk.world.all_of()
    assert (sale.outcome, sale.amount_minor, sale.card) == ("approved", 500_00, row.card)
    assert sale.response_code in ("00", None)
    desk.agree()
