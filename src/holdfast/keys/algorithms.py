"""The card trade's own cryptography, pure: keys in clear in, bytes out. Nothing here knows a purpose or a file.

DES is what most terminals in the field speak, SM4 (GB/T 32907) what newer ones do. A single-length DES key K is used
as K‖K‖K, which is single DES; a double-length key as K1‖K2‖K1. Cipher contexts are kept, because making one costs ten
times what encrypting a block does.
"""

import hmac
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers import algorithms as ciphers
from cryptography.hazmat.primitives.cmac import CMAC

from holdfast.errors import KeyRefused

DES: Final = "des"
SM4: Final = "sm4"

BLOCK_BYTES = 8
WIDE_BLOCK_BYTES = 16
"""A block of SM4 and of AES; their keys have as many bytes."""
CHECK_BYTES = 4
MAC_CHARS = 8
PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 12
PAN_DIGITS_MIN = 13
"""Format 0 takes twelve digits and leaves out the check digit."""

CONTEXTS_MAX = 16_384
"""One or two for each terminal that a worker is likely to serve within minutes; about 1 kB each."""

_ZEROS = bytes(BLOCK_BYTES)


def mac(algorithm: str, key: bytes, message: bytes) -> str:
    """8 upper-case hex characters by an algorithm of `MACS`; KeyRefused for another one, or a key of another size."""
    make = MACS.get(algorithm)
    if make is None:
        raise KeyRefused(f"{algorithm!r} is no MAC algorithm: choose one of {', '.join(MACS)}")
    return make(key, message)


def mac_ecb(key: bytes, message: bytes) -> str:
    """The UnionPay ECB MAC: 8 upper-case hex characters."""
    encrypt = _encrypting(key)
    digits = b"%016X" % _xor_of_blocks(message)
    first = int.from_bytes(encrypt(digits[:BLOCK_BYTES]))
    second = int.from_bytes(digits[BLOCK_BYTES:])
    return encrypt((first ^ second).to_bytes(BLOCK_BYTES)).hex()[:MAC_CHARS].upper()


def mac_sm4(key: bytes, message: bytes) -> str:
    """The same recipe with SM4 and its blocks of 16 bytes; of 32 hex characters the first 8 are kept."""
    encrypt = _sm4_encrypting(key)
    digits = b"%032X" % _xor_of_blocks(message, WIDE_BLOCK_BYTES)
    first = int.from_bytes(encrypt(digits[:WIDE_BLOCK_BYTES]))
    second = int.from_bytes(digits[WIDE_BLOCK_BYTES:])
    return encrypt((first ^ second).to_bytes(WIDE_BLOCK_BYTES)).hex()[:MAC_CHARS].upper()


