"""What a cashier enters for a request: the original, the card, the amount, who agrees, the PIN."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.clock import date_of_mmdd
from holdfast.domain.commands import MOTO, Kind, Means
from holdfast.domain.records import Sale
from holdfast.edges import sample
from holdfast.edges.paper import wrapped
from holdfast.edges.shell import screens, words
from holdfast.edges.shell.desk import Desk
from holdfast.edges.shell.figures import grouped, in_words
from holdfast.edges.shell.words import Said
from holdfast.edges.slip import money_of
from holdfast.edges.terminal_cards import Presented, card_of
from holdfast.errors import BadInput
from holdfast.ids import luhn_valid, mask_pan
from holdfast.money import parse_amount
from holdfast.parties.entered import CARD_PRESENT, VOIDS, WITHOUT_PIN
from holdfast.parties.operators import SUPERVISOR
from holdfast.parties.own_originals import HOLD_KINDS, POSTED_BY
from holdfast.parties.settings import Parameters

_NEVER_US = 4_102_444_800_000_000
"""Some instant past a leap year: whether MMDD is a day at all does not depend on now."""

_IN_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d{1,2})?", re.ASCII)
"""1,234.50: the only place of a comma. In 500,00 it may stand for a point, and is not guessed at."""


@dataclass
class Form:
    """A request as far as it has been entered."""

    kind: Kind
    title: str
    parameters: Parameters
    facts: list[tuple[str, str]] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)
    presented: Presented = field(default_factory=lambda: Presented({}))
    own: Sale | None = None
    last4: str = ""

    def __repr__(self) -> str:
        """Without card and PIN: it may end up in a traceback."""
        return f"Form({self.kind.name})"


# --- the original -------------------------------------------------------------------------------------------------


async def ask_original(desk: Desk, form: Form) -> None:
    """By authorization code or reference number; what this terminal's journal does not know is copied from the slip."""
    of_posting = form.kind.means is Means.POSTING
    asked = (words.CODE, words.CODE_OR_RRN_FORM if of_posting else words.CODE_FORM)
    code = await desk.ask(form.title, form.facts, asked, parse_code_or_rrn if of_posting else parse_code)
    form.arguments["rrn" if len(code) == 12 else "authorization_code"] = code
    requests = await desk.till.requests()
    form.own = own_original(requests, form.kind, code)
    form.facts.append((desk.say(words.ORIGINAL), code))
    if form.own is not None:
        amount_minor = amount_in_full(requests, form.own)
        shown = next((sale for sale in requests if sale.trace_key == form.own.hold), form.own)
        shown = form.own if of_posting else shown
        form.facts.append(("", screens.original_line(shown, amount_minor, desk.language)))
        form.last4 = (form.own.card or "")[-4:]
        if form.kind in VOIDS:
            form.arguments["amount_minor"] = amount_minor
        return
    await ask_slip(desk, form, of_posting and "rrn" not in form.arguments)


async def ask_slip(desk: Desk, form: Form, wants_rrn: bool) -> None:
    """What names the original of another terminal: its date, its reference number, and the card as a check."""
    form.facts.append(("", desk.say(words.NOT_OURS)))
    if wants_rrn:
        rrn = await desk.ask(form.title, form.facts, (words.RRN, words.RRN_FORM), parse_rrn)
        form.arguments["rrn"] = rrn
        form.facts.append((desk.say(words.RRN), rrn))
    mmdd = await desk.ask(form.title, form.facts, (words.DATE, words.DATE_FORM), parse_mmdd)
    form.arguments["date"] = mmdd
    form.facts.append((desk.say(words.DATE), mmdd))
    form.last4 = await desk.ask(form.title, form.facts, (words.LAST4, words.LAST4_FORM), parse_last4)
    form.facts.append((desk.say(words.LAST4), form.last4))


def own_original(requests: Sequence[Sale], kind: Kind, code: str) -> Sale | None:
    """The newest request of this terminal that is meant; None where another terminal made it."""
    kinds = POSTED_BY[kind] if kind.means is Means.POSTING else HOLD_KINDS
    names = {each.name for each in kinds}
    for sale in requests:
        codes = {sale.authorization_code, sale.rrn if kind.means is Means.POSTING else None}
        codes |= {sale.original_code} if kind.means is Means.POSTING else set()
        if sale.outcome == "approved" and sale.kind in names and code in codes:
            return sale
    return None


