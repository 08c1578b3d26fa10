"""What a party is: a pure state machine that reads by asking, decides in its turn, and never acts.

    decide(event) is a generator.  It yields tuples of wants and is sent their answers in the same order; many events
    of a batch are asked side by side, so that each round is one query for all.  When it has read what it needs it
    yields TURN and is sent a `Turn`: the clock, and the next number of its log.  From there on it only decides, and
    returns a Step.  Everything before the turn reads; everything after it decides.

A party never touches a socket, a clock, a disk, a key or dice. The engine commits what a Step writes, and only then
lets what it sends go. If an event before it in the batch changed what it had read, the generator is run again on the
changed rows: a decision always sees the writes of the ones before it.
"""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from holdfast.domain.tables import Due, Entry, Find, Key, Table, Write
from holdfast.ids import entry_id
from holdfast.register.canonical import encode, leaf_hash
from holdfast.wire.message import Message

# --- wants --------------------------------------------------------------------------------------------------------


class RowOf(NamedTuple):
    """The row under this key, or None; locked until the commit unless the table is reference or shared."""

    table: Table
    key: Key


class KeyOperation(NamedTuple):
    """One operation of the key service (see `keys.interface`), by name: its answer is what the operation returns."""

    name: str
    arguments: tuple[Any, ...]


class _Turn(NamedTuple):
    """The want to decide now."""

    turn: str = "turn"


TURN = _Turn()


class Aside(NamedTuple):
    """Said, alone, to the part of the party that passes a decision on; it is answered there and goes no further."""

    says: Any


Want: TypeAlias = RowOf | Find | KeyOperation | _Turn | Aside
"""A `Find` is answered by the list of its rows."""

_Read = TypeVar("_Read", covariant=True)

Reads: TypeAlias = Generator[tuple[Want, ...], Any, _Read]
"""Part of a decision before its turn; what it has read is what it returns."""


def verify_mac(key: bytes, algorithm: str, block: bytes, mac: str) -> KeyOperation:
    """-> bool."""
    return KeyOperation("verify_mac", (key, algorithm, block, mac))


def pan_hash(pan: str) -> KeyOperation:
    """-> bytes: the keyed hash under which a card is looked up."""
    return KeyOperation("pan_hash", (pan,))


def seal_pan(pan: str) -> KeyOperation:
    """-> bytes: the card number, encrypted."""
    return KeyOperation("encrypt_pan", (pan,))


def open_pan(sealed: bytes) -> KeyOperation:
    """-> str: the card number again."""
    return KeyOperation("decrypt_pan", (sealed,))


def new_token() -> KeyOperation:
    """-> str: a random card token."""
    return KeyOperation("token", ())


def random_bytes(count: int) -> KeyOperation:
    """-> bytes."""
    return KeyOperation("random", (count,))


def new_working_key(purpose: str, size: int) -> KeyOperation:
    """-> bytes: a fresh key of `size` bytes, wrapped."""
    return KeyOperation("new_working_key", (purpose, size))


def export_under(tmk: bytes, key: bytes, cipher: str) -> KeyOperation:
    """-> (encrypted, check value): a wrapped key made ready for a terminal; `cipher` is "des" or "sm4"."""
    return KeyOperation("export_under", (tmk, key, cipher))


def import_under(tmk: bytes, purpose: str, encrypted: bytes, check: bytes) -> KeyOperation:
    """-> wrapped key, or None when the check value does not fit."""
    return KeyOperation("import_under", (tmk, purpose, encrypted, check))


def translate_pin(from_key: bytes, to_key: bytes, block: bytes, pan: str) -> KeyOperation:
    """-> bytes: the PIN block under another key, or None when it is not a PIN block."""
    return KeyOperation("translate_pin", (from_key, to_key, block, pan))


def pin_matches(key: bytes, block: bytes, pan: str, verifier: bytes) -> KeyOperation:
    """-> bool."""
    return KeyOperation("pin_matches", (key, block, pan, verifier))


# --- events -------------------------------------------------------------------------------------------------------

