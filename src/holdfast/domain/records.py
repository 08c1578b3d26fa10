"""The rows of the three parties. Each is a projection (can be rebuilt from its party's log) unless it says otherwise.

Amounts are minor units, times microseconds since 1970 UTC, cards a mask and a random token. Optional means: not known,
or not meant for this kind.
"""

from typing import NamedTuple

from holdfast.domain.tables import DUE, Table

# --- acquirer -----------------------------------------------------------------------------------------------------


class Merchant(NamedTuple):
    """A merchant that may accept cards (DE42); `rules` are those of its agreement (see `rules`). Reference."""

    merchant_id: str
    name: str
    name_en: str
    mcc: str
    pre_auth_right: bool
    rules: str


class Terminal(NamedTuple):
    """A terminal of a merchant (DE41). `tmk` is its master key, wrapped. Reference.

    `mac_algorithm` is how its messages are sealed; `notice` is the digit that the header of an answer asks of it
    (0 nothing, 1 download parameters, 3 sign on again, …; domain.md §2).
    """

    terminal_id: str
    merchant_id: str
    tmk: bytes
    enabled: bool = True
    mac_algorithm: str = "ecb"
    notice: str = "0"


class Scheme(NamedTuple):
    """The rules of a card scheme here; the key is `CUP`, `VIS/7011` (one category) or `*` (all cards). Reference."""

    scheme: str
    rules: str


class Bin(NamedTuple):
    """The first digits of card numbers: whose they are. Reference."""

    prefix: str
    issuer_id: str
    scheme: str
    kind: str


class Issuer(NamedTuple):
    """An issuing institution: its zone keys (wrapped) and where its host listens. Reference."""

    issuer_id: str
    name: str
    address: str
    zone_mac: bytes
    zone_pin: bytes


class HotCard(NamedTuple):
    """A card that must not be accepted; `response_code` is 41 (lost) or 43 (stolen). Reference, by keyed hash."""

    pan_hash: bytes
    response_code: str


class Session(NamedTuple):
    """A terminal's sign-on: its batch and working keys (wrapped). The keys are secrets, the rest a projection.

    Anybody can send a sign-on; only the terminal can unwrap the keys that it is given. What a sign-on says of another
    journal therefore stands under `unproven_…` until a message under these keys comes (see `parties.proving`).
    """

    terminal_id: str
    batch: str
    signed_on: bool
    operator: str
    mak: bytes
    pik: bytes
    previous_mak: bytes | None
    previous_until_us: int
    at_us: int
    mac_algorithm: str = "ecb"
    seals_batches: bool = False
    """It keeps a chain, and such a terminal seals settlements and uploads: one without a MAC is not its own."""
    journal: str = ""
    """What names the journal that it signed on with, '' for none; and the one before that."""
    former_journal: str = ""
    unproven_batch: str = ""
    """The batch that the last sign-on was told, '' where nothing of it is left to be proven; its journal, its entry,
    and the entry that it was told and that is missing here ("entry|why"), '' for none.
    """
    unproven_journal: str = ""
    unproven_entry: str = ""
    unproven_missing: str = ""


class Card(NamedTuple):
    """Vault: what stands behind a card token. Shredding the row leaves every proof whole."""

    pan_hash: bytes
    token: str
    mask: str
    pan_sealed: bytes
    issuer_id: str


class Request(NamedTuple):
    """One request of a terminal in its present state; the key is its trace key.

    `outcome`: asked (an issuer was asked, no answer yet), approved, declined, unknown (the issuer was silent),
    reversed, tombstone (a reversal or a repeat came before the request itself), claimed (the merchant says that it was
    done, and nobody moved money for it). `entry` is the entry that the terminal is told, `asked_entry` the one that
    opened the request and names it towards the issuer. `undo` is our duty towards the issuer: '' none, 'owed' a
    reversal is being delivered, 'done' it was acknowledged, 'objected' it was refused and goes on being repeated.
    `delivery` is the same for what the issuer must be told: an advice, or the release of what a completion left.
    `question` decides whether a repeat is one. `batch_id` is the batch that it counts in. `rest` is what becomes of
    what a completion leaves of its hold: '' the issuer frees it, 'kept' more completions follow, 'ours' we have it
    freed later; for its void, 'freed' ends the hold, too.
    """

    trace_key: str
    kind: str
    echoes: str
    """The kind whose processing code, condition and type the answer echoes: for a reversal, the kind it undoes."""
    outcome: str
    question: bytes
    terminal_id: str
    merchant_id: str
    operator: str
    at_us: int
    answered_us: int
    business_date: str
    token: str | None
    card: str | None
    issuer_id: str | None
    amount_minor: int
    currency: str
    rrn: str
    entry: str
    asked_entry: str
    response_code: str | None
    authorization_code: str | None
    hold_id: str | None
    original: str | None
    undo: str
    reason: str | None
    sequence: int
    batch_id: str
    scheme: str
    delivery: str
    rest: str


