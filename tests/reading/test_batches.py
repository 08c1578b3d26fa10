"""Batches: what the register counts, what their settlement said, and what changed since."""

from holdfast.domain.records import BATCHES, Batch
from holdfast.reading.batches import BatchRow, batches, difference, state_of
from holdfast.wire.settlement import ClassTotals, Totals, pack_totals
from tests.reading.town import Ground, MemoryGround, Town
from tests.reading.trade import trade

NONE = ClassTotals()


async def listed(ground: Ground, terminal: str | None = None) -> dict[str, BatchRow]:
    return {row.batch: row async for row in batches(await ground.reader("acquirer"), terminal)}


async def test_a_batch_tells_its_settlement(any_ground: Ground) -> None:
    await trade(await Town.built(any_ground))
    rows = await listed(any_ground)
    shop = rows["T0000005/000001"]
    totals = Totals(ClassTotals(27_000, 2, 17_000, 2), NONE)
    assert (shop.state, shop.ours, shop.told, shop.carried_over) == ("balanced", totals, totals, None)
    assert shop.opened is not None
    assert shop.settled is not None
    assert shop.opened < shop.settled
    bar = rows["T0000002/000001"]
    assert bar.state == "not balanced"
    assert (bar.ours.domestic.debit_amount_minor, bar.told and bar.told.domestic.debit_amount_minor) == (
        167_000,
        70_000,
    )
    assert "999999" in bar.uploaded
    resort = rows["T0000006/000001"]
    assert (resort.state, resort.settled, resort.settlement, resort.told) == ("open", None, None, None)
    assert await listed(any_ground, "T0000005") == {"T0000005/000001": shop}


async def test_what_counts_after_the_settlement_is_carried_over() -> None:
    ground = MemoryGround()
    await trade(await Town.built(ground))
    desk = (await listed(ground))["T0000001/000001"]
    assert desk.state == "balanced"
    assert desk.carried_over == Totals(ClassTotals(21_000, 1, 0, 0), NONE)


async def test_a_settlement_whose_entry_is_gone_leaves_its_batch() -> None:
    ground = MemoryGround()
    batch = Batch(
        "T9/000001", 2, 100, 1, 0, 0, 0, 0, 0, 0, pack_totals(Totals(ClassTotals(100, 1, reply="1"), NONE)), 7, ""
    )
    ground.shared["acquirer"].table(BATCHES).rows["T9/000001"] = batch
    (row,) = (await listed(ground)).values()
    assert (row.state, row.opened, row.settlement, row.told) == ("not balanced", None, None, None)


def test_what_does_not_fit_the_field_was_not_compared() -> None:
    too_much = Totals(ClassTotals(reply="3"), ClassTotals(reply="1"))
    assert state_of(too_much) == "not compared"
    assert difference(Totals(ClassTotals(5, 1), NONE), too_much) is None


def test_a_difference_may_be_negative() -> None:
    then, now = Totals(ClassTotals(500, 2, reply="1"), ClassTotals(reply="1")), Totals(ClassTotals(300, 1), NONE)
    assert difference(now, then) == Totals(ClassTotals(-200, -1), NONE)
    assert difference(Totals(ClassTotals(500, 2), NONE), then) is None
