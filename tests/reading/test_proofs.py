"""Proofs of a real register are checked by the function that everybody has, and by nothing of the register."""

import pytest

from holdfast.errors import RegisterBroken, Unreachable
from holdfast.reading import proofs
from holdfast.register.proof import check
from tests.reading.town import Ground, MemoryGround, SqliteGround, Town, live, pan_of


async def test_every_entry_can_be_proven(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    await live(town)
    await town.sign_checkpoints()
    reader, key = await any_ground.reader("acquirer"), town.keys.public_key()
    for number in range(1, 33):
        text = await proofs.prove_entry(reader, "A", number, key, 0)
        assert text is not None
        verdict = check(text, key)
        assert verdict.ok, verdict.says
        assert f"entry A-{number:06d} is in the register of 32 entries" in verdict.says
    assert await proofs.prove_entry(reader, "A", 33, key, 0) is None
    assert await proofs.prove_entry(reader, "C", 1, key, 0) is None


async def test_an_entry_of_a_large_register_can_be_proven(sqlite_ground: SqliteGround) -> None:
    town = await Town.built(sqlite_ground)
    till = await town.terminal()
    for _ in range(3):
        for _ in range(100):
            till.offer(till.terminal.pre_auth(pan_of("kate"), 100, de14="3112"))
        await town.settle()
        await town.sign_checkpoints()
    reader, key = await sqlite_ground.reader("acquirer"), town.keys.public_key()
    for number in (1, 256, 257, 512, 513, 602):
        text = await proofs.prove_entry(reader, "A", number, key, 0)
        assert text is not None
        assert check(text, key).ok


async def test_a_proof_waits_for_the_next_checkpoint() -> None:
    ground = MemoryGround()
    town = await Town.built(ground)
    await town.terminal()
    reader = await ground.reader("acquirer")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            await town.sign_checkpoints()

    checkpoint = await proofs.checkpoint_for(reader, "A", 2, 10, sleep)
    assert (checkpoint.size, len(waits)) == (2, 3)


async def test_a_proof_that_never_comes_says_so() -> None:
    ground = MemoryGround()
    await Town.built(ground)
    with pytest.raises(Unreachable, match="no checkpoint covers A-000001 yet: one is signed each second"):
        await proofs.prove_entry(await ground.reader("acquirer"), "A", 1, bytes(32), 0)


async def test_a_later_register_extends_an_earlier_one(any_ground: Ground) -> None:
    town = await Town.built(any_ground)
    await live(town)
    await town.sign_checkpoints()
    reader, key = await any_ground.reader("acquirer"), town.keys.public_key()
    signed = {size: await reader.checkpoint_of("A", size) for size in (14, 26, 32)}
    for first in signed.values():
        for second in signed.values():
            assert first is not None
            assert second is not None
            if first.size <= second.size:
                text = await proofs.prove_consistency(reader, first.signed, second.signed, key)
                assert check(text, key).ok
            else:
                with pytest.raises(RegisterBroken, match="is the later one: name it second"):
                    await proofs.prove_consistency(reader, first.signed, second.signed, key)


async def test_a_rewritten_register_cannot_be_proven_to_extend(sqlite_ground: SqliteGround) -> None:
    town = await Town.built(sqlite_ground)
    await live(town)
    await town.sign_checkpoints()
    reader, key = await sqlite_ground.reader("acquirer"), town.keys.public_key()
    first, second = await reader.checkpoint_of("A", 14), await reader.checkpoint_of("A", 32)
    assert first is not None
    assert second is not None
    await sqlite_ground.spoil("acquirer", "UPDATE entries SET leaf = $1 WHERE number = 3", bytes(32))
    reader = await sqlite_ground.reader("acquirer")
    with pytest.raises(RegisterBroken, match="log A of 32 entries does not extend the one of 14"):
        await proofs.prove_consistency(reader, first.signed, second.signed, key)
    with pytest.raises(RegisterBroken, match="the path does not lead from the entry to the root"):
        await proofs.prove_entry(reader, "A", 4, key, 0)
    await sqlite_ground.spoil("acquirer", "DELETE FROM entries WHERE number = 3")
    reader = await sqlite_ground.reader("acquirer")
    with pytest.raises(RegisterBroken, match="the tree has gaps"):
        await proofs.prove_entry(reader, "A", 4, key, 0)


async def test_checkpoints_of_another_signer_or_log_are_refused() -> None:
    ground = MemoryGround()
    town = await Town.built(ground, 2)
    await live(town)
    await town.sign_checkpoints()
    reader, key = await ground.reader("acquirer"), town.keys.public_key()
    of_a, of_b = await proofs.newest_checkpoints(reader)
    with pytest.raises(RegisterBroken, match="two logs, A and B"):
        await proofs.prove_consistency(reader, of_a.signed, of_b.signed, key)
    with pytest.raises(RegisterBroken, match="does not hold for the key"):
        await proofs.prove_consistency(reader, of_a.signed, of_a.signed, bytes(32))