def mac_cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC (RFC 4493, ISO 9797-1 algorithm 5): 16 bytes, by a key of 16 bytes."""
    started = _cmac_started(key).copy()
    started.update(message)
    return started.finalize()


def mac_x99(key: bytes, message: bytes) -> bytes:
    """ANSI X9.9: the last block (8 bytes) of DES in CBC mode over the message, zero-padded."""
    return _chaining(key).encryptor().update(_whole_blocks(message))[-BLOCK_BYTES:]


def mac_x919(key: bytes, message: bytes) -> bytes:
    """ANSI X9.19 (ISO 9797-1 algorithm 3): X9.9 with the left half of a 16-byte key, its result D(right), E(left)."""
    if len(key) != 2 * BLOCK_BYTES:
        raise KeyRefused(f"X9.19 needs a key of 16 bytes, not {len(key)}")
    left, right = key[:BLOCK_BYTES], key[BLOCK_BYTES:]
    return _encrypting(left)(_decrypting(right)(mac_x99(left, message)))


def check_value(key: bytes, cipher: str = DES) -> bytes:
    """The first 4 bytes of one block of zeros under the key: tells two keys apart without showing either."""
    width, encrypting, _ = _block_cipher(cipher)
    return encrypting(key)(bytes(width))[:CHECK_BYTES]


def encrypt_blocks(key: bytes, blocks: bytes, cipher: str = DES) -> bytes:
    """Each block encrypted by itself (ECB): how keys travel in DE62 and PIN blocks in DE52."""
    width, encrypting, _ = _block_cipher(cipher)
    return encrypting(key)(_only_whole(blocks, width))


def decrypt_blocks(key: bytes, blocks: bytes, cipher: str = DES) -> bytes:
    """The reverse of `encrypt_blocks`."""
    width, _, decrypting = _block_cipher(cipher)
    return decrypting(key)(_only_whole(blocks, width))


def new_key(bytes_n: int) -> bytes:
    """A random key with odd parity in each byte."""
    return odd_parity(os.urandom(bytes_n))


def odd_parity(key: bytes) -> bytes:
    """The key with the lowest bit of each byte set so that the byte holds an odd number of ones."""
    return bytes(byte ^ (byte.bit_count() & 1 ^ 1) for byte in key)


def pin_block(pin: str, pan: str, width: int = BLOCK_BYTES) -> bytes:
    """ISO format 0 in clear: 0, length, PIN, F… XOR the last twelve digits of the card without its check digit.

    SM4 takes the same in a block of 16 bytes: the PIN stands left in it, the card's digits right.
    """
    if not (_digits(pin) and PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX):
        raise KeyRefused(f"PIN is not {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits")
    digits = f"0{len(pin):X}{pin}".ljust(2 * width, "F")
    return (int(digits, 16) ^ _pan_part(pan)).to_bytes(width)


def pin_of_block(block: bytes, pan: str) -> str:
    """The PIN of a clear block; KeyRefused when the block is not of format 0 for this card."""
    cipher_of_pin_block(block)
    plain = (int.from_bytes(block) ^ _pan_part(pan)).to_bytes(len(block)).hex().upper()
    length = int(plain[1], 16)
    pin, filler = plain[2 : 2 + length], plain[2 + length :]
    whole = plain[0] == "0" and PIN_DIGITS_MIN <= length <= PIN_DIGITS_MAX
    if not (whole and _digits(pin) and filler == "F" * len(filler)):
        raise KeyRefused("PIN block holds no PIN for this card: wrong key, wrong card or wrong format")
    return pin


def block_bytes(cipher: str) -> int:
    """8 for "des", 16 for "sm4"; KeyRefused for what is neither."""
    return _block_cipher(cipher).block_bytes


def cipher_of_pin_block(block: bytes) -> str:
    """A PIN block of 8 bytes is one of DES, of 16 bytes one of SM4; KeyRefused for another size."""
    if len(block) == BLOCK_BYTES:
        return DES
    if len(block) == WIDE_BLOCK_BYTES:
        return SM4
    raise KeyRefused(f"PIN block has {len(block)} bytes, not {BLOCK_BYTES} or {WIDE_BLOCK_BYTES}")


def same_mac(one: str, other: str) -> bool:
    """Whether two MACs are equal, in a time that does not say where they differ."""
    return other.isascii() and hmac.compare_digest(one, other)


def _xor_of_blocks(message: bytes, width: int = BLOCK_BYTES) -> int:
    """All blocks XORed, the last one zero-padded: fold the whole message in half until one block is left."""
    blocks = -(-len(message) // width)
    halvings = max(blocks - 1, 0).bit_length()
    bits = 8 * width << halvings
    folded = int.from_bytes(message) << bits - 8 * len(message)
    for _ in range(halvings):
        bits >>= 1
        folded = folded >> bits ^ folded & (1 << bits) - 1
    return folded


def _whole_blocks(message: bytes) -> bytes:
    """Zero-padded to whole blocks, at least one."""
    return message + bytes(-len(message) % BLOCK_BYTES) if message else _ZEROS


def _only_whole(blocks: bytes, width: int) -> bytes:
    # A context keeps half a block for its next call, and every later result of that key would be wrong.
    if not blocks or len(blocks) % width:
        raise KeyRefused(f"{len(blocks)} bytes are not whole blocks of {width}")
    return blocks


def _pan_part(pan: str) -> int:
    if not _digits(pan) or len(pan) < PAN_DIGITS_MIN:
        raise KeyRefused(f"card number is not at least {PAN_DIGITS_MIN} digits")
    return int(pan[-13:-1], 16)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _triple(key: bytes) -> TripleDES:
    """A key of one, two or three parts as the three parts of triple DES."""
    if len(key) not in (8, 16, 24):
        raise KeyRefused(f"key has {len(key)} bytes, not 8, 16 or 24")
    return TripleDES((key * 3)[:24])


@lru_cache(maxsize=CONTEXTS_MAX)
def _encrypting(key: bytes) -> Callable[[bytes], bytes]:
    return Cipher(_triple(key), modes.ECB()).encryptor().update  # noqa: S305  # what the trade prescribes


@lru_cache(maxsize=CONTEXTS_MAX)
def _decrypting(key: bytes) -> Callable[[bytes], bytes]:
    return Cipher(_triple(key), modes.ECB()).decryptor().update  # noqa: S305  # what the trade prescribes


@lru_cache(maxsize=CONTEXTS_MAX)
def _chaining(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(_triple(key), modes.CBC(_ZEROS))


def _wide(key: bytes, what: str) -> bytes:
    if len(key) != WIDE_BLOCK_BYTES:
        raise KeyRefused(f"{what} needs a key of {WIDE_BLOCK_BYTES} bytes, not {len(key)}")
    return key


@lru_cache(maxsize=CONTEXTS_MAX)
def _sm4_encrypting(key: bytes) -> Callable[[bytes], bytes]:
    return Cipher(ciphers.SM4(_wide(key, "SM4")), modes.ECB()).encryptor().update  # noqa: S305  # as for DES


@lru_cache(maxsize=CONTEXTS_MAX)
def _sm4_decrypting(key: bytes) -> Callable[[bytes], bytes]:
    return Cipher(ciphers.SM4(_wide(key, "SM4")), modes.ECB()).decryptor().update  # noqa: S305  # as for DES


@lru_cache(maxsize=CONTEXTS_MAX)
def _cmac_started(key: bytes) -> CMAC:
    return CMAC(ciphers.AES(_wide(key, "CMAC")))


def _first_characters(make: Callable[[bytes, bytes], bytes]) -> Callable[[bytes, bytes], str]:
    """Of a MAC in bytes, the eight characters that travel."""
    return lambda key, message: make(key, message)[: MAC_CHARS // 2].hex().upper()


MACS: Final[dict[str, Callable[[bytes, bytes], str]]] = {
    "ecb": mac_ecb,
    "x919": _first_characters(mac_x919),
    "cbc": _first_characters(mac_x99),
    "cmac": _first_characters(mac_cmac),
    "sm4": mac_sm4,
}
"""Name -> key and message in, 8 upper-case hex characters out."""


class _BlockCipher(NamedTuple):
    block_bytes: int
    encrypting: Callable[[bytes], Callable[[bytes], bytes]]
    decrypting: Callable[[bytes], Callable[[bytes], bytes]]


_CIPHERS = {
    DES: _BlockCipher(BLOCK_BYTES, _encrypting, _decrypting),
    SM4: _BlockCipher(WIDE_BLOCK_BYTES, _sm4_encrypting, _sm4_decrypting),
}


def _block_cipher(name: str) -> _BlockCipher:
    if name not in _CIPHERS:
        raise KeyRefused(f"{name!r} is no cipher: choose one of {', '.join(_CIPHERS)}")
    return _CIPHERS[name]
