"""What is in doubt or owed: at the acquirer in every kind of store, at a terminal in its file."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast.clock import DAY_US, SECOND_US
from holdfast.domain.policy import Policy
from holdfast.domain.records import TERMINAL_LOGS, TERMINAL_TABLES
from holdfast.domain.tables import insert
from holdfast.reading.in_doubt import Open, at_acquirer, at_terminal, doubts_of, in_terminal_files, oldest_first
from holdfast.store.interface import Batch
from holdfast.store.memory import MemoryDatabase, MemoryReader, MemoryStore
from holdfast.store.sqlite import SqliteStore
from tests.parties.mending_desk import MendingDesk
from tests.parties.pos_world import CARD, START_US, TERMINAL_ID, PosWorld, answers_lost, let_through, lost
from tests.reading.town import Ground, MemoryGround, Town
from tests.reading.trade import leave_open, trade

NUMBERS = count()
ABOUT: dict[str, Any] = {"card": CARD, "authorization_code": "123456"}


async def open_at(ground: Ground) -> list[Open]:
    reader = await ground.reader("acquirer")
    items = oldest_first(await at_acquirer(reader))
    await reader.close()
    return items


def told(items: list[Open]) -> list[tuple[str, str | None, bool]]:
    """What is missing of which kind of request, and whether it is in doubt; without findings."""
    return [(item.what, item.kind, item.in_doubt) for item in items if item.what != "finding"]


# --- acquirer -----------------------------------------------------------------------------------------------------


async def test_a_request_goes_from_one_doubt_to_the_next_and_out_of_it(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    desk = await town.terminal()
    assert await open_at(any_ground) == []
    asked_us = town.now_us
    await desk.ask_in_vain("alice", 30_000)
    (asked,) = await open_at(any_ground)
    key = f"T0000001/{desk.terminal.batch}/{desk.terminal.stan:06d}/0100"
    assert (asked.party, asked.what, asked.in_doubt, asked.key) == ("acquirer", "answer", True, key)
    assert (asked.kind, asked.amount_minor, asked.currency) == ("pre-authorization", 30_000, "156")
    assert (asked.owner, asked.attempts) == ("acquirer", 0)
    assert "undone" in asked.next_action
    assert asked_us < asked.since_us <= town.now_us
    assert asked.due_us == asked.since_us + Policy().issuer_patience_us
    await town.pass_time(13)
    await town.pass_time(0)
    (undo,) = await open_at(any_ground)
    assert (undo.what, undo.key, undo.kind, undo.attempts) == ("reversal", key, "pre-authorization", 1)
    assert undo.since_us == asked.since_us, "the doubt goes on"
    assert "acknowledges" in undo.next_action
    assert undo.due_us is not None
    assert town.now_us < undo.due_us <= town.now_us + Policy().undo_repeat_us
    await town.wake_issuer()
    assert await open_at(any_ground) == []
    assert doubts_of("acquirer", []).oldest_us is None


async def test_all_that_is_open_and_nothing_that_stands(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    await trade(town)
    before = len(await open_at(any_ground))
    await leave_open(town)
    items = await open_at(any_ground)
    assert told(items)[-3:] == [
        ("release", "completion", False),
        ("advice", "completion-advice", True),
        ("refund", "refund", True),
    ]
    assert [item.since_us for item in items] == sorted(item.since_us for item in items)
    assert len(items) == before + 3
    found = doubts_of("acquirer", items)
    assert {what: n for what, n in found.counts.items() if n} == {"advice": 1, "refund": 1}
    (advice,) = [item for item in items if item.what == "advice"]
    assert (found.total, found.oldest_us) == (2, advice.since_us)


async def test_a_release_is_in_doubt_from_its_day_on(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    await leave_open(town)
    completed_us = next(item.since_us for item in await open_at(any_ground) if item.what == "release")
    await town.pass_time(DAY_US / SECOND_US)
    (release,) = [item for item in await open_at(any_ground) if item.what == "release"]
    assert (release.in_doubt, release.attempts) == (True, 1)
    assert release.since_us == completed_us + Policy().release_after_us, "it was asked to wait until then"
    await town.wake_issuer()
    await town.pass_time(300)
    assert told(await open_at(any_ground)) == []


async def test_a_finding_names_its_owner_and_is_not_in_doubt(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    desk = await town.terminal()
    await desk.ask_in_vain("alice", 30_000)
    await town.pass_time(13)
    for _ in range(Policy().undo_finding_attempts):
        await town.pass_time(120)
    undo, finding = await open_at(any_ground)
    assert (undo.what, undo.attempts) == ("reversal", Policy().undo_finding_attempts)
    assert (finding.what, finding.in_doubt, finding.key) == ("finding", False, undo.key)
    assert (finding.owner, finding.next_action) == ("operations", "ask the issuer what it booked")
    assert finding.due_us == finding.since_us + Policy().finding_due_us
    assert finding.entry is not None
    assert doubts_of("acquirer", [undo, finding]).total == 1
    await town.wake_issuer()
    assert [item.what for item in await open_at(any_ground)] == ["finding"], "it waits for its owner"


async def test_two_logs_are_one_register() -> None:
    ground = MemoryGround()
    town = await Town.built(ground, workers=2)
    first, second = await town.terminal(0, 0), await town.terminal(1, 1)
    await first.ask_in_vain("alice", 100)
    await second.ask_in_vain("bob", 200)
    assert [item.terminal_id for item in await open_at(ground)] == ["T0000001", "T0000002"]


# --- terminal -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where a terminal's rows are put: in memory, or in that file."""
    return tmp_path / "terminal.sqlite" if request.param == "file" else None


