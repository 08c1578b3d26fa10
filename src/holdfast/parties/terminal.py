"""The terminal: asks for the cashier, believes only what can be believed, and undoes what it does not know.

The flow of a request: journal "asked" → send → journal the answer → tell the cashier. Approved means an approving code,
a MAC that holds and a register entry. Everything else that is no clear decline, silence included, is unknown: it is
told as such, and what the kind wants is done about it in the same commit: a reversal is stored (`outbox`), or it is
repeated until it is answered (`advices`). Whatever is open is a row, so that a terminal whose power was cut goes on
from there.
"""

from collections.abc import Callable
from typing import Any

from holdfast.domain.commands import (
    BALANCE,
    BY_NAME,
    DOWNLOAD,
    RECORDS,
    SETTLEMENT,
    SIGN_OFF,
    SIGN_ON,
    UPLOAD_MTI,
    Silence,
)
from holdfast.domain.journal import OWED
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.ids import parse_trace_key
from holdfast.parties import advices, batch_upload, cashier, mending, operators, outbox, session, settling
from holdfast.parties.entered import KINDS
from holdfast.parties.page import Page, believed, nearly_full, turned_down
from holdfast.parties.pos_answers import (
    NO_ANSWER,
    balance_of,
    judge,
    key_answered,
    mac_of,
    register_entry,
    told_by,
    wants_sign_on,
)
from holdfast.parties.pos_messages import ECHO_MTI
from holdfast.parties.session import concluded, reversal_now
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import TURN, Command, Decision, Event, HangUp, Outcome, Received, RowOf, Step, Turn
from holdfast.wire.message import Message

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
            kind = KINDS[event.name].name if event.name in KINDS else event.name
            return Step((entry,), send=(Outcome(event.caller, turned_down(kind, says)),), says=says)
        return Step((entry,), says=says)


COMMANDS: dict[str, Callable[[Command, TerminalSettings], Decision]] = {
    "repeat": cashier.ask_again,
    "reverse": cashier.take_back,
    "sign-on": session.sign_on,
    "sign-off": session.sign_off,
    "download": session.download,
    "echo": session.echo,
    "load": session.load,
    "settle": settling.settle,
    "mend": mending.mend,
    "rebuild": mending.rebuild,
}
"""Commands that are no business requests; `deliver` is below."""


def obey(event: Command, settings: TerminalSettings) -> Decision:
    """A command of the cashier, or of whoever drives the terminal."""
    if event.name in KINDS:
        return cashier.ask(event, KINDS[event.name], settings)
    if event.name == "deliver":
        return deliver_now(event, settings)
    if event.name in COMMANDS:
        return COMMANDS[event.name](event, settings)
    return cashier.turn_down(event, event.name, f"a terminal has no command {event.name}")


def deliver_now(event: Command, settings: TerminalSettings) -> Decision:
    """The line is back: what waits to be delivered need not wait until its pause is over."""
    device, owed = yield RowOf(DEVICES, settings.terminal_id), advices.OWED
    (turn,) = yield (TURN,)
    no = operators.why_not(event.actor, event.name)
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down("deliver", no)),))
    writes = reversal_now(device, turn) if device is not None else ()
    if owed:
        writes = (*writes, advices.told_now(turn))
    return Step(write=writes, send=(Outcome(event.caller, {"outcome": "approved", "kind": "deliver"}),))


# --- the acquirer speaks ------------------------------------------------------------------------------------------


def heard(event: Received, settings: TerminalSettings) -> Decision:
    """One message of the acquirer: an answer to something that this terminal asked, or nothing."""
    message = event.message
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    key = key_answered(device, message) if device is not None else None
    if device is None or key is None:
        return (yield from ignored(message, "answers nothing"))
    if key.mti == UPLOAD_MTI:
        if device.in_flight != str(key):
            return (yield from ignored(message, f"answers {key}, which is not under way"))
        return (yield from batch_upload.acknowledged(message, device, settings))
    (sale,) = yield (RowOf(SALES, str(key)),)
    if sale is None and key.mti == ECHO_MTI:
        return (yield from session.echo_answered(message, str(key)))
    if sale is None:
        return (yield from ignored(message, f"answers {key}, which was never asked"))
    return (yield from about(sale, message, device, settings))


def about(sale: Sale, message: Message, device: Device, settings: TerminalSettings) -> Decision:
    """An answer to one of our requests, by what it is."""
    if sale.kind == SIGN_ON:
        return (yield from session.sign_on_answered(message, device, sale, settings))
    if sale.kind == SIGN_OFF:
        return (yield from session.sign_off_answered(message, device, sale))
    if sale.kind == DOWNLOAD:
        return (yield from session.download_answered(message, device, sale))
    if sale.kind == SETTLEMENT:
        return (yield from settling.settlement_answered(message, device, sale, settings))
    if sale.kind == RECORDS:
        return (yield from mending.records_answered(message, device, sale, settings))
    if sale.trace_key == device.doubtful and sale.outcome == "asked":
        return (yield from ignored(message, f"answers {sale.trace_key}, which the register is asked about"))
    mac_holds = yield from mac_of(message, device)
    if sale.reverses is not None:
        return (yield from outbox.reversal_answered(message, mac_holds, device, sale, settings))
    if sale.delivery == OWED:
        return (yield from advices.answered(message, mac_holds, device, sale, settings))
    (turn,) = yield (TURN,)
    if sale.outcome != "asked":
        return answered_after_the_end(message, mac_holds, device, sale, turn)
    return answered(message, mac_holds, device, sale, turn, settings)


def ignored(message: Message, why: str) -> Decision:
    """Not for us."""
    yield (TURN,)
    return Step(says=f"{message.mti} of the acquirer ignored: it {why}")


