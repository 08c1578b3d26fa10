"""A batch that is settled is uploaded where its totals differ, message by message, and then it is closed.

Each message is acknowledged before the next one goes, and bears the same key when it must go again, unless that key
was answered as a duplicate (94): then it bears a new one. Only 00 acknowledges. When the batch is
closed the card numbers of its requests are dropped; what is still told keeps its own, goes on with its old batch, and
is said aloud with what was refused.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from holdfast.domain import responses
from holdfast.domain.commands import BATCH_UPLOAD, SETTLEMENT, UPLOAD_MTI
from holdfast.domain.records import DEVICES, SALES, Device, Sale
from holdfast.domain.tables import DUE, Due, Find, Write, put, remove
from holdfast.ids import TraceKey, parse_trace_key
from holdfast.parties import advices
from holdfast.parties.batch_messages import Upload, is_refused_advice, upload_of, uploads_of
from holdfast.parties.cashier import STAN_MAX, patience
from holdfast.parties.page import Page, believed
from holdfast.parties.pos_answers import mac_of, not_authentic, wants_sign_on
from holdfast.parties.pos_messages import MAC_ALGORITHM
from holdfast.parties.settings import ACQUIRER, TerminalSettings, parameters_from
from holdfast.parties.step import TURN, Decision, Outcome, Outgoing, Reads, RowOf, Step, Turn, open_pan
from holdfast.wire.message import Message
from holdfast.wire.settlement import BALANCED, COUNT_MAX, ClassTotals, Totals, parse_totals

BATCH_MAX = 999_999

FORGET_MAX = 64
"""So many card numbers are dropped in one step after a batch was closed."""

SILENT = "the acquirer did not answer the upload in time"


def of_batch(batch: str) -> Find:
    """The business requests of a batch: never more than the journal holds."""
    return Find(SALES, (("batch", batch),), COUNT_MAX)


def is_balanced(answer: Totals) -> bool:
    """Whether both classes balance."""
    return answer.domestic.reply == answer.foreign.reply == BALANCED


class Progress(NamedTuple):
    """How far an upload has come: the message before, the one that is next (None: all are acknowledged), the card
    numbers of what it carries, and how many messages there are; the refused of the batch, and what is told still.
    """

    balanced: bool
    before: Upload | None
    next: Upload | None
    pans: tuple[str, ...]
    messages_n: int
    refused: tuple[Sale, ...]
    waiting: tuple[Sale, ...]


def progress(device: Device, batch: str, balanced: bool, uploaded: int) -> Reads[Progress]:
    """What an upload needs to go on when so many of its messages are acknowledged."""
    sales, owed = yield of_batch(batch), advices.OWED
    refused = tuple(advices.in_order([sale for sale in sales if is_refused_advice(sale)]))
    # What was recovered from the register has no card number here, and the register has it already.
    wanted = uploads_of([sale for sale in sales if sale.pan_sealed is not None], balanced)
    if balanced and parameters_from(device.parameters).balanced_upload == "never":
        wanted = []
    upload = wanted[uploaded] if uploaded < len(wanted) else None
    before = wanted[uploaded - 1] if 0 < uploaded <= len(wanted) else None
    pans: tuple[str, ...] = ()
    if upload is not None and upload.sales:
        sealed = [sale.pan_sealed for sale in upload.sales]
        pans = yield tuple(open_pan(each) for each in sealed if each is not None)
        assert len(pans) == len(sealed), "cards stay until the batch is closed"
        assert all(pans), "cards were sealed with the keys of this installation"
    return Progress(balanced, before, upload, tuple(pans), len(wanted), refused, tuple(advices.in_order(owed)))


def proceed(page: Page, done: Progress, settings: TerminalSettings) -> Step:
    """The next message of the upload, or the end of it all."""
    device = page.device
    assert device is not None, "it is a terminal that settles"
    if done.next is None:
        return close(page, device, done)
    batch = parse_trace_key(device.settling).batch
    fresh, stan = None, device.uploading.split("/")[2] if device.uploading else ""
    if done.next.alone:
        stan = parse_trace_key(done.next.sales[0].trace_key).stan
    elif not stan:
        fresh = device.stan % STAN_MAX + 1
        stan = f"{fresh:06d}"
    key = str(TraceKey(device.terminal_id, batch, stan, UPLOAD_MTI))
    facts = {
        "trace_key": key,
        "settlement": device.settling,
        "message": device.uploaded + 1,
        "messages": done.messages_n,
        "traces": " ".join(parse_trace_key(sale.trace_key).stan for sale in done.next.sales) or None,
        "stan": fresh,
        "actor": "system",
    }
    page.note(BATCH_UPLOAD, "uploading", facts)
    assert device.mak is not None, "who is signed on has a key"
    message = upload_of(done.next, done.pans, stan, batch, device, done.balanced)
    outgoing = Outgoing(ACQUIRER, message, (device.mak, MAC_ALGORITHM))
    return page.step(outgoing, also=(patience(key, page.turn, settings),))


def acknowledged(message: Message, device: Device, settings: TerminalSettings) -> Decision:
    """0330: the next one goes. Where the acquirer cannot take it now, or does not know us, the upload stops for now."""
    mac_holds = yield from mac_of(message, device)
    (sale,) = yield (RowOf(SALES, device.settling),)
    assert sale is not None, "what is uploaded was settled before"
    batch, balanced = parse_trace_key(sale.trace_key).batch, is_balanced(parse_totals(sale.host_totals or ""))
    done = yield from progress(device, batch, balanced, device.uploaded + 1)
    (turn,) = yield (TURN,)
    page, code, key = Page(turn, device, sale), message.get(39), device.in_flight
    over = remove(DUE, f"answer:{key}")
    facts = {"trace_key": key, "settlement": device.settling, "response_code": code or None, "actor": "system"}
    no = why_not_acknowledged(message, mac_holds, device, done.before is not None and done.before.alone)
    if no is not None and code == responses.DUPLICATE and mac_holds:
        # The trace number is used up, and nothing was acknowledged by that.
        page.note(BATCH_UPLOAD, "uploaded", facts | {"uploaded": device.uploaded, "reason": no})
        return stopped(page, device, no, over)
    if no is not None:
        again = wants_sign_on(message, mac_holds) or None
        page.note(BATCH_UPLOAD, "unknown", facts | {"outcome": "unknown", "reason": no, "sign_on_again": again})
        return stopped(page, device, no, over)
    page.note(BATCH_UPLOAD, "uploaded", facts | {"uploaded": device.uploaded + 1})
    step = proceed(page, done, settings)
    return step._replace(write=(over, *step.write))


def why_not_acknowledged(message: Message, mac_holds: bool, device: Device, alone: bool) -> str | None:
    """Why an answer does not acknowledge.

    A request that is uploaded alone can bear no other trace number than its own: 94 says that it came before.
    """
    code, spoilt = message.get(39), not_authentic(message, mac_holds)
    if code in responses.TRANSIENT or code in responses.OUTCOME_UNKNOWN:
        return f"the upload was answered {code}, {responses.says(code)}"
    if spoilt is not None:
        return f"upload: {spoilt}"
    if message.get(41) != device.terminal_id or not code:
        return "the answer to the upload is none"
    taken = code == responses.APPROVED or (alone and code == responses.DUPLICATE)
    return None if taken else f"the upload was answered {code}, {responses.says(code)}"


def silent(due: Due, device: Device, turn: Turn) -> Step:
    """No answer to a message of the upload."""
    page = Page(turn, device)
    facts = {"trace_key": device.in_flight, "settlement": device.settling, "actor": "system"}
    page.note(BATCH_UPLOAD, "unknown", facts | {"outcome": "unknown", "reason": SILENT})
    return stopped(page, device, SILENT, remove(DUE, due.key))


def stopped(page: Page, device: Device, reason: str, *writes: Write) -> Step:
    """The upload stops for now; whoever waits for the settlement is told."""
    value = {"outcome": "unknown", "response_code": "", "kind": SETTLEMENT, "trace_key": device.settling}
    says = f"{reason}: the batch is not closed, settle again to go on"
    return page.step(Outcome(device.settling, value | {"reason": says}), also=writes)


# --- the end of a batch -------------------------------------------------------------------------------------------


def close(page: Page, device: Device, done: Progress) -> Step:
    """The batch is over and the next one begins; what waits is told again."""
    key, batch = device.settling, parse_trace_key(device.settling).batch
    # A sign-on in between may have brought the next number already.
    following = f"{int(batch) % BATCH_MAX + 1:06d}" if device.batch == batch else device.batch
    page.note(SETTLEMENT, "closed", {"trace_key": key, "batch": following, "actor": "system"})
    now_us = page.turn.now_us
    writes = [put(DUE, Due(f"forget:{batch}", now_us, 0, now_us))]
    if done.waiting:
        writes.append(advices.told_now(page.turn))
    return page.step(Outcome(key, settled(page.sales[key], following, done)), also=tuple(writes))


def settled(sale: Sale, following: str, done: Progress) -> dict[str, Any]:
    """What the slip of the settlement says: both totals, and the lists of what is not in the register."""
    ours, theirs = parse_totals(sale.totals or ""), parse_totals(sale.host_totals or "")
    return believed(sale) | {
        "batch": parse_trace_key(sale.trace_key).batch,
        "next_batch": following,
        "balanced": done.balanced,
        "totals": in_words(ours),
        "host_totals": in_words(theirs),
        "uploaded": done.messages_n,
        "failed": as_listed(done.refused),
        "waiting": as_listed(done.waiting),
    }


def in_words(totals: Totals) -> dict[str, dict[str, int | str]]:
    """Totals by name, amounts in minor units."""

    def of_class(each: ClassTotals) -> dict[str, int | str]:
        return {
            "debit_amount": each.debit_amount_minor,
            "debit_count": each.debit_count,
            "credit_amount": each.credit_amount_minor,
            "credit_count": each.credit_count,
            "reply": each.reply,
        }

    return {"domestic": of_class(totals.domestic), "foreign": of_class(totals.foreign)}


def as_listed(sales: Iterable[Sale]) -> list[dict[str, Any]]:
    """Requests as the lists of a settlement name them."""
    return [believed(sale) for sale in sales]


def forget(due: Due, batch: str, settings: TerminalSettings) -> Decision:
    """Drop the card numbers of a batch that is closed, some at a time; what is still told keeps its own until then,
    and while a reversal waits or a settlement is under way all of them are kept.
    """
    sales, device = yield of_batch(batch), RowOf(DEVICES, settings.terminal_id)
    busy = device is not None and bool(device.reversal or device.settling)
    sealed = [sale for sale in sales if sale.pan_sealed is not None]
    over = [] if busy else [sale.trace_key for sale in sealed if not sale.delivery]
    rows: tuple[Sale | None, ...] = ()
    if over:
        rows = yield tuple(RowOf(SALES, key) for key in over[:FORGET_MAX])
    (turn,) = yield (TURN,)
    writes = [put(SALES, sale._replace(pan_sealed=None)) for sale in rows if sale is not None]
    if len(writes) == len(sealed):
        return Step(write=(*writes, remove(DUE, due.key)))
    pause_us = 0 if len(over) > len(writes) else settings.repeat_max_us
    return Step(write=(*writes, put(DUE, due._replace(due_us=turn.now_us + pause_us))))
