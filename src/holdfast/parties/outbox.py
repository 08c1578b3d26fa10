"""What the terminal stores and repeats until it is acknowledged: the reversal of a request whose outcome is unknown.

There is at most one at a time, because no new sale begins before it is answered. It is a Sale row of its own and a due
row that sends it, with growing pauses, and never gives up.
"""

from typing import Any

from holdfast.domain import responses
from holdfast.domain.commands import REVERSAL, REVERSAL_MTI
from holdfast.domain.records import DEVICES, SALES, Sale
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.ids import parse_trace_key
from holdfast.parties.page import Page, believed
from holdfast.parties.pos_answers import judge, register_entry, told_by, wants_sign_on
from holdfast.parties.pos_messages import MAC_ALGORITHM, reversal_of
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import TURN, Decision, Outcome, Outgoing, RowOf, Step, open_pan
from holdfast.wire.message import Message


def reversal_key(trace_key: str) -> str:
    """A reversal bears batch and trace of what it undoes, and an MTI of its own."""
    return str(parse_trace_key(trace_key)._replace(mti=REVERSAL_MTI))


def store_reversal(page: Page, sale: Sale, reason: str) -> Write:
    """Note the reversal of a request whose outcome is unknown; the due row that sends it, at once."""
    key = reversal_key(sale.trace_key)
    facts = {
        "trace_key": key,
        "reverses": sale.trace_key,
        "amount": sale.amount_minor,
        "currency": sale.currency,
        "card": sale.card,
        "entry_mode": sale.entry_mode,
        "actor": sale.operator,
        "local_date": sale.local_date,
        "local_time": sale.local_time,
        "original_code": sale.original_code,
        "reason": reason,
    }
    now_us = page.turn.now_us
    page.note(REVERSAL, "stored", facts)
    return put(DUE, Due(f"reverse:{key}", now_us, 0, now_us))


def deliver(due: Due, trace_key: str, settings: TerminalSettings) -> Decision:
    """Send the reversal, and come back later unless it is acknowledged. Signed off or without a line, only wait."""
    device, reversal = yield RowOf(DEVICES, settings.terminal_id), RowOf(SALES, trace_key)
    if device is None or reversal is None or reversal.outcome != "asked":
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    (original,) = yield (RowOf(SALES, reversal.reverses or ""),)
    assert original is not None, "a reversal names a request"
    pan = ""
    # The card stays as long as the reversal waits, unless it was lost with a part of the file.
    if original.pan_sealed is not None:
        (pan,) = yield (open_pan(original.pan_sealed),)
        assert pan is not None, "the card was sealed with the keys of this installation"
    (turn,) = yield (TURN,)
    if ACQUIRER not in turn.linked or not device.signed_on or device.mak is None:
        return Step(write=(put(DUE, due._replace(due_us=turn.now_us + settings.repeat_us)),))
    again = due._replace(due_us=turn.now_us + settings.pause_us(due.attempts), attempts=due.attempts + 1)
    message = reversal_of(reversal, original, device, pan)
    return Step(write=(put(DUE, again),), send=(Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM)),))


def reversal_answered(
    message: Message, mac_holds: bool, device: Any, reversal: Sale, settings: TerminalSettings
) -> Decision:
    """00, 25, 12: nothing is in force any more. 22: the original stands. Anything else: it goes on being repeated."""
    (original,) = yield (RowOf(SALES, reversal.reverses or ""),)
    (turn,) = yield (TURN,)
    if reversal.outcome != "asked" or original is None:
        return Step()
    page, code = Page(turn, device, reversal, original), message.get(39)
    named = {"trace_key": reversal.trace_key, "reverses": original.trace_key, "sequence": reversal.sequence}
    usable = judge(message, mac_holds, original, device).outcome != "unknown"
    if usable and code in responses.REVERSAL_DONE:
        page.note(REVERSAL, "undone", named | told_by(message, turn.now_us, settings.zone))
    elif usable and code == responses.OUT_OF_STEP:
        note = f"the reversal was answered {code}: the original stands, see {register_entry(message)}"
        page.note(REVERSAL, "stands", named | told_by(message, turn.now_us, settings.zone) | {"note": note})
    else:
        if wants_sign_on(message, mac_holds) and device.signed_on:
            page.note(REVERSAL, "held up", named | {"response_code": code or None, "sign_on_again": True})
        return page.step(says=f"reversal {reversal.trace_key} answered {code or 'nothing usable'}: repeated later")
    outcome = Outcome(reversal.trace_key, believed(page.sales[original.trace_key]))
    return page.step(outcome, also=(remove(DUE, f"reverse:{reversal.trace_key}"),))
