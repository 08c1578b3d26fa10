"""A terminal whose journal was damaged: it says so, and rebuilds from the register what it can, before it sells again.

`mend` records that the file was mended and what was kept of it. From then on nothing is sold or settled. After a
sign-on `rebuild` asks the acquirer for its records, page by page (`wire.records`), and what they say becomes part of
the journal (`recovery`). It goes on where it was, whenever it was interrupted; nobody needs to ask for it.

Rule 1: the request that was in flight at the end of what was kept is never reversed by silence, for its slip may have
been printed. It is what the register says; what the register does not know is reversed, should it still arrive.
So is what waits to be told and has lost its card number, which nobody can tell any more: where the register does not
know it, it is declined, and the register's finding has its slip looked for.
Rule 2: only an answer whose MAC holds, and which tells records in their form, is believed. Without one the terminal
goes on saying that its journal is to be rebuilt, and sells nothing.
"""

from typing import Any, NamedTuple

from holdfast.clock import local
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, JOURNAL, RECORDS, SETTLEMENT, Silence
from holdfast.domain.journal import OWED
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.errors import BadInput, WireError
from holdfast.ids import parse_trace_key
from holdfast.parties import advices, operators, outbox, recovery
from holdfast.parties.cashier import next_key, patience, sent, told_now, turn_down, why_not
from holdfast.parties.page import Page, believed, turned_down
from holdfast.parties.pos_answers import NO_ANSWER, mac_of, not_authentic, told_by, wants_sign_on
from holdfast.parties.pos_messages import MAC_ALGORITHM, SIGN_ON_MTI, records_of
from holdfast.parties.session import reversal_now
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.settling import not_settled
from holdfast.parties.step import TURN, Command, Decision, Outcome, Outgoing, Reads, RowOf, Step, Turn
from holdfast.wire import records
from holdfast.wire.message import Message

REBUILD = "rebuild"
DUE_KEY = "rebuild:journal"
"""The one due row."""

DAMAGED = "the journal was damaged"
NOT_REGISTERED = f"{DAMAGED} before its answer, and the register does not know it"


# --- the file was mended ------------------------------------------------------------------------------------------


def mend(event: Command, settings: TerminalSettings) -> Decision:
    """The journal was damaged and ends after entry `kept`; what `says` is wrong with it stands until it is rebuilt."""
    no = operators.why_not(event.actor, event.name)
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if no is not None:
        return (yield from turn_down(event, event.name, no))
    in_flight, doubtful = yield from _what_was_open(device)
    (owed,) = yield (advices.OWED,)
    (turn,) = yield (TURN,)
    page = Page(turn, device, *([in_flight] if in_flight else []))
    facts = {
        "kept": int(event.arguments["kept"]),
        "says": str(event.arguments.get("says") or DAMAGED),
        "actor": event.actor,
        "doubtful": doubtful or None,
        "from_batch": _batch_of_the_oldest(owed),
    }
    page.note(JOURNAL, "mended", facts)
    if in_flight is not None and in_flight.trace_key != doubtful:
        _is_over(page, in_flight)
    duties: tuple[Write, ...] = (put(DUE, Due(DUE_KEY, turn.now_us, 0, turn.now_us)),) if page.device else ()
    if device is not None and device.in_flight:
        duties += (remove(DUE, f"answer:{device.in_flight}"),)
    if device is not None:
        duties += reversal_now(device, turn)
    if owed:
        duties += (advices.told_now(turn),)
    outcome = Outcome(event.caller, {"outcome": "approved", "response_code": "", "kind": event.name})
    return page.step(outcome, also=duties)


def _what_was_open(device: Device | None) -> Reads[tuple[Sale | None, str]]:
    """The row of what was in flight; and the business request of which nobody knows how it ended, '' for none.

    That is one in flight, or the last one, when the end of the journal was torn between its unknown outcome and the
    reversal that was stored with it.
    """
    if device is None:
        return None, ""
    in_flight, last = yield RowOf(SALES, device.in_flight), RowOf(SALES, device.last_receipt)
    if in_flight is not None:
        return in_flight, in_flight.trace_key if in_flight.kind in BY_NAME else ""
    if last is None or last.outcome != "unknown" or BY_NAME[last.kind].silence is not Silence.REVERSED:
        return None, ""
    (undo,) = yield (RowOf(SALES, outbox.reversal_key(last.trace_key)),)
    return None, last.trace_key if undo is None else ""


def _batch_of_the_oldest(owed: list[Sale]) -> str | None:
    """The batch of what has waited longest and cannot be told any more; the register is asked from there on."""
    untold = [sale for sale in advices.in_order(owed) if sale.pan_sealed is None]
    return untold[0].batch if untold else None


def _is_over(page: Page, sale: Sale) -> None:
    """A request about the terminal itself that was in flight: whatever comes is not its answer any more."""
    facts: dict[str, Any] = {"trace_key": sale.trace_key, "sequence": sale.sequence}
    facts |= not_settled(DAMAGED) if sale.kind == SETTLEMENT else {"outcome": "unknown", "reason": DAMAGED}
    page.note(sale.kind, "unknown", facts)


