"""Proof files: what a merchant can keep and check without us, years later.

Rule 1: every value in the file is bound by the hash, the path or the signature; nothing in it is mere decoration.
Rule 2: there is exactly one way to write a proof (sorted keys, two spaces, one newline at the end). A file that differs
in a single character proves nothing.
Rule 3: a proof that does not hold is an answer, one sentence, and never an exception.

Read the file as UTF-8 without translating line ends, else a changed line end would go unseen.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

import orjson

from holdfast.clock import rfc3339
from holdfast.errors import RegisterBroken
from holdfast.ids import entry_id
from holdfast.register import checkpoint as checkpoints
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from holdfast.register.checkpoint import Checkpoint, SignedCheckpoint
from holdfast.register.tree import HASH_BYTES, verify_consistency, verify_inclusion

PROOF_FORMAT = "holdfast-proof-1"
CONSISTENCY_FORMAT = "holdfast-consistency-1"
PROOF_CHARS_MAX = 1 << 20
"""A proof has a few thousand characters; whatever is far longer is not read at all."""

_PROOF_KEYS = {"format", "entry", "entry_id", "leaf", "index", "size", "path", "checkpoint", "public_key"}
_CONSISTENCY_KEYS = {"format", "first", "second", "path", "public_key"}


class Verdict(NamedTuple):
    """Whether a proof holds, one sentence that says why (not), and whether its signer is the one the reader named."""

    ok: bool
    says: str
    signer_pinned: bool


def build(
    canonical: bytes, index: int, path: Sequence[bytes], checkpoint: SignedCheckpoint, public_key: bytes
) -> dict[str, object]:
    """The proof that the entry with these stored bytes is leaf `index` (its number less one) of the checkpoint's log.

    RegisterBroken when the stored bytes are not canonical or the checkpoint does not hold.
    """
    state = checkpoints.verify(checkpoint.text, public_key)
    return {
        "format": PROOF_FORMAT,
        "entry": decode_strict(canonical),
        "entry_id": entry_id(state.log, index + 1),
        "leaf": leaf_hash(canonical).hex(),
        "index": index,
        "size": state.size,
        "path": [step.hex() for step in path],
        "checkpoint": checkpoint.text,
        "public_key": public_key.hex(),
    }


def build_consistency(
    first: SignedCheckpoint, second: SignedCheckpoint, path: Sequence[bytes], public_key: bytes
) -> dict[str, object]:
    """The proof that the log of the second checkpoint extends the log of the first."""
    return {
        "format": CONSISTENCY_FORMAT,
        "first": first.text,
        "second": second.text,
        "path": [step.hex() for step in path],
        "public_key": public_key.hex(),
    }


def dumps(proof: Mapping[str, object]) -> str:
    """The one way to write a proof file of either kind."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(dict(proof), option=options).decode()


def check(text: str, pinned_key: bytes | None = None) -> Verdict:
    """Whether a proof file of either kind holds; `pinned_key` (32 bytes) is the signer whom the reader trusts."""
    try:
        proof = _read(text)
        says = _check_consistency(proof) if proof["format"] == CONSISTENCY_FORMAT else _check_inclusion(proof)
        if pinned_key is None:
            return Verdict(True, f"{says}; consistent, signer not pinned", False)
        if _hex(proof["public_key"], "public_key") != pinned_key:
            _refuse("the proof is signed with another key than the pinned one")
    except RegisterBroken as broken:
        return Verdict(False, str(broken), False)
    return Verdict(True, f"{says}; signed with the pinned key", True)


def _read(text: str) -> dict[str, object]:
    """The object of the file, with exactly the keys of its format and written in exactly the one way."""
    if len(text) > PROOF_CHARS_MAX:
        _refuse(f"the file is longer than {PROOF_CHARS_MAX} characters: it is not a proof")
    try:
        proof = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        _refuse(f"the file is not JSON: {error}")
    if not isinstance(proof, dict):
        _refuse("the file is not a JSON object")
    keys = {PROOF_FORMAT: _PROOF_KEYS, CONSISTENCY_FORMAT: _CONSISTENCY_KEYS}.get(str(proof.get("format")))
    if keys is None:
        _refuse(f"the file has format {proof.get('format')!r}, neither {PROOF_FORMAT} nor {CONSISTENCY_FORMAT}")
    if set(proof) != keys:
        _refuse(f"the keys of the proof are not exactly {', '.join(sorted(keys))}")
    try:
        written = dumps(proof)
    except TypeError as error:
        _refuse(f"the file cannot be a proof: {error}")
    if written != text:
        _refuse("the file is not written in the one canonical form of a proof")
    return proof


def _check_inclusion(proof: dict[str, object]) -> str:
    state = _checkpoint(proof, "checkpoint")
    index, size = proof["index"], proof["size"]
    if type(index) is not int or type(size) is not int:
        _refuse("index and size of the proof are not both whole numbers")
    if size != state.size:
        _refuse(f"the proof says size {size}, its checkpoint {state.size}")
    if proof["entry_id"] != entry_id(state.log, index + 1):
        _refuse(f"the entry is named {proof['entry_id']!r}, but leaf {index} of log {state.log} has another name")
    leaf = _leaf_of(proof["entry"])
    if leaf != _hex(proof["leaf"], "leaf"):
        _refuse("the leaf is not the hash of the entry")
    if not verify_inclusion(leaf, index, size, _path(proof), state.root):
        _refuse(f"the path does not lead from the entry to the root of log {state.log} at size {size}")
    return f"entry {proof['entry_id']} is in the register of {size} entries signed at {rfc3339(state.at_us)}"


def _check_consistency(proof: dict[str, object]) -> str:
    first, second = _checkpoint(proof, "first"), _checkpoint(proof, "second")
    if first.log != second.log:
        _refuse(f"the checkpoints are of two logs, {first.log} and {second.log}")
    if not verify_consistency(first.size, second.size, first.root, second.root, _path(proof)):
        _refuse(f"log {first.log} of {second.size} entries does not extend the one of {first.size}")
    return f"log {first.log} of {second.size} entries extends the one of {first.size} without a change"


def _checkpoint(proof: dict[str, object], key: str) -> Checkpoint:
    text = proof[key]
    if not isinstance(text, str):
        _refuse(f"{key} is not a signed checkpoint")
    return checkpoints.verify(text, _hex(proof["public_key"], "public_key"))


def _leaf_of(entry: object) -> bytes:
    if not isinstance(entry, dict):
        _refuse("the entry is not a JSON object")
    try:
        return leaf_hash(encode(entry))
    except TypeError as error:
        _refuse(f"the entry has no canonical form: {error}")


def _path(proof: dict[str, object]) -> list[bytes]:
    path = proof["path"]
    if not isinstance(path, list):
        _refuse("the path is not a list of hashes")
    return [_hex(step, "path") for step in path]


def _hex(value: object, what: str) -> bytes:
    """32 bytes out of 64 lower-case hex digits."""
    try:
        decoded = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        decoded = b""
    if len(decoded) != HASH_BYTES or decoded.hex() != value:
        _refuse(f"{what} is not {HASH_BYTES} bytes in lower-case hex")
    return decoded


def _refuse(says: str) -> NoReturn:
    raise RegisterBroken(says)
