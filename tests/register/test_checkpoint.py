"""A checkpoint has one text, and only the key's signature over exactly that text holds."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RegisterBroken
from holdfast.register.checkpoint import Checkpoint, assemble, body, parse, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
CHECKPOINT = Checkpoint("A", 1234, bytes(range(32)), 1_795_000_000_000_000)
SIGNED = assemble(body(CHECKPOINT), KEY.sign(body(CHECKPOINT))).text

checkpoints = st.builds(
    Checkpoint,
    st.from_regex(r"[A-Za-z0-9]{1,32}", fullmatch=True),
    st.integers(0, 10**17),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**17),
)


def test_golden_text() -> None:
    lines = SIGNED.split("\n")
    assert lines[:5] == [
        "holdfast/A",
        "1234",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "1795000000000000",
        "",
    ]
    assert lines[5].startswith("— holdfast/A ")
    assert lines[6:] == [""]


@given(checkpoints)
def test_round_trip(checkpoint: Checkpoint) -> None:
    assert parse(body(checkpoint)) == checkpoint
    assert verify(assemble(body(checkpoint), KEY.sign(body(checkpoint))).text, PUBLIC) == checkpoint


@pytest.mark.parametrize(
    "refused",
    [
        b"",
        body(CHECKPOINT)[:-1],
        body(CHECKPOINT) + b"\n",
        body(CHECKPOINT).replace(b"\n", b"\r\n"),
        body(CHECKPOINT).replace(b"1234", b"01234"),
        body(CHECKPOINT).replace(b"1234", b"+1234"),
        body(CHECKPOINT).replace(b"1234", "１２３４".encode()),
        body(CHECKPOINT).replace(b"holdfast/A", b"holdfast/"),
        body(CHECKPOINT).replace(b"holdfast/A", b"holdfast/A B"),
        # The last base64 digit carries two unused bits: another digit decodes to the same root.
        body(CHECKPOINT).replace(b"Hh8=", b"Hh9="),
        body(CHECKPOINT).replace(b"Hh8=", b"Hh8A"),
    ],
)
def test_a_body_that_is_not_canonical_is_refused(refused: bytes) -> None:
    with pytest.raises(RegisterBroken):
        parse(refused)


def test_every_change_of_a_character_is_refused() -> None:
    for at in range(len(SIGNED)):
        for other in ("0", "A", "\n", " ", "é"):
            changed = SIGNED[:at] + other + SIGNED[at + 1 :]
            if changed != SIGNED:
                with pytest.raises(RegisterBroken):
                    verify(changed, PUBLIC)
        with pytest.raises(RegisterBroken):
            verify(SIGNED[:at] + SIGNED[at + 1 :], PUBLIC)


def test_another_key_does_not_hold() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(RegisterBroken, match="signature of the checkpoint of log A does not hold for the key"):
        verify(SIGNED, other)
    with pytest.raises(RegisterBroken):
        verify(SIGNED, b"short")
