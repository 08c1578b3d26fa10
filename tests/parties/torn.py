"""A terminal's journal as it is when its end is lost: rows as the entries before make them, secrets where they open."""

from typing import Any

from holdfast.domain.journal import OWED, rebuild
from holdfast.domain.records import DEVICES, SALES
from holdfast.domain.tables import DUE, Due
from holdfast.parties.advices import TELL
from tests.parties.pos_world import PosWorld

SAYS = "entry 12 is damaged: its bytes are not those of its leaf"


def torn(world: PosWorld, kept: int, cards: bool = True) -> None:
    """Everything after entry `kept` is gone; `cards` says whether the card numbers could be carried over."""
    bench = world.terminal
    old_device, old_sales = bench.rows[DEVICES], bench.rows[SALES]
    bench.entries = bench.entries[:kept]
    device, sales = rebuild(bench.book)
    if device is None:
        bench.rows |= {DEVICES: {}, SALES: {}, DUE: {}}
        world.restart()
        return
    before = old_device[device.terminal_id]
    bench.rows[DEVICES] = {device.terminal_id: device._replace(tmk=before.tmk, mak=before.mak, pik=before.pik)}
    bench.rows[SALES] = {
        key: sale._replace(pan_sealed=old_sales[key].pan_sealed if cards and sale.outcome != "reversed" else None)
        for key, sale in sales.items()
    }
    open_keys = [f"answer:{device.in_flight}"] if device.in_flight else []
    open_keys += [f"reverse:{device.reversal}"] if device.reversal else []
    open_keys += [TELL] if any(sale.delivery == OWED for sale in sales.values()) else []
    bench.rows[DUE] = {key: Due(key, world.now_us, 0, world.now_us) for key in open_keys}
    world.restart()


def mended(world: PosWorld, lost: int, cards: bool = True) -> PosWorld:
    """The last entries are lost, and the terminal is told so."""
    kept = max(0, len(world.terminal.entries) - lost)
    torn(world, kept, cards)
    if not world.terminal.rows[DEVICES]:
        # Nothing is left of who it is: it is loaded again, and only then told.
        world.load()
    outcome = world.command("mend", actor="system", kept=kept, says=SAYS)
    assert outcome == {"outcome": "approved", "response_code": "", "kind": "mend"}
    return world


def rebuilt(world: PosWorld) -> dict[str, Any]:
    """The terminal signs on and asks the register; -> what it tells."""
    world.approved("sign-on")
    outcome = world.command("rebuild", actor="system")
    assert outcome is not None
    return outcome