def amount_in_full(requests: Sequence[Sale], own: Sale) -> int:
    """All of a hold, what this terminal has added to it too; of anything else its amount."""
    names = {each.name for each in HOLD_KINDS}
    if own.hold is None or own.kind not in names:
        return own.amount_minor
    about = [sale for sale in requests if sale.hold == own.hold and sale.kind in names]
    return sum(sale.amount_minor for sale in about if sale.outcome == "approved")


# --- the card -----------------------------------------------------------------------------------------------------


async def ask_card(desk: Desk, form: Form) -> None:
    """How it is presented, then what the reader reads; it must be the card of the original's slip."""
    ways = [words.INSERT, words.TAP, words.SWIPE, words.KEY_IN]
    if form.parameters.keyed == "never" and form.kind in CARD_PRESENT:
        ways.remove(words.KEY_IN)
    way = words.KEY_IN
    if form.kind is not MOTO:
        way = await desk.choose_one(form.title, form.facts, words.READ_CARD, ways)
    presented = await (keyed(desk, form) if way is words.KEY_IN else read_card(desk, form, way))
    if is_chip_stripe(presented):
        way = await desk.choose_one(
            form.title, form.facts, words.HAS_CHIP, [words.INSERT, words.TAP, words.CHIP_FAILED]
        )
        if way is words.CHIP_FAILED:
            form.arguments["fallback"], way = True, words.FALLEN_BACK
        else:
            presented = await read_card(desk, form, way)
    form.presented = presented
    form.arguments["card"] = presented.card
    form.facts.append((desk.say(words.CARD), f"{mask_pan(pan_of(presented))}  {desk.say(way)}"))


async def read_card(desk: Desk, form: Form, way: Said) -> Presented:
    """What the reader reads: here a sample card, or a stripe that was typed in."""
    swipe = way is words.SWIPE

    def parse(text: str) -> Presented | Said:
        wrong = words.STRIPE_WRONG if swipe else words.CARD_WRONG
        known = sample.card(text.lower()) or sample.card_by_pan(text)
        if known is None and not (swipe and text.startswith("track2:")):
            return wrong
        try:
            found = card_of(known["name"] if known else text, None, form.kind, tap=way is words.TAP, swipe=swipe)
        except BadInput:
            return wrong
        return of_the_slip(found, form) if is_pan(pan_of(found)) else wrong

    expected = words.STRIPE_FORM if swipe else words.CARD_FORM
    return await desk.ask(f"{form.title}  {desk.say(way)}", form.facts, (words.CARD, expected), parse)


async def keyed(desk: Desk, form: Form) -> Presented:
    """Number and expiry, typed in."""

    def parse(text: str) -> Presented | Said:
        pan = text.replace(" ", "")
        return of_the_slip(Presented({"pan": pan, "entry": "keyed"}), form) if is_pan(pan) else words.PAN_WRONG

    title = f"{form.title}  {desk.say(words.KEY_IN)}"
    presented = await desk.ask(title, form.facts, (words.CARD, words.PAN_FORM), parse)
    shown = [*form.facts, (desk.say(words.CARD), mask_pan(presented.card["pan"]))]
    expiry = await desk.ask(title, shown, (words.EXPIRY, words.EXPIRY_FORM), parse_expiry)
    return Presented({**presented.card, "expiry": expiry})


def of_the_slip(presented: Presented, form: Form) -> Presented | Said:
    """The same, or what is said of a card that is not the one of the original's slip."""
    if not form.last4 or pan_of(presented).endswith(form.last4):
        return presented
    return Said(*(text.format(last4=form.last4) for text in words.OTHER_CARD))


def pan_of(presented: Presented) -> str:
    """The card's number, off its stripe where there is no other."""
    card = presented.card
    return str(card.get("pan") or str(card.get("track2", "")).upper().replace("D", "=").partition("=")[0])


def is_chip_stripe(presented: Presented) -> bool:
    """Whether a stripe was read whose service code says that the card has a chip."""
    card = presented.card
    service_code = str(card.get("track2", "")).upper().replace("D", "=").partition("=")[2][4:7]
    return card.get("entry") == "stripe" and service_code[:1] in ("2", "6")


def is_pan(text: str) -> bool:
    """A card number: 13 to 19 digits with a right check digit."""
    return 13 <= len(text) <= 19 and luhn_valid(text)


# --- amount, agreement, PIN ---------------------------------------------------------------------------------------


