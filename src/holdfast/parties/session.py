"""The terminal itself: who it is, its sign-on and sign-off, its parameters, and whether the line is alive.

From the moment when a sign-on or sign-off is asked the terminal is signed off, because its keys may be over. No answer
to these is ever reversed: what was not answered is simply asked anew.
"""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.clock import local
from holdfast.domain import responses
from holdfast.domain.commands import DOWNLOAD, SIGN_OFF, SIGN_ON
from holdfast.domain.journal import FIRST_BATCH
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.errors import BadInput, WireError
from holdfast.ids import TraceKey
from holdfast.parties import operators
from holdfast.parties.cashier import next_key, sent, told_now, turn_down, why_not
from holdfast.parties.page import Page, believed, turned_down
from holdfast.parties.pos_answers import mac_of, notice_of, told_time, wants_sign_on
from holdfast.parties.pos_messages import (
    ECHO_MTI,
    MAC_ALGORITHM,
    SIGN_OFF_MTI,
    SIGN_ON_MTI,
    download_of,
    echo_of,
    sign_off_of,
    sign_on_of,
)
from holdfast.parties.settings import ACQUIRER, NAMES, TerminalSettings, dumped, parse_download
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
    import_under,
)
from holdfast.wire.message import Message
from holdfast.wire.security import WorkingKeys, parse_working_keys

KEPT_CHARS_MAX = 400
"""Parameters longer than this are not kept."""


# --- what is asked ------------------------------------------------------------------------------------------------


def load(event: Command, settings: TerminalSettings) -> Decision:
    """Who this terminal is, its master key (wrapped) and the register's public key. Counters go on where they stood.

    A terminal that was never loaded has no operators yet: whoever holds it may load it.
    """
    given = event.arguments
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    (turn,) = yield (TURN,)
    no = unfit_identity(given, settings)
    if no is None and device is not None:
        # Without its master key, lost with a part of the file, nothing that is open could ever be closed.
        no = operators.why_not(event.actor, event.name) or (what_is_open(device) if device.tmk else None)
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


def what_is_open(device: Device) -> str | None:
    """Why the terminal cannot be closed or become another one now; None when nothing is open."""
    key = device.in_flight or device.reversal
    return f"a request or reversal is open: {key}" if key else None


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
    """Ask for working keys and batch."""
    return _ask(event, SIGN_ON, SIGN_ON_MTI, sign_on_of, settings)


def sign_off(event: Command, settings: TerminalSettings) -> Decision:
    """No business until the next sign-on; refused while something is open."""
    return _ask(event, SIGN_OFF, SIGN_OFF_MTI, sign_off_of, settings)


def download(event: Command, settings: TerminalSettings) -> Decision:
    """Ask for the parameters of this terminal."""
    return _ask(event, DOWNLOAD, SIGN_ON_MTI, download_of, settings)


def _ask(
    event: Command, kind: str, mti: str, message_of: Callable[[Sale, Device], Message], settings: TerminalSettings
) -> Decision:
    no = operators.why_not(event.actor, event.name)
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if no is not None or device is None:
        return (yield from turn_down(event, kind, no or "this terminal was never loaded"))
    key = next_key(device, mti)
    (taken,) = yield (RowOf(SALES, str(key)),)
    (turn,) = yield (TURN,)
    no = why_not(device, taken is not None, turn)
    if kind == SIGN_OFF:
        no = what_is_open(device) or no
    if kind == DOWNLOAD and no is None and not (device.signed_on and device.mak):
        no = "not signed on"
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down(kind, no)),))
    moment = local(turn.now_us, settings.zone)
    facts: dict[str, Any] = {"trace_key": str(key), "actor": event.actor}
    if kind == SIGN_ON and device.mending and not device.records_key:
        # By this the acquirer sees whether it knows of anything that was lost, and then opens a new batch.
        facts["sequence"] = device.kept_n + 1
    page = Page(turn, device)
    page.note(kind, "asked", facts | told_now(moment.date().isoformat(), moment.strftime("%H:%M:%S")))
    seal = (device.mak, MAC_ALGORITHM) if kind == DOWNLOAD and device.mak else None
    outgoing = Outgoing(ACQUIRER, message_of(page.sales[str(key)], device), seal)
    return sent(event, page, str(key), outgoing, settings)


def echo(event: Command, settings: TerminalSettings) -> Decision:
    """Is the line alive?"""
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    (turn,) = yield (TURN,)
    no = operators.why_not(event.actor, event.name) or why_no_echo(device, turn)
    if no is not None or device is None:
        return Step(send=(Outcome(event.caller, turned_down("echo", no or "")),))
    message = echo_of(device)
    key = str(TraceKey(device.terminal_id, device.batch, message.get(11), ECHO_MTI))
    patience = Due(f"echo:{key}", turn.now_us + settings.patience_us, 0, turn.now_us)
    return Step(write=(put(DUE, patience),), send=(Outgoing(ACQUIRER, message),), wait=Wait(key, event.caller))


def why_no_echo(device: Device | None, turn: Turn) -> str | None:
    """Why the line cannot be tried. An echo bears the last trace number, and a sign-off in flight has the same key."""
    if device is None:
        return "this terminal was never loaded"
    if ACQUIRER not in turn.linked:
        return "acquirer not reachable"
    return f"a request is in flight: {device.in_flight}" if device.in_flight.endswith(SIGN_OFF_MTI) else None


# --- what is answered ---------------------------------------------------------------------------------------------


def echo_answered(message: Message, key: str) -> Decision:
    """The line is alive."""
    yield (TURN,)
    code = message.get(39)
    value = {"outcome": "approved" if code == responses.APPROVED else "declined", "response_code": code, "kind": "echo"}
    return Step(write=(remove(DUE, f"echo:{key}"),), send=(Outcome(key, {**value, "trace_key": key}),))


