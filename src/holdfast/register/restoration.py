"""A restoration says that a register was brought back from a backup, where each log ended, and what was lost by it.

It is signed like a checkpoint, so that whoever may write the database alone cannot explain away what they cut off:

    holdfast/restored
    <canonical JSON>

    — holdfast/restored <base64 of the Ed25519 signature over everything above the empty line>

Whoever holds the signing key signs `body`; only putting together and verifying live here.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.errors import RegisterBroken
from holdfast.ids import entry_id
from holdfast.register.canonical import decode_strict, encode
from holdfast.register.checkpoint import SIGNATURE_MARK

ORIGIN = "holdfast/restored"
"""No checkpoint begins so: a log's name has no such line below it."""


class Ended(NamedTuple):
    """One log at a restore: `size` entries came back, `known` were once signed (as far as anybody could tell)."""

    log: str
    size: int
    known: int

    @property
    def lost(self) -> str:
        """The entries that were signed and are gone: `A-000123 to A-000150`, or one of them, or ""."""
        first, last = entry_id(self.log, self.size + 1), entry_id(self.log, self.known)
        if self.known <= self.size:
            return ""
        return first if first == last else f"{first} to {last}"


class Restoration(NamedTuple):
    """When it was, from a backup of when (microseconds since 1970 UTC), which generation of logs goes on."""

    at_us: int
    backup_us: int
    generation: str
    ended: tuple[Ended, ...]

    def of(self, log: str) -> Ended | None:
        """What it says of a log."""
        return next((ended for ended in self.ended if ended.log == log), None)


def body(restoration: Restoration) -> bytes:
    """What is signed."""
    said = {
        "at": restoration.at_us,
        "backup": restoration.backup_us,
        "generation": restoration.generation,
        "ended": [list(ended) for ended in restoration.ended],
    }
    return f"{ORIGIN}\n".encode() + encode(said) + b"\n"


def assemble(body: bytes, signature: bytes) -> str:
    """The signed text."""
    return f"{body.decode()}\n{SIGNATURE_MARK}{ORIGIN} {b64encode(signature).decode()}\n"


def is_restoration(text: str) -> bool:
    """Whether a signed text claims to be one."""
    return text.startswith(f"{ORIGIN}\n")


def verify(text: str, public_key: bytes) -> Restoration:
    """The restoration of a signed text; RegisterBroken when it is not canonical or not signed with that key."""
    signed, gap, line = text.partition(f"\n\n{SIGNATURE_MARK}")
    signed_body = f"{signed}\n".encode()
    try:
        signature = b64decode(line.rpartition(" ")[2].removesuffix("\n"), validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_body)
    except (InvalidSignature, ValueError, Base64Error):
        raise RegisterBroken("the signature of a note about a restore does not hold for the key") from None
    said = decode_strict(signed_body.removeprefix(f"{ORIGIN}\n".encode()).removesuffix(b"\n"))
    restoration = _restoration(said)
    if not gap or assemble(signed_body, signature) != text or body(restoration) != signed_body:
        raise RegisterBroken("a note about a restore is not written in its one canonical form")
    return restoration


def _restoration(said: dict[str, object]) -> Restoration:
    match said:
        case {"at": int(at_us), "backup": int(backup_us), "generation": str(generation), "ended": list(ended)}:
            return Restoration(at_us, backup_us, generation, tuple(map(_ended, ended)))
    raise RegisterBroken("a note about a restore lacks what it has to say")


def _ended(said: object) -> Ended:
    match said:
        case [str(log), int(size), int(known)]:
            return Ended(log, size, known)
    raise RegisterBroken("a note about a restore does not say where a log ended")


def ending_of(restorations: Iterable[Restoration], log: str) -> tuple[Restoration, Ended] | None:
    """Where this log ended: what the last restore says of it, and the first one that said the same."""
    saying = [(each, ended) for each in restorations if (ended := each.of(log)) is not None]
    if not saying:
        return None
    size = max(saying, key=lambda said: said[0].at_us)[1].size
    first = min((said for said in saying if said[1].size == size), key=lambda said: said[0].at_us)
    return first[0], Ended(log, size, max(ended.known for _, ended in saying))
