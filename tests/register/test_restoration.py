"""The signed note about a restore: what it says can be read by anybody, and changed by nobody."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.errors import RegisterBroken
from holdfast.register import checkpoint
from holdfast.register.restoration import (
    Ended,
    Restoration,
    assemble,
    body,
    ending_of,
    is_restoration,
    verify,
)

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key().public_bytes_raw()
RESTORATION = Restoration(1_795_000_000_000_000, 1_794_000_000_000_000, "Q", (Ended("A", 122, 150), Ended("I", 99, 99)))


def signed(restoration: Restoration = RESTORATION) -> str:
    return assemble(body(restoration), SIGNER.sign(body(restoration)))


def test_what_was_signed_is_read_back() -> None:
    assert verify(signed(), PUBLIC) == RESTORATION
    assert is_restoration(signed())
    assert RESTORATION.of("A") == Ended("A", 122, 150)
    assert RESTORATION.of("B") is None


def test_every_change_is_seen() -> None:
    text = signed()
    for at in range(len(text)):
        for changed in (text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :], text[:at] + text[at + 1 :]):
            with pytest.raises(RegisterBroken):
                verify(changed, PUBLIC)
    for changed in ("", text + "\n", text * 2, text.replace("\n", "\r\n"), body(RESTORATION).decode()):
        with pytest.raises(RegisterBroken):
            verify(changed, PUBLIC)


def test_another_key_does_not_do() -> None:
    with pytest.raises(RegisterBroken, match="does not hold for the key"):
        verify(signed(), bytes(32))


@pytest.mark.parametrize(
    "said",
    [
        '{"v":1}',
        '{"at":1,"backup":2,"ended":[],"generation":3,"v":1}',
        '{"at":1,"backup":2,"ended":[["A",1]],"generation":"Q","v":1}',
        '{"at":1,"backup":2,"ended":[["A","1",1]],"generation":"Q","v":1}',
        '{"at":1,"backup":2,"ended":[],"generation":"Q","more":1,"v":1}',
        '{"at": 1,"backup":2,"ended":[],"generation":"Q","v":1}',
        "[]",
    ],
)
def test_what_is_signed_but_says_something_else_is_none(said: str) -> None:
    other = f"holdfast/restored\n{said}\n".encode()
    with pytest.raises(RegisterBroken):
        verify(assemble(other, SIGNER.sign(other)), PUBLIC)


def test_it_is_no_checkpoint_and_a_checkpoint_is_none_of_it() -> None:
    note = checkpoint.body(checkpoint.Checkpoint("restored", 3, bytes(32), 1))
    text = checkpoint.assemble(note, SIGNER.sign(note)).text
    with pytest.raises(RegisterBroken):
        verify(text, PUBLIC)
    with pytest.raises(RegisterBroken):
        checkpoint.verify(signed(), PUBLIC)


def test_what_is_lost_in_words() -> None:
    assert Ended("A", 122, 150).lost == "A-000123 to A-000150"
    assert Ended("A", 122, 123).lost == "A-000123"
    assert Ended("A", 122, 122).lost == ""


def test_the_last_restore_says_where_a_log_ended_and_the_first_that_agrees_when() -> None:
    first = Restoration(10, 5, "Q", (Ended("A", 122, 150),))
    again = Restoration(20, 15, "X", (Ended("A", 122, 160), Ended("QA", 7, 7)))
    older = Restoration(30, 1, "Y", (Ended("A", 100, 160),))
    assert ending_of([again, first], "A") == (first, Ended("A", 122, 160))
    assert ending_of([older, again, first], "A") == (older, Ended("A", 100, 160))
    assert ending_of([first, again], "QA") == (again, Ended("QA", 7, 7))
    assert ending_of([first], "B") is None