def sign_on_answered(message: Message, device: Device, sale: Sale, settings: TerminalSettings) -> Decision:
    """0810: working keys under our master key. A check value that does not fit means that the master keys differ."""
    code, batch = message.get(39), message.get(60)[2:8]
    keys, no = working_keys_of(message)
    wrapped: list[bytes | None] = []
    if keys is not None and code == responses.APPROVED:
        wrapped = yield (
            import_under(device.tmk, "pik", keys.pik, keys.pik_check),
            import_under(device.tmk, "mak", keys.mak, keys.mak_check),
        )
        wrong = [name for name, key in zip(("PIN", "MAC"), wrapped, strict=True) if key is None]
        no = f"check value of the {wrong[0]} key is wrong: the terminal master keys differ" if wrong else None
    if no is None and len(batch) != 6:
        no = "answer names no batch"
    if code != responses.APPROVED:
        no = responses.says(code)
    (turn,) = yield (TURN,)
    if sale.outcome != "asked":
        return Step(says=f"late answer to sign-on {sale.trace_key} ignored")
    page = Page(turn, device, sale)
    if no is not None:
        return _declined(page, sale, code, f"sign-on refused: {no}")
    told = {"batch": batch, "rrn": message.get(37) or None, **notice_of(message)}
    _approved(page, sale, code, told | told_time(message, turn.now_us, settings.zone))
    page.keep_keys(device.tmk, *wrapped)
    duties = (*reversal_now(device, turn), *forget_batch(device, batch, turn))
    return concluded(page, sale.trace_key, duties)


def forget_batch(device: Device, batch: str, turn: Turn) -> tuple[Write, ...]:
    """Whoever signs on to another batch keeps no card numbers of the one before: it is not settled here any more."""
    if device.mending or device.batch in (batch, FIRST_BATCH):
        return ()
    return (put(DUE, Due(f"forget:{device.batch}", turn.now_us, 0, turn.now_us)),)


def working_keys_of(message: Message) -> tuple[WorkingKeys | None, str | None]:
    """The keys in DE62, or why there are none."""
    try:
        return parse_working_keys(message.get_bytes(62)), None
    except WireError as error:
        return None, str(error)


def sign_off_answered(message: Message, device: Device, sale: Sale) -> Decision:
    """0830: the session is over, or the acquirer will not have it so; either way nothing is asked before a sign-on."""
    (turn,) = yield (TURN,)
    if sale.outcome != "asked":
        return Step(says=f"late answer to sign-off {sale.trace_key} ignored")
    page, code = Page(turn, device, sale), message.get(39)
    if code != responses.APPROVED:
        return _declined(page, sale, code, f"sign-off refused: {responses.says(code)}")
    _approved(page, sale, code, {"rrn": message.get(37) or None})
    return concluded(page, sale.trace_key)


def download_answered(message: Message, device: Device, sale: Sale) -> Decision:
    """0810 with DE62: what the acquirer sets, taken as a whole or not at all, and only under its MAC."""
    mac_holds = yield from mac_of(message, device)
    (turn,) = yield (TURN,)
    if sale.outcome != "asked":
        return Step(says=f"late answer to download {sale.trace_key} ignored")
    page, code = Page(turn, device, sale), message.get(39)
    try:
        told = parse_download(parameter_text(message)) if mac_holds and code == responses.APPROVED else {}
    except BadInput as error:
        return _declined(page, sale, code, f"download refused: {error}")
    if not told:
        no = responses.says(code) if mac_holds or code != responses.APPROVED else "the answer's MAC does not hold"
        return _declined(page, sale, code, f"download refused: {no}", wants_sign_on(message, mac_holds))
    names = {name: told[name] for name in NAMES if told.get(name)}
    _approved(page, sale, code, names | {"parameters": dumped(told), "rrn": message.get(37) or None})
    return concluded(page, sale.trace_key)


def parameter_text(message: Message) -> str:
    """DE62 as text, in the character set of terminals; BadInput when it is none, or more than anybody would set."""
    try:
        text = message.get_bytes(62).decode("gbk")
    except UnicodeDecodeError:
        raise BadInput("the answer's parameters are no text") from None
    if len(text) > KEPT_CHARS_MAX:
        raise BadInput(f"the answer's parameters have {len(text)} characters, more than {KEPT_CHARS_MAX}")
    return text


def _approved(page: Page, sale: Sale, code: str, told: Mapping[str, Any]) -> None:
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "response_code": code, "outcome": "approved"}
    page.note(sale.kind, "answered", facts | dict(told))


def _declined(page: Page, sale: Sale, code: str, reason: str, sign_on_again: bool = False) -> Step:
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "response_code": code or None}
    said = {"outcome": "declined", "reason": reason, "sign_on_again": sign_on_again or None}
    page.note(sale.kind, "answered", facts | said)
    return concluded(page, sale.trace_key)


def concluded(
    page: Page, trace_key: str, duties: tuple[Write, ...] = (), more: Mapping[str, Any] | None = None
) -> Step:
    """The request is over: whoever waits for it is told, with what is known only now (`more`)."""
    outcome = Outcome(trace_key, believed(page.sales[trace_key]) | dict(more or {}))
    return page.step(outcome, also=(remove(DUE, f"answer:{trace_key}"), *duties))


def reversal_now(device: Device, turn: Turn) -> tuple[Write, ...]:
    """A reversal that was held up goes out at once when the terminal has signed on."""
    if not device.reversal:
        return ()
    return (put(DUE, Due(f"reverse:{device.reversal}", turn.now_us, 0, turn.now_us)),)