# --- the register is asked ----------------------------------------------------------------------------------------


class Asking(NamedTuple):
    """What is read to ask for records: the request for them, where there is one already, and from which entry on.

    `untold` are the trace keys of what waits to be told, and cannot be.
    """

    key: str
    sale: Sale | None
    taken: bool
    since: int
    untold: list[str]


def rebuild(event: Command, settings: TerminalSettings) -> Decision:
    """Ask the acquirer for its records now; nothing is done where nothing is to be rebuilt."""
    no = operators.why_not(event.actor, event.name)
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if no is not None or device is None:
        return (yield from turn_down(event, REBUILD, no or "this terminal was never loaded"))
    if not device.mending:
        yield (TURN,)
        return Step(send=(Outcome(event.caller, rebuilt(0)),))
    asking = yield from _look(device)
    (turn,) = yield (TURN,)
    no = _why_not_now(device, asking, turn)
    if no is not None:
        return Step(send=(Outcome(event.caller, turned_down(REBUILD, no)),))
    page, outgoing = _ask(device, asking, turn, event.actor, settings)
    return sent(event, page, asking.key, outgoing, settings)


def when_due(due: Due, settings: TerminalSettings) -> Decision:
    """By itself, as soon as the terminal is signed on; again and again until it is done."""
    (device,) = yield (RowOf(DEVICES, settings.terminal_id),)
    if device is None or not device.mending:
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    asking = yield from _look(device)
    (turn,) = yield (TURN,)
    if _why_not_now(device, asking, turn) is not None:
        return Step(write=(put(DUE, due._replace(due_us=turn.now_us + settings.repeat_us)),))
    pause_us = settings.patience_us + settings.pause_us(due.attempts)
    again = due._replace(due_us=turn.now_us + pause_us, attempts=due.attempts + 1)
    page, outgoing = _ask(device, asking, turn, "system", settings)
    return page.step(outgoing, also=(put(DUE, again), patience(asking.key, page.turn, settings)))


def _look(device: Device) -> Reads[Asking]:
    key = device.records_key or str(next_key(device, SIGN_ON_MTI))
    sale, doubtful, owed = yield RowOf(SALES, key), RowOf(SALES, device.doubtful), advices.OWED
    # What cannot be told again, because its card number is lost, is looked for in the register like what was in flight.
    untold = [each for each in owed if each.pan_sealed is None]
    looked_for = [each.sequence - 1 for each in untold]
    if doubtful is not None:
        looked_for.append(doubtful.sequence - 1)
    since = min([device.kept_n, *looked_for])
    return Asking(key, sale, sale is not None and not device.records_key, since, [each.trace_key for each in untold])


def _why_not_now(device: Device, asking: Asking, turn: Turn) -> str | None:
    no = why_not(device, asking.taken, turn)
    return no or (None if device.signed_on and device.mak else "not signed on")


def _ask(device: Device, asking: Asking, turn: Turn, actor: str, settings: TerminalSettings) -> tuple[Page, Outgoing]:
    """The first question, or the same page once more."""
    sale, facts = asking.sale, {"trace_key": asking.key, "actor": actor}
    if sale is None:
        page, moment = Page(turn, device), local(turn.now_us, settings.zone)
        facts |= told_now(moment.date().isoformat(), moment.strftime("%H:%M:%S"))
        page.note(RECORDS, "asked", facts | {"since": asking.since})
    else:
        page = Page(turn, device, sale)
        page.note(RECORDS, "again", facts | {"sequence": sale.sequence})
    return page, _question(page, asking.key, asking.since)


def _question(page: Page, key: str, since: int) -> Outgoing:
    device = page.device
    assert device is not None, "a terminal that was loaded asks"
    assert device.mak is not None, "who is signed on has a key"
    asked = records.Asked(device.records_after, since, device.kept_n)
    return Outgoing(ACQUIRER, records_of(page.sales[key], device, asked), (device.mak, MAC_ALGORITHM))


# --- the register answers -----------------------------------------------------------------------------------------


def records_answered(message: Message, device: Device, sale: Sale, settings: TerminalSettings) -> Decision:
    """One page of the register: taken over as a whole, and the next one asked for."""
    mac_holds = yield from mac_of(message, device)
    told, no = told_records(message, mac_holds, device)
    batch = device.records_after[:6]
    keys = recovery.keys_of(device.terminal_id, batch, told.records) if told else []
    asking = yield from _look(device)
    keys += asking.untold
    keys += [device.doubtful, outbox.reversal_key(device.doubtful)] if device.doubtful else []
    rows = (yield tuple(RowOf(SALES, key) for key in dict.fromkeys(keys))) if keys else ()
    (turn,) = yield (TURN,)
    if device.in_flight != sale.trace_key:
        return Step(says=f"late answer to {sale.trace_key} ignored")
    page = Page(turn, device, sale, *(row for row in rows if row is not None))
    if told is None:
        return not_rebuilt(page, sale, no or "", wants_sign_on(message, mac_holds), message.get(39))
    if told.position != device.records_after:
        return Step(says=f"{sale.trace_key}: a page of the register that is not asked for now is ignored")
    for record in told.records:
        key = recovery.key_of(device.terminal_id, batch, record)
        if recovery.is_waited_for(page.sales.get(key), record):
            return not_rebuilt(page, sale, f"the issuer is still being asked about {key}")
        recovery.take_over(page, key, record, settings.currency)
    forgotten = _forgotten(batch, told, device, turn)
    if told.following:
        page.note(RECORDS, "again", {"trace_key": sale.trace_key, "sequence": sale.sequence, "after": told.following})
        also = (patience(sale.trace_key, page.turn, settings), *forgotten)
        return page.step(_question(page, sale.trace_key, asking.since), also=also)
    return _done(page, asking, told_by(message, turn.now_us, settings.zone), forgotten)


