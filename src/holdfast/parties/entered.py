"""What a cashier enters, checked for its form and against the parameters, before anything is asked.

Card: `pan` and `expiry` (typed in), `track2` (swiped), and for a chip also `chip` (DE55, bytes), `sequence` (three
digits) and `entry`: how it was read (`chip`, `contactless`, `stripe`, `keyed`), where that does not go without saying.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from holdfast.clock import date_of_mmdd
from holdfast.domain.commands import (
    BALANCE,
    COMPLETION,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    INCREMENT,
    MOTO,
    PRE_AUTHORIZATION,
    REFUND,
    SALE,
    SALE_VOID,
    VOID,
    CardPresented,
    Kind,
    Means,
)
from holdfast.errors import BadInput
from holdfast.money import AMOUNT_MINOR_MAX, format_amount
from holdfast.parties import operators
from holdfast.parties.pos_messages import NO_TRACE
from holdfast.parties.settings import Parameters

KINDS = {
    "pre-auth": PRE_AUTHORIZATION,
    "increment": INCREMENT,
    "moto": MOTO,
    "complete": COMPLETION,
    "advise": COMPLETION_ADVICE,
    "void": VOID,
    "void-completion": COMPLETION_VOID,
    "sale": SALE,
    "void-sale": SALE_VOID,
    "refund": REFUND,
    "balance": BALANCE,
}
"""Commands that are business requests."""

VOIDS = frozenset({VOID, COMPLETION_VOID, SALE_VOID})
"""Always in full, so that the amount is known where the original is."""

WITHOUT_PIN = frozenset({MOTO, COMPLETION_ADVICE, REFUND})
CARD_PRESENT = frozenset({PRE_AUTHORIZATION, INCREMENT, SALE, BALANCE})
"""Kinds that want the card itself, so that typing it in is a matter of permission."""

_ENTRY_MODES = {"keyed": "01", "stripe": "02", "chip": "05", "contactless": "07"}
_PIN_ENTERED, _NO_PIN = "1", "2"
"""The third digit of DE22."""

_NEVER_US = 4_102_444_800_000_000
"""Some instant past a leap year: whether MMDD is a day at all does not depend on now."""


class Wanted(NamedTuple):
    """What the cashier entered, checked for form; '' and None where nothing was given. `trace` is batch and trace."""

    kind: Kind
    amount_minor: int | None
    card: CardPresented
    pin: str
    code: str
    mmdd: str
    trace: str
    rrn: str
    supervisor: str

    def __repr__(self) -> str:
        """Without card and PIN: it may end up in a traceback."""
        return f"Wanted({self.kind.name}, {self.amount_minor})"


def wanted_of(kind: Kind, arguments: Mapping[str, Any]) -> Wanted:
    """The arguments of a command, or BadInput."""
    pin = str(arguments.get("pin") or "")
    card = card_of(arguments.get("card") or {}, bool(pin), bool(arguments.get("fallback")))
    given = {name: str(arguments.get(name) or "") for name in ("authorization_code", "date", "rrn", "supervisor")}
    trace = str(arguments.get("original_batch") or "") + str(arguments.get("original_stan") or "")
    amount_minor = arguments.get("amount_minor")
    wanted = Wanted(
        kind, amount_minor, card, pin, given["authorization_code"], given["date"], trace, given["rrn"],
        given["supervisor"],
    )  # fmt: skip
    _check_amount(wanted)
    _check_original(wanted)
    if pin and not (_digits(pin) and 4 <= len(pin) <= 12):
        raise BadInput("PIN is not 4 to 12 digits")
    if pin and kind in WITHOUT_PIN:
        raise BadInput(f"a {kind.name} takes no PIN")
    return wanted


def card_of(given: Mapping[str, Any], with_pin: bool, fallback: bool) -> CardPresented:
    """The card as the terminal presents it, or BadInput."""
    track2 = str(given.get("track2") or "").upper().replace("D", "=")
    track_pan, _, rest = track2.partition("=")
    pan, expiry = str(given.get("pan") or track_pan), str(given.get("expiry") or rest[:4])
    chip, sequence = given.get("chip") or b"", str(given.get("sequence") or "")
    if not (_digits(pan) and 13 <= len(pan) <= 19):
        raise BadInput("card number is not 13 to 19 digits")
    if expiry and not (_digits(expiry) and len(expiry) == 4):
        raise BadInput("expiry is not YYMM")
    if sequence and not (_digits(sequence) and len(sequence) == 3):
        raise BadInput("card sequence number is not three digits")
    entry = str(given.get("entry") or ("chip" if chip else "stripe" if track2 else "keyed"))
    if entry not in _ENTRY_MODES or not isinstance(chip, bytes):
        raise BadInput(f"a card is not read by {entry}: {', '.join(_ENTRY_MODES)}")
    mode = _ENTRY_MODES[entry] + (_PIN_ENTERED if with_pin else _NO_PIN)
    if entry == "keyed":
        track2, chip = "", b""
    return CardPresented(pan, expiry, mode, track2, b"", sequence, chip, fallback and entry == "stripe")


def _check_amount(wanted: Wanted) -> None:
    kind, amount_minor = wanted.kind, wanted.amount_minor
    if kind is BALANCE:
        if amount_minor is not None:
            raise BadInput("a balance has no amount")
        return
    if amount_minor is None and kind not in VOIDS:
        raise BadInput("amount is missing")
    if amount_minor is not None and not (isinstance(amount_minor, int) and 0 < amount_minor <= AMOUNT_MINOR_MAX):
        raise BadInput("amount is not between 0.01 and 9999999999.99")


def _check_original(wanted: Wanted) -> None:
    code, by_reference = wanted.code, wanted.kind.means is Means.POSTING and wanted.rrn
    if wanted.kind.needs_original and not (code or by_reference):
        raise BadInput("authorization code of the original is not up to six letters and digits")
    if code and not (code.isascii() and code.isalnum() and len(code) <= 6):
        raise BadInput("authorization code of the original is not up to six letters and digits")
    if wanted.mmdd and date_of_mmdd(wanted.mmdd, _NEVER_US) is None:
        raise BadInput("date of the original is not a day, MMDD")
    if wanted.trace and not (_digits(wanted.trace) and len(wanted.trace) == len(NO_TRACE)):
        raise BadInput("batch and trace of the original are not six digits each")
    if wanted.rrn and not (wanted.rrn.isascii() and wanted.rrn.isalnum() and len(wanted.rrn) == 12):
        raise BadInput("reference number (RRN) of the original is not 12 letters and digits")


def check_allowed(wanted: Wanted, parameters: Parameters) -> None:
    """What this terminal's parameters do not allow is BadInput."""
    kind, card = wanted.kind, wanted.card
    if kind.name in parameters.supervisor_kinds.split():
        no = operators.why_no_agreement(wanted.supervisor, kind.name)
        if no is not None:
            raise BadInput(no)
    if card.stripe_of_chip_card and not card.chip_failed:
        raise BadInput("the card has a chip: insert the chip (its stripe only where the chip fails)")
    if card.chip_failed and parameters.fallback == "never":
        raise BadInput("a card whose chip failed is not taken here")
    if card.keyed and kind in CARD_PRESENT and parameters.keyed == "never":
        raise BadInput("card numbers may not be typed in here: the card itself is needed")
    if kind is MOTO and not card.keyed:
        raise BadInput("an order by mail or phone has no card to read: type its number in")
    if kind in VOIDS and card.keyed and parameters.void_card == "asked":
        raise BadInput(f"a {kind.name} wants the card itself")
    if kind in VOIDS and not wanted.pin and parameters.void_pin == "asked":
        raise BadInput(f"a {kind.name} wants the cardholder's PIN")
    floor_minor = parameters.floor_minor
    if kind is COMPLETION_ADVICE and floor_minor and (wanted.amount_minor or 0) > floor_minor:
        raise BadInput(f"above {format_amount(floor_minor)} a completion must be asked, not advised")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()
