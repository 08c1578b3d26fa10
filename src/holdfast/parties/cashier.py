"""What a cashier asks of the terminal: it is journaled with all that it takes to undo it, and only then sent.

One request is in flight at a time, and none begins while a reversal waits. An advice tells what was done and waits for
nobody: it is stored, sent, and told again until it is answered. What the terminal can see for itself is refused on the
spot, without a journal entry, because nothing has happened yet.
"""

from typing import Any, NamedTuple

from holdfast.clock import local
from holdfast.domain.commands import BALANCE, BY_NAME, Kind, Means, Silence
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, put
from holdfast.errors import BadInput
from holdfast.ids import TraceKey, mask_pan
from holdfast.parties import advices, operators, outbox, own_originals
from holdfast.parties.entered import VOIDS, Wanted, check_allowed, wanted_of
from holdfast.parties.own_originals import Own
from holdfast.parties.page import Page, believed, nearly_full, turned_down
from holdfast.parties.pos_messages import MAC_ALGORITHM, NO_TRACE, UNUSABLE, kept_card, request_of
from holdfast.parties.settings import ACQUIRER, TerminalSettings, parameters_from
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    KeyOperation,
    Outcome,
    Outgoing,
    Reads,
    RowOf,
    Step,
    Turn,
    Wait,
    open_pan,
    seal_pan,
)

STAN_MAX = 999_999


def turn_down(event: Command, kind: str, reason: str, mistake: bool = False) -> Decision:
    """No, and why."""
    yield (TURN,)
    return Step(send=(Outcome(event.caller, turned_down(kind, reason, mistake)),))


# --- business requests --------------------------------------------------------------------------------------------


class Read(NamedTuple):
    """All that asking needs to know."""

    wanted: Wanted
    device: Device
    key: TraceKey
    own: Own
    pan_sealed: bytes
    pin_block: bytes
    taken: bool
    owed_n: int
    """Requests that are told until they are answered."""


def ask(event: Command, kind: Kind, settings: TerminalSettings) -> Decision:
    """A business request: journal it, then send it."""
    no = operators.why_not(event.actor, event.name)
    if no is not None:
        return (yield from turn_down(event, kind.name, no))
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if device is None:
        return (yield from turn_down(event, kind.name, "this terminal was never loaded"))
    try:
        wanted = wanted_of(kind, event.arguments)
        check_allowed(wanted, parameters_from(device.parameters))
    except BadInput as error:
        return (yield from turn_down(event, kind.name, str(error), mistake=True))
    read = yield from look(wanted, device)
    (turn,) = yield (TURN,)
    no = why_damaged(device) or why_not(device, read.taken, turn, kind) or why_no_sale(device, kind)
    missing = why_not_enough(read)
    if no is not None or missing is not None:
        return Step(send=(Outcome(event.caller, turned_down(kind.name, no or missing or "", mistake=no is None)),))
    return asked(event, read, turn, settings)


def look(wanted: Wanted, device: Device) -> Reads[Read]:
    """The original, whether the next trace number is free, what waits, and what the key service makes of the card."""
    key = next_key(device, wanted.kind.mti)
    own = yield from own_originals.look_up(wanted)
    taken, owed, sealed = yield RowOf(SALES, str(key)), advices.OWED, seal_pan(wanted.card.pan)
    block: bytes | None = b""
    if wanted.pin and device.pik is not None:
        (block,) = yield (KeyOperation("pin_block", (device.pik, wanted.pin, wanted.card.pan)),)
    return Read(wanted, device, key, own, sealed, block or b"", taken is not None, len(owed))


