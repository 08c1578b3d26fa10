"""An advice is stored, told until it is answered, never reversed, not approved before, and it holds nothing up."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.domain.tables import DUE
from holdfast.wire.message import Message
from tests.parties.pos_world import (
    CARD,
    PosWorld,
    PowerCut,
    answer_to,
    answers_lost,
    assert_belief_is_the_register,
    let_through,
    lost,
)

ABOUT: dict[str, Any] = {"card": CARD, "authorization_code": "123456"}


def held(amount_minor: int = 500_00) -> PosWorld:
    """A hold is placed."""
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=amount_minor, card=CARD)
    return world


def stored(world: PosWorld, amount_minor: int = 460_50) -> str:
    """An advice that is stored; -> its trace key."""
    said = len(world.outcomes)
    world.command("advise", amount_minor=amount_minor, **ABOUT)
    told = world.outcomes[said][1]
    assert (told["kind"], told["outcome"]) == ("completion-advice", "stored"), told
    return world.all_of("completion-advice")[-1].trace_key


def test_an_advice_is_stored_then_registered() -> None:
    world = held()
    key = stored(world)
    told = [value["outcome"] for _, value in world.outcomes if value["kind"] == "completion-advice"]
    assert told == ["stored", "approved"]
    assert world.sent[-1].mti == "0220"
    advice = world.sale(key)
    assert (advice.outcome, advice.delivery, advice.response_code) == ("approved", "", "00")
    assert advice.register_entry
    assert world.at_acquirer(key) == "approved"
    phases = [said["phase"] for said in world.terminal.book if said["kind"] == "completion-advice"]
    assert phases == ["told", "answered"]
    world.quieten(1)


def test_an_advice_needs_neither_line_nor_session_and_holds_no_sale_up() -> None:
    world = held()
    world.terminal.linked = frozenset()
    key = stored(world)
    assert (world.sale(key).outcome, world.device.in_flight) == ("stored", "")
    world.later(31)
    assert not [message for message in world.sent if message.mti.startswith("022")]
    world.terminal.linked = frozenset({"acquirer"})
    world.set(signed_on=False)
    second = stored(world, 1_00)
    assert world.sale(second).outcome == "stored"
    world.approved("sign-on")
    world.approved("sale", amount_minor=5, card=CARD)
    world.quieten(4)
    assert world.sale(key).outcome == "approved"
    assert world.sale(second).outcome in ("approved", "declined")


def test_an_advice_waits_behind_a_reversal() -> None:
    world = held()
    world.line = lost
    world.command("complete", amount_minor=1_00, **ABOUT)
    world.later(30)
    sent = len(world.sent)
    key = stored(world)
    world.later(5)
    assert {message.mti for message in world.sent[sent:]} == {"0400"}
    world.line = let_through
    for _ in range(3):
        world.later(31)
    assert (world.all_of("completion")[0].outcome, world.sale(key).outcome) == ("reversed", "approved")
    told = [message.mti for message in world.sent[sent:]]
    assert told.index("0221") > max(n for n, mti in enumerate(told) if mti == "0400")


def test_they_are_told_one_after_the_other_each_in_its_turn() -> None:
    world = held()
    world.line = lost
    keys = [stored(world, amount) for amount in (1_00, 2_00, 3_00)]
    stans = [key.split("/")[2] for key in keys]
    sent = len(world.sent)
    for _ in range(30):
        world.later(5)
    told = [message for message in world.sent[sent:] if message.mti == "0221"]
    assert [message.get(11) for message in told[:7]] == [stans[n % 3] for n in range(7)]
    assert len(told) < 20, "pauses grow from round to round"
    assert len([key for key in world.terminal.rows[DUE] if str(key).startswith("tell")]) == 1


@pytest.mark.parametrize("code", ["91", "96", "A0", "77", "90"])
def test_a_word_of_the_moment_leaves_it_waiting(code: str) -> None:
    world = held().on_its_own()
    key = stored(world)
    world.answers(DE39=code)
    assert (world.sale(key).outcome, world.sale(key).delivery) == ("stored", "owed")
    assert world.device.signed_on == (code not in ("A0", "77"))
    batch = world.device.batch
    world.quieten(6)
    assert world.sale(key).outcome == "approved"
    assert {message.get(60)[2:8] for message in world.sent if message.mti in ("0220", "0221")} == {batch}


@pytest.mark.parametrize("code", ["25", "22", "64", "94", "05"])
def test_any_other_word_is_a_refusal(code: str) -> None:
    world = held().on_its_own()
    key = stored(world)
    world.answers(DE39=code)
    advice = world.sale(key)
    assert (advice.outcome, advice.response_code, advice.delivery) == ("declined", code, "")
    assert not [row for row in world.terminal.rows[DUE] if str(row).startswith("tell")]


@pytest.mark.parametrize("spoilt", [{"DE57": ""}, {"DE4": "000000000001"}, {"DE64": None}, {"DE39": "98"}])
def test_what_cannot_be_believed_ends_nothing(spoilt: dict[str, str | None]) -> None:
    world = held().on_its_own()
    key = stored(world)
    answer = answer_to(world.sent[-1], **{name: value for name, value in spoilt.items() if value is not None})
    if "DE64" in spoilt:
        del answer.fields[64]
    world.arrives(answer, world.device.mak if 64 in answer.fields else None)
    assert (world.sale(key).outcome, world.sale(key).delivery) == ("stored", "owed")
    world.quieten(4)
    assert world.sale(key).outcome == "approved"


def test_a_lost_answer_does_not_count_it_twice() -> None:
    world = held()
    world.line = answers_lost
    key = stored(world)
    for _ in range(4):
        world.later(31)
    world.quieten(4)
    assert world.sale(key).outcome == "approved"
    advice = [entry for entry in world.acquirer.book if entry.get("trace_key") == key and entry.get("hold")]
    assert len(advice) == 1, "its hold was completed once"
    assert_belief_is_the_register(world)


def test_an_advice_cannot_be_taken_back() -> None:
    world = held()
    key = stored(world)
    outcome = world.command("reverse", trace_key=key)
    assert outcome is not None
    assert outcome["outcome"] == "declined"
    assert not world.device.reversal


def day(world: PosWorld) -> None:
    """Two holds: an advice completes the first and its answer is lost; one completes the other, and one is too many."""
    world.approved("sign-on")
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    line, world.line = world.line, answers_lost
    world.command("advise", amount_minor=460_50, **ABOUT)
    world.line = line
    world.later(5)
    world.judge = lambda message: ("00", "654321")
    world.command("pre-auth", amount_minor=70_00, card=CARD)
    world.command("advise", amount_minor=60_00, card=CARD, authorization_code="654321")
    world.command("advise", amount_minor=60_00, card=CARD, authorization_code="654321")


DAY_EVENTS = 13


def test_a_day_without_a_power_cut() -> None:
    world = PosWorld()
    day(world)
    world.quieten(2)
    assert_belief_is_the_register(world)
    assert [sale.outcome for sale in world.all_of("completion-advice")][:2] == ["approved", "approved"]


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("event", range(2, DAY_EVENTS + 1))
def test_power_off_at_any_point_of_it(event: int, before_commit: bool) -> None:
    world = PosWorld()
    world.cut_at, world.cut_before_commit = event, before_commit
    with pytest.raises(PowerCut):
        day(world)
    world.restart()
    world.quieten()
    assert_belief_is_the_register(world)


@pytest.mark.parametrize("fate", [lost, answers_lost])
def test_sign_on_in_between_keeps_its_batch(fate: Callable[[str, Message], list[Message]]) -> None:
    world = held()
    world.line = fate
    key = stored(world)
    world.line = let_through
    world.approved("settle")
    assert world.device.batch == "000002"
    world.quieten(4)
    assert world.sale(key).outcome == "approved"
    assert world.sale(key).batch == "000001"
    assert {message.get(60)[2:8] for message in world.sent if message.mti in ("0220", "0221")} == {"000001"}