class Hold(NamedTuple):
    """A hold in the acquirer's register; the key is the entry that asked for it.

    `acts` is what the fold goes over: the acts in force, oldest first, as JSON (see `hold.py`). `version` grows with
    each entry that touches the hold. `placed_on` is the local date (YYYY-MM-DD) that the slip shows. A sale is one too.
    """

    hold_id: str
    version: int
    state: str
    acts: str
    token: str
    card: str
    issuer_id: str
    merchant_id: str
    terminal_id: str
    authorization_code: str
    batch: str
    stan: str
    placed_us: int
    placed_on: str
    expires_us: int
    requested_minor: int
    completed_minor: int
    refunded_minor: int


class Batch(NamedTuple):
    """The totals of one batch of a terminal as the register has them; the key is `T0000001/000001`.

    Debit is what merchants are owed, credit what they give back; foreign cards count apart. `settled` is what the last
    settlement said of it ('' before): later entries of an old batch make the totals differ from that, and are carried
    over.
    """

    batch_id: str
    version: int
    debit_minor: int
    debit_count: int
    credit_minor: int
    credit_count: int
    foreign_debit_minor: int
    foreign_debit_count: int
    foreign_credit_minor: int
    foreign_credit_count: int
    settled: str
    settled_us: int
    uploaded: str


MERCHANTS = Table("merchants", Merchant, reference=True)
TERMINALS = Table("terminals", Terminal, reference=True)
SCHEMES = Table("schemes", Scheme, reference=True)
BINS = Table("bins", Bin, reference=True)
ISSUERS = Table("issuers", Issuer, reference=True)
HOT_CARDS = Table("hot_cards", HotCard, reference=True)
SESSIONS = Table("sessions", Session, shared=True, secret=True)
SESSIONS_TO_CHANGE = SESSIONS._replace(shared=False)
"""The same rows, for who reads one in order to change it: locked."""
CARDS = Table("cards", Card, indexes=(("token",),), shared=True, secret=True)
REQUESTS = Table("requests", Request, indexes=(("batch_id",), ("hold_id",)))
HOLDS = Table("holds", Hold, indexes=(("token",), ("merchant_id", "authorization_code")))
BATCHES = Table("batches", Batch)

ACQUIRER_TABLES = (
    MERCHANTS,
    TERMINALS,
    SCHEMES,
    BINS,
    ISSUERS,
    HOT_CARDS,
    SESSIONS,
    CARDS,
    REQUESTS,
    HOLDS,
    BATCHES,
    DUE,
)
ACQUIRER_LOGS = tuple(letter for letter in "ABCDEFGHKLMNPQRSTUVWXYZ")
"""Names of registers, one per worker; I and J are the issuer's book and the terminal's journal."""

# --- issuer -------------------------------------------------------------------------------------------------------


class Account(NamedTuple):
    """An account of a cardholder, or a contra account (`kind` clearing or funding) that may be negative.

    balance = available + held. `status` is normal, lost or stolen. `pin_verifier` and `pan_hash` are keyed hashes.
    `frozen_percent` is how much of a requested hold this issuer freezes (some freeze 115 % of it).
    """

    account_id: str
    issuer_id: str
    pan_hash: bytes
    card: str
    kind: str
    expiry: str
    status: str
    pin_verifier: bytes | None
    frozen_percent: int
    available_minor: int
    held_minor: int


class IssuerLink(NamedTuple):
    """An acquirer that may ask this issuer: the shared zone keys, wrapped. Reference.

    `imk` is the issuer's master key for the cryptograms of its chip cards, wrapped; without it chips are not checked.
    `habits` are how this issuer behaves (see `rules`).
    """

    issuer_id: str
    zone_mac: bytes
    zone_pin: bytes
    imk: bytes | None
    habits: str


class Answer(NamedTuple):
    """What the issuer answered to one exchange; the key is the acquirer's exchange id (its asked entry).

    `outcome` is approved, declined, reversed or tombstone.
    """

    exchange_id: str
    question: bytes
    kind: str
    outcome: str
    issuer_id: str
    account_id: str | None
    hold_id: str | None
    amount_minor: int
    response_code: str
    authorization_code: str | None
    entry: str
    at_us: int


class Freeze(NamedTuple):
    """A hold in the issuer's book: `requested_minor` was asked for, `held_minor` is frozen now, the key is the exchange
    id that placed it. `acts` as in the acquirer's `Hold`.
    """

    hold_id: str
    version: int
    state: str
    acts: str
    account_id: str
    issuer_id: str
    authorization_code: str
    placed_us: int
    expires_us: int
    requested_minor: int
    held_minor: int
    completed_minor: int
    refunded_minor: int


