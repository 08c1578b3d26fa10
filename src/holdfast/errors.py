"""The errors of Holdfast, by whose fault they are and what may be done.

A decline is an answer, not an error. An error is an exception. A bug is an assert.

HoldfastError
├── WireError        bytes from outside that cannot be read; the message is refused or the link closed
├── BadInput         a person or a file gave something unusable: what, where, what to do (exit code 2)
├── Unreachable      something could not be reached or started (exit code 4)
├── KeyRefused       a key operation was refused (wrong check value, wrong master key, forged block)
├── StoreError       the database refused; nothing was promised, so nothing was sent
│   ├── Conflict       another writer was first, or a deadlock: fetch and step again
│   ├── Fenced         our lease on the log is gone: another writer owns it, stop
│   ├── Unstorable     a value that the database cannot hold: the event that brought it is refused alone
│   └── CommitUnknown  it may or may not have committed: take the lease again, then read back
└── RegisterBroken   the log does not verify: stop answering, call a person
"""


class HoldfastError(Exception):
    """Root of all errors that Holdfast raises on purpose."""


class WireError(HoldfastError):
    """Bytes that are not a message of the dialect: says which field, at which byte, and why.

    `field` is a data element number, or a name for what is not one ("length", "header", "mti", "bitmap");
    `byte` counts from 0 at the start of what was being read.
    """

    def __init__(self, field: int | str, byte: int, reason: str) -> None:
        self.field = field
        self.byte = byte
        self.reason = reason
        what = f"field {field}" if isinstance(field, int) else field
        super().__init__(f"{what} at byte {byte}: {reason}")

    def __reduce__(self) -> tuple[type["WireError"], tuple[int | str, int, str]]:
        return WireError, (self.field, self.byte, self.reason)


class BadInput(HoldfastError):
    """Something a person typed, or a file they gave, cannot be used."""


class Unreachable(HoldfastError):
    """A server, a database or a file cannot be reached, or something cannot be started."""


class KeyRefused(HoldfastError):
    """A key operation was refused."""


class StoreError(HoldfastError):
    """The database refused; nothing of the batch was promised."""


class Conflict(StoreError):
    """Another writer was first (lock, deadlock, unique key): fetch again and step again."""


class Fenced(StoreError):
    """The lease on the log has a newer epoch: somebody else writes it now."""


class Unstorable(StoreError):
    """A value of the batch that the database cannot hold, at any try: a bug of ours, or somebody's odd text."""


class CommitUnknown(StoreError):
    """The connection was lost during commit: it may or may not have happened."""


class RegisterBroken(HoldfastError):
    """A log does not verify."""
