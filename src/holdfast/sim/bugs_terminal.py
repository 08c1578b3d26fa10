"""Planted bugs of our terminal: what it believes, what it keeps, and what it gives up."""

from dataclasses import replace
from typing import Any

from holdfast.clock import DEFAULT_ZONE
from holdfast.domain.commands import BY_NAME, REVERSAL
from holdfast.domain.records import DEVICES, SALES
from holdfast.domain.tables import DUE, Due, Write, remove
from holdfast.ids import parse_trace_key
from holdfast.parties.cashier import STAN_MAX
from holdfast.parties.page import Page
from holdfast.parties.pos_answers import register_entry, told_by
from holdfast.parties.step import TURN, Command, Decision, Event, Party, Received, RowOf, Step, Want
from holdfast.parties.translate import reply_mti
from holdfast.runtime.engine import Engine
from holdfast.sim.bugs_engine import database
from holdfast.sim.bugs_trade import told_thrice
from holdfast.sim.tampering import (
    Bug,
    Cast,
    Tampered,
    facts_of,
    never_again,
    our_terminal,
    over_whatever_is_there,
    saying,
    terminal,
    with_rows,
)
from holdfast.store.interface import LogState

ANSWERS = ("0110", "0210")
TRIES_MAX = 3
TERMINAL_ID_CHARS = 8


def of_reversal(event: Event) -> bool:
    """Whether it is time to send a reversal."""
    return isinstance(event, Due) and event.key.startswith("reverse:")


# --- reversals ----------------------------------------------------------------------------------------------------


def reversal_sent_once(event: Event, step: Step) -> Step:
    """A terminal's reversal goes out once, and is not come back to."""
    return never_again(step) if of_reversal(event) and step.send else step


def given_up(party: Party, event: Event) -> Decision:
    """After three tries a reversal is taken for done."""
    if not (isinstance(event, Due) and of_reversal(event) and event.attempts >= TRIES_MAX):
        return (yield from party.decide(event))
    key = event.key.partition(":")[2]
    device, reversal = yield RowOf(DEVICES, key[:TERMINAL_ID_CHARS]), RowOf(SALES, key)
    (original,) = yield (RowOf(SALES, reversal.reverses),)
    (turn,) = yield (TURN,)
    if reversal.outcome != "asked":
        return Step(write=(remove(DUE, event.key),))
    page = Page(turn, device, reversal, original)
    named = {"trace_key": key, "reverses": original.trace_key, "sequence": reversal.sequence}
    page.note(REVERSAL, "undone", named | {"response_code": "25", "register_entry": device.last_entry})
    return page.step(also=(remove(DUE, event.key),))


def cleared_by_a_late_answer(party: Party, event: Event) -> Decision:
    """An approval that comes late makes the request approved, and its reversal is thrown away."""
    if not (isinstance(event, Received) and event.message.mti in ANSWERS and register_entry(event.message)):
        return (yield from party.decide(event))
    message = event.message
    (device,) = yield (RowOf(DEVICES, message.get(41)),)
    key = device.reversal if device is not None else ""
    if not key or parse_trace_key(key).stan != message.get(11) or message.get(39) != "00":
        return (yield from party.decide(event))
    (reversal,) = yield (RowOf(SALES, key),)
    (original,) = yield (RowOf(SALES, reversal.reverses),)
    (turn,) = yield (TURN,)
    page = Page(turn, device, reversal, original)
    named = {"trace_key": key, "reverses": original.trace_key, "sequence": reversal.sequence, "note": "late"}
    page.note(REVERSAL, "stands", named | told_by(message, turn.now_us, DEFAULT_ZONE))
    return page.step(also=(remove(DUE, f"reverse:{key}"),))


# --- answers ------------------------------------------------------------------------------------------------------


