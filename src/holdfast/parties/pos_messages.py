"""What the terminal sends, built from its rows, so that a repeat says the same.

What passes through and is kept nowhere (track 2, PIN block, chip data) comes from outside, for the one message.
"""

from hashlib import sha256

from holdfast.domain.commands import (
    BALANCE,
    BY_NAME,
    DOWNLOAD_PARAMETERS,
    ECHO,
    MESSAGE_TYPE_NETWORK,
    RECORDS_CODE,
    REVERSAL_MTI,
    SIGN_OFF_CODE,
    SIGN_ON_DOUBLE,
    CardPresented,
    Kind,
)
from holdfast.domain.records import Device, Sale
from holdfast.ids import parse_trace_key
from holdfast.parties.translate import MAC_TO_COME
from holdfast.wire import chain, records
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.message import Message
from holdfast.wire.security import ALGORITHM_3DES, PIN_WITH_PAN, SecurityControl, pack_security_control

MAC_ALGORITHM = "ecb"
MAC_FIELD = 64

SIGN_ON_MTI = "0800"
ECHO_MTI = SIGN_OFF_MTI = "0820"

READ_CAPABILITY = "5"
"""60.4: reads stripe and chip."""
CHIP_WELL, CHIP_FAILED = "0", "1"
"""60.5: whether the stripe is read because the chip could not be."""

CHIP_MODES = frozenset({"05", "07", "95", "91", "98"})
"""DE22: the card's chip was read, inserted or contactless."""

PIN_DIGITS_MAX = "12"
"""DE26, the longest PIN that can be entered."""
PIN_CONTROL = pack_security_control(SecurityControl(PIN_WITH_PAN, ALGORITHM_3DES))

LINK_CHARS = 16

OPERATOR_CHARS = 2
"""DE63 of a request: two characters and a space."""

NO_TRACE = "0" * 12
"""61.1 and 61.2 where the cashier knows neither batch nor trace of the original."""
NO_DATE = "0000"

UNUSABLE = "06"
"""DE39 of a reversal whose reason is neither silence nor a wrong MAC (domain.md §4.3)."""


def request_of(sale: Sale, device: Device, card: CardPresented, repeat: bool = False) -> Message:
    """A business request; as a repeat it bears the odd MTI, and `card` only what is kept."""
    kind = BY_NAME[sale.kind]
    fields = _common(sale, sale, device, kind) | _of_card(sale, card)
    if sale.original_rrn:
        fields[37] = sale.original_rrn
    if sale.original_code:
        fields[38] = sale.original_code
    if kind.needs_original:
        fields[61] = (sale.original_trace or NO_TRACE) + (sale.original_date or NO_DATE)
    return Message(kind.mti[:3] + "1" if repeat else kind.mti, fields)


def kept_card(sale: Sale, pan: str) -> CardPresented:
    """The card of a request as far as it may be kept: no track, no PIN, no chip data."""
    return CardPresented(
        pan, sale.expiry or "", sale.entry_mode, "", b"", sale.card_sequence or "", b"", sale.chip_failed
    )


def reversal_of(reversal: Sale, original: Sale, device: Device, pan: str) -> Message:
    """The 0400 that undoes `original`: its fields without track, PIN and chip data, and the reason."""
    kind = BY_NAME[original.kind]
    fields = _common(original, reversal, device, kind) | _of_card(original, kept_card(original, pan))
    fields[39] = reversal.reason or UNUSABLE
    code = original.original_code or original.authorization_code
    if code:
        fields[38] = code
    if kind.needs_original:
        fields[61] = named_by(original)
    return Message(REVERSAL_MTI, fields)


def named_by(sale: Sale) -> str:
    """DE61 of whoever means this request: its batch, its trace, the date of its slip."""
    key = parse_trace_key(sale.trace_key)
    return key.batch + key.stan + sale.local_date[5:7] + sale.local_date[8:10]


def sign_on_of(sale: Sale, device: Device) -> Message:
    """0800: asks for double-length working keys and the batch. No MAC: there may be no key yet."""
    fields = network_fields(sale, device, SIGN_ON_DOUBLE)
    link = sha256(f"{device.terminal_id}|{device.begun_us}".encode()).hexdigest()[:LINK_CHARS]
    named = chain.pack_request(chain.ChainRequest(sale.sequence, link, device.last_entry))
    return Message(SIGN_ON_MTI, fields | {CHAIN_FIELD: named})


