"""How the terminal judges what comes back: an answer ends a request only when it can be believed.

Believed is an answer whose MAC holds, which answers what was asked, and which names a register entry. Anything else is
unknown, and what is unknown is reversed, or repeated until it is answered.
"""

from collections.abc import Generator
from typing import Any, NamedTuple

from holdfast.clock import nearest_date_of_mmdd
from holdfast.domain import responses
from holdfast.domain.commands import BALANCE, BY_NAME
from holdfast.domain.records import Device, Sale
from holdfast.errors import WireError
from holdfast.ids import TraceKey, parse_trace_key
from holdfast.parties.pos_messages import MAC_ALGORITHM, MAC_FIELD, SIGN_ON_MTI, UNUSABLE
from holdfast.parties.step import Want, verify_mac
from holdfast.parties.translate import reply_mti
from holdfast.wire import chain
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.header import NOTHING, PROCESSING_REQUESTS, parse_header
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block

NO_ANSWER = "98"
NOT_AUTHENTIC = "A0"
"""DE39 of a reversal: why the request is reversed; `UNUSABLE` for the rest (domain.md §4.3)."""

SIGN_ON_CODES = frozenset({responses.SIGN_ON_AGAIN, responses.MAC_ERROR})
"""Answers after which nothing goes through before a sign-on."""

BALANCE_FIELD = 54
BALANCE_CHARS = 20


def mac_of(message: Message, device: Device) -> Generator[tuple[Want, ...], Any, bool]:
    """Whether the message bears a MAC that holds; false where it bears none."""
    if MAC_FIELD not in message.fields or device.mak is None:
        return False
    block = mac_block(UNIONPAY, message.raw)
    (holds,) = yield (verify_mac(device.mak, MAC_ALGORITHM, block, message.get(MAC_FIELD)),)
    return bool(holds)


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
    spoilt = not_authentic(message, mac_holds)
    if spoilt:
        return Verdict("unknown", NOT_AUTHENTIC, spoilt)
    differs = mismatch(message, original, device)
    if differs:
        return Verdict("unknown", UNUSABLE, f"answer {code or 'without code'} does not fit: {differs}")
    if code in responses.OUTCOME_UNKNOWN:
        reason = UNUSABLE if code == responses.PARTLY_APPROVED else NO_ANSWER
        return Verdict("unknown", reason, f"answer {code}: {responses.says(code)}")
    if not register_entry(message):
        return Verdict("unknown", UNUSABLE, f"answer {code or 'without code'} names no register entry")
    if code not in responses.APPROVED_CODES:
        return Verdict("declined", says=responses.says(code))
    return Verdict("approved", says=None if code == responses.APPROVED else responses.says(code))


def not_authentic(message: Message, mac_holds: bool) -> str | None:
    """What is wrong with its MAC, None when it holds."""
    if mac_holds:
        return None
    what = "a wrong MAC" if MAC_FIELD in message.fields else "no MAC"
    return f"answer {message.get(39) or 'without code'} has {what}"


def mismatch(message: Message, original: Sale, device: Device) -> str:
    """The first field in which an answer differs from what was asked, '' when none does."""
    kind = BY_NAME[original.kind]
    asked = {3: kind.processing_code, 41: device.terminal_id, 42: device.merchant_id}
    if kind is not BALANCE:
        asked[4] = f"{original.amount_minor:012d}"
    for number in sorted(asked):
        if message.get(number) != asked[number]:
            return f"DE{number} is {message.get(number) or 'missing'}, asked was {asked[number]}"
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
        "response_code": message.get(39) or None,
        "authorization_code": message.get(38) or None,
        "rrn": message.get(37) or None,
        "register_entry": register_entry(message) or None,
        "scheme": message.get(63)[:3].strip() or None,
        **notice_of(message),
        **told_time(message, now_us, zone),
    }


def notice_of(message: Message) -> dict[str, str]:
    """What the header asks of the terminal; nothing where it asks nothing, or what nobody knows."""
    try:
        request = parse_header(message.header).processing_request
    except WireError:
        return {}
    return {"notice": request} if request != NOTHING and request in PROCESSING_REQUESTS else {}


def told_time(message: Message, now_us: int, zone: str) -> dict[str, str]:
    """DE12 and DE13 as the slip shows them; nothing where they are missing or no time.

    They bear no year: it is the one that brings them nearest to the terminal's own clock.
    """
    day, clock = nearest_date_of_mmdd(message.get(13), now_us, zone), message.get(12)
    if day is None or len(clock) != 6 or clock[:2] > "23" or clock[2:4] > "59" or clock[4:] > "59":
        return {}
    return {"local_date": day.isoformat(), "local_time": f"{clock[:2]}:{clock[2:4]}:{clock[4:]}"}


def balance_of(message: Message) -> int | None:
    """The first amount of DE54, minor units, negative for a debit balance; None where there is none."""
    first = message.get(BALANCE_FIELD)[:BALANCE_CHARS]
    sign, digits = first[7:8], first[8:]
    if sign not in ("C", "D") or len(digits) != 12 or not (digits.isascii() and digits.isdecimal()):
        return None
    return -int(digits) if sign == "D" else int(digits)
