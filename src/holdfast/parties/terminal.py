"""The terminal: asks for the cashier, believes only what can be believed, and undoes what it does not know.

The flow of a request: journal "asked" → send → journal the answer → tell the cashier. Approved means 00, a MAC that
holds and a register entry. Everything else that is no clear decline, silence included, is unknown: it is told as such,
and a reversal is stored with it in one commit and repeated until it is acknowledged (`outbox`). Whatever is open is a
row, so that a terminal whose power was cut goes on from there.
"""

from collections.abc import Generator
from typing import Any

from holdfast.domain import responses
from holdfast.domain.commands import SIGN_ON
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.errors import WireError
from holdfast.parties import cashier, outbox
from holdfast.parties.page import Page, believed, turned_down
from holdfast.parties.pos_messages import (
    ECHO_MTI,
    MAC_ALGORITHM,
    MAC_FIELD,
    NO_ANSWER,
    SIGN_ON_MTI,
    judge,
    key_answered,
    register_entry,
    told_by,
    told_time,
    wants_sign_on,
)
from holdfast.parties.settings import TerminalSettings
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Event,
    Outcome,
    Received,
    RowOf,
    Step,
    Turn,
    Want,
    import_under,
    verify_mac,
)
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import WorkingKeys, mac_block, parse_working_keys

__all__ = ["Terminal", "TerminalSettings"]


class Terminal:
    """The party. All that it knows is in its rows; these are only its settings."""

    def __init__(self, settings: TerminalSettings) -> None:
        self.settings = settings

    def decide(self, event: Event) -> Decision:
        """All events go through here."""
        if isinstance(event, Due):
            return when_due(event, self.settings)
        if isinstance(event, Command):
            return obey(event, self.settings)
        return heard(event, self.settings)

    def refuse(self, event: Event, error: Exception) -> Decision:
        """A bug of ours: record it by its name alone (its text might hold a card). What is open stays open.

        A request that was asked keeps its due row and so becomes unknown; a command that failed has sent nothing.
        """
        (turn,) = yield (TURN,)
        says = f"deciding on {type(event).__name__} failed: {type(error).__name__}"
        facts = {"actor": "system", "event": type(event).__name__, "reason": type(error).__name__}
        entry = turn.record("refusal", facts | {"previous": turn.previous.hex()})
        if isinstance(event, Due):
            later = event._replace(due_us=turn.now_us + self.settings.repeat_max_us, attempts=event.attempts + 1)
            return Step((entry,), (put(DUE, later),), says=says)
        if isinstance(event, Command):
            kind = cashier.KINDS[event.name].name if event.name in cashier.KINDS else event.name
            return Step((entry,), send=(Outcome(event.caller, turned_down(kind, says)),), says=says)
        return Step((entry,), says=says)


def obey(event: Command, settings: TerminalSettings) -> Decision:
    """A command of the cashier, or of whoever drives the terminal."""
    if event.name in cashier.KINDS:
        return cashier.ask(event, cashier.KINDS[event.name], settings)
    if event.name == "repeat":
        return cashier.ask_again(event, settings)
    if event.name == "sign-on":
        return cashier.sign_on(event, settings)
    if event.name == "echo":
        return cashier.echo(event, settings)
    if event.name == "load":
        return cashier.load(event, settings)
    if event.name == "deliver":
        return deliver_now(event, settings)
    return cashier.turn_down(event, event.name, f"a terminal has no command {event.name}")


# --- the acquirer speaks ------------------------------------------------------------------------------------------


def heard(event: Received, settings: TerminalSettings) -> Decision:
    """One message of the acquirer: an answer to something that this terminal asked, or nothing."""
    message = event.message
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    key = key_answered(device, message) if device is not None else None
    if device is None or key is None:
        return (yield from ignored(message, "answers nothing"))
    if key.mti == ECHO_MTI:
        return (yield from echo_answered(message, str(key)))
    (sale,) = yield (RowOf(SALES, str(key)),)
    if sale is None:
        return (yield from ignored(message, f"answers {key}, which was never asked"))
    if key.mti == SIGN_ON_MTI:
        return (yield from sign_on_answered(message, device, sale, settings))
    mac_holds = yield from mac_of(message, device)
    if sale.reverses is not None:
        return (yield from outbox.reversal_answered(message, mac_holds, device, sale, settings))
    (turn,) = yield (TURN,)
    if sale.outcome != "asked":
        return answered_after_the_end(message, mac_holds, device, sale, turn)
    return answered(message, mac_holds, device, sale, turn, settings)


def ignored(message: Message, why: str) -> Decision:
    """Not for us."""
    yield (TURN,)
    return Step(says=f"{message.mti} of the acquirer ignored: it {why}")


def mac_of(message: Message, device: Device) -> Generator[tuple[Want, ...], Any, bool]:
    """Whether the message bears a MAC that holds; false where it bears none."""
    if MAC_FIELD not in message.fields or device.mak is None:
        return False
    block = mac_block(UNIONPAY, message.raw)
    (holds,) = yield (verify_mac(device.mak, MAC_ALGORITHM, block, message.get(MAC_FIELD)),)
    return bool(holds)