def sign_off_of(sale: Sale, device: Device) -> Message:
    """0820/002: no business until the next sign-on."""
    return Message(SIGN_OFF_MTI, network_fields(sale, device, SIGN_OFF_CODE))


def download_of(sale: Sale, device: Device) -> Message:
    """0800/360: asks for parameters; sealed, so that its answer is."""
    return Message(SIGN_ON_MTI, network_fields(sale, device, DOWNLOAD_PARAMETERS) | {MAC_FIELD: MAC_TO_COME})


def records_of(sale: Sale, device: Device, asked: records.Asked) -> Message:
    """0800/901: asks for what the register has of this terminal; sealed, as its answer is."""
    asking: dict[int, str | bytes] = {records.FIELD: records.pack_asked(asked), MAC_FIELD: MAC_TO_COME}
    return Message(SIGN_ON_MTI, network_fields(sale, device, RECORDS_CODE) | asking)


def echo_of(device: Device) -> Message:
    """0820/301. It is no request that anybody records, so it uses up no trace number."""
    stan, control = f"{device.stan:06d}", MESSAGE_TYPE_NETWORK + device.batch + ECHO
    return Message(ECHO_MTI, {11: stan, 41: device.terminal_id, 42: device.merchant_id, 60: control})


def network_fields(sale: Sale, device: Device, management: str) -> dict[int, str | bytes]:
    """What all messages about the terminal itself carry; `management` is 60.3."""
    key = parse_trace_key(sale.trace_key)
    return {
        11: key.stan,
        41: device.terminal_id,
        42: device.merchant_id,
        CHAIN_FIELD: _chain(sale, device),
        60: MESSAGE_TYPE_NETWORK + key.batch + management,
        63: _operator(sale),
    }


def _common(original: Sale, speaking: Sale, device: Device, kind: Kind) -> dict[int, str | bytes]:
    """Fields that a request and its reversal share; `speaking` is whose journal entry the message is."""
    key = parse_trace_key(original.trace_key)
    chip = CHIP_FAILED if original.chip_failed else CHIP_WELL
    fields: dict[int, str | bytes] = {
        3: kind.processing_code,
        4: f"{original.amount_minor:012d}",
        11: key.stan,
        22: original.entry_mode,
        25: kind.condition,
        41: device.terminal_id,
        42: device.merchant_id,
        49: original.currency,
        CHAIN_FIELD: _chain(speaking, device),
        60: kind.message_type + key.batch + "000" + READ_CAPABILITY + chip,
        63: _operator(original),
        MAC_FIELD: MAC_TO_COME,
    }
    if kind is BALANCE:
        del fields[4]
    return fields


def _of_card(sale: Sale, card: CardPresented) -> dict[int, str | bytes]:
    """The card: a stripe speaks for itself; a chip gives number, expiry, sequence and its track 2 as well."""
    chip_read = card.entry_mode[:2] in CHIP_MODES
    fields: dict[int, str | bytes] = {}
    # Of a damaged journal the card number may be lost: then a reversal still names its request by its key.
    if card.pan and (chip_read or not card.track2):
        fields[2] = card.pan
        if card.expiry:
            fields[14] = card.expiry
    if card.track2:
        fields[35] = card.track2
    if chip_read and card.sequence:
        fields[23] = card.sequence
    if card.chip:
        fields[55] = card.chip
    if card.pin_block:
        fields |= {26: PIN_DIGITS_MAX, 52: card.pin_block, 53: PIN_CONTROL}
    return fields


def _operator(sale: Sale) -> str:
    # A system that drives the terminal (an actor with a longer name) is no cashier.
    known = len(sale.operator) <= OPERATOR_CHARS and sale.operator.isascii()
    return (sale.operator if known else "").ljust(OPERATOR_CHARS + 1)


def _chain(sale: Sale, device: Device) -> str:
    link = sha256(f"{sale.previous}|{sale.at_us}".encode()).hexdigest()[:LINK_CHARS]
    return chain.pack_request(chain.ChainRequest(sale.sequence, link, device.last_entry))