def answered(
    message: Message, mac_holds: bool, device: Device, sale: Sale, turn: Turn, settings: TerminalSettings
) -> Step:
    """An answer in time. One that cannot be used leaves the outcome unknown."""
    verdict = judge(message, mac_holds, sale, device)
    again = wants_sign_on(message, mac_holds) or None
    page = Page(turn, device, sale)
    if verdict.outcome == "unknown":
        why = {"reason": verdict.says, "response_code": message.get(39) or None, "sign_on_again": again}
        return unknown(page, sale, verdict.reason, why)
    facts: dict[str, Any] = {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": verdict.outcome}
    facts |= {"sign_on_again": again, "reason": verdict.says}
    page.note(sale.kind, "answered", facts | told_by(message, turn.now_us, settings.zone))
    only_now = passed_on(sale, message) if verdict.outcome == "approved" else {}
    return concluded(page, sale.trace_key, more=only_now | nearly_full(page.device))


def passed_on(sale: Sale, message: Message) -> dict[str, Any]:
    """What an approval tells the cashier or the chip and nobody may keep: the balance, the issuer's cryptogram."""
    told: dict[str, Any] = {}
    if sale.kind == BALANCE.name:
        told["balance"] = balance_of(message)
    if 55 in message.fields:
        told["chip"] = message.get_bytes(55)
    return told


def unknown(page: Page, sale: Sale, reason: str, facts: dict[str, Any]) -> Step:
    """Nobody knows. What is done about it is in the same commit; a request that changes nothing is simply over."""
    named = {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": "unknown"}
    page.note(sale.kind, "unknown", named | facts)
    kind = BY_NAME.get(sale.kind)
    duties: tuple[Write, ...] = ()
    if kind is not None and kind.silence is Silence.REVERSED:
        duties = (outbox.store_reversal(page, sale, reason),)
    elif kind is not None and kind.silence is Silence.REPEATED:
        duties = (advices.told_now(page.turn),)
    return concluded(page, sale.trace_key, duties)


def answered_after_the_end(message: Message, mac_holds: bool, device: Device, sale: Sale, turn: Turn) -> Step:
    """A repeat's answer, a copy, or a late one: it changes nothing. What says more than we knew is kept, once."""
    code, entry = message.get(39), register_entry(message)
    page, note = Page(turn, device, sale), None
    if sale.outcome in ("unknown", "reversed"):
        note = "it was reversed" if sale.outcome == "reversed" else "it is being reversed"
        if sale.kind == BALANCE.name:
            note = "too late: ask again"
        if mac_holds and sale.late is None and (code, entry) != (sale.response_code, ""):
            late = {"trace_key": sale.trace_key, "sequence": sale.sequence, "late": f"{code} {entry}".strip()}
            page.note(sale.kind, "late", late)
    elif not mac_holds or code != sale.response_code:
        note = f"asked again, the acquirer answered {code or 'nothing usable'}"
    outcome = Outcome(sale.trace_key, believed(page.sales[sale.trace_key], note))
    return page.step(outcome, also=(remove(DUE, f"repeat:{sale.trace_key}"),))


# --- time passes --------------------------------------------------------------------------------------------------


def when_due(due: Due, settings: TerminalSettings) -> Decision:
    """A due row's time has come."""
    kind, _, key = due.key.partition(":")
    if kind == "reverse":
        return outbox.deliver(due, key, settings)
    if kind == "tell":
        return advices.tell(due, settings)
    if kind == "answer":
        return acquirer_was_silent(due, key, settings)
    if kind == "forget":
        return batch_upload.forget(due, key, settings)
    if kind == "rebuild":
        return mending.when_due(due, settings)
    assert kind in ("repeat", "echo"), f"no such due row: {due.key}"
    return not_answered_again(due, key)


def acquirer_was_silent(due: Due, trace_key: str, settings: TerminalSettings) -> Decision:
    """No answer in time: unknown, never declined. The line may be dead, or out of step for ever: it is dialled anew."""
    step = yield from not_answered(due, trace_key, settings)
    return step._replace(send=(*step.send, HangUp(ACQUIRER)))


def not_answered(due: Due, trace_key: str, settings: TerminalSettings) -> Decision:
    """What becomes of whatever was in flight."""
    device, sale = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, trace_key)
    (turn,) = yield (TURN,)
    if device is not None and device.in_flight == trace_key and parse_trace_key(trace_key).mti == UPLOAD_MTI:
        return batch_upload.silent(due, device, turn)
    if device is None or sale is None or sale.outcome != "asked":
        return Step(write=(remove(DUE, due.key),))
    page, why = Page(turn, device, sale), "the acquirer did not answer in time"
    if sale.kind == SETTLEMENT:
        named = {"trace_key": sale.trace_key, "sequence": sale.sequence}
        page.note(SETTLEMENT, "unknown", named | settling.not_settled(why))
        return settling.settle_again(page, trace_key)
    if sale.kind == RECORDS:
        return mending.not_rebuilt(page, sale, why)
    return unknown(page, sale, NO_ANSWER, {"reason": why})


def not_answered_again(due: Due, trace_key: str) -> Decision:
    """A repeat or an echo stayed without an answer: what we believed of the request stands."""
    (sale,) = yield (RowOf(SALES, trace_key),)
    yield (TURN,)
    silence = "asked again, the acquirer did not answer"
    value = believed(sale, silence) if sale else {"outcome": "unknown", "response_code": "", "kind": "echo"}
    return Step(write=(remove(DUE, due.key),), send=(Outcome(trace_key, value), HangUp(ACQUIRER)))
