"""The messages of a standard UnionPay terminal, field by field as domain.md §1, §2 and §4.6 have them.

It knows nothing of our private field, and shares no code with our own terminal's messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.domain.commands import (
    BALANCE,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    REFUND,
    SALE_VOID,
    Kind,
    Silence,
)
from holdfast.wire.message import Message
from holdfast.wire.settlement import CardClass, ClassTotals, Detail, Totals, pack_details, pack_end, pack_totals

Fields = dict[int, str | bytes]

ENTRY = {"keyed": "01", "stripe": "02", "chip": "05", "contactless": "07"}
NOTHING_NAMED = "0" * 16
CHIPS = ("05", "07")
DETAILS_MAX = 8
DETAILS, CHIP, CHIP_BALANCED, CHIP_REFUSED, END, END_BALANCED = "201", "205", "203", "206", "202", "207"
"""60.3 of an upload."""
OPERATOR = "01 "
PIN_CONTROL = "26" + "0" * 14
"""DE53: the PIN block is made with the card number, under double-length DES."""


class Device(NamedTuple):
    """Who the terminal is, and the batch and trace that a message bears."""

    terminal_id: str
    merchant_id: str
    batch: str
    stan: str

    def control(self, message_type: str, management: str) -> str:
        """DE60 of a message about the terminal itself."""
        return message_type + self.batch + management


class Paper:
    """One request and what the terminal believes of it; `trace_key` names it at the acquirer.

    `outcome`: asked, stored (told until it is answered), approved, declined, reversed, or forgotten (given up).
    """

    def __init__(self, device: Device, kind: Kind, given: Mapping[str, Any], request: Message) -> None:
        self.device = device
        self.trace_key = f"{device.terminal_id}/{device.batch}/{device.stan}/{kind.mti}"
        self.kind = kind
        self.request = request
        self.pan: str = given["card"]["pan"]
        self.card_in_hand = given.get("card_in_hand")
        self.outcome = "asked"
        self.code = self.scheme = ""
        self.amount_minor = int(request.get(4) or 0)
        self.answer: Message | None = None
        self.tries = 0

    @property
    def told_until_answered(self) -> bool:
        """Whether it is repeated, and never reversed."""
        return self.kind.silence is Silence.REPEATED

    @property
    def counts(self) -> bool:
        """Whether it counts in the totals of its batch."""
        return self.outcome == "approved" and bool(self.kind.total)

    @property
    def foreign(self) -> bool:
        """Whether the acquirer said that it was a card of another scheme."""
        return self.scheme not in ("", "CUP")

    @property
    def of_chip(self) -> bool:
        """Whether the chip was read."""
        return self.request.get(22)[:2] in CHIPS


def refusal(reason: str) -> dict[str, Any]:
    """What a cashier is told when nothing was sent."""
    return {"outcome": "declined", "response_code": "", "reason": reason}


def told(paper: Paper) -> dict[str, Any]:
    """What a cashier reads on the paper."""
    answer = paper.answer
    return {
        "outcome": paper.outcome if paper.outcome in ("approved", "declined", "stored") else "unknown",
        "response_code": paper.code,
        "kind": paper.kind.name,
        "amount": paper.amount_minor,
        "trace_key": paper.trace_key,
        "authorization_code": answer.get(38) if answer else None,
        "rrn": answer.get(37) if answer else None,
        "date": answer.get(13) if answer else None,
        "paper": paper,
    }


# --- business -----------------------------------------------------------------------------------------------------


def request_of(device: Device, kind: Kind, given: Mapping[str, Any], pin_block: bytes) -> Message:
    """A request of business."""
    fields = card_fields(given, pin_block) | {
        3: kind.processing_code,
        11: device.stan,
        25: kind.condition,
        41: device.terminal_id,
        42: device.merchant_id,
        49: "156",
        60: kind.message_type + device.batch + "000" + "5" + ("1" if given.get("fallback") else "0"),
        63: OPERATOR,
    }
    if kind is not BALANCE:
        fields[4] = f"{given['amount_minor']:012d}"
    return Message(kind.mti, fields | original_fields(kind, given))


def card_fields(given: Mapping[str, Any], pin_block: bytes) -> Fields:
    """The card as it is read; a stripe speaks for itself."""
    card = given["card"]
    entry = card.get("entry") or ("chip" if card.get("chip") else "stripe" if card.get("track2") else "keyed")
    fields: Fields = {22: ENTRY[entry] + ("1" if pin_block else "2")}
    if entry == "stripe":
        fields[35] = card["track2"]
    else:
        fields |= {2: card["pan"], 14: card["expiry"]}
    if entry in ("chip", "contactless"):
        fields |= {23: card["sequence"], 35: card["track2"], 55: card["chip"]}
    return fields | ({26: "12", 52: pin_block, 53: PIN_CONTROL} if pin_block else {})


def original_fields(kind: Kind, given: Mapping[str, Any]) -> Fields:
    """DE37, DE38 and DE61: what a linked request means."""
    if not kind.needs_original:
        return {}
    trace = given.get("original_batch", "") + given.get("original_stan", "") or NOTHING_NAMED[:12]
    code = {38: given["authorization_code"]} if given.get("authorization_code") else {}
    if kind is INCREMENT:
        return {**code, 61: NOTHING_NAMED}
    if kind is SALE_VOID:
        return {61: trace}
    if kind in (COMPLETION_VOID, REFUND):
        return {**code, 37: given["rrn"], 61: trace + given["date"]}
    return {**code, 61: trace + given["date"]}


def reversal_of(paper: Paper, reason: str) -> Message:
    """0400: the request without what must not be kept; DE61 names the request itself where it is a linked one."""
    kept = (2, 3, 4, 11, 14, 22, 25, 38, 41, 42, 49, 60, 61, 63)
    fields: Fields = {number: paper.request.fields[number] for number in kept if number in paper.request.fields}
    if paper.kind.needs_original:
        fields[61] = paper.device.batch + paper.device.stan + "0000"
    return Message("0400", {**fields, 39: reason})


def repeat_of(paper: Paper) -> Message:
    """The same once more, without track and chip."""
    fields = {number: value for number, value in paper.request.fields.items() if number not in (35, 52, 53, 26, 55)}
    return Message(paper.kind.mti[:3] + "1", {**fields, 2: paper.pan})


# --- the terminal and its batch -----------------------------------------------------------------------------------


def about_terminal(device: Device, mti: str, management: str) -> Message:
    """Sign-on, sign-off, echo: DE60 says which."""
    fields: Fields = {11: device.stan, 41: device.terminal_id, 42: device.merchant_id}
    return Message(mti, fields | {60: device.control("00", management), 63: OPERATOR})


def script_notice(device: Device, paper: Paper) -> Message:
    """0620: what became of an issuer's script in the chip."""
    kind = paper.kind
    named = paper.device.batch + paper.device.stan + (paper.answer.get(13) if paper.answer else "0000")
    fields: Fields = {2: paper.pan, 3: kind.processing_code, 11: device.stan, 22: paper.request.get(22)}
    fields |= {41: device.terminal_id, 42: device.merchant_id, 60: device.control(kind.message_type, "951"), 61: named}
    return Message("0620", fields)


