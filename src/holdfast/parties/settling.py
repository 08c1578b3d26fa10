"""The batch is settled: totals to the acquirer, its own back, an upload where they differ, and the next batch begins.

While a settlement is under way nothing else counts in the batch: no business is asked, and what is told rests. Each
step of it is journaled, so that a terminal that went dark goes on where it was: a settlement that nobody answered is
asked again as it was, one that was answered as a duplicate (94) under a new trace number, and an upload goes on behind
what was acknowledged (`batch_upload`).
"""

from holdfast.clock import local
from holdfast.domain import responses
from holdfast.domain.commands import SETTLEMENT, SETTLEMENT_MTI
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, remove
from holdfast.errors import WireError
from holdfast.ids import entry_of_rrn, parse_trace_key
from holdfast.parties import operators
from holdfast.parties.batch_messages import settlement_of, totals_of
from holdfast.parties.batch_upload import is_balanced, of_batch, proceed, progress
from holdfast.parties.cashier import next_key, sent, told_now, turn_down, why_damaged, why_not
from holdfast.parties.page import Page, believed, turned_down
from holdfast.parties.pos_answers import mac_of, not_authentic, register_entry, told_by, wants_sign_on
from holdfast.parties.pos_messages import MAC_ALGORITHM
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import TURN, Command, Decision, Outcome, Outgoing, RowOf, Step, Turn, Wait
from holdfast.wire.message import Message
from holdfast.wire.settlement import FIELD, NOT_ANSWERED, Totals, pack_totals, parse_totals


def settle(event: Command, settings: TerminalSettings) -> Decision:
    """Begin a settlement, or go on with the one under way."""
    no = operators.why_not(event.actor, event.name)
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if no is not None or device is None:
        return (yield from turn_down(event, SETTLEMENT, no or "this terminal was never loaded"))
    if device.settling:
        return (yield from go_on(event, device, settings))
    return (yield from begin(event, device, device.batch, settings))


def begin(event: Command, device: Device, batch: str, settings: TerminalSettings) -> Decision:
    """A settlement of this batch under a trace number of its own."""
    key = next_key(device, SETTLEMENT_MTI)._replace(batch=batch)
    taken, sales = yield RowOf(SALES, str(key)), of_batch(batch)
    (turn,) = yield (TURN,)
    no = why_no_settlement(device, taken is not None, turn)
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down(SETTLEMENT, no)),))
    moment = local(turn.now_us, settings.zone)
    page = Page(turn, device)
    facts = {
        "trace_key": str(key),
        "terminal_id": device.terminal_id,
        "merchant_id": device.merchant_id,
        "currency": settings.currency,
        "totals": pack_totals(totals_of(sales)),
        "actor": event.actor,
        **told_now(moment.date().isoformat(), moment.strftime("%H:%M:%S")),
    }
    page.note(SETTLEMENT, "asked", facts)
    return sent(event, page, str(key), asking(page.sales[str(key)], device), settings)


def why_no_settlement(device: Device, taken: bool, turn: Turn) -> str | None:
    """Why the batch cannot be settled now."""
    no = why_damaged(device) or why_not(device, taken, turn)
    if no is None and device.reversal:
        no = f"a reversal waits: {device.reversal}"
    return no or (None if device.signed_on and device.mak else "not signed on")


def asking(sale: Sale, device: Device) -> Outgoing:
    """0500, each time the same."""
    assert device.mak is not None, "who is signed on has a key"
    return Outgoing(ACQUIRER, settlement_of(sale, device), (device.mak, MAC_ALGORITHM))


