"""Between acquirer and issuer: the messages of the network dialect, both ways.

The key between the two is the acquirer's exchange id in a private field (DE48). It names the issuer that is asked, the
exchange (the acquirer's register entry that opened it), the hold that a linked request means, and the trace key, which
an answer brings back so that the acquirer finds its row.
"""

from typing import NamedTuple

from holdfast.clock import hhmmss, mmdd, mmddhhmmss
from holdfast.domain.commands import BY_NAME, CardPresented
from holdfast.domain.policy import Policy
from holdfast.domain.records import Request
from holdfast.parties.translate import reply_mti
from holdfast.wire.message import Message

EXCHANGE_FIELD = 48
MAC_FIELD = 128
MAC_ALGORITHM = "x919"
MAC_TO_COME = "00000000"
ACQUIRER_ID = "00010000"

UNDO_MTI, UNDO_REPEAT_MTI = "0420", "0421"
NETWORK_ECHO_MTI = "0800"


class Exchange(NamedTuple):
    """What DE48 says."""

    issuer_id: str
    exchange_id: str
    hold_id: str
    trace_key: str


def pack(exchange: Exchange) -> str:
    """The text of DE48."""
    return "|".join(("HX1", *exchange))


def parse(text: str) -> Exchange | None:
    """The exchange that DE48 names, None when it is not ours."""
    parts = text.split("|")
    return Exchange(*parts[1:]) if len(parts) == 5 and parts[0] == "HX1" else None


def network_stan(entry: str) -> str:
    """DE11 between the hosts: the number of the entry, wrapped to 1..999999."""
    return f"{(int(entry.rpartition('-')[2]) - 1) % 999_999 + 1:06d}"


def transmission(request: Request, policy: Policy) -> str:
    """DE7, MMDDhhmmss: when the request was first sent to the issuer."""
    return mmddhhmmss(request.at_us, policy.zone)


def _common(request: Request, pan: str, policy: Policy) -> dict[int, str | bytes]:
    kind = BY_NAME[request.echoes]
    named = Exchange(request.issuer_id or "", request.asked_entry, request.hold_id or "", request.trace_key)
    return {
        2: pan,
        3: kind.processing_code,
        4: f"{request.amount_minor:012d}",
        7: transmission(request, policy),
        11: network_stan(request.asked_entry),
        25: kind.condition,
        32: ACQUIRER_ID,
        37: request.rrn,
        41: request.terminal_id,
        42: request.merchant_id,
        EXCHANGE_FIELD: pack(named),
        49: request.currency,
        MAC_FIELD: MAC_TO_COME,
    }


def ask_issuer(
    request: Request, card: CardPresented, pin: bytes | None, mcc: str, code: str, policy: Policy
) -> Message:
    """The question to the issuer. Track 2 and PIN block pass through here and are kept nowhere."""
    fields = _common(request, card.pan, policy) | {
        12: hhmmss(request.at_us, policy.zone),
        13: mmdd(request.at_us, policy.zone),
        18: mcc,
        22: card.entry_mode or "012",
    }
    if card.expiry:
        fields[14] = card.expiry
    if card.track2:
        fields[35] = card.track2
    if code:
        fields[38] = code
    if pin:
        fields[52] = pin
    return Message(BY_NAME[request.kind].mti, fields)


def undo_at_issuer(request: Request, pan: str, repeat: bool, policy: Policy) -> Message:
    """The reversal advice for a request: the same exchange id, and DE90 with the original data elements."""
    fields = _common(request, pan, policy)
    original = BY_NAME[request.kind].mti + network_stan(request.asked_entry) + transmission(request, policy)
    fields[90] = original + ACQUIRER_ID.zfill(11) + "0" * 11
    return Message(UNDO_REPEAT_MTI if repeat else UNDO_MTI, fields)


def answer_of_issuer(
    message: Message, code: str, authorization_code: str | None, now_us: int, policy: Policy
) -> Message:
    """The issuer's answer to a question or a reversal advice."""
    echoed = {
        n: v for n, v in message.fields.items() if n in (2, 3, 4, 7, 11, 25, 32, 37, 41, 42, EXCHANGE_FIELD, 49, 90)
    }
    answer = Message(reply_mti(message.mti[:3] + "0"), {**echoed, 39: code, MAC_FIELD: MAC_TO_COME})
    answer.fields[12], answer.fields[13] = hhmmss(now_us, policy.zone), mmdd(now_us, policy.zone)
    if authorization_code:
        answer.fields[38] = authorization_code
    return answer
