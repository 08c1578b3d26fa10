"""The kinds of request, one row each: what identifies them on the wire and which rules are theirs.

The quadruple (MTI, DE3, DE25, 60.1) is domain.md §1; a new verb starts as a row here.
"""

from enum import StrEnum
from typing import NamedTuple

from holdfast.domain.hold import Act
from holdfast.ids import TraceKey


class Silence(StrEnum):
    """What is done about a request whose outcome is unknown."""

    REVERSED = "reversed"
    """A stored reversal undoes it."""
    REPEATED = "repeated"
    """It is repeated until it is answered, and never reversed."""
    FORGOTTEN = "forgotten"
    """Nothing depends on it."""


class Means(StrEnum):
    """What a linked request refers to."""

    NOTHING = ""
    HOLD = "hold"
    POSTING = "posting"
    """A completion or sale: named by its RRN, or its batch and trace."""


class Kind(NamedTuple):
    """One kind of request between terminal and acquirer.

    `act` is what it does to a hold (None: it moves nothing), `means` what it refers to. `supervisor` says whether a
    supervisor must agree at the terminal, `total` in which total of a settlement it counts ("debit", "credit" or "").
    An `advice` tells what has been done: it is registered whatever anybody thinks of it.
    """

    name: str
    zh: str
    mti: str
    processing_code: str
    condition: str
    message_type: str
    act: Act | None
    means: Means = Means.NOTHING
    supervisor: bool = False
    silence: Silence = Silence.REVERSED
    total: str = ""
    advice: bool = False

    @property
    def of_holds(self) -> bool:
        """Whether it belongs to pre-authorization, which a merchant needs a right for."""
        return self.condition != "00"

    @property
    def needs_original(self) -> bool:
        """Whether it refers to something that was done before."""
        return self.means is not Means.NOTHING


PRE_AUTHORIZATION = Kind("pre-authorization", "预授权", "0100", "030000", "06", "10", Act.PLACE)
INCREMENT = Kind("increment", "追加预授权", "0100", "030000", "60", "10", Act.INCREASE, Means.HOLD)
MOTO = Kind("moto-pre-authorization", "订购预授权", "0100", "030000", "18", "10", Act.PLACE)
VOID = Kind("void", "预授权撤销", "0100", "200000", "06", "11", Act.VOID, Means.HOLD, supervisor=True)
COMPLETION = Kind("completion", "预授权完成", "0200", "000000", "06", "20", Act.COMPLETE, Means.HOLD, total="debit")
COMPLETION_ADVICE = Kind(
    "completion-advice",
    "预授权完成通知",
    "0220",
    "000000",
    "06",
    "24",
    Act.COMPLETE,
    Means.HOLD,
    silence=Silence.REPEATED,
    total="debit",
    advice=True,
)
COMPLETION_VOID = Kind(
    "completion-void",
    "预授权完成撤销",
    "0200",
    "200000",
    "06",
    "21",
    Act.REOPEN,
    Means.POSTING,
    supervisor=True,
    total="credit",
)
SALE = Kind("sale", "消费", "0200", "000000", "00", "22", Act.SELL, total="debit")
SALE_VOID = Kind(
    "sale-void",
    "消费撤销",
    "0200",
    "200000",
    "00",
    "23",
    Act.TAKE_BACK,
    Means.POSTING,
    supervisor=True,
    total="credit",
)
REFUND = Kind(
    "refund",
    "退货",
    "0220",
    "200000",
    "00",
    "25",
    Act.REFUND,
    Means.POSTING,
    supervisor=True,
    silence=Silence.REPEATED,
    total="credit",
)
BALANCE = Kind("balance", "余额查询", "0200", "310000", "00", "01", None, silence=Silence.FORGOTTEN)

BUSINESS_KINDS = (
    PRE_AUTHORIZATION,
    INCREMENT,
    MOTO,
    VOID,
    COMPLETION,
    COMPLETION_ADVICE,
    COMPLETION_VOID,
    SALE,
    SALE_VOID,
    REFUND,
    BALANCE,
)

BY_NAME = {kind.name: kind for kind in BUSINESS_KINDS}
BY_WIRE = {(k.mti, k.processing_code, k.condition, k.message_type): k for k in BUSINESS_KINDS}
BY_REVERSED = {(k.processing_code, k.condition, k.message_type): k for k in BUSINESS_KINDS}
"""A reversal carries DE3, DE25 and 60.1 of the request that it undoes."""

BY_NETWORK = {(k.mti, k.processing_code, k.condition): k for k in BUSINESS_KINDS}
"""Between acquirer and issuer DE60 is not carried."""

BY_UPLOAD = {kind.message_type: kind for kind in BUSINESS_KINDS if kind.total}
"""A batch upload names what it uploads by 60.1; only what counts in the totals is uploaded."""

assert len(BY_NETWORK) == len(BUSINESS_KINDS), "two kinds look the same to an issuer"
assert len(BY_WIRE) == len(BY_REVERSED) == len(BUSINESS_KINDS), "two kinds look the same on the wire"

REVERSAL = "reversal"
SIGN_ON = "sign-on"
SIGN_OFF = "sign-off"
SETTLEMENT = "settlement"
BATCH_UPLOAD = "batch-upload"
CLAIM = "claim"
"""What a batch upload says was done and the register does not have, where the upload does not say what it was."""
SCRIPT_NOTICE = "script-notice"
DOWNLOAD = "download"
JOURNAL = "journal"
"""What is about a terminal's journal itself: that it was damaged, and that it is rebuilt."""
RECORDS = "records"
"""A terminal whose journal was damaged asks for what the register has of it."""
EXPIRY = "expiry"
RELEASE = "release"
FINDING = "finding"
AUDIT = "audit"

REVERSAL_MTI = "0400"
SETTLEMENT_MTI = "0500"
UPLOAD_MTI = "0320"
SCRIPT_MTI = "0620"
MESSAGE_TYPE_NETWORK = "00"
SIGN_ON_SINGLE, SIGN_ON_DOUBLE, SIGN_ON_TRACK, SIGN_ON_SM4 = "001", "003", "004", "006"
SIGN_OFF_CODE = "002"
ECHO = "301"
SETTLE_CODE = "201"
SCRIPT_CODE = "951"
DOWNLOAD_PARAMETERS = "360"
RECORDS_CODE = "901"
"""Ours, and private: a scheme uses no code from 900 up to the 951 of a chip's script."""


class Original(NamedTuple):
    """How a linked request names what it means: DE37, DE38 and DE61 ('' and zeros where not given)."""

    authorization_code: str
    batch: str
    stan: str
    mmdd: str
    rrn: str = ""


class CardPresented(NamedTuple):
    """A card as the terminal presented it. Track 2, PIN block and chip data pass through and are never stored.

    `chip_failed` is the terminal's word (60.5) that it reads the stripe because the chip could not be read.
    """

    pan: str
    expiry: str
    entry_mode: str
    track2: str
    pin_block: bytes
    sequence: str = ""
    chip: bytes = b""
    chip_failed: bool = False

    @property
    def keyed(self) -> bool:
        """Whether the number was typed in."""
        return self.entry_mode[:2] == "01"

    @property
    def stripe_of_chip_card(self) -> bool:
        """Whether a stripe was read whose service code says that the card has a chip."""
        service_code = self.track2.partition("=")[2][4:7]
        return self.entry_mode[:2] in ("02", "90") and service_code[:1] in ("2", "6")


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
