"""Between the terminal's rows and messages: what it sends to the acquirer, and how it judges what comes back.

A request is built from its row, so that a repeat says the same; track 2 alone comes from outside, for the one message.
An answer ends a request only when its MAC holds, it answers what was asked, and it names a register entry: anything
else is unknown, and what is unknown is reversed.
"""

from hashlib import sha256
from typing import Any, NamedTuple

from holdfast.clock import date_of_mmdd
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, ECHO, MESSAGE_TYPE_NETWORK, REVERSAL_MTI, SIGN_ON_DOUBLE, Kind
from holdfast.domain.records import Device, Sale
from holdfast.ids import TraceKey, parse_trace_key
from holdfast.parties.translate import MAC_TO_COME, reply_mti
from holdfast.wire import chain
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.message import Message

MAC_ALGORITHM = "ecb"
MAC_FIELD = 64

SIGN_ON_MTI = "0800"
ECHO_MTI = "0820"

KEYED = "012"
STRIPE = "022"
"""DE22: how the card was read, and that no PIN was entered."""

TERMINAL_CAPABILITY = "50"
"""60.4 and 60.5: reads stripe and chip; no chip condition."""

LINK_CHARS = 16

OPERATOR_CHARS = 2
"""DE63 of a request: two characters and a space."""

NO_TRACE = "0" * 12
"""61.1 and 61.2 where the cashier knows neither batch nor trace of the original."""

NO_ANSWER = "98"
NOT_AUTHENTIC = "A0"
UNUSABLE = "06"
"""DE39 of a reversal: why the request is reversed (domain.md §4.3)."""

UNKNOWN_CODES = frozenset({responses.ISSUER_SILENT, "68"})
"""Answers that say nobody knows."""

SIGN_ON_CODES = frozenset({responses.SIGN_ON_AGAIN, responses.MAC_ERROR})
"""Answers after which nothing goes through before a sign-on."""


# --- what the terminal sends --------------------------------------------------------------------------------------


def request_of(sale: Sale, device: Device, pan: str, track2: str = "", repeat: bool = False) -> Message:
    """A business request; as a repeat it bears the odd MTI and never a track."""
    kind = BY_NAME[sale.kind]
    fields = _common(sale, sale, device, kind)
    if track2:
        fields[35] = track2
    else:
        fields |= _keyed(sale, pan)
    if sale.original_code:
        fields[38] = sale.original_code
    if kind.needs_original:
        fields[61] = (sale.original_trace or NO_TRACE) + (sale.original_date or "0000")
    return Message(kind.mti[:3] + "1" if repeat else kind.mti, fields)


def reversal_of(reversal: Sale, original: Sale, device: Device, pan: str) -> Message:
    """The 0400 that undoes `original`: its fields without track and PIN, and the reason."""
    kind = BY_NAME[original.kind]
    fields = _common(original, reversal, device, kind) | _keyed(original, pan)
    fields[39] = reversal.reason or UNUSABLE
    code = original.original_code or original.authorization_code
    if code:
        fields[38] = code
    if kind.needs_original:
        key = parse_trace_key(original.trace_key)
        fields[61] = key.batch + key.stan + original.local_date[5:7] + original.local_date[8:10]
    return Message(REVERSAL_MTI, fields)


def sign_on_of(sale: Sale, device: Device) -> Message:
    """0800: asks for double-length working keys and the batch. No MAC: there may be no key yet."""
    key = parse_trace_key(sale.trace_key)
    return Message(
        SIGN_ON_MTI,
        {
            11: key.stan,
            41: device.terminal_id,
            42: device.merchant_id,
            CHAIN_FIELD: _chain(sale, device),
            60: MESSAGE_TYPE_NETWORK + key.batch + SIGN_ON_DOUBLE,
            63: _operator(sale),
        },
    )


def echo_of(device: Device) -> Message:
    """0820/301. It is no request that anybody records, so it uses up no trace number."""
    stan, control = f"{device.stan:06d}", MESSAGE_TYPE_NETWORK + device.batch + ECHO
    return Message(ECHO_MTI, {11: stan, 41: device.terminal_id, 42: device.merchant_id, 60: control})


def _common(original: Sale, speaking: Sale, device: Device, kind: Kind) -> dict[int, str | bytes]:
    """Fields that a request and its reversal share; `speaking` is whose journal entry the message is."""
    key = parse_trace_key(original.trace_key)
    return {
        3: kind.processing_code,
        4: f"{original.amount_minor:012d}",
        11: key.stan,
        22: original.entry_mode,
        25: kind.condition,
        41: device.terminal_id,
        42: device.merchant_id,
        49: original.currency,
        CHAIN_FIELD: _chain(speaking, device),
        60: kind.message_type + key.batch + "000" + TERMINAL_CAPABILITY,
        63: _operator(original),
        MAC_FIELD: MAC_TO_COME,
    }


