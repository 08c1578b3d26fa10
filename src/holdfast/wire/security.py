"""What the security fields mean and what a MAC covers. No cryptography: keys and algorithms are elsewhere.

A message is sealed in one pass: it is encoded with a placeholder in its MAC field, `mac_block` is what the MAC is
computed over, and `put_mac` replaces the placeholder. The MAC field is always the last one, and its bit is already set
in the bitmap that the MAC covers.
"""

from typing import NamedTuple

from holdfast.errors import WireError
from holdfast.wire.dialect import Dialect

MAC_BYTES = 8
"""Eight hex characters, not eight binary bytes, in both dialects."""

MAC_PLACEHOLDER = "0" * MAC_BYTES
"""The value that the MAC field holds until `put_mac`."""

CHECK_BYTES = 4
"""A key check value is the first four bytes of zeros encrypted under the key."""

PIN_WITHOUT_PAN = "1"
PIN_WITH_PAN = "2"
ALGORITHM_DES = "0"
ALGORITHM_3DES = "6"
ALGORITHM_SM4 = "4"


def mac_block(dialect: Dialect, body: bytes) -> bytes:
    """The bytes that the MAC covers, of a body that can be decoded: MTI to the last field before the MAC, no header.

    WireError naming the MAC field when the bitmap does not announce one, for then there is nothing to verify.
    """
    number = dialect.mac_field
    end = dialect.bitmap_at + dialect.bitmap_bytes * number // 64
    bitmap = body[dialect.bitmap_at : end]
    if dialect.bitmap == "hex":
        bitmap = bytes.fromhex(bitmap.decode("ascii"))
    # The MAC is field 64 or 128, so its bit is the last of a half; the first bit announces the second half.
    if not bitmap[-1] & 1 or (number > 64 and not bitmap[0] & 0x80):
        raise WireError(number, end - 1, "absent: the message is not sealed")
    return body[dialect.mti_at : -MAC_BYTES]


def put_mac(body: bytes, mac: str) -> bytes:
    """The body with its placeholder replaced by the MAC, eight hex characters."""
    assert len(mac) == MAC_BYTES, "a MAC has eight characters in every dialect"
    return body[:-MAC_BYTES] + mac.encode("ascii")


class SecurityControl(NamedTuple):
    """DE53: how the PIN block was made, the algorithm of the working keys, whether tracks are encrypted."""

    pin_format: str
    algorithm: str
    track_encrypted: bool = False


def pack_security_control(control: SecurityControl) -> str:
    """The sixteen digits of DE53."""
    digits = f"{control.pin_format}{control.algorithm}{control.track_encrypted:d}"
    if len(digits) != 3 or not (digits.isascii() and digits.isdecimal()):
        raise WireError(53, 0, "PIN format and algorithm are one digit each")
    return digits.ljust(16, "0")


def parse_security_control(text: str) -> SecurityControl:
    """What DE53 says; WireError when it is not sixteen digits or the third is neither 0 nor 1."""
    if len(text) != 16 or not (text.isascii() and text.isdecimal()):
        raise WireError(53, 0, "not sixteen digits")
    if text[2] not in "01":
        raise WireError(53, 0, f"digit 3 is {text[2]}, neither 0 nor 1")
    return SecurityControl(text[0], text[1], text[2] == "1")


class WorkingKeys(NamedTuple):
    """The keys of a session, each encrypted under the terminal's master key, with its check value (4 bytes).

    `pik` and `tdk` have 8 or 16 bytes; `mak` has 8, or 16 under SM4. `tdk` is None where tracks are not encrypted.
    """

    pik: bytes
    pik_check: bytes
    mak: bytes
    mak_check: bytes
    tdk: bytes | None = None
    tdk_check: bytes | None = None


_KEY_BYTES_BY_SIZE = {24: (8, 8), 40: (16, 16), 60: (16, 16, 16)}
"""The keys in DE62 by its size: single-length; double-length; double-length (or SM4) with a track key."""


def pack_working_keys(keys: WorkingKeys) -> bytes:
    """DE62 of a sign-on response: 24, 40 or 60 bytes. WireError when the lengths are of none of these forms."""
    # Beside a double-length PIN key, the eight bytes of a MAC key are filled up with zeros.
    mak = keys.mak.ljust(16, b"\0") if len(keys.pik) == 16 and len(keys.mak) == 8 else keys.mak
    pairs = [(keys.pik, keys.pik_check), (mak, keys.mak_check)]
    if keys.tdk is not None and keys.tdk_check is not None:
        pairs.append((keys.tdk, keys.tdk_check))
    packed = b"".join(key + check for key, check in pairs)
    if tuple(len(key) for key, _ in pairs) != _KEY_BYTES_BY_SIZE.get(len(packed)) or (keys.tdk is None) != (
        keys.tdk_check is None
    ):
        raise WireError(62, 0, "key lengths that no sign-on has")
    if any(len(check) != CHECK_BYTES for _, check in pairs):
        raise WireError(62, 0, f"a check value is not {CHECK_BYTES} bytes long")
    return packed


def parse_working_keys(packed: bytes) -> WorkingKeys:
    """The keys in DE62 of a sign-on response; WireError when it is not 24, 40 or 60 bytes long."""
    if len(packed) not in _KEY_BYTES_BY_SIZE:
        raise WireError(62, 0, f"{len(packed)} bytes are not the 24, 40 or 60 of working keys")
    parts: list[bytes] = []
    at = 0
    for size in _KEY_BYTES_BY_SIZE[len(packed)]:
        parts += [packed[at : at + size], packed[at + size : at + size + CHECK_BYTES]]
        at += size + CHECK_BYTES
    pik, pik_check, mak, mak_check, *track = parts
    if len(mak) == 16 and not any(mak[8:]):
        mak = mak[:8]
    return WorkingKeys(pik, pik_check, mak, mak_check, *track)