def asked(event: Command, read: Read, turn: Turn, settings: TerminalSettings) -> Step:
    """The request in the journal; then it goes out, or an advice is stored."""
    kind, key, device = read.wanted.kind, str(read.key), read.device
    page = Page(turn, device)
    facts = asked_facts(event, read, turn, settings)
    page.note(kind.name, "told" if kind.advice else "asked", facts)
    page.keep_card(key, read.pan_sealed)
    sale = page.sales[key]
    message = request_of(sale, device, read.wanted.card._replace(pin_block=read.pin_block))
    outgoing = Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM)) if device.mak else None
    if not kind.advice:
        assert outgoing is not None, "who is signed on has a key"
        return sent(event, page, key, outgoing, settings)
    value = believed(sale) | nearly_full(page.device)
    sends = [outgoing] if outgoing is not None and advices.may_go(device, turn) else []
    due = advices.due_after(read.owed_n, bool(sends), turn, settings)
    return page.step(Outcome(event.caller, value), *sends, also=(due,))


def sent(event: Command, page: Page, key: str, outgoing: Outgoing, settings: TerminalSettings) -> Step:
    """A request goes out; the caller waits for its key, and so does a due row."""
    return page.step(outgoing, also=(patience(key, page.turn, settings),), wait=Wait(key, event.caller))


def patience(key: str, turn: Turn, settings: TerminalSettings) -> Write:
    """The due row that ends the wait for an answer."""
    return put(DUE, Due(f"answer:{key}", turn.now_us + settings.patience_us, 0, turn.now_us))


def asked_facts(event: Command, read: Read, turn: Turn, settings: TerminalSettings) -> dict[str, Any]:
    """What the journal says of a request before it is sent."""
    wanted, card, device = read.wanted, read.wanted.card, read.device
    moment = local(turn.now_us, settings.zone)
    return {
        "trace_key": str(read.key),
        "terminal_id": device.terminal_id,
        "merchant_id": device.merchant_id,
        "amount": wanted.amount_minor or read.own.amount_minor or 0,
        "currency": settings.currency,
        "card": mask_pan(card.pan),
        "expiry": card.expiry or None,
        "entry_mode": card.entry_mode,
        "card_sequence": card.sequence or None,
        "chip_failed": card.chip_failed or None,
        "actor": event.actor,
        "supervisor": wanted.supervisor or None,
        **told_now(moment.date().isoformat(), moment.strftime("%H:%M:%S")),
        **own_originals.facts_of(wanted, read.own.sale, moment.strftime("%m%d")),
    }


def told_now(date: str, clock: str) -> dict[str, str]:
    """The terminal's own date and time, until an answer brings the acquirer's."""
    return {"local_date": date, "local_time": clock}


def next_key(device: Device, mti: str) -> TraceKey:
    """The key of the next request: the trace number goes on, and after 999999 comes 1."""
    return TraceKey(device.terminal_id, device.batch, f"{device.stan % STAN_MAX + 1:06d}", mti)


def why_damaged(device: Device) -> str | None:
    """Why nothing can be sold or settled while the journal is to be rebuilt."""
    if not device.mending:
        return None
    return f"the journal was damaged ({device.mending}): sign on, and it is rebuilt from the register"


def why_not(device: Device, taken: bool, turn: Turn, kind: Kind | None = None) -> str | None:
    """Why nothing can be asked now; an advice (`kind`) needs no line."""
    if device.in_flight:
        return f"a request is in flight: {device.in_flight}"
    if taken:
        return f"trace numbers of batch {device.batch} are used up: settle first"
    if ACQUIRER not in turn.linked and not (kind and kind.advice):
        return "acquirer not reachable"
    return None


def why_no_sale(device: Device, kind: Kind) -> str | None:
    """Why this business request cannot be asked now."""
    capacity = parameters_from(device.parameters).journal_capacity
    if device.settling:
        return f"the batch is being settled: settle again ({device.settling})"
    if device.asked_n >= capacity:
        return f"the journal is full ({capacity} requests): settle first"
    if kind.advice:
        return "not signed on" if device.mak is None else None
    if device.reversal:
        return f"a reversal waits: {device.reversal}"
    if not device.signed_on or device.mak is None:
        return "not signed on"
    return None


