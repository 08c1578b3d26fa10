"""A checkpoint says how long a log was at a moment and what its root was; signed, it cannot be taken back.

The text is written in the manner of signed notes, exactly one way:

    holdfast/A
    1234
    <base64 of the root>
    <microseconds since 1970 UTC>

    — holdfast/A <base64 of the Ed25519 signature over everything above the empty line>

Whoever holds the signing key signs `body`; only putting together and verifying live here.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.errors import RegisterBroken

ORIGIN = "holdfast/"
SIGNATURE_MARK = "— "
ROOT_BYTES = 32
SIGNATURE_BYTES = 64

_BODY = re.compile(r"holdfast/([A-Za-z0-9]{1,32})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/=]{44})\n(0|[1-9][0-9]{0,17})\n")


class Checkpoint(NamedTuple):
    """The state of one log: its size in entries, its root (32 bytes), and when that was said."""

    log: str
    size: int
    root: bytes
    at_us: int


class SignedCheckpoint(NamedTuple):
    """A checkpoint's text together with its signature line; says nothing about whether the signature holds."""

    text: str


def body(checkpoint: Checkpoint) -> bytes:
    """What is signed."""
    root_text = b64encode(checkpoint.root).decode()
    return f"{ORIGIN}{checkpoint.log}\n{checkpoint.size}\n{root_text}\n{checkpoint.at_us}\n".encode()


def parse(text: bytes) -> Checkpoint:
    """The checkpoint of a body; RegisterBroken unless it is exactly what `body` writes."""
    match = _BODY.fullmatch(text.decode("ascii", errors="replace"))
    if match is None:
        raise RegisterBroken("checkpoint is not four lines of log, size, root and time")
    log, size, root_text, at_us = match.groups()
    checkpoint = Checkpoint(log, int(size), _unbase64(root_text, ROOT_BYTES, "root"), int(at_us))
    if body(checkpoint) != text:
        raise RegisterBroken("checkpoint is not written in its one canonical form")
    return checkpoint


def assemble(body: bytes, signature: bytes) -> SignedCheckpoint:
    """The signed text out of a body and the Ed25519 signature (64 bytes) over it."""
    text = body.decode("ascii")
    origin = text.partition("\n")[0]
    return SignedCheckpoint(f"{text}\n{SIGNATURE_MARK}{origin} {b64encode(signature).decode()}\n")


def verify(signed_text: str, public_key: bytes) -> Checkpoint:
    """The checkpoint of a signed text; RegisterBroken when anything is not canonical or the signature does not hold."""
    text, gap, line = signed_text.partition(f"\n\n{SIGNATURE_MARK}")
    if not gap:
        raise RegisterBroken("checkpoint carries no signature line")
    signed_body = f"{text}\n".encode("ascii", errors="replace")
    checkpoint = parse(signed_body)
    signature = _unbase64(line.rpartition(" ")[2].removesuffix("\n"), SIGNATURE_BYTES, "signature")
    if assemble(signed_body, signature).text != signed_text:
        raise RegisterBroken("signed checkpoint is not written in its one canonical form")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_body)
    except (InvalidSignature, ValueError):
        raise RegisterBroken(f"signature of the checkpoint of log {checkpoint.log} does not hold for the key") from None
    return checkpoint


def _unbase64(text: str, bytes_n: int, what: str) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        decoded = b""
    if len(decoded) != bytes_n:
        raise RegisterBroken(f"{what} of the checkpoint is not {bytes_n} bytes in base64")
    return decoded
