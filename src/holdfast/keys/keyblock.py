"""How keys arrive as text: in clear hex, or as a TR-31 key block (ANSI X9.143) of version A, B, C or D.

Rule 1: a block says what its key is for; a key for something else is refused, whoever wrapped it.
Rule 2: every refusal is one line, and none repeats a digit of a key.
"""

from collections.abc import Callable
from typing import NamedTuple

from psec import tr31

from holdfast.errors import KeyRefused
from holdfast.keys.interface import IMK_AC, KEY_SIZES, MAK, PIK, PURPOSES, TDK, TMK, ZONE_MAC, ZONE_PIN
from holdfast.keys.libraries import old_ciphers_unremarked
from holdfast.keys.protection import AES, DES

CLEAR_DIGITS = tuple(2 * size for size in KEY_SIZES)
"""The shortest block is longer, so that the length alone tells the two apart."""

PROTECTED_BY = {"A": DES, "B": DES, "C": DES, "D": AES}
"""Version of a block -> the cipher of the key that protects it."""

USAGES = {
    "B0": "base derivation key",
    "B1": "initial DUKPT key",
    "C0": "card verification key",
    "D0": "data encryption key",
    "E0": "issuer master key for application cryptograms",
    "E1": "issuer master key for confidential scripts",
    "E2": "issuer master key for script integrity",
    "E4": "issuer master key for dynamic numbers",
    "K0": "key encryption key",
    "K1": "key-block protection key",
    "M0": "MAC key, ISO 16609",
    "M1": "MAC key, ISO 9797-1 algorithm 1",
    "M3": "MAC key, ISO 9797-1 algorithm 3",
    "M5": "MAC key, ISO 9797-1 algorithm 5",
    "M6": "MAC key, CMAC",
    "M7": "MAC key, HMAC",
    "P0": "PIN encryption key",
    "V0": "PIN verification key",
    "V1": "PIN verification key, IBM 3624",
    "V2": "PIN verification key, PVV",
}
ALGORITHMS = {"A": "AES", "D": "DES", "E": "elliptic curve", "H": "HMAC", "R": "RSA", "T": "triple DES"}
MODES = {
    "B": "encrypts and decrypts",
    "C": "makes and verifies MACs",
    "D": "decrypts only",
    "E": "encrypts only",
    "G": "makes MACs only",
    "N": "no restriction",
    "S": "signs only",
    "V": "verifies only",
    "X": "derives other keys",
}
EXPORTS = {"E": "exportable under a trusted key", "N": "not exportable", "S": "exportable under any key"}

_MAC_USAGES = ("M0", "M1", "M3", "M5", "M6")
_CMAC_USAGES = ("M5", "M6")
_FITTING = {
    TMK: ("K0", "K1"),
    MAK: _MAC_USAGES,
    ZONE_MAC: _MAC_USAGES,
    PIK: ("P0",),
    ZONE_PIN: ("P0",),
    TDK: ("D0",),
    IMK_AC: ("E0",),
}
_MODES_FITTING = {"M": "CN", "E": "XN"}
"""First letter of the usage -> modes; all other keys of ours encrypt."""
_MODES_OF_ENCRYPTION = "BDEN"


class KeyBlock(NamedTuple):
    """What stands in the open at the head of a TR-31 block, in its own letters; `str()` says it in words."""

    version: str
    usage: str
    algorithm: str
    mode: str
    exportability: str

    def __str__(self) -> str:
        usage = USAGES.get(self.usage, "key of another kind")
        algorithm = ALGORITHMS.get(self.algorithm, "algorithm of another kind")
        mode = MODES.get(self.mode, "mode of another kind")
        export = EXPORTS.get(self.exportability, "export rule of another kind")
        return (
            f"TR-31 block of version {self.version}: {usage} ({self.usage}), {algorithm} ({self.algorithm}), "
            f"{mode} ({self.mode}), {export} ({self.exportability})"
        )


def read_key_block(text: str) -> KeyBlock:
    """The head of a block; KeyRefused when the text is none, or one of another version. Nothing is verified."""
    header = tr31.Header()
    try:
        header.load(text)
    except ValueError:
        raise KeyRefused(f"key is neither {_digits_wanted()} nor a TR-31 block") from None
    if text[1:5] != f"{len(text):04d}":
        raise KeyRefused(f"TR-31 block says that it is {text[1:5]} characters long, but it is {len(text)}")
    return KeyBlock(header.version_id, header.key_usage, header.algorithm, header.mode_of_use, header.exportability)


def check_key_text(purpose: str, text: str) -> str:
    """What the text is, in words, as far as can be said without any key; KeyRefused when it cannot serve `purpose`."""
    clear = _in_clear(text)
    if clear is not None:
        return f"key of {len(clear)} bytes in clear"
    block = read_key_block(text)
    _refuse_unfit(block, purpose)
    return str(block)


def clear_key_of(purpose: str, text: str, protection_key: Callable[[str], bytes]) -> bytes:
    """The key in a text. `protection_key` gives the key that protects blocks, for "des" or "aes"; see `PROTECTED_BY`.

    KeyRefused as for `check_key_text`, and when the block does not hold under that key.
    """
    clear = _in_clear(text)
    if clear is not None:
        return clear
    block = read_key_block(text)
    _refuse_unfit(block, purpose)
    protecting = protection_key(PROTECTED_BY[block.version])
    try:
        with old_ciphers_unremarked():
            _, clear = tr31.unwrap(protecting, text)
    except ValueError:
        raise KeyRefused(
            f"TR-31 block of version {block.version} does not hold under the key-block protection key of this "
            "installation: it was changed, or wrapped under another key"
        ) from None
    return clear


def _in_clear(text: str) -> bytes | None:
    if len(text) not in CLEAR_DIGITS:
        return None
    try:
        clear = bytes.fromhex(text)
    except ValueError:
        clear = b""
    if 2 * len(clear) != len(text):
        raise KeyRefused(f"key is not {_digits_wanted()}: there are other characters in it")
    return clear


def _refuse_unfit(block: KeyBlock, purpose: str) -> None:
    if purpose not in PURPOSES:
        raise KeyRefused(f"{purpose!r} is no purpose of a key: choose one of {', '.join(PURPOSES)}")
    fitting = _FITTING[purpose]
    if block.usage not in fitting:
        raise KeyRefused(f"{block}; it does not serve as {purpose}, which needs usage {' or '.join(fitting)}")
    algorithms = "A" if block.usage in _CMAC_USAGES else "TD"
    if block.algorithm not in algorithms:
        needed = ALGORITHMS[algorithms[0]]
        raise KeyRefused(f"{block}; it does not serve as {purpose}, which needs a key for {needed} with this usage")
    if block.mode not in _MODES_FITTING.get(block.usage[0], _MODES_OF_ENCRYPTION):
        raise KeyRefused(f"{block}; it does not serve as {purpose}: its mode forbids what we do with it")


def _digits_wanted() -> str:
    *some, last = map(str, CLEAR_DIGITS)
    return f"{', '.join(some)} or {last} hex digits"
