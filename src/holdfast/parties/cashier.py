"""What a cashier asks of the terminal: it is journaled with all that it takes to undo it, and only then sent.

One request is in flight at a time, and none begins while a reversal waits. What the terminal can see for itself is
refused on the spot, without a journal entry, because nothing has happened yet.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from holdfast.clock import date_of_mmdd, local
from holdfast.domain.commands import COMPLETION, PRE_AUTHORIZATION, SIGN_ON, VOID, Kind
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Find, put
from holdfast.errors import BadInput
from holdfast.ids import TraceKey, mask_pan
from holdfast.money import AMOUNT_MINOR_MAX
from holdfast.parties.page import Page, turned_down
from holdfast.parties.pos_messages import (
    ECHO_MTI,
    KEYED,
    MAC_ALGORITHM,
    NO_TRACE,
    SIGN_ON_MTI,
    STRIPE,
    echo_of,
    request_of,
    sign_on_of,
)
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Outcome,
    Outgoing,
    RowOf,
    Step,
    Turn,
    Wait,
    Want,
    open_pan,
    seal_pan,
)

KINDS = {"pre-auth": PRE_AUTHORIZATION, "complete": COMPLETION, "void": VOID}
"""Commands that are business requests."""

STAN_MAX = 999_999
NEVER_US = 4_102_444_800_000_000
"""Some instant past a leap year: whether MMDD is a day at all does not depend on now."""

OWN_LOOKED_AT_MAX = 8
"""So many pre-authorizations of this terminal with one authorization code are looked at."""


class Wanted(NamedTuple):
    """What the cashier entered, checked for form; '' and None where nothing was given."""

    kind: Kind
    amount_minor: int | None
    pan: str
    expiry: str
    track2: str
    code: str
    mmdd: str
    trace: str


def wanted_of(kind: Kind, arguments: Mapping[str, Any]) -> Wanted:
    """The arguments of a command, or BadInput."""
    card = arguments.get("card") or {}
    track2 = str(card.get("track2") or "").upper().replace("D", "=")
    track_pan, _, rest = track2.partition("=")
    pan, expiry = str(card.get("pan") or track_pan), str(card.get("expiry") or rest[:4])
    amount_minor = arguments.get("amount_minor")
    code, mmdd = str(arguments.get("authorization_code") or ""), str(arguments.get("date") or "")
    trace = str(arguments.get("original_batch") or "") + str(arguments.get("original_stan") or "")
    if not (_digits(pan) and 13 <= len(pan) <= 19):
        raise BadInput("card number is not 13 to 19 digits")
    if expiry and not (_digits(expiry) and len(expiry) == 4):
        raise BadInput("expiry is not YYMM")
    if amount_minor is None and kind is not VOID:
        raise BadInput("amount is missing")
    if amount_minor is not None and not (isinstance(amount_minor, int) and 0 < amount_minor <= AMOUNT_MINOR_MAX):
        raise BadInput("amount is not between 0.01 and 9999999999.99")
    if kind.needs_original and not (code.isascii() and code.isalnum() and len(code) <= 6):
        raise BadInput("authorization code of the original is not up to six letters and digits")
    if mmdd and date_of_mmdd(mmdd, NEVER_US) is None:
        raise BadInput("date of the original is not a day, MMDD")
    if trace and not (_digits(trace) and len(trace) == len(NO_TRACE)):
        raise BadInput("batch and trace of the original are not six digits each")
    if kind.supervisor and not arguments.get("supervisor"):
        raise BadInput(f"a {kind.name} needs a supervisor")
    return Wanted(kind, amount_minor, pan, expiry, track2, code, mmdd, trace)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def turn_down(event: Command, kind: str, reason: str) -> Decision:
    """No, and why."""
    yield (TURN,)
    return Step(send=(Outcome(event.caller, turned_down(kind, reason)),))


# --- business requests --------------------------------------------------------------------------------------------


def ask(event: Command, kind: Kind, settings: TerminalSettings) -> Decision:
    """Pre-authorization, completion, void: journal "asked", then send."""
    try:
        wanted = wanted_of(kind, event.arguments)
    except BadInput as error:
        return (yield from turn_down(event, kind.name, str(error)))
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if device is None:
        return (yield from turn_down(event, kind.name, "this terminal was never loaded"))
    key = next_key(device, kind.mti)
    own = yield from own_original(wanted)
    taken, sealed = yield RowOf(SALES, str(key)), seal_pan(wanted.pan)
    (turn,) = yield (TURN,)
    amount_minor = wanted.amount_minor or (own.amount_minor if own else None)
    no = why_not(device, taken, turn) or why_no_sale(device)
    if no is None and amount_minor is None:
        no = f"no own pre-authorization has code {wanted.code}: give the amount"
    if no is not None or amount_minor is None:
        return Step(send=(Outcome(event.caller, turned_down(kind.name, no or "amount is missing")),))
    page = Page(turn, device)
    page.note(kind.name, "asked", asked_facts(event, wanted, key, amount_minor, own, device, turn, settings))
    page.keep_card(str(key), sealed)
    message = request_of(page.sales[str(key)], device, wanted.pan, wanted.track2)
    return sent(event, page, str(key), Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM)), settings)


def sent(event: Command, page: Page, key: str, outgoing: Outgoing, settings: TerminalSettings) -> Step:
    """A request goes out; the caller waits for its key, and so does a due row."""
    now_us = page.turn.now_us
    patience = put(DUE, Due(f"answer:{key}", now_us + settings.patience_us, 0, now_us))
    return page.step(outgoing, also=(patience,), wait=Wait(key, event.caller))


def own_original(wanted: Wanted) -> Generator[tuple[Want, ...], Any, Sale | None]:
    """The pre-authorization that is meant, when this terminal made it itself: it fills in what was not entered."""
    if not wanted.kind.needs_original:
        return None
    where = (("kind", PRE_AUTHORIZATION.name), ("authorization_code", wanted.code))
    (found,) = yield (Find(SALES, where, OWN_LOOKED_AT_MAX),)
    return next((sale for sale in found if sale.card == mask_pan(wanted.pan)), None)


def asked_facts(
    event: Command,
    wanted: Wanted,
    key: TraceKey,
    amount_minor: int,
    own: Sale | None,
    device: Device,
    turn: Turn,
    settings: TerminalSettings,
) -> dict[str, Any]:
    """What the journal says of a request before it is sent."""
    moment = local(turn.now_us, settings.zone)
    facts: dict[str, Any] = {
        "trace_key": str(key),
        "terminal_id": device.terminal_id,
        "merchant_id": device.merchant_id,
        "amount": amount_minor,
        "currency": settings.currency,
        "card": mask_pan(wanted.pan),
        "expiry": wanted.expiry or None,
        "entry_mode": STRIPE if wanted.track2 else KEYED,
        "actor": event.actor,
        "supervisor": event.arguments.get("supervisor") if wanted.kind.supervisor else None,
        "local_date": moment.date().isoformat(),
        "local_time": moment.strftime("%H:%M:%S"),
    }
    if not wanted.kind.needs_original:
        return facts
    facts["original_code"] = wanted.code
    if wanted.mmdd or own is None:
        # A date that was entered stands, even against our own record: the slip in the cashier's hand may be another's.
        return facts | {
            "original_date": wanted.mmdd or moment.strftime("%m%d"),
            "original_trace": wanted.trace or NO_TRACE,
        }
    named = own.trace_key.split("/")
    date = own.local_date[5:7] + own.local_date[8:10]
    return facts | {"original_date": date, "original_trace": wanted.trace or named[1] + named[2]}


def next_key(device: Device, mti: str) -> TraceKey:
    """The key of the next request: the trace number goes on, and after 999999 comes 1."""
    return TraceKey(device.terminal_id, device.batch, f"{device.stan % STAN_MAX + 1:06d}", mti)


def why_not(device: Device, taken: Sale | None, turn: Turn) -> str | None:
    """Why nothing can be asked now."""
    if device.in_flight:
        return f"a request is in flight: {device.in_flight}"
    if taken is not None:
        return f"trace numbers of batch {device.batch} are used up: settle first"
    if ACQUIRER not in turn.linked:
        return "acquirer not reachable"
    return None


def why_no_sale(device: Device) -> str | None:
    """Why no business request can be asked now."""
    if device.reversal:
        return f"a reversal waits: {device.reversal}"
    if not device.signed_on or device.mak is None:
        return "not signed on"
    return None


def ask_again(event: Command, settings: TerminalSettings) -> Decision:
    """The same request on the wire again, as a repeat: nothing new is asked, so nothing is journaled."""
    key = str(event.arguments.get("trace_key"))
    device, sale = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, key)
    if device is None or sale is None or sale.kind not in {kind.name for kind in KINDS.values()}:
        return (yield from turn_down(event, "repeat", f"no request of this terminal is {key}"))
    if sale.pan_sealed is None:
        return (yield from turn_down(event, sale.kind, f"{key} was reversed: there is nothing to repeat"))
    (pan,) = yield (open_pan(sale.pan_sealed),)
    if pan is None:
        return (yield from turn_down(event, sale.kind, f"the card of {key} was sealed with other keys"))
    (turn,) = yield (TURN,)
    if device.in_flight not in ("", key) or not device.signed_on or device.mak is None or ACQUIRER not in turn.linked:
        no = why_not(device, None, turn) or "not signed on"
        return Step(send=(Outcome(event.caller, turned_down(sale.kind, no)),))
    repeat = Outgoing(ACQUIRER, request_of(sale, device, pan, repeat=True), (device.mak, MAC_ALGORITHM))
    # The request in flight has its patience already, and one end is enough.
    patience = Due(f"repeat:{key}", turn.now_us + settings.patience_us, 0, turn.now_us)
    writes = () if device.in_flight == key else (put(DUE, patience),)
    return Step(write=writes, send=(repeat,), wait=Wait(key, event.caller))


# --- the terminal itself ------------------------------------------------------------------------------------------


def load(event: Command, settings: TerminalSettings) -> Decision:
    """Who this terminal is, its master key (wrapped) and the register's public key. Counters go on where they stood."""
    given = event.arguments
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    (turn,) = yield (TURN,)
    no = unfit_identity(given, settings)
    if no is None and device is not None and (device.in_flight or device.reversal):
        no = f"a request or reversal is open: {device.in_flight or device.reversal}"
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down("load", no)),))
    page = Page(turn, device)
    facts = {
        "terminal_id": settings.terminal_id,
        "merchant_id": given["merchant_id"],
        "merchant_name": given["merchant_name"],
        "merchant_name_en": given.get("merchant_name_en") or given["merchant_name"],
        "register_key": given.get("register_key") or "",
        "actor": event.actor,
    }
    page.note("load", "loaded", facts)
    page.keep_keys(given["tmk"], None, None)
    return page.step(Outcome(event.caller, {"outcome": "approved", "response_code": "", "kind": "load", **facts}))


