"""Proofs out of what is stored: that an entry is in the register, and that a later register extends an earlier one.

A proof is checked like anybody else would check it before it is handed out: one that does not hold is a broken
register, and never a file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from holdfast.errors import RegisterBroken, Unreachable
from holdfast.ids import entry_id
from holdfast.register import checkpoint as notes
from holdfast.register import proof as proofs
from holdfast.register.checkpoint import SignedCheckpoint
from holdfast.register.tree import (
    Range,
    consistency_needs,
    consistency_path,
    inclusion_needs,
    inclusion_path,
)
from holdfast.store.interface import Checkpoint, Reader

PATIENCE_S = 10.0
"""Checkpoints are signed each second; this outlasts a worker that has to be started again."""

POLL_INTERVAL_S = 0.1


async def newest_checkpoints(reader: Reader) -> list[Checkpoint]:
    """The newest signed checkpoint of each log that has one, by name."""
    newest = [await reader.checkpoint(head.log, 0) for head in await reader.logs()]
    return [checkpoint for checkpoint in newest if checkpoint is not None]


async def checkpoint_for(
    reader: Reader,
    log: str,
    number: int,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Checkpoint:
    """The newest checkpoint that covers this entry, waited for; Unreachable when none comes."""
    waited_s = 0.0
    while True:
        checkpoint = await reader.checkpoint(log, number)
        if checkpoint is not None:
            return checkpoint
        if waited_s >= patience_s:
            raise Unreachable(
                f"no checkpoint covers {entry_id(log, number)} yet: one is signed each second while `holdfast up` runs"
            )
        await sleep(POLL_INTERVAL_S)
        waited_s += POLL_INTERVAL_S


async def prove_entry(
    reader: Reader, log: str, number: int, public_key: bytes, patience_s: float = PATIENCE_S
) -> str | None:
    """The proof file of an entry; None when there is no such entry, RegisterBroken when it cannot be proven."""
    entries = await reader.entries(log, number, number)
    if not entries:
        return None
    checkpoint = await checkpoint_for(reader, log, number, patience_s)
    index, size = number - 1, checkpoint.size
    stored = await _fetched(reader, log, inclusion_needs(index, size))
    path = inclusion_path(index, size, stored)
    proof = proofs.build(entries[0].body, index, path, SignedCheckpoint(checkpoint.signed), public_key)
    return _checked(proof, public_key)


async def prove_consistency(reader: Reader, first_signed: str, second_signed: str, public_key: bytes) -> str:
    """The proof file that the log of the second checkpoint extends the log of the first.

    The texts may come from anywhere: RegisterBroken when one is not ours, or when the log was rewritten in between.
    """
    first, second = notes.verify(first_signed, public_key), notes.verify(second_signed, public_key)
    if first.log != second.log:
        raise RegisterBroken(f"the checkpoints are of two logs, {first.log} and {second.log}")
    if first.size > second.size:
        raise RegisterBroken(f"the first checkpoint, of {first.size} entries, is the later one: name it second")
    stored = await _fetched(reader, first.log, consistency_needs(first.size, second.size))
    path = consistency_path(first.size, second.size, stored)
    proof = proofs.build_consistency(SignedCheckpoint(first_signed), SignedCheckpoint(second_signed), path, public_key)
    return _checked(proof, public_key)


async def _fetched(reader: Reader, log: str, needs: Sequence[Range]) -> dict[Range, list[bytes]]:
    """The stored hashes of these ranges. Leaves count from 0 in the tree and from 1 in the log."""
    return {
        need: await reader.nodes(log, need.level, need.start, need.stop - 1)
        if need.level
        else await reader.leaves(log, need.start + 1, need.stop)
        for need in needs
    }


def _checked(proof: dict[str, Any], public_key: bytes) -> str:
    text = proofs.dumps(proof)
    verdict = proofs.check(text, public_key)
    if not verdict.ok:
        raise RegisterBroken(verdict.says)
    return text
