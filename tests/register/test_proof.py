"""A proof file holds as it was written; whoever changes anything in it, however little, gets a sentence and a no."""

from collections.abc import Callable

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.errors import RegisterBroken
from holdfast.register.canonical import encode, leaf_hash
from holdfast.register.checkpoint import Checkpoint, SignedCheckpoint, assemble, body
from holdfast.register.proof import PROOF_CHARS_MAX, build, build_consistency, check, dumps
from holdfast.register.tree import (
    EMPTY,
    Range,
    append,
    consistency_needs,
    consistency_path,
    inclusion_needs,
    inclusion_path,
    root,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ENTRIES = [
    encode({"kind": "completion", "amount": 46050 + number, "merchant": "北京饭店", "reversed": False, "parts": [1, 2]})
    for number in range(21)
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def signed(size: int, log: str = "A", key: Ed25519PrivateKey = KEY) -> SignedCheckpoint:
    text = body(Checkpoint(log, size, root(append(EMPTY, LEAVES[:size])[0]), 1_795_000_000_000_000 + size))
    return assemble(text, key.sign(text))


def stored(needs: list[Range]) -> dict[Range, list[bytes]]:
    return {need: LEAVES[need.start : need.stop] for need in needs}


def inclusion(index: int = 13, size: int = 21) -> str:
    path = inclusion_path(index, size, stored(inclusion_needs(index, size)))
    return dumps(build(ENTRIES[index], index, path, signed(size), PUBLIC))


def consistency(first: int = 13, second: int = 21) -> str:
    path = consistency_path(first, second, stored(consistency_needs(first, second)))
    return dumps(build_consistency(signed(first), signed(second), path, PUBLIC))


def test_every_entry_is_proven() -> None:
    for size in range(1, 22):
        for index in range(size):
            assert check(inclusion(index, size)).ok


def test_what_a_good_proof_says() -> None:
    assert check(inclusion()) == (
        True,
        "entry A-000014 is in the register of 21 entries signed at 2026-11-18T19:06:40.000021+08:00; "
        "consistent, signer not pinned",
        False,
    )
    assert check(inclusion(), PUBLIC).signer_pinned
    assert check(inclusion(), PUBLIC).says.endswith("; signed with the pinned key")
    assert check(consistency(), PUBLIC) == (
        True,
        "log A of 21 entries extends the one of 13 without a change; signed with the pinned key",
        True,
    )


def test_a_pinned_key_refuses_another_signer() -> None:
    other = OTHER_KEY.public_key().public_bytes_raw()
    path = inclusion_path(13, 21, stored(inclusion_needs(13, 21)))
    forged = dumps(build(ENTRIES[13], 13, path, signed(21, key=OTHER_KEY), other))
    assert check(forged).ok
    assert check(forged, PUBLIC) == (False, "the proof is signed with another key than the pinned one", False)


@pytest.mark.parametrize("proof", [inclusion(), consistency()], ids=["inclusion", "consistency"])
@pytest.mark.parametrize("pinned_key", [None, PUBLIC])
def test_every_changed_character_is_seen(proof: str, pinned_key: bytes | None) -> None:
    for at, character in enumerate(proof):
        changes = {
            proof[:at] + proof[at + 1 :],
            proof[:at] + character + proof[at:],
            proof[:at] + " " + proof[at:],
            proof[:at] + chr(ord(character) ^ 1) + proof[at + 1 :],
            proof[:at] + character.swapcase() + proof[at + 1 :],
        }
        for changed in changes - {proof}:
            verdict = check(changed, pinned_key)
            assert not verdict.ok, (at, changed)
            assert not verdict.signer_pinned
            assert verdict.says
            assert "\n" not in verdict.says


def changed_values(value: object) -> list[object]:
    """Values near to this one, its own parts changed in turn included."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, value - 1, -value, float(value), str(value), True, None, 2**63, 10**30]
    if isinstance(value, str):
        return ["", value + "0", value[:-1], value.upper(), "0" * len(value), "0" * 64, 7, None, [value]]
    if isinstance(value, list):
        parts = [
            [*value[:at], other, *value[at + 1 :]] for at, part in enumerate(value) for other in changed_values(part)
        ]
        return [*parts, [], value[:-1], [*value, *value[:1]], value[::-1], None]
    assert isinstance(value, dict)
    return [*changed_objects(value), None, {}]


def changed_objects(fields: dict[str, object]) -> list[dict[str, object]]:
    """The object with each value changed, each key removed, and one key added."""
    changed = [fields | {key: other} for key, value in fields.items() for other in changed_values(value)]
    removed = [{kept: fields[kept] for kept in fields if kept != key} for key in fields]
    return [*changed, *removed, fields | {"note": "added"}]


@pytest.mark.parametrize("make", [inclusion, consistency])
def test_every_changed_value_is_seen(make: Callable[[], str]) -> None:
    proof = make()
    for changed in changed_objects(orjson.loads(proof)):
        try:
            text = dumps(changed)
        except TypeError:
            continue
        assert text == proof or not check(text).ok, changed


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda proof: proof.replace('"index": 13', '"index": 13,\n  "index": 13'),
            "not written in the one canonical form",
        ),
        (lambda proof: proof.replace("\n", "\r\n"), "not written in the one canonical form"),
        (lambda proof: proof.replace("北", "\\u5317"), "not written in the one canonical form"),
        (lambda proof: proof.replace('"amount": 46063', '"amount": 46064'), "the leaf is not the hash of the entry"),
        (lambda proof: proof.replace("A-000014", "A-000015"), "leaf 13 of log A has another name"),
        (lambda proof: proof.replace('"size": 21', '"size": 22'), "the proof says size 22, its checkpoint 21"),
        (lambda proof: proof.replace("proof-1", "proof-2"), "the file has format 'holdfast-proof-2'"),
        (lambda proof: proof.replace('"leaf"', '"leave"'), "the keys of the proof are not exactly"),
        (lambda proof: proof.replace("false", "null"), "field reversed: NoneType has no canonical form"),
        (lambda proof: "\ud800" + proof, "not JSON"),
        (lambda _: "[]", "the file is not a JSON object"),
        (lambda _: "", "not JSON"),
        (lambda _: "[" * 100_000, "not JSON"),
        (lambda _: " " * (PROOF_CHARS_MAX + 1), "it is not a proof"),
    ],
)
def test_the_sentence_names_what_is_wrong(make: Callable[[str], str], says: str) -> None:
    verdict = check(make(inclusion()))
    assert not verdict.ok
    assert says in verdict.says


def test_checkpoints_of_two_logs_are_not_consistent() -> None:
    proof = dumps(build_consistency(signed(21, "A"), signed(21, "B"), [], PUBLIC))
    assert check(proof).says == "the checkpoints are of two logs, A and B"


def test_a_rewritten_log_is_not_consistent() -> None:
    rewritten = body(Checkpoint("A", 13, bytes(32), 0))
    first = assemble(rewritten, KEY.sign(rewritten))
    path = consistency_path(13, 21, stored(consistency_needs(13, 21)))
    proof = dumps(build_consistency(first, signed(21), path, PUBLIC))
    assert check(proof).says == "log A of 21 entries does not extend the one of 13"


def test_bytes_that_are_not_canonical_cannot_be_proven() -> None:
    with pytest.raises(RegisterBroken, match="not canonical"):
        build(b'{"a": 1,"v":1}', 13, [], signed(21), PUBLIC)
