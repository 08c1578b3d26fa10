"""Between messages of the terminal's dialect and commands: what the acquirer reads, and what it answers.

Nothing is judged here. What cannot be a command at all is a `ValueError` with the reason; the caller answers 30.
"""

from hashlib import sha256

from holdfast.clock import hhmmss, mmdd
from holdfast.domain.commands import (
    BY_NAME,
    BY_REVERSED,
    BY_WIRE,
    MESSAGE_TYPE_NETWORK,
    REVERSAL_MTI,
    Ask,
    CardPresented,
    Original,
    Undo,
)
from holdfast.domain.policy import Policy
from holdfast.domain.records import Request
from holdfast.ids import TraceKey, without_repeat
from holdfast.wire import chain
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.message import Message

MAC_TO_COME = "00000000"
"""Announces DE64; the engine puts the MAC in when it seals."""


CHIP_FIELD = 55
CHIP_FAILED = ("1", "2")
"""60.5: the last reading of a chip failed, or the one before it did too."""


def key_of(message: Message) -> TraceKey:
    """The trace key: who asks (DE41), batch (60.2), trace (DE11), MTI without its repeat digit."""
    batch = message.get(60)[2:8]
    stan = message.get(11)
    if len(message.get(41)) != 8 or len(batch) != 6 or len(stan) != 6:
        raise ValueError("terminal (DE41), trace (DE11) or batch (60.2) is missing")
    return TraceKey(message.get(41), batch, stan, without_repeat(message.mti))


def ask_of(message: Message) -> Ask:
    """A 0100/0200/0220 of a terminal (or its repeat) -> the business request it makes."""
    mti = without_repeat(message.mti)
    kind = BY_WIRE.get((mti, message.get(3), message.get(25), message.get(60)[:2]))
    if kind is None:
        raise ValueError(f"no kind of request is {mti} {message.get(3)}/{message.get(25)}/{message.get(60)[:2]}")
    link = chain.parse_request(message.get(CHAIN_FIELD))
    return Ask(
        kind,
        key_of(message),
        message.mti != mti,
        message.get(42),
        message.get(63)[:2].strip(),
        amount_of(message),
        message.get(49),
        card_of(message),
        original_of(message),
        link.sequence if link else 0,
    )


def undo_of(message: Message) -> Undo:
    """A 0400 of a terminal -> the reversal it asks for; it carries the trace of what it undoes."""
    kind = BY_REVERSED.get((message.get(3), message.get(25), message.get(60)[:2]))
    if kind is None:
        raise ValueError(f"no kind of request to reverse is {message.get(3)}/{message.get(25)}/{message.get(60)[:2]}")
    key = key_of(message)
    link = chain.parse_request(message.get(CHAIN_FIELD))
    return Undo(
        key._replace(mti=REVERSAL_MTI),
        kind,
        key._replace(mti=kind.mti),
        message.get(42),
        message.get(63)[:2].strip(),
        amount_of(message),
        message.get(39),
        link.sequence if link else 0,
    )


def amount_of(message: Message) -> int | None:
    """DE4 in minor units, None where it is missing."""
    digits = message.get(4)
    return int(digits) if digits.isdecimal() else None


def card_of(message: Message) -> CardPresented | None:
    """The card as presented: DE2 and DE14, or what track 2 says where they are missing."""
    track2 = message.get(35)
    track_pan, _, rest = track2.partition("=")
    pan = message.get(2) or track_pan
    if not pan:
        return None
    return CardPresented(
        pan,
        message.get(14) or rest[:4],
        message.get(22),
        track2,
        message.get_bytes(52),
        message.get(23),
        message.get_bytes(CHIP_FIELD),
        message.get(60)[12:13] in CHIP_FAILED,
    )


def original_of(message: Message) -> Original:
    """DE37, DE38 and DE61: what is meant."""
    de61 = message.get(61)
    return Original(message.get(38), de61[:6], de61[6:12], de61[12:16], message.get(37))


def question_of(message: Message, token: str | None) -> bytes:
    """What makes a request under a known key the same question: everything that decides, and nothing that may vary."""
    get = message.get
    link = chain.parse_request(get(CHAIN_FIELD))
    named = (get(37), get(38), get(61))
    parts = (token or "", get(3), get(4), get(25), *named, get(60)[:2], link.link if link else "")
    return sha256("|".join(parts).encode()).digest()[:16]


# --- answers ------------------------------------------------------------------------------------------------------


def answer_to(request: Request, policy: Policy) -> Message:
    """The answer to a request as its row says it: the first time and every time it is asked again."""
    terminal_id, batch, stan, mti = request.trace_key.split("/")
    kind = BY_NAME.get(request.echoes)
    fields: dict[int, str | bytes] = {
        11: stan,
        12: hhmmss(request.answered_us, policy.zone),
        13: mmdd(request.answered_us, policy.zone),
        15: request.business_date[5:7] + request.business_date[8:10],
        37: request.rrn,
        39: request.response_code or "",
        41: terminal_id,
        42: request.merchant_id,
        49: request.currency or policy.currency,
        60: (kind.message_type if kind else MESSAGE_TYPE_NETWORK) + batch + "000",
        64: MAC_TO_COME,
    }
    if kind is not None:
        fields |= {3: kind.processing_code, 25: kind.condition}
    if kind is not None and kind.act is not None:
        fields[4] = f"{request.amount_minor:012d}"
    if request.authorization_code:
        fields[38] = request.authorization_code
    if request.issuer_id:
        fields[44] = request.issuer_id.ljust(11)
    if request.scheme:
        fields[63] = request.scheme
    if request.sequence:
        fields[CHAIN_FIELD] = chain.pack_response(chain.ChainResponse(request.entry))
    return Message(reply_mti(mti), fields)


def reply_mti(mti: str) -> str:
    """Request + 10."""
    return mti[:2] + str(int(mti[2]) + 1) + mti[3]


ECHOED = frozenset({3, 4, 11, 25, 41, 42, 49, 60})


def bare_answer(message: Message, code: str, now_us: int, policy: Policy) -> Message:
    """An answer that needs no register: echo, sign-on refused, wrong MAC, unreadable. It carries no MAC."""
    fields = {n: value for n, value in message.fields.items() if n in ECHOED}
    fields |= {12: hhmmss(now_us, policy.zone), 13: mmdd(now_us, policy.zone), 39: code}
    return Message(reply_mti(without_repeat(message.mti)), fields)