def settlement(device: Device, papers: Sequence[Paper], more_minor: int = 0) -> Message:
    """0500: the totals of the batch; `more_minor` is what a liar adds to the domestic debits."""
    halves = []
    for foreign in (False, True):
        mine = [paper for paper in papers if paper.foreign is foreign]
        debit = [paper.amount_minor for paper in mine if paper.kind.total == "debit"]
        credit = [paper.amount_minor for paper in mine if paper.kind.total == "credit"]
        halves.append(ClassTotals(sum(debit), len(debit), sum(credit), len(credit)))
    if more_minor:
        halves[0] = halves[0]._replace(debit_amount_minor=halves[0].debit_amount_minor + more_minor)
    fields: Fields = {11: device.stan, 41: device.terminal_id, 42: device.merchant_id, 48: pack_totals(Totals(*halves))}
    return Message("0500", fields | {49: "156", 60: device.control("00", DETAILS), 63: OPERATOR})


def block_of(device: Device, details: Sequence[Detail]) -> Message:
    """0320 with up to eight records."""
    fields: Fields = {11: device.stan, 41: device.terminal_id, 42: device.merchant_id, 48: pack_details(details)}
    return Message("0320", fields | {60: device.control("00", DETAILS)})


def detail_of(paper: Paper, amount_minor: int) -> Detail:
    """One record of a block."""
    card_class = CardClass.FOREIGN if paper.foreign else CardClass.DOMESTIC
    return Detail(card_class, paper.device.stan, paper.pan, amount_minor)


def alone(paper: Paper, form: str, amount_minor: int) -> Message:
    """0320 with one record, under its own trace number; an advice names its original with 29 digits."""
    device, asked = paper.device, paper.request
    fields: Fields = {2: paper.pan, 4: f"{amount_minor:012d}", 11: device.stan, 22: asked.get(22)}
    fields |= {41: device.terminal_id, 42: device.merchant_id, 60: device.control(paper.kind.message_type, form)}
    if paper.told_until_answered:
        fields |= {3: paper.kind.processing_code, 25: paper.kind.condition}
    if paper.kind is COMPLETION_ADVICE:
        fields |= {38: asked.get(38), 61: asked.get(61).ljust(16, "0") + "0" * 13}
    if paper.foreign:
        fields[63] = paper.scheme
    return Message("0320", fields)


def end_of(device: Device, count: int, balanced: bool) -> Message:
    """0320: the end of the upload."""
    fields: Fields = {11: device.stan, 41: device.terminal_id, 42: device.merchant_id, 48: pack_end(count)}
    return Message("0320", fields | {60: device.control("00", END_BALANCED if balanced else END)})