def _keyed(sale: Sale, pan: str) -> dict[int, str | bytes]:
    return {2: pan, 14: sale.expiry} if sale.expiry else {2: pan}


def _operator(sale: Sale) -> str:
    # A system that drives the terminal (an actor with a longer name) is no cashier.
    known = len(sale.operator) <= OPERATOR_CHARS and sale.operator.isascii()
    return (sale.operator if known else "").ljust(OPERATOR_CHARS + 1)


def _chain(sale: Sale, device: Device) -> str:
    link = sha256(f"{sale.previous}|{sale.at_us}".encode()).hexdigest()[:LINK_CHARS]
    return chain.pack_request(chain.ChainRequest(sale.sequence, link, device.last_entry))


# --- what comes back ----------------------------------------------------------------------------------------------


def key_answered(device: Device, message: Message) -> TraceKey | None:
    """The key of the request that a message answers: one that is open, else the one it names itself; None for neither.

    The open ones are tried first because a sign-on is answered with another batch, and some answers bear no DE60.
    """
    mti, stan, batch = _request_mti(message.mti), message.get(11), message.get(60)[2:8]
    for open_key in (device.in_flight, device.reversal):
        if open_key:
            key = parse_trace_key(open_key)
            same_batch = mti == SIGN_ON_MTI or batch in (key.batch, "")
            if (key.mti, key.stan) == (mti, stan) and same_batch:
                return key
    if not mti or len(stan) != 6 or len(batch) != 6:
        return None
    return TraceKey(device.terminal_id, batch, stan, mti)


def _request_mti(mti: str) -> str:
    """Reply - 10, '' for what is no reply."""
    request = f"{mti[:2]}{int(mti[2]) - 1}{mti[3]}" if mti[2] in "13579" else ""
    return request if request and reply_mti(request) == mti else ""


class Verdict(NamedTuple):
    """What an answer is worth. `outcome` is approved, declined or unknown; `reason` is DE39 of the reversal that an
    unknown outcome leads to, `says` the sentence for the journal."""

    outcome: str
    reason: str = ""
    says: str | None = None


def judge(message: Message, mac_holds: bool, original: Sale, device: Device) -> Verdict:
    """An answer to a business request, or to its reversal; `mac_holds` is false where the MAC is absent, too."""
    code = message.get(39)
    if not mac_holds:
        what = "a wrong MAC" if MAC_FIELD in message.fields else "no MAC"
        return Verdict("unknown", NOT_AUTHENTIC, f"answer {code or 'without code'} has {what}")
    differs = mismatch(message, original, device)
    if differs:
        return Verdict("unknown", UNUSABLE, f"answer {code or 'without code'} does not fit: {differs}")
    if code in UNKNOWN_CODES:
        return Verdict("unknown", NO_ANSWER, f"answer {code}: {responses.says(code)}")
    if not register_entry(message):
        return Verdict("unknown", UNUSABLE, f"answer {code or 'without code'} names no register entry")
    return Verdict("approved" if code == responses.APPROVED else "declined")


def mismatch(message: Message, original: Sale, device: Device) -> str:
    """The first field in which an answer differs from what was asked, '' when none does."""
    asked = {
        3: BY_NAME[original.kind].processing_code,
        4: f"{original.amount_minor:012d}",
        41: device.terminal_id,
        42: device.merchant_id,
    }
    for number, value in asked.items():
        if message.get(number) != value:
            return f"DE{number} is {message.get(number) or 'missing'}, asked was {value}"
    return "" if len(message.get(39)) == 2 else "DE39 is missing"


def register_entry(message: Message) -> str:
    """The register entry that an answer names, '' when it names none."""
    answer = chain.parse_response(message.get(CHAIN_FIELD))
    return answer.register_entry if answer else ""


def wants_sign_on(message: Message, mac_holds: bool) -> bool:
    """Whether the acquirer says so, or its MAC shows that its key is not ours."""
    return message.get(39) in SIGN_ON_CODES or (MAC_FIELD in message.fields and not mac_holds)


def told_by(message: Message, now_us: int, zone: str) -> dict[str, Any]:
    """What an answer that can be used tells, as facts of the journal; the slip shows the acquirer's date and time."""
    return {
        "response_code": message.get(39),
        "authorization_code": message.get(38) or None,
        "rrn": message.get(37) or None,
        "register_entry": register_entry(message) or None,
        **told_time(message, now_us, zone),
    }


def told_time(message: Message, now_us: int, zone: str) -> dict[str, str]:
    """DE12 and DE13 as the slip shows them; nothing where they are missing or no time."""
    day, clock = date_of_mmdd(message.get(13), now_us, zone), message.get(12)
    if day is None or len(clock) != 6 or clock[:2] > "23" or clock[2:4] > "59" or clock[4:] > "59":
        return {}
    return {"local_date": day.isoformat(), "local_time": f"{clock[:2]}:{clock[2:4]}:{clock[4:]}"}