def unfit_identity(given: Mapping[str, Any], settings: TerminalSettings) -> str | None:
    """What is missing or wrong in the identity that a terminal is to be loaded with."""
    if given.get("terminal_id", settings.terminal_id) != settings.terminal_id:
        return f"this is terminal {settings.terminal_id}, not {given['terminal_id']}"
    missing = [name for name in ("merchant_id", "merchant_name", "tmk") if not given.get(name)]
    if missing:
        return f"{missing[0]} is missing"
    if not (given["merchant_id"].isascii() and len(given["merchant_id"].strip()) == len(given["merchant_id"]) <= 15):
        return "merchant id is not up to 15 letters and digits"
    return None


def sign_on(event: Command, settings: TerminalSettings) -> Decision:
    """Ask for working keys and batch. Until the answer the terminal is signed off, because its old key may be over."""
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if device is None:
        return (yield from turn_down(event, SIGN_ON, "this terminal was never loaded"))
    key = next_key(device, SIGN_ON_MTI)
    (taken,) = yield (RowOf(SALES, str(key)),)
    (turn,) = yield (TURN,)
    no = why_not(device, taken, turn)
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down(SIGN_ON, no)),))
    moment = local(turn.now_us, settings.zone)
    facts = {
        "trace_key": str(key),
        "actor": event.actor,
        "local_date": moment.date().isoformat(),
        "local_time": moment.strftime("%H:%M:%S"),
    }
    page = Page(turn, device)
    page.note(SIGN_ON, "asked", facts)
    return sent(event, page, str(key), Outgoing(ACQUIRER, sign_on_of(page.sales[str(key)], device)), settings)


def echo(event: Command, settings: TerminalSettings) -> Decision:
    """Is the line alive?"""
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    (turn,) = yield (TURN,)
    if device is None or ACQUIRER not in turn.linked:
        no = "this terminal was never loaded" if device is None else "acquirer not reachable"
        return Step(send=(Outcome(event.caller, turned_down("echo", no)),))
    message = echo_of(device)
    key = str(TraceKey(device.terminal_id, device.batch, message.get(11), ECHO_MTI))
    patience = Due(f"echo:{key}", turn.now_us + settings.patience_us, 0, turn.now_us)
    return Step(write=(put(DUE, patience),), send=(Outgoing(ACQUIRER, message),), wait=Wait(key, event.caller))