def told_records(message: Message, mac_holds: bool, device: Device) -> tuple[records.Told | None, str | None]:
    """The records in an answer, or why there are none to be believed."""
    code = message.get(39)
    if code not in ("", responses.APPROVED):
        return None, f"the acquirer answered {code}, {responses.says(code)}"
    no = not_authentic(message, mac_holds)
    if no is not None:
        return None, no
    try:
        told = records.parse_told(message.get_bytes(records.FIELD))
        recovery.keys_of(device.terminal_id, told.position[:6], told.records)
    except (BadInput, WireError) as error:
        return None, f"the answer tells nothing that can be used: {error}"
    return told, None


def not_rebuilt(page: Page, sale: Sale, why: str, sign_on_again: bool = False, code: str = "") -> Step:
    """It stays as it is, and is asked again later; whoever waits is told why."""
    reason = f"the journal is not rebuilt: {why}"
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": "unknown", "reason": reason}
    page.note(RECORDS, "unknown", facts | {"response_code": code or None, "sign_on_again": sign_on_again or None})
    outcome = Outcome(sale.trace_key, believed(page.sales[sale.trace_key]) | {"kind": REBUILD})
    return page.step(outcome, also=(remove(DUE, f"answer:{sale.trace_key}"),))


def _forgotten(batch: str, told: records.Told, device: Device, turn: Turn) -> tuple[Write, ...]:
    """Nothing of a batch that another one followed is uploaded any more: its card numbers are dropped."""
    left = told.following[:6] != batch and batch != device.batch
    if not left or (device.settling and parse_trace_key(device.settling).batch == batch):
        return ()
    return (put(DUE, Due(f"forget:{batch}", turn.now_us, 0, turn.now_us)),)


def _done(page: Page, asking: Asking, told: dict[str, Any], forgotten: tuple[Write, ...]) -> Step:
    """The register has no more to say: what it does not know is undone, and the terminal sells again."""
    sale = page.sales[asking.key]
    duties = _settle_doubt(page)
    for key in asking.untold:
        if page.sales[key].delivery == OWED:
            _give_up(page, page.sales[key])
    assert page.device is not None, "a terminal that was loaded asked for it"
    count = page.device.recovered_n
    named = {"trace_key": sale.trace_key, "sequence": sale.sequence, "outcome": "approved"}
    page.note(RECORDS, "answered", named | told)
    page.note(JOURNAL, "rebuilt", {"recovered": count, "actor": "system"})
    over = (remove(DUE, f"answer:{sale.trace_key}"), remove(DUE, DUE_KEY))
    return page.step(Outcome(sale.trace_key, rebuilt(count)), also=(*over, *duties, *forgotten))


def _settle_doubt(page: Page) -> tuple[Write, ...]:
    """The request that was in flight and that the register does not know: nothing may come of it any more."""
    assert page.device is not None, "a terminal that was loaded asked for it"
    sale = page.sales.get(page.device.doubtful)
    if sale is None or sale.outcome not in ("asked", "unknown"):
        return ()
    silence = BY_NAME[sale.kind].silence
    facts: dict[str, Any] = {"trace_key": sale.trace_key, "sequence": sale.sequence, "reason": NOT_REGISTERED}
    if silence is Silence.REPEATED and sale.pan_sealed is None:
        _give_up(page, sale)
        return ()
    if outbox.reversal_key(sale.trace_key) in page.sales:
        # It was settled before the journal was damaged once more.
        return ()
    if sale.outcome == "asked":
        page.note(sale.kind, "unknown", facts | {"outcome": "unknown"})
    if silence is Silence.REVERSED:
        return (outbox.store_reversal(page, sale, NO_ANSWER),)
    return (advices.told_now(page.turn),) if silence is Silence.REPEATED else ()


def _give_up(page: Page, sale: Sale) -> None:
    """What the register does not know, and nobody can tell it any more."""
    facts = {"trace_key": sale.trace_key, "sequence": sale.sequence, "reason": NOT_REGISTERED}
    page.note(sale.kind, "recovered", facts | {"outcome": "declined"})


def rebuilt(count: int) -> dict[str, Any]:
    """The outcome: how many requests the register said something new of."""
    return {"outcome": "approved", "response_code": "", "kind": REBUILD, "recovered": count}
