"""Between acquirer and issuer: the messages of the network dialect, both ways.

The key between the two is the acquirer's exchange id in a private field (DE48). It names the issuer that is asked, the
exchange (the acquirer's register entry that opened it), the hold that a linked request means, and the trace key, which
an answer brings back so that the acquirer finds its row.

    0100/0200  a question; its silence is undone by 0420, repeated as 0421
    0220       what must be registered (advice) or answered (refund); repeated as 0221, never undone
    0420 with DE95  not a reversal of all, but of what a completion left of its hold
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from holdfast.clock import hhmmss, mmdd, mmddhhmmss
from holdfast.domain.commands import BY_NAME, CardPresented, Means
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
CHIP_FIELD = 55
AMOUNTS_FIELD = 54
REPLACEMENT_FIELD = 95
PASSED_ON = (AMOUNTS_FIELD, CHIP_FIELD)
"""What an issuer's answer carries for the terminal alone: a balance, and the word of the issuer to the chip."""

ECHOED = frozenset({2, 3, 4, 7, 11, 25, 32, 37, 41, 42, EXCHANGE_FIELD, 49, 90, REPLACEMENT_FIELD})


class Exchange(NamedTuple):
    """What DE48 says. `rest` is what shall become of the rest of a hold; `posting` names what a void means."""

    issuer_id: str
    exchange_id: str
    hold_id: str
    trace_key: str
    rest: str = ""
    posting: str = ""


KEPT = "kept"
"""A completion leaves the rest held: more follow, or the acquirer frees it by a partial reversal."""
FREED = "freed"
"""The void of a completion ends its hold, too."""
REST_ASKED = {"kept": KEPT, "ours": KEPT, "freed": FREED}
"""What the issuer is asked, by what a request's row says of the rest."""


def pack(exchange: Exchange) -> str:
    """The text of DE48."""
    return "|".join(("HX1", *exchange))


def parse(text: str) -> Exchange | None:
    """The exchange that DE48 names, None when it is not ours."""
    parts = text.split("|")
    return Exchange(*parts[1:]) if len(parts) == 7 and parts[0] == "HX1" else None


def network_stan(entry: str) -> str:
    """DE11 between the hosts: the number of the entry, wrapped to 1..999999."""
    return f"{(int(entry.rpartition('-')[2]) - 1) % 999_999 + 1:06d}"


def transmission(request: Request, policy: Policy) -> str:
    """DE7, MMDDhhmmss: when the request was first sent to the issuer."""
    return mmddhhmmss(request.at_us, policy.zone)


def _common(request: Request, pan: str, policy: Policy) -> dict[int, str | bytes]:
    kind = BY_NAME[request.echoes]
    posting = (request.original or "") if kind.means is Means.POSTING else ""
    rest = REST_ASKED.get(request.rest, "")
    named = Exchange(
        request.issuer_id or "", request.asked_entry, request.hold_id or "", request.trace_key, rest, posting
    )
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
    """The question to the issuer. Track 2, PIN block and chip data pass through here and are kept nowhere."""
    fields = _common(request, card.pan, policy) | {
        12: hhmmss(request.at_us, policy.zone),
        13: mmdd(request.at_us, policy.zone),
        18: mcc,
        22: card.entry_mode or "012",
    }
    passed: tuple[tuple[int, str | bytes | None], ...] = (
        (14, card.expiry),
        (23, card.sequence),
        (35, card.track2),
        (38, code),
        (52, pin),
        (CHIP_FIELD, card.chip),
    )
    fields |= {number: value for number, value in passed if value}
    return Message(BY_NAME[request.kind].mti, fields)


def tell_issuer(request: Request, pan: str, repeat: bool, policy: Policy) -> Message:
    """An advice or a refund to the issuer: what the row says of it, so that every repeat says the same."""
    fields = _common(request, pan, policy) | {
        12: hhmmss(request.at_us, policy.zone),
        13: mmdd(request.at_us, policy.zone),
        22: "012",
    }
    mti = BY_NAME[request.kind].mti
    return Message(mti[:3] + "1" if repeat else mti, fields)


def undo_at_issuer(request: Request, pan: str, repeat: bool, policy: Policy) -> Message:
    """The reversal advice for a request: the same exchange id, and DE90 with the original data elements."""
    fields = _common(request, pan, policy)
    original = BY_NAME[request.kind].mti + network_stan(request.asked_entry) + transmission(request, policy)
    fields[90] = original + ACQUIRER_ID.zfill(11) + "0" * 11
    return Message(UNDO_REPEAT_MTI if repeat else UNDO_MTI, fields)


def release_at_issuer(request: Request, pan: str, repeat: bool, policy: Policy) -> Message:
    """The partial reversal of what a completion left: DE95 says how much of the hold is wanted after all."""
    advice = undo_at_issuer(request, pan, repeat, policy)
    advice.fields[REPLACEMENT_FIELD] = f"{request.amount_minor:012d}".ljust(42, "0")
    return advice


def answer_of_issuer(
    message: Message,
    code: str,
    authorization_code: str | None,
    now_us: int,
    policy: Policy,
    also: Mapping[int, str | bytes] = MappingProxyType({}),
) -> Message:
    """The issuer's answer to a question or an advice; `also` are fields that are told once and kept nowhere."""
    echoed = {n: v for n, v in message.fields.items() if n in ECHOED}
    answer = Message(reply_mti(message.mti[:3] + "0"), {**echoed, 39: code, MAC_FIELD: MAC_TO_COME, **also})
    answer.fields[12], answer.fields[13] = hhmmss(now_us, policy.zone), mmdd(now_us, policy.zone)
    if authorization_code:
        answer.fields[38] = authorization_code
    return answer