async def ask_amount(desk: Desk, form: Form) -> None:
    """The amount, shown large before it goes; a large one is typed twice. A void's is known where its original is."""
    known, in_full = form.arguments.get("amount_minor"), form.kind in VOIDS
    while True:
        amount_minor = await ask_minor(desk, form) if known is None else int(known)
        page = screens.confirmation(form.title, form.facts, amount_minor, desk.language)
        key = await desk.confirm(page, words.YES_OTHER_NO, "12") if in_full else await desk.confirm(page)
        if key == "1":
            break
        known = None
    form.arguments["amount_minor"] = amount_minor
    form.facts.append((desk.say(words.AMOUNT), money_of(amount_minor)))


async def ask_minor(desk: Desk, form: Form) -> int:
    """An amount that is typed, a large one twice."""
    expected = words.AMOUNT_FULL if form.kind in VOIDS else words.AMOUNT_FORM
    amount_minor = await desk.ask(form.title, form.facts, (words.AMOUNT, expected), parse_minor)
    if amount_minor >= screens.LARGE_MINOR:
        await ask_amount_again(desk, form, amount_minor)
    return amount_minor


async def ask_amount_again(desk: Desk, form: Form, amount_minor: int) -> None:
    """20000.00 looks like 200.00 typed wrong: what was understood is shown, then it is typed again."""
    in_full = wrapped(in_words(amount_minor, desk.language), screens.FACT_COLUMNS)
    understood = [(desk.say(words.AMOUNT), f"RMB {grouped(amount_minor)}"), *(("", line) for line in in_full)]

    def parse(text: str) -> int | Said:
        again = parse_minor(text)
        if isinstance(again, Said) or again == amount_minor:
            return again
        return Said(*(each.format(amount=money_of(amount_minor)) for each in words.AMOUNT_DIFFERS))

    await desk.ask(form.title, [*form.facts, *understood], (words.AMOUNT, words.AMOUNT_AGAIN), parse)


async def ask_agreement(desk: Desk, form: Form) -> None:
    """A supervisor agrees, where this kind needs one."""
    if form.kind.name not in form.parameters.supervisor_kinds.split():
        return
    form.arguments["supervisor"] = await desk.ask(
        form.title, form.facts, (words.AGREES, words.SUPERVISOR_FORM), parse_supervisor
    )
    form.facts.append((desk.say(words.AGREES), SUPERVISOR))


async def ask_pin(desk: Desk, form: Form) -> None:
    """The PIN, not shown; none where Enter is pressed, unless the acquirer wants one."""
    if form.kind in WITHOUT_PIN:
        return
    wanted = form.kind in VOIDS and form.parameters.void_pin == "asked"

    def parse(text: str) -> str | Said:
        if not text:
            return words.NO_PIN_YET if wanted else ""
        return text if text.isascii() and text.isdecimal() and 4 <= len(text) <= 12 else words.PIN_WRONG

    pin = await desk.ask(form.title, form.facts, (words.PIN, words.PIN_FORM), parse, secret=True, empty=True)
    if pin:
        form.arguments["pin"] = pin


# --- what is typed ------------------------------------------------------------------------------------------------


def parse_code(text: str) -> str | Said:
    """An authorization code, whole: with a character less it would be looked for on other people's slips."""
    return text.upper() if text.isascii() and text.isalnum() and len(text) == 6 else words.CODE_WRONG


def parse_code_or_rrn(text: str) -> str | Said:
    """An authorization code or a reference number."""
    wrong = isinstance(parse_code(text), Said) and isinstance(parse_rrn(text), Said)
    return words.CODE_OR_RRN_WRONG if wrong else text.upper()


def parse_rrn(text: str) -> str | Said:
    """A reference number."""
    return text.upper() if text.isascii() and text.isalnum() and len(text) == 12 else words.RRN_WRONG


def parse_mmdd(text: str) -> str | Said:
    """A month and a day."""
    return words.DATE_WRONG if date_of_mmdd(text, _NEVER_US) is None else text


def parse_last4(text: str) -> str | Said:
    """Four digits."""
    return text if text.isascii() and text.isdecimal() and len(text) == 4 else words.LAST4_WRONG


def parse_expiry(text: str) -> str | Said:
    """A year and a month."""
    good = text.isascii() and text.isdecimal() and len(text) == 4 and 1 <= int(text[2:]) <= 12
    return text if good else words.EXPIRY_WRONG


def parse_minor(text: str) -> int | Said:
    """An amount in yuan, with or without commas between the thousands -> minor units."""
    try:
        return parse_amount(text.replace(",", "") if _IN_THOUSANDS.fullmatch(text) else text)
    except BadInput:
        return words.AMOUNT_WRONG


def parse_supervisor(text: str) -> str | Said:
    """The supervisor's number."""
    return text if text == SUPERVISOR else words.SUPERVISOR_WRONG