def go_on(event: Command, device: Device, settings: TerminalSettings) -> Decision:
    """The settlement under way: asked once more where nobody answered, else its upload goes on."""
    (sale,) = yield (RowOf(SALES, device.settling),)
    assert sale is not None, "what is being settled has a row"
    if sale.outcome == "unknown" and sale.response_code == responses.DUPLICATE:
        # Its key names what somebody else said: under that key it would get this answer for ever.
        return (yield from begin(event, device, parse_trace_key(sale.trace_key).batch, settings))
    balanced = is_balanced(parse_totals(sale.host_totals)) if sale.host_totals else False
    done = yield from progress(device, parse_trace_key(sale.trace_key).batch, balanced, device.uploaded)
    (turn,) = yield (TURN,)
    no = why_no_settlement(device, False, turn)
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down(SETTLEMENT, no)),))
    page = Page(turn, device, sale)
    if sale.outcome == "approved":
        return proceed(page, done, settings)._replace(wait=Wait(sale.trace_key, event.caller))
    page.note(SETTLEMENT, "again", {"trace_key": sale.trace_key, "sequence": sale.sequence, "actor": event.actor})
    return sent(event, page, sale.trace_key, asking(sale, device), settings)


def settlement_answered(message: Message, device: Device, sale: Sale, settings: TerminalSettings) -> Decision:
    """0510: the batch balances and is closed, or its requests are uploaded first."""
    if sale.outcome != "asked":
        yield (TURN,)
        return Step(says=f"late answer to settlement {sale.trace_key} ignored")
    mac_holds = yield from mac_of(message, device)
    answer, no = totals_answered(message, mac_holds, device)
    balanced = answer is not None and is_balanced(answer)
    done = yield from progress(device, parse_trace_key(sale.trace_key).batch, balanced, 0)
    (turn,) = yield (TURN,)
    page = Page(turn, device, sale)
    named = {"trace_key": sale.trace_key, "sequence": sale.sequence}
    if answer is None:
        again = wants_sign_on(message, mac_holds) or None
        page.note(SETTLEMENT, "unknown", named | not_settled(no, message.get(39)) | {"sign_on_again": again})
        return settle_again(page, sale.trace_key)
    reason = None if balanced else "not balanced: the acquirer's totals are others"
    facts = named | {"outcome": "approved", "host_totals": pack_totals(answer), "reason": reason}
    told = told_by(message, turn.now_us, settings.zone) | {"register_entry": entry_of(message)}
    page.note(SETTLEMENT, "answered", facts | told)
    step = proceed(page, done, settings)
    return step._replace(write=(*step.write, remove(DUE, f"answer:{sale.trace_key}")))


def entry_of(message: Message) -> str | None:
    """The register entry of a settlement: as any answer names it, or by its reference number."""
    return register_entry(message) or entry_of_rrn(message.get(37))


def not_settled(reason: str | None, code: str = "") -> dict[str, str | None]:
    """Nobody knows whether the batch is settled, and why."""
    return {"outcome": "unknown", "reason": f"{reason}: settle again", "response_code": code or None}


def settle_again(page: Page, trace_key: str) -> Step:
    """Whoever waits for the settlement is told that it must be asked again."""
    outcome = Outcome(trace_key, believed(page.sales[trace_key]))
    return page.step(outcome, also=(remove(DUE, f"answer:{trace_key}"),))


def totals_answered(message: Message, mac_holds: bool, device: Device) -> tuple[Totals | None, str | None]:
    """The acquirer's totals and flags, or why they cannot be believed. A 0510 bears no response code."""
    no = not_authentic(message, mac_holds)
    if no is not None:
        return None, no
    code = message.get(39)
    if code not in ("", responses.APPROVED):
        return None, f"answer {code}: {responses.says(code)}"
    for number, value in ((41, device.terminal_id), (42, device.merchant_id)):
        if message.get(number) != value:
            return None, f"answer does not fit: DE{number} is {message.get(number) or 'missing'}, asked was {value}"
    if not entry_of(message):
        return None, "answer names no register entry"
    try:
        totals = parse_totals(message.get(FIELD))
    except WireError as error:
        return None, f"answer has no totals: {error}"
    if NOT_ANSWERED in (totals.domestic.reply, totals.foreign.reply):
        return None, "answer does not say whether the totals balance"
    return totals, None
