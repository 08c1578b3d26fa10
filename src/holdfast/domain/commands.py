"""The kinds of request, one row each: what identifies them on the wire and which rules are theirs.

The quadruple (MTI, DE3, DE25, 60.1) is domain.md §1; a new verb starts as a row here.
"""

from typing import NamedTuple

from holdfast.ids import TraceKey


class Kind(NamedTuple):
    """One kind of request between terminal and acquirer.

    `reversed_by_silence`: an unknown outcome is undone by a stored reversal. `act` is what it does to a hold (see
    `hold`), `needs_original` whether it refers to one, `supervisor` whether a supervisor must agree at the terminal.
    """

    name: str
    zh: str
    mti: str
    processing_code: str
    condition: str
    message_type: str
    act: str
    needs_original: bool
    supervisor: bool
    reversed_by_silence: bool = True


PRE_AUTHORIZATION = Kind("pre-authorization", "预授权", "0100", "030000", "06", "10", "place", False, False)
VOID = Kind("void", "预授权撤销", "0100", "200000", "06", "11", "void", True, True)
COMPLETION = Kind("completion", "预授权完成", "0200", "000000", "06", "20", "complete", True, False)

BUSINESS_KINDS = (PRE_AUTHORIZATION, VOID, COMPLETION)

BY_NAME = {kind.name: kind for kind in BUSINESS_KINDS}
BY_WIRE = {(k.mti, k.processing_code, k.condition, k.message_type): k for k in BUSINESS_KINDS}
BY_REVERSED = {(k.processing_code, k.condition, k.message_type): k for k in BUSINESS_KINDS}
"""A reversal carries DE3, DE25 and 60.1 of the request that it undoes."""

BY_NETWORK = {(k.mti, k.processing_code, k.condition): k for k in BUSINESS_KINDS}
"""Between acquirer and issuer DE60 is not carried."""

assert len(BY_NETWORK) == len(BUSINESS_KINDS), "two kinds look the same to an issuer"
assert len(BY_WIRE) == len(BY_REVERSED) == len(BUSINESS_KINDS), "two kinds look the same on the wire"

REVERSAL = "reversal"
SIGN_ON = "sign-on"
EXPIRY = "expiry"
FINDING = "finding"
AUDIT = "audit"

REVERSAL_MTI = "0400"
MESSAGE_TYPE_NETWORK = "00"
SIGN_ON_SINGLE, SIGN_ON_DOUBLE, SIGN_ON_TRACK = "001", "003", "004"
ECHO = "301"


class Original(NamedTuple):
    """How a completion or void names the pre-authorization it means: DE38 and DE61 ('' and zeros where not given)."""

    authorization_code: str
    batch: str
    stan: str
    mmdd: str


class CardPresented(NamedTuple):
    """A card as the terminal presented it. Track 2 and PIN block pass through and are never stored."""

    pan: str
    expiry: str
    entry_mode: str
    track2: str
    pin_block: bytes


class Ask(NamedTuple):
    """A business request as the acquirer understands it."""

    kind: Kind
    key: TraceKey
    repeat: bool
    merchant_id: str
    operator: str
    amount_minor: int | None
    currency: str
    card: CardPresented | None
    original: Original
    sequence: int


class Undo(NamedTuple):
    """A terminal's reversal: the request with key `undoes` is to be taken out of force."""

    key: TraceKey
    kind: Kind
    undoes: TraceKey
    merchant_id: str
    operator: str
    amount_minor: int | None
    reason: str
    sequence: int