def answered(
    message: Message, mac_holds: bool, device: Device, sale: Sale, turn: Turn, settings: TerminalSettings
) -> Step:
    """An answer in time. One that cannot be used leaves the outcome unknown."""
    verdict = judge(message, mac_holds, sale, device)
    again = wants_sign_on(message, mac_holds) or None
    page = Page(turn, device, sale)
    if verdict.outcome == "unknown":
        code = message.get(39) or None
        return unknown(
            page, sale, verdict.reason, {"reason": verdict.says, "response_code": code, "sign_on_again": again}
        )
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": verdict.outcome, "sign_on_again": again}
    if verdict.outcome == "declined":
        facts["reason"] = responses.says(message.get(39))
    page.note(sale.kind, "answered", facts | told_by(message, turn.now_us, settings.zone))
    return concluded(page, sale.trace_key)


def unknown(page: Page, sale: Sale, reason: str, facts: dict[str, Any]) -> Step:
    """Nobody knows. A business request gets its reversal in the same commit; a sign-on is simply asked anew."""
    page.note(
        sale.kind, "unknown", {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": "unknown", **facts}
    )
    duties = () if sale.kind == SIGN_ON else (outbox.store_reversal(page, sale, reason),)
    return concluded(page, sale.trace_key, duties)


def concluded(page: Page, trace_key: str, duties: tuple[Write, ...] = ()) -> Step:
    """The request is over: whoever waits for it is told."""
    outcome = Outcome(trace_key, believed(page.sales[trace_key]))
    return page.step(outcome, also=(remove(DUE, f"answer:{trace_key}"), *duties))


def answered_after_the_end(message: Message, mac_holds: bool, device: Device, sale: Sale, turn: Turn) -> Step:
    """A repeat's answer, a copy, or a late one: it changes nothing. What says more than we knew is kept, once."""
    code, entry = message.get(39), register_entry(message)
    page, note = Page(turn, device, sale), None
    if sale.outcome in ("unknown", "reversed"):
        note = "it was reversed" if sale.outcome == "reversed" else "it is being reversed"
        if mac_holds and sale.late is None and (code, entry) != (sale.response_code, ""):
            late = {"trace_key": sale.trace_key, "sequence": sale.sequence, "late": f"{code} {entry}".strip()}
            page.note(sale.kind, "late", late)
    elif not mac_holds or code != sale.response_code:
        note = f"asked again, the acquirer answered {code or 'nothing usable'}"
    outcome = Outcome(sale.trace_key, believed(page.sales[sale.trace_key], note))
    return page.step(outcome, also=(remove(DUE, f"repeat:{sale.trace_key}"),))


def echo_answered(message: Message, key: str) -> Decision:
    """The line is alive."""
    yield (TURN,)
    code = message.get(39)
    value = {"outcome": "approved" if code == responses.APPROVED else "declined", "response_code": code, "kind": "echo"}
    return Step(write=(remove(DUE, f"echo:{key}"),), send=(Outcome(key, {**value, "trace_key": key}),))


# --- sign-on ------------------------------------------------------------------------------------------------------


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
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "response_code": code}
    if no is not None:
        page.note(SIGN_ON, "answered", {**facts, "outcome": "declined", "reason": f"sign-on refused: {no}"})
        return concluded(page, sale.trace_key)
    told = {"outcome": "approved", "batch": batch, "rrn": message.get(37) or None}
    page.note(SIGN_ON, "answered", facts | told | told_time(message, turn.now_us, settings.zone))
    page.keep_keys(device.tmk, *wrapped)
    return concluded(page, sale.trace_key, reversal_now(device, turn))


def working_keys_of(message: Message) -> tuple[WorkingKeys | None, str | None]:
    """The keys in DE62, or why there are none."""
    try:
        return parse_working_keys(message.get_bytes(62)), None
    except WireError as error:
        return None, str(error)


def reversal_now(device: Device, turn: Turn) -> tuple[Write, ...]:
    """A reversal that was held up goes out at once when the terminal has signed on."""
    if not device.reversal:
        return ()
    return (put(DUE, Due(f"reverse:{device.reversal}", turn.now_us, 0, turn.now_us)),)


def deliver_now(event: Command, settings: TerminalSettings) -> Decision:
    """The line is back: the reversal that waits need not wait until its pause is over."""
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    (turn,) = yield (TURN,)
    writes = reversal_now(device, turn) if device is not None else ()
    return Step(write=writes, send=(Outcome(event.caller, {"outcome": "approved", "kind": "deliver"}),))


# --- time passes --------------------------------------------------------------------------------------------------


def when_due(due: Due, settings: TerminalSettings) -> Decision:
    """A due row's time has come."""
    kind, _, key = due.key.partition(":")
    if kind == "reverse":
        return outbox.deliver(due, key, settings)
    if kind == "answer":
        return acquirer_was_silent(due, key, settings)
    assert kind in ("repeat", "echo"), f"no such due row: {due.key}"
    return not_answered_again(due, key)


def acquirer_was_silent(due: Due, trace_key: str, settings: TerminalSettings) -> Decision:
    """No answer in time: unknown, never declined."""
    device, sale = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, trace_key)
    (turn,) = yield (TURN,)
    if device is None or sale is None or sale.outcome != "asked":
        return Step(write=(remove(DUE, due.key),))
    return unknown(Page(turn, device, sale), sale, NO_ANSWER, {"reason": "the acquirer did not answer in time"})


def not_answered_again(due: Due, trace_key: str) -> Decision:
    """A repeat or an echo stayed without an answer: what we believed of the request stands."""
    (sale,) = yield (RowOf(SALES, trace_key),)
    yield (TURN,)
    silence = "asked again, the acquirer did not answer"
    value = believed(sale, silence) if sale else {"outcome": "unknown", "response_code": "", "kind": "echo"}
    return Step(write=(remove(DUE, due.key),), send=(Outcome(trace_key, value),))
