"""What the terminal tells until it is answered: advices, and refunds of which nobody knows whether they arrived.

They are never reversed and hold up no sale. They go one after the other, from one due row: its attempts count through
those that wait, oldest first, so that each has its turn, with growing pauses between the rounds. A reversal goes
before them, and while a settlement is under way they rest, because its totals must not move.
"""

from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME
from holdfast.domain.journal import OWED as OWED_MARK
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Find, Write, put, remove
from holdfast.parties.page import Page, believed
from holdfast.parties.pos_answers import judge, told_by, wants_sign_on
from holdfast.parties.pos_messages import MAC_ALGORITHM, kept_card, request_of
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import TURN, Decision, Outcome, Outgoing, RowOf, Step, Turn, open_pan
from holdfast.wire.message import Message

TELL = "tell:next"
"""The one due row."""

OWED_MAX = 2000
"""More requests than two full batches can leave behind."""

OWED = Find(SALES, (("delivery", OWED_MARK),), OWED_MAX)


def may_go(device: Device, turn: Turn) -> bool:
    """Whether something may be told now."""
    ready = ACQUIRER in turn.linked and device.signed_on and device.mak is not None
    return ready and not device.reversal and not device.settling


def due_after(owed_n: int, was_sent: bool, turn: Turn, settings: TerminalSettings) -> Write:
    """The due row when one more was stored behind `owed_n` others: its own turn comes at once, if it was not sent."""
    if was_sent:
        return put(DUE, Due(TELL, turn.now_us + settings.repeat_us, owed_n + 1, turn.now_us))
    return put(DUE, Due(TELL, turn.now_us, owed_n, turn.now_us))


def told_now(turn: Turn) -> Write:
    """The due row that begins a round at once."""
    return put(DUE, Due(TELL, turn.now_us, 0, turn.now_us))


def tell(due: Due, settings: TerminalSettings) -> Decision:
    """Tell the one whose turn it is, as a repeat, and come back for the next unless it is answered before."""
    device, owed = yield RowOf(DEVICES, settings.terminal_id), OWED
    if device is None or not owed:
        yield (TURN,)
        return Step(write=(remove(DUE, TELL),))
    sale = in_order(owed)[due.attempts % len(owed)]
    if sale.pan_sealed is None:
        return (yield from not_told(due, sale, settings))
    (pan,) = yield (open_pan(sale.pan_sealed),)
    assert pan is not None, "the card was sealed with the keys of this installation"
    (turn,) = yield (TURN,)
    if not may_go(device, turn):
        return Step(write=(put(DUE, due._replace(due_us=turn.now_us + settings.repeat_us)),))
    pause_us = settings.pause_us(due.attempts // len(owed))
    again = due._replace(due_us=turn.now_us + pause_us, attempts=due.attempts + 1)
    message = request_of(sale, device, kept_card(sale, pan), repeat=True)
    return Step(write=(put(DUE, again),), send=(Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM)),))


def not_told(due: Due, sale: Sale, settings: TerminalSettings) -> Decision:
    """The card stays as long as it must be told; lost with a part of the file, it leaves the advice to a person."""
    (turn,) = yield (TURN,)
    later = due._replace(due_us=turn.now_us + settings.repeat_max_us, attempts=due.attempts + 1)
    return Step(write=(put(DUE, later),), says=f"{sale.trace_key} cannot be told: its card number is lost")


def in_order(owed: list[Sale]) -> list[Sale]:
    """The oldest first."""
    return sorted(owed, key=lambda sale: sale.sequence)


def answered(message: Message, mac_holds: bool, device: Device, sale: Sale, settings: TerminalSettings) -> Decision:
    """A usable answer ends it. What speaks of the moment alone, or cannot be believed, leaves it waiting."""
    (owed,) = yield (OWED,)
    (turn,) = yield (TURN,)
    page, code = Page(turn, device, sale), message.get(39)
    named = {"trace_key": sale.trace_key, "sequence": sale.sequence}
    if device.settling:
        return Step(says=f"answer {code} to {sale.trace_key} left aside until the batch is settled")
    verdict = judge(message, mac_holds, sale, device)
    # The acquirer's word about an advice may be of the moment; about a refund it is the outcome.
    of_the_moment = BY_NAME[sale.kind].advice and code in responses.TRANSIENT
    if verdict.outcome == "unknown" or (verdict.outcome == "declined" and of_the_moment):
        if wants_sign_on(message, mac_holds) and device.signed_on:
            page.note(sale.kind, "held up", named | {"response_code": code or None, "sign_on_again": True})
        return page.step(says=f"{sale.trace_key} answered {code or 'nothing usable'}: told again later")
    facts = named | {"outcome": verdict.outcome, "reason": verdict.says}
    page.note(sale.kind, "answered", facts | told_by(message, turn.now_us, settings.zone))
    left = [each for each in owed if each.trace_key != sale.trace_key]
    due = told_now(turn) if left else remove(DUE, TELL)
    ended = (due, remove(DUE, f"repeat:{sale.trace_key}"))
    return page.step(Outcome(sale.trace_key, believed(page.sales[sale.trace_key])), also=ended)
