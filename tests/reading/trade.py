"""A month in which the town lives through every kind of request, batches, uploads, and what goes wrong with them.

`trade` tells it and returns the answers by name; what stays open at its end is told by `leave_open`.
"""

from holdfast.clock import DAY_US, SECOND_US
from holdfast.domain.commands import (
    BALANCE,
    COMPLETION,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    MOTO,
    PRE_AUTHORIZATION,
    REFUND,
    SALE,
    SALE_VOID,
    VOID,
)
from holdfast.wire.message import Message
from holdfast.wire.settlement import CardClass, ClassTotals, Detail, Totals
from tests.reading.town import Till, Town, pan_of

Told = dict[str, Message]

NEVER = "999999"
"""A trace number under which no terminal asks anything."""


async def trade(town: Town) -> Told:
    """The month; what was placed first ends with it, and is advised a moment too late."""
    last = len(town.acquirers) - 1
    desk, bar = await town.terminal(0), await town.terminal(1, last)
    resort, shop = await town.terminal(5, last), await town.terminal(4)
    placed_us = town.now_us
    told = {"too long": await desk.do(PRE_AUTHORIZATION, "dave", 20_000)}
    told["forgotten"] = await bar.do(PRE_AUTHORIZATION, "iris", 70_000)
    told |= await stay(desk, bar)
    told |= await advise(desk, bar)
    told |= await complete_in_parts(resort)
    told |= await go_abroad(desk, bar)
    told |= await sell(shop)
    await town.sign_checkpoints()
    told |= await close(desk, bar, shop)
    await town.pass_time(2 * DAY_US // SECOND_US)
    told |= await come_late(desk, told["for later"])
    # The issuer ends a hold to the minute, the acquirer ten minutes later: between them it refuses what we advised.
    await town.pass_time((placed_us + 30 * DAY_US - town.now_us) // SECOND_US + 90)
    told["disputed"] = await desk.on(COMPLETION_ADVICE, "dave", 20_000, told["too long"])
    await town.pass_time(3_600)
    await town.sign_checkpoints()
    return told


async def stay(desk: Till, bar: Till) -> Told:
    """A hold is enlarged, completed elsewhere, that is voided and done again; a part is given back. And a void."""
    told = {"placed": await desk.do(PRE_AUTHORIZATION, "alice", 50_000)}
    told["enlarged"] = await bar.on(INCREMENT, "alice", 20_000, told["placed"])
    told["over"] = await desk.on(COMPLETION, "alice", 80_501, told["placed"])
    told["completed"] = await bar.on(COMPLETION, "alice", 65_000, told["placed"])
    told["completion void"] = await bar.on(COMPLETION_VOID, "alice", 65_000, told["completed"])
    told["completed anew"] = await bar.on(COMPLETION, "alice", 60_000, told["placed"])
    told["refunded"] = await desk.on(REFUND, "alice", 10_000, told["completed anew"])
    told["refunded too much"] = await desk.on(REFUND, "alice", 50_001, told["completed anew"])
    told["by mail"] = await desk.do(MOTO, "bob", 30_000)
    told["void"] = await desk.on(VOID, "bob", 30_000, told["by mail"])
    told["reversed"] = await desk.on(COMPLETION, "carol", 1, await desk.do(PRE_AUTHORIZATION, "carol", 100))
    told["reversal"] = await desk.reverse()
    return told


async def advise(desk: Till, bar: Till) -> Told:
    """An advice that the issuer takes (it froze 115 %), and one that means no hold: it stands as a claim."""
    told = {"held": await desk.do(PRE_AUTHORIZATION, "frozen115", 40_000)}
    told["advised"] = await bar.on(COMPLETION_ADVICE, "frozen115", 38_000, told["held"])
    told["claimed"] = await bar.do(COMPLETION_ADVICE, "frozen115", 4_000, de38="000001", de61="0" * 12 + "0101")
    told["for later"] = await desk.do(PRE_AUTHORIZATION, "jack", 25_000)
    return told


async def complete_in_parts(resort: Till) -> Told:
    """A merchant that completes one hold several times; the last one is voided, and the rest stands."""
    told = {"whole": await resort.do(PRE_AUTHORIZATION, "emma", 90_000)}
    told["first part"] = await resort.on(COMPLETION, "emma", 30_000, told["whole"])
    told["second part"] = await resort.on(COMPLETION, "emma", 40_000, told["whole"])
    told["part void"] = await resort.on(COMPLETION_VOID, "emma", 40_000, told["second part"])
    return told


async def go_abroad(desk: Till, bar: Till) -> Told:
    """Cards whose rest the acquirer has freed: one completion stands, the other is voided before that."""
    told = {"visa": await desk.do(PRE_AUTHORIZATION, "victor", 80_000)}
    told["visa completed"] = await desk.on(COMPLETION, "victor", 50_000, told["visa"])
    told["mastercard"] = await bar.do(PRE_AUTHORIZATION, "wendy", 60_000)
    told["mastercard completed"] = await bar.on(COMPLETION, "wendy", 20_000, told["mastercard"])
    told["mastercard void"] = await bar.on(COMPLETION_VOID, "wendy", 20_000, told["mastercard completed"])
    return told


async def sell(shop: Till) -> Told:
    """A shop without pre-authorization: sales, one taken back, one given back in part, and a balance."""
    told = {"sold": await shop.do(SALE, "frank", 12_000)}
    told["sale void"] = await shop.on(SALE_VOID, "frank", 12_000, told["sold"])
    told["sold again"] = await shop.do(SALE, "grace", 15_000)
    told["sale refunded"] = await shop.on(REFUND, "grace", 5_000, told["sold again"])
    told["balance"] = await shop.do(BALANCE, "kate", 0)
    told["no right"] = await shop.do(PRE_AUTHORIZATION, "kate", 1_000)
    return told


async def close(desk: Till, bar: Till, shop: Till) -> Told:
    """The shop's batch balances. The bar believes in a completion of its own, and not in one of the register's."""
    none = ClassTotals()
    told = {"balanced": await shop.settlement(Totals(ClassTotals(27_000, 2, 17_000, 2), none))}
    told["desk settled"] = await desk.settlement(Totals(ClassTotals(0, 0, 10_000, 1), ClassTotals(50_000, 1, 0, 0)))
    batch = bar.terminal.batch
    believed = Totals(ClassTotals(70_000, 3, 65_000, 1), ClassTotals(20_000, 1, 20_000, 1))
    told["not balanced"] = await bar.settlement(believed)
    await bar.upload(batch, uploaded_by_the_bar())
    return told


def uploaded_by_the_bar() -> list[Detail]:
    """What the bar believes: traces as it counted them (see `stay`, `advise`, `go_abroad`); the last nobody knows."""
    home, abroad = CardClass.DOMESTIC, CardClass.FOREIGN
    return [
        Detail(home, "000004", pan_of("alice"), 65_000),
        Detail(home, "000005", pan_of("alice"), 65_000),
        Detail(home, "000007", pan_of("frozen115"), 38_000),
        Detail(home, "000008", pan_of("frozen115"), 4_100),
        Detail(abroad, "000010", pan_of("wendy"), 20_000),
        Detail(abroad, "000011", pan_of("wendy"), 20_000),
        Detail(home, NEVER, pan_of("kate"), 3_300),
    ]


async def come_late(desk: Till, held: Message) -> Told:
    """An advice of the batch that was settled: its totals change, and the difference is carried over."""
    settled = f"{int(desk.terminal.batch) - 1:06d}"
    batch, desk.terminal.batch = desk.terminal.batch, settled
    told = {"late": await desk.on(COMPLETION_ADVICE, "jack", 21_000, held)}
    desk.terminal.batch = batch
    await desk.town.pass_time(1)
    return told


async def leave_open(town: Town) -> Told:
    """What is not over: a hold that stands, one whose rest is not freed, an advice and a refund that nobody hears."""
    desk = await town.terminal(0)
    told = {"stands": await desk.do(PRE_AUTHORIZATION, "leo", 9_900)}
    told["to advise"] = await desk.do(PRE_AUTHORIZATION, "mary", 8_800)
    told["sale"] = await desk.do(SALE, "kate", 7_700)
    told["abroad"] = await desk.do(PRE_AUTHORIZATION, "victor", 6_600)
    told["rest kept"] = await desk.on(COMPLETION, "victor", 6_000, told["abroad"])
    town.issuer_listens = False
    told["untold"] = await desk.on(COMPLETION_ADVICE, "mary", 8_000, told["to advise"])
    desk.offer(desk.message(REFUND, "kate", 700, **desk.naming(REFUND, told["sale"])))
    await town.pass_time(13)
    return told
