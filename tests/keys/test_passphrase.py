"""Keys under a passphrase: with it they come back, without it nothing does."""

import pytest

from holdfast.errors import KeyRefused
from holdfast.keys.passphrase import MAGIC, seal, unseal

PASSPHRASE = "correct horse 电池 staple"
CLEAR = b"master and signing"


def test_only_the_passphrase_opens_the_seal() -> None:
    sealed = seal(PASSPHRASE, CLEAR)
    assert CLEAR not in sealed
    assert unseal(PASSPHRASE, sealed) == CLEAR
    for passphrase, changed in ((PASSPHRASE + " ", sealed), (PASSPHRASE, sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(KeyRefused, match="not the one that the keys were sealed with, or the seal is broken"):
            unseal(passphrase, changed)


@pytest.mark.parametrize("sealed", [b"", b"something", MAGIC, MAGIC + bytes(20)])
def test_what_is_no_seal_is_refused(sealed: bytes) -> None:
    with pytest.raises(KeyRefused, match="no sealed keys"):
        unseal(PASSPHRASE, sealed)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(KeyRefused, match="a passphrase of 11 letters can be guessed: give 12 or more"):
        seal("elevenchars", CLEAR)