LinkId: TypeAlias = int


class Received(NamedTuple):
    """A message came in on a link. `peer` is '' for a terminal's link, else the name of the host behind it.

    `since_us` is when a party first put off deciding on it (see `Step.again`), 0 when it is new.
    """

    link: LinkId
    peer: str
    message: Message
    since_us: int = 0


class Command(NamedTuple):
    """Somebody at this machine asks for something: the terminal's cashier, or a process at the door.

    `caller` is where the outcome goes, `actor` who asks (operator number or role).
    """

    caller: LinkId
    name: str
    arguments: Mapping[str, Any]
    actor: str


Event: TypeAlias = Received | Command | Due
"""A claimed `Due` row is an event too; its step must put it back with a later time or remove it."""

# --- the turn and the step ----------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """What is only known when it is an event's turn."""

    now_us: int
    log: str
    number: int
    """The number that the next entry of the log will have."""
    previous: bytes
    """The leaf of the entry before it."""
    linked: frozenset[str]
    """The hosts (issuer ids, or "acquirer" at a terminal) to which a link is up."""

    @property
    def entry(self) -> str:
        """The id that the next entry will have."""
        return entry_id(self.log, self.number)

    def said(self, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The body of the next entry of the log when it says these facts (None is left out)."""
        body = {name: value for name, value in facts.items() if value is not None}
        body["log"], body["number"], body["at"], body["kind"] = self.log, self.number, self.now_us, kind
        return body

    def record(self, kind: str, facts: Mapping[str, Any]) -> Entry:
        """The next entry of the log, saying these facts."""
        return entry_saying(self.said(kind, facts))

    def after(self, entry: Entry) -> "Turn":
        """The turn as it stands when `entry` has been recorded: for a second entry in one step."""
        return Turn(self.now_us, self.log, entry.number + 1, entry.leaf, self.linked)


def entry_saying(said: dict[str, Any]) -> Entry:
    """The entry with this body: what rows are made from is then exactly what stands in the log."""
    encoded = encode(said)
    return Entry(said["number"], said["at"], said["kind"], encoded, leaf_hash(encoded))


Seal: TypeAlias = tuple[bytes, str]
"""A MAC key (wrapped) and the algorithm."""


class Outgoing(NamedTuple):
    """A message to send once its step is durable.

    `to` is a link, a trace key (the link on which that request came, if this worker still holds it) or the name of a
    host. `seal` is None for messages without a MAC; to a trace key the seal of whoever waits goes before it.
    """

    to: LinkId | str
    message: Message
    seal: Seal | None = None


class Outcome(NamedTuple):
    """The answer to a Command: for the caller himself, or for whoever waits for a trace key (see `Wait`)."""

    to: LinkId | str
    value: Mapping[str, Any]


class HangUp(NamedTuple):
    """The link to a host is given up: nothing usable came of it for too long. Whoever keeps links up dials again."""

    to: str


class Wait(NamedTuple):
    """The answer to `trace_key` is to go to this link (the newest one that asked), sealed as `seal` says if it does."""

    trace_key: str
    link: LinkId
    seal: Seal | None = None


class Step(NamedTuple):
    """What a decision writes and, once that is durable, sends."""

    entries: tuple[Entry, ...] = ()
    write: tuple[Write, ...] = ()
    send: tuple[Outgoing | Outcome | HangUp, ...] = ()
    wait: Wait | None = None
    says: str | None = None
    """One line for the operator's log: what was refused, and why."""
    again: Received | None = None
    """Not decided yet: to be decided on again together with whatever comes next. Nothing of it is kept but here."""


Decision: TypeAlias = Generator[tuple[Want, ...], Any, Step]


class Party(Protocol):
    """A terminal, an acquirer or an issuer."""

    def decide(self, event: Event) -> Decision:
        """Read by yielding wants, take the turn, return the Step."""

    def refuse(self, event: Event, error: Exception) -> Decision:
        """Record that deciding on this event failed (a bug of ours), and answer 96 where an answer is owed."""
