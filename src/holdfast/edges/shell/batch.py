"""The batch: settled, added up, looked through, and printed again."""

from holdfast.domain.commands import SETTLEMENT
from holdfast.domain.journal import OWED
from holdfast.domain.records import Device, Sale
from holdfast.edges.batch_slips import failed_advices, settlement_slip
from holdfast.edges.shell import screens, words
from holdfast.edges.shell.business import show_not_ready
from holdfast.edges.shell.desk import Desk
from holdfast.edges.shell.layout import beside, paragraph
from holdfast.edges.shell.till import NOT_READY, Value
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import slip, with_held
from holdfast.errors import HoldfastError
from holdfast.parties.batch_messages import is_refused_advice, is_told
from holdfast.wire.settlement import parse_totals

LISTED_MAX = 200


async def settle(desk: Desk) -> None:
    """The totals, a yes, and then what the acquirer says of them."""
    device, sales = await with_device(desk)
    of_batch = [sale for sale in sales if sale.batch == device.batch]
    page = [*screens.totals(device, of_batch, desk.language), "", *paragraph(desk.say(words.SETTLE_NOW))]
    await desk.confirm(page)
    title = desk.say(words.SETTLE)
    try:
        waiting = screens.waiting(title, (), desk.say(words.SETTLING_NOW), desk.language)
        value = await desk.wait(waiting, desk.till.do("settle", desk.operator))
    except HoldfastError as error:
        await desk.read(screens.fault(str(error), desk.language))
        return
    if NOT_READY in value:
        await show_not_ready(desk, value, title)
    elif value["outcome"] == "approved":
        await show_settled(desk, value)
    elif not value.get("trace_key"):
        await desk.read(screens.not_begun(value, title, desk.language))
    else:
        reason = words.reason_in(desk.language, str(value.get("reason") or ""))
        await desk.read(screens.plainly(title, desk.say(words.UNKNOWN), desk.say(words.SETTLE_AGAIN), reason))


async def show_settled(desk: Desk, value: Value) -> None:
    """The settlement's slip, and after it the list of what is not in the register."""
    device, sales = await with_device(desk)
    settled = next(sale for sale in sales if sale.trace_key == value["trace_key"])
    right = [desk.say(words.DONE), "", desk.say(words.NEXT_BATCH, batch=device.batch)]
    lines = settlement_text(settled, device, desk).split("\n")
    await desk.read(beside(lines, right))
    keys = {each["trace_key"] for each in (*value.get("failed", ()), *value.get("waiting", ()))}
    missing = [sale for sale in sales if sale.trace_key in keys]
    if missing:
        await desk.read(screens.centred_slip(failed_advices(missing, device, desk.language)))


def settlement_text(settled: Sale, device: Device, desk: Desk, reprint: bool = False) -> str:
    """The slip of a settlement."""
    answer = parse_totals(settled.host_totals) if settled.host_totals else None
    text = settlement_slip(settled, device, parse_totals(settled.totals or ""), answer, desk.language, reprint)
    return text.rstrip("\n")


async def totals(desk: Desk) -> None:
    """What the batch adds up to."""
    device, sales = await with_device(desk)
    await desk.read(screens.totals(device, [sale for sale in sales if sale.batch == device.batch], desk.language))


async def last(desk: Desk) -> None:
    """The last transactions, the newest first."""
    _, sales = await with_device(desk)
    requests = [sale for sale in sales if sale.batch][:LISTED_MAX]
    await desk.read(screens.transactions(requests, desk.language))


async def reprint(desk: Desk) -> None:
    """A slip again: the last one, one by its trace number, or the last settlement's."""
    device, sales = await with_device(desk)

    def parse(text: str) -> Sale | Said:
        if not text:
            wanted = device.last_receipt
        elif text in ("s", "S"):
            wanted = device.last_settlement
        elif text.isascii() and text.isdecimal() and len(text) <= 6:
            stan = text.zfill(6)
            wanted = next((sale.trace_key for sale in sales if sale.trace_key.split("/")[2] == stan), "")
        else:
            return words.WHICH_SLIP_WRONG
        return next((sale for sale in sales if sale.trace_key == wanted), words.NO_SLIP)

    asked = (words.TRACE, words.WHICH_SLIP)
    sale = await desk.ask(desk.say(words.REPRINT), (), asked, parse, empty=True)
    if sale.kind == SETTLEMENT:
        text = settlement_text(sale, device, desk, reprint=True)
    else:
        text = slip(with_held(sale, sales), device, desk.language, reprint=True)
    await desk.read(screens.centred_slip(text))


async def unregistered(desk: Desk) -> None:
    """Advices that the acquirer refused in this batch, and all that wait, refunds too."""
    device, sales = await with_device(desk)
    told = [sale for sale in sales if sale.batch and is_told(sale)]
    missing = [
        sale for sale in told if sale.delivery == OWED or (is_refused_advice(sale) and sale.batch == device.batch)
    ]
    await desk.read(screens.centred_slip(failed_advices(missing, device, desk.language)))


async def with_device(desk: Desk) -> tuple[Device, list[Sale]]:
    """The terminal and its requests, the newest first."""
    device = await desk.till.device()
    assert device is not None, "the menu opens on a terminal that is loaded"
    return device, await desk.till.requests()