async def open_of(world: PosWorld, place: Path | None) -> list[Open]:
    """What is open at the terminal of a world, whose rows are put where a reader finds them."""
    place = place and place.with_name(f"{next(NUMBERS)}.sqlite")
    shared = MemoryDatabase(lambda: 0.0)
    store = SqliteStore(place, TERMINAL_TABLES) if place else MemoryStore(shared)
    log = await store.take_log(TERMINAL_LOGS, "terminal", 10)
    transaction = await store.begin()
    writes = [insert(table, row) for table, rows in world.terminal.rows.items() for row in rows.values()]
    await transaction.write(Batch(log, log._replace(batch=log.batch + 1), (), (), writes))
    await transaction.commit()
    if place:
        items, unread = await in_terminal_files([place])
        assert not unread
    else:
        items = await at_terminal(MemoryReader(shared))
    await store.close()
    return oldest_first(items)


async def test_a_request_in_flight_and_then_its_reversal(place: Path | None) -> None:
    world = PosWorld().signed_on()
    assert await open_of(world, place) == []
    world.line = answers_lost
    world.command("pre-auth", amount_minor=300_00, card=CARD)
    (asked,) = await open_of(world, place)
    assert (asked.party, asked.what, asked.in_doubt, asked.terminal_id) == ("terminal", "answer", True, TERMINAL_ID)
    assert (asked.key, asked.owner) == (world.device.in_flight, f"terminal {TERMINAL_ID}")
    assert asked.due_us == asked.since_us + 30 * SECOND_US
    assert "undone" in asked.next_action
    world.later(31)
    (reversal,) = await open_of(world, place)
    assert (reversal.what, reversal.key, reversal.kind) == ("reversal", asked.key, asked.kind)
    assert reversal.since_us == asked.since_us, "the doubt goes on"
    assert reversal.reason == "the acquirer did not answer in time"
    world.later(1)
    assert (await open_of(world, place))[0].attempts == 1
    world.set(signed_on=False)
    assert (await open_of(world, place))[0].next_action.startswith("the terminal signs on; then ")
    world.set(signed_on=True)
    world.line = let_through
    world.quieten()
    assert await open_of(world, place) == []


async def test_what_is_told_until_it_is_answered(place: Path | None) -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    sold = world.approved("sale", amount_minor=70_00, card=CARD)
    world.line = lost
    world.command("advise", amount_minor=460_50, **ABOUT)
    world.command("refund", amount_minor=5_00, rrn=sold["rrn"], card=CARD, supervisor="00")
    asked = await open_of(world, place)
    assert [(item.what, item.kind) for item in asked] == [("advice", "completion-advice"), ("answer", "refund")]
    assert "told again" in asked[1].next_action
    world.later(31)
    items = await open_of(world, place)
    assert [(item.what, item.amount_minor) for item in items] == [("advice", 460_50), ("refund", 5_00)]
    assert all(item.due_us is not None and item.since_us >= START_US for item in items)
    assert doubts_of("terminal", items).total == 2
    world.line = let_through
    world.quieten()
    assert await open_of(world, place) == []


async def test_a_settlement_under_way_is_the_cashiers(place: Path | None) -> None:
    world = PosWorld().signed_on()
    world.line = lost
    world.command("settle")
    (asked,) = await open_of(world, place)
    assert (asked.what, asked.owner, asked.amount_minor) == ("settlement", f"cashier of {TERMINAL_ID}", 0)
    assert asked.due_us is not None
    world.later(31)
    (left,) = await open_of(world, place)
    assert (left.what, left.due_us) == ("settlement", None)
    assert left.next_action.startswith("settle again")


async def test_a_sign_on_under_way_is_nothing_in_doubt(place: Path | None) -> None:
    world = PosWorld()
    world.line = lost
    world.command("sign-on")
    assert world.device.in_flight
    assert await open_of(world, place) == []


async def test_a_damaged_journal_and_what_was_under_way_wait_for_the_register(place: Path | None) -> None:
    desk = MendingDesk()
    for step in ("line answers-lost", "places 500.00", "loses 0"):
        desk.act(step.split())
    journal, doubtful = sorted(await open_of(desk.world, place), key=lambda item: item.what, reverse=True)
    assert (journal.what, journal.in_doubt, journal.owner) == ("journal", True, f"terminal {TERMINAL_ID}")
    assert journal.reason
    assert "signs on; then the register is asked" in journal.next_action
    assert (doubtful.what, doubtful.kind, doubtful.amount_minor) == ("answer", "pre-authorization", 500_00)
    assert "the register is asked what became of it" in doubtful.next_action
    for step in ("quiet", "signs-on", "rebuilds", "quiet"):
        desk.act(step.split())
    assert await open_of(desk.world, place) == []


async def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "spoilt.sqlite").write_bytes(b"no database at all" * 400)
    items, (missing, spoilt) = await in_terminal_files([tmp_path / "none.sqlite", tmp_path / "spoilt.sqlite"])
    assert items == []
    assert "none.sqlite does not exist" in missing
    assert "spoilt.sqlite is damaged" in spoilt