def taken_for_a_no(step: Step) -> Step:
    """What is unknown, and would be reversed, is taken for declined."""
    if [facts.get("phase") for facts in facts_of(step)] != ["unknown", "stored"]:
        return step
    step = step._replace(entries=step.entries[:1], write=tuple(w for w in step.write if not _of_reversal(w)))
    step = saying(step, lambda facts: facts | {"phase": "answered", "outcome": "declined", "response_code": "12"})
    step = with_rows(step, SALES, lambda row: row._replace(outcome="declined"))
    return with_rows(step, DEVICES, lambda row: row._replace(reversal=""))


def _of_reversal(write: Write) -> bool:
    return str(write.key).startswith("reverse:") or str(write.key).endswith("/0400")


def silence_is_a_decline(event: Event, step: Step) -> Step:
    """The terminal believes a request declined that nobody answered, and stores no reversal."""
    return taken_for_a_no(step) if isinstance(event, Due) and event.key.startswith("answer:") else step


def any_answer_will_do(party: Party, event: Event) -> Decision:
    """Whatever an answer is to, it is taken for the one to the request in flight."""
    if not isinstance(event, Received):
        return (yield from party.decide(event))
    message = event.message
    (device,) = yield (RowOf(DEVICES, message.get(41)),)
    sale = None
    if device is not None and device.in_flight:
        (sale,) = yield (RowOf(SALES, device.in_flight),)
    if sale is None or sale.kind not in BY_NAME:
        return (yield from party.decide(event))
    kind, key = BY_NAME[sale.kind], parse_trace_key(sale.trace_key)
    asked_for = {3: kind.processing_code, 4: f"{sale.amount_minor:012d}", 11: key.stan, 60: f"00{key.batch}000"}
    taken = replace(message, mti=reply_mti(key.mti), fields={**message.fields, **asked_for})
    return (yield from party.decide(event._replace(message=taken)))


# --- advices and sign-off -----------------------------------------------------------------------------------------


class NumbersAgain:
    """A terminal that does not see that its next trace number names a request already."""

    def __init__(self) -> None:
        self._next = ""

    def told(self, event: Event, want: Want, answer: Any) -> Any:
        """Under its next number there is nothing yet."""
        if isinstance(want, RowOf) and want.table is DEVICES and answer is not None:
            self._next = f"/{answer.batch}/{answer.stan % STAN_MAX + 1:06d}/"
        own = isinstance(event, Command) and isinstance(want, RowOf) and want.table is SALES
        return None if own and self._next in str(want) else answer


class NumbersFromMemory(Engine):
    """Begins with the trace number before the last one."""

    async def take(self) -> LogState:
        """See `Engine.take`."""
        devices = database(self).table(DEVICES)
        for device in list(devices.rows.values()):
            devices.put(device._replace(stan=max(device.stan - 1, 0)))
        return await super().take()


def number_used_again(terminal_id: str) -> Party:
    """A terminal that asks under numbers it has used."""
    return Tampered(our_terminal(terminal_id), NumbersAgain().told, over_whatever_is_there)


BUGS: dict[str, Bug] = {
    "reversal-sent-once": Bug(
        "the terminal's reversal is sent once and not stored", terminal(decided=reversal_sent_once)
    ),
    "reversal-given-up": Bug("after three tries a reversal is taken for done", terminal(instead=given_up)),
    "late-answer-clears-reversal": Bug(
        "a late approval throws the stored reversal away", terminal(instead=cleared_by_a_late_answer)
    ),
    "silence-is-a-decline": Bug("the terminal takes silence for a decline", terminal(decided=silence_is_a_decline)),
    "any-answer-will-do": Bug("the terminal takes an answer to another question", terminal(instead=any_answer_will_do)),
    "advice-forgotten": Bug("the terminal tells an advice three times, then drops it", terminal(decided=told_thrice)),
    "number-used-again": Bug(
        "a restarted terminal uses its last trace number again",
        Cast(terminal=number_used_again, terminal_engine=NumbersFromMemory),
    ),
}