def why_not_enough(read: Read) -> str | None:
    """What is missing where no request of this terminal is meant, and so nothing can be filled in."""
    wanted, own = read.wanted, read.own
    if wanted.amount_minor is None and own.amount_minor is None and wanted.kind is not BALANCE:
        assert wanted.kind in VOIDS, "other amounts are asked for"
        what = "pre-authorization" if wanted.kind.means is Means.HOLD else "completion or sale"
        return f"no own {what} has code {wanted.code or wanted.rrn}: give the amount"
    named = own.sale or wanted.rrn or wanted.trace not in ("", NO_TRACE)
    if wanted.kind.means is Means.POSTING and not named:
        return f"no own completion or sale has code {wanted.code}: give its reference number (RRN), or batch and trace"
    if wanted.pin and not read.pin_block:
        return "the PIN cannot be encrypted: sign on first"
    return None


# --- what was asked before ----------------------------------------------------------------------------------------


def ask_again(event: Command, settings: TerminalSettings) -> Decision:
    """The same request on the wire again, as a repeat: nothing new is asked, so nothing is journaled."""
    key = str(event.arguments.get("trace_key"))
    no = operators.why_not(event.actor, event.name)
    if no is not None:
        return (yield from turn_down(event, "repeat", no))
    device, sale = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, key)
    if device is None or sale is None or not sale.batch:
        return (yield from turn_down(event, "repeat", f"no request of this terminal is {key}"))
    if device.mending:
        return (yield from turn_down(event, sale.kind, why_damaged(device) or ""))
    if sale.pan_sealed is None:
        gone = "was reversed" if sale.outcome == "reversed" else "is settled"
        return (yield from turn_down(event, sale.kind, f"{key} {gone}: there is nothing to repeat"))
    (pan,) = yield (open_pan(sale.pan_sealed),)
    if pan is None:
        return (yield from turn_down(event, sale.kind, f"the card of {key} was sealed with other keys"))
    (turn,) = yield (TURN,)
    if device.in_flight not in ("", key) or not device.signed_on or device.mak is None or ACQUIRER not in turn.linked:
        no = why_not(device, False, turn) or "not signed on"
        return Step(send=(Outcome(event.caller, turned_down(sale.kind, no)),))
    message = request_of(sale, device, kept_card(sale, pan), repeat=True)
    repeat = Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM))
    # The request in flight has its patience already, and one end is enough.
    waiting = Due(f"repeat:{key}", turn.now_us + settings.patience_us, 0, turn.now_us)
    writes = () if device.in_flight == key else (put(DUE, waiting),)
    return Step(write=writes, send=(repeat,), wait=Wait(key, event.caller))


def take_back(event: Command, settings: TerminalSettings) -> Decision:
    """The chip refused what the issuer approved: the last request is reversed, as if nobody knew its outcome."""
    key, reason = str(event.arguments.get("trace_key")), str(event.arguments.get("reason") or UNUSABLE)
    device, sale = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, key)
    (turn,) = yield (TURN,)
    no = why_not_taken_back(device, sale, key) or operators.why_not(event.actor, event.name)
    if no is not None or device is None or sale is None:
        return Step(send=(Outcome(event.caller, turned_down("reverse", no or "")),))
    page = Page(turn, device, sale)
    facts = {"trace_key": key, "sequence": sale.sequence, "actor": event.actor}
    page.note(sale.kind, "refused", facts | {"reason": "the card refused the issuer's answer"})
    duty = outbox.store_reversal(page, sale, reason)
    return page.step(Outcome(event.caller, believed(page.sales[key])), also=(duty,))


def why_not_taken_back(device: Device | None, sale: Sale | None, key: str) -> str | None:
    """Why a request cannot be reversed on demand; None for the last one, if it is approved and can be undone at all."""
    if device is None or sale is None or not sale.batch:
        return f"no request of this terminal is {key}"
    if device.mending:
        return why_damaged(device)
    if device.in_flight or device.reversal or device.settling:
        return f"something is open: {device.in_flight or device.reversal or device.settling}"
    if sale.outcome != "approved" or sale.pan_sealed is None or BY_NAME[sale.kind].silence is not Silence.REVERSED:
        return f"{key} is {sale.outcome} and cannot be reversed"
    return None if device.last_receipt == key else f"{key} is not the last request: void it"
