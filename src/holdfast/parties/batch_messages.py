"""The messages of a batch: its settlement (0500), and what is uploaded when the totals differ (0320).

Both are sealed, although the dialect wants no MAC of them, and so are their answers: nobody but the acquirer can say
that a batch balances, or that what it lacks has arrived.
"""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.domain.commands import (
    BY_NAME,
    MESSAGE_TYPE_NETWORK,
    SETTLE_CODE,
    SETTLEMENT_MTI,
    UPLOAD_MTI,
    Silence,
)
from holdfast.domain.records import Device, Sale
from holdfast.domain.rules import DOMESTIC
from holdfast.ids import parse_trace_key
from holdfast.parties.pos_messages import CHIP_MODES, MAC_FIELD, NO_DATE, NO_TRACE, network_fields
from holdfast.parties.translate import MAC_TO_COME
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    DETAILS_MAX,
    FIELD,
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_details,
    pack_end,
)

DETAILS_CODE = "201"
CHIP_CODES = {True: "203", False: "205"}
END_CODES = {True: "207", False: "202"}
"""60.3 of an upload, for a chip and its end by whether the batch balanced."""

NO_AUTHORIZATION = "00" + "0" * 11
"""61.4 and 61.5 of an advice that is uploaded: mode and institution of an authorization, which we are not told."""


class Upload(NamedTuple):
    """One message of a batch upload: what it carries, none for the end; `sent_n` is then how many were sent."""

    sales: tuple[Sale, ...]
    sent_n: int = 0

    @property
    def alone(self) -> bool:
        """Whether it carries one request in fields of its own, under that request's trace number."""
        return len(self.sales) == 1 and (is_told(self.sales[0]) or is_chip(self.sales[0]))


def is_foreign(sale: Sale) -> bool:
    """Whether the acquirer said that it was a card of another scheme."""
    return (sale.scheme or DOMESTIC) != DOMESTIC


def is_chip(sale: Sale) -> bool:
    """Whether the card's chip was read."""
    return sale.entry_mode[:2] in CHIP_MODES


def is_told(sale: Sale) -> bool:
    """Whether it is an advice or a refund, which are repeated until they are answered."""
    return BY_NAME[sale.kind].silence is Silence.REPEATED


def is_refused_advice(sale: Sale) -> bool:
    """Whether something was agreed upon with a cardholder that the acquirer does not register.

    A refund that is declined is none: it is answered, registered, and nothing of it is left to claim.
    """
    return BY_NAME[sale.kind].advice and sale.outcome == "declined"


def counted(sales: Sequence[Sale]) -> list[Sale]:
    """What counts in the totals of a batch, oldest first: what the terminal believes approved."""
    counts = [sale for sale in sales if sale.outcome == "approved" and BY_NAME[sale.kind].total]
    return sorted(counts, key=lambda sale: sale.sequence)


def totals_of(sales: Sequence[Sale]) -> Totals:
    """The totals of the requests of a batch, domestic and foreign cards apart."""
    counts = counted(sales)
    return Totals(
        _totals_of([sale for sale in counts if not is_foreign(sale)]),
        _totals_of([sale for sale in counts if is_foreign(sale)]),
    )


def _totals_of(sales: Sequence[Sale]) -> ClassTotals:
    debit = [sale.amount_minor for sale in sales if BY_NAME[sale.kind].total == "debit"]
    credit = [sale.amount_minor for sale in sales if BY_NAME[sale.kind].total == "credit"]
    return ClassTotals(sum(debit), len(debit), sum(credit), len(credit))


def uploads_of(sales: Sequence[Sale], balanced: bool) -> list[Upload]:
    """All messages of the upload of a batch, always the same ones: blocks of details, then one by one, then the end.

    Of a batch that balances only the chips' requests are wanted.
    """
    counts = counted(sales)
    chips = [Upload((sale,)) for sale in counts if is_chip(sale) and not is_told(sale)]
    if balanced:
        return [*chips, Upload((), len(chips))] if chips else []
    plain = [sale for sale in counts if not is_chip(sale) and not is_told(sale)]
    blocks = [Upload(tuple(plain[at : at + DETAILS_MAX])) for at in range(0, len(plain), DETAILS_MAX)]
    told = [Upload((sale,)) for sale in counts if is_told(sale)]
    return [*blocks, *chips, *told, Upload((), len(counts))]


# --- messages -----------------------------------------------------------------------------------------------------


def settlement_of(sale: Sale, device: Device) -> Message:
    """0500: the totals of the batch."""
    fields = network_fields(sale, device, SETTLE_CODE)
    return Message(SETTLEMENT_MTI, fields | {FIELD: sale.totals or "", 49: sale.currency, MAC_FIELD: MAC_TO_COME})


def upload_of(upload: Upload, pans: Sequence[str], stan: str, batch: str, device: Device, balanced: bool) -> Message:
    """0320: one message of an upload; `pans` are the card numbers of what it carries."""
    named: dict[int, str | bytes] = {11: stan, 41: device.terminal_id, 42: device.merchant_id, MAC_FIELD: MAC_TO_COME}
    if not upload.sales:
        control = MESSAGE_TYPE_NETWORK + batch + END_CODES[balanced]
        return Message(UPLOAD_MTI, named | {FIELD: pack_end(upload.sent_n), 60: control})
    if upload.alone:
        return Message(UPLOAD_MTI, named | _alone(upload.sales[0], pans[0], batch, balanced))
    details = [_detail(sale, pan) for sale, pan in zip(upload.sales, pans, strict=True)]
    control = MESSAGE_TYPE_NETWORK + batch + DETAILS_CODE
    return Message(UPLOAD_MTI, named | {FIELD: pack_details(details), 60: control})


def _detail(sale: Sale, pan: str) -> Detail:
    card_class = CardClass.FOREIGN if is_foreign(sale) else CardClass.DOMESTIC
    return Detail(card_class, parse_trace_key(sale.trace_key).stan, pan, sale.amount_minor)


def _alone(sale: Sale, pan: str, batch: str, balanced: bool) -> dict[int, str | bytes]:
    kind = BY_NAME[sale.kind]
    code = DETAILS_CODE if is_told(sale) else CHIP_CODES[balanced]
    fields: dict[int, str | bytes] = {
        2: pan,
        4: f"{sale.amount_minor:012d}",
        22: sale.entry_mode,
        49: sale.currency,
        60: kind.message_type + batch + code,
    }
    if sale.card_sequence:
        fields[23] = sale.card_sequence
    if not is_told(sale):
        return fields
    named = (sale.original_trace or NO_TRACE) + (sale.original_date or NO_DATE)
    fields |= {3: kind.processing_code, 25: kind.condition, 61: named + NO_AUTHORIZATION}
    code_told = sale.original_code or sale.authorization_code
    return fields | ({38: code_told} if code_told else {})