ISSUER_LINKS = Table("issuer_links", IssuerLink, reference=True)
ACCOUNTS = Table("accounts", Account, indexes=(("pan_hash",),))
ANSWERS = Table("answers", Answer)
FREEZES = Table("freezes", Freeze)

ISSUER_TABLES = (ISSUER_LINKS, ACCOUNTS, ANSWERS, FREEZES, DUE)
ISSUER_LOGS = ("I",)

# --- terminal -----------------------------------------------------------------------------------------------------


class Device(NamedTuple):
    """The terminal itself, one row: who it is, its keys (wrapped), its counters. The keys are secrets.

    `in_flight` is the trace key of the request whose answer is awaited, `reversal` that of the reversal that waits to
    be acknowledged, `settling` that of the settlement whose batch is not closed yet ('' where there is none): of each
    there is at most one. Of its batch upload, `uploaded` counts the messages that were acknowledged, and `uploading` is
    the key of the one that was not; `asked_n` counts the business requests of the batch. `notices` are the digits by
    which the acquirer asked for something that is not done yet (see `wire.header`), `parameters` what it set, as text
    (see `parties.settings`). `last_receipt` and `last_settlement` are the trace keys of what was printed last.
    `begun_us` is the instant at which its journal began: it tells this device from another one of the same number.

    `mending` says what was wrong with a journal that is to be rebuilt from the register ('' where nothing is), `kept_n`
    how many of its entries were left. `doubtful` is the trace key of the request that was in flight at the end of them.
    `records_key` is the trace key under which the register's records are asked for, `records_after` from where on, and
    `recovered_n` counts what they changed.
    """

    terminal_id: str
    merchant_id: str
    merchant_name: str
    merchant_name_en: str
    tmk: bytes
    register_key: str
    batch: str
    stan: int
    signed_on: bool
    mak: bytes | None
    pik: bytes | None
    last_entry: str
    in_flight: str
    reversal: str
    settling: str = ""
    uploaded: int = 0
    uploading: str = ""
    asked_n: int = 0
    notices: str = ""
    parameters: str = ""
    last_receipt: str = ""
    last_settlement: str = ""
    begun_us: int = 0
    mending: str = ""
    kept_n: int = 0
    doubtful: str = ""
    records_key: str = ""
    records_after: str = ""
    recovered_n: int = 0


class Sale(NamedTuple):
    """One request of this terminal and what the terminal believes of it; the key is its trace key.

    `outcome`: asked, approved, declined, unknown (a reversal is stored, or it is repeated until it is answered), stored
    (an advice that is not registered yet), reversed (the reversal was answered). `original_code`, `original_date`
    (MMDD), `original_trace` (batch and trace, twelve digits) and `original_rrn` are what the request says of its
    original; `hold` is the request of this terminal that placed the hold which is meant. `local_date`, `local_time` are
    what the slip shows. `reason` says why the outcome is what it is; in a reversal it is the reason that DE39 gives
    (98, 06, A0). `late` is what an answer said that came after the end. `pan_sealed` is a secret; it is dropped when
    the request is reversed, and when its batch is closed.

    `batch` is the batch in which a business request counts ('' for all else), `delivery` is `owed` as long as it must
    be told until it is answered, `scheme` whose card it was. `totals` and `host_totals` are DE48 of a settlement.
    """

    trace_key: str
    kind: str
    outcome: str
    amount_minor: int
    currency: str
    card: str | None
    pan_sealed: bytes | None
    expiry: str | None
    entry_mode: str
    operator: str
    at_us: int
    answered_us: int
    local_date: str
    local_time: str
    original_code: str | None
    original_date: str | None
    original_trace: str | None
    response_code: str | None
    authorization_code: str | None
    rrn: str | None
    register_entry: str | None
    reverses: str | None
    reason: str | None
    late: str | None
    sequence: int
    previous: str
    batch: str = ""
    delivery: str = ""
    hold: str | None = None
    original_rrn: str | None = None
    supervisor: str | None = None
    scheme: str | None = None
    card_sequence: str | None = None
    chip_failed: bool = False
    totals: str | None = None
    host_totals: str | None = None


DEVICES = Table("devices", Device, secret=True)
SALES = Table(
    "sales", Sale, indexes=(("authorization_code",), ("original_code",), ("rrn",), ("hold",), ("batch",), ("delivery",))
)

TERMINAL_TABLES = (DEVICES, SALES, DUE)
TERMINAL_LOGS = ("J",)
