"""An audit after a restore: what is lost is told as lost in the restore, and nothing else is explained away by it."""

from holdfast.keys.file import FileKeys
from holdfast.reading.audit import Audited, verify
from holdfast.reading.rebuild import ISSUER_BOOK, REGISTER
from holdfast.register import checkpoint as notes
from holdfast.register import restoration as restorations
from holdfast.register.restoration import Ended, Restoration
from tests.reading.town import KEYS, SqliteGround

BACKUP_US, RESTORED_US = 1_795_000_000_000_000, 1_795_086_400_000_000
LOST = "restored at 2026-11-19T19:06:40.000000+08:00 from a backup of 2026-11-18T19:06:40.000000+08:00: "


def checkpoint(log: str, size: int) -> str:
    """Of a log as nobody has it any more."""
    body = notes.body(notes.Checkpoint(log, size, bytes(32), 1))
    return notes.assemble(body, KEYS.sign(body)).text


def note(*ended: Ended, keys: FileKeys = KEYS, at_us: int = RESTORED_US) -> str:
    body = restorations.body(Restoration(at_us, BACKUP_US, "Q", ended))
    return restorations.assemble(body, keys.sign(body))


async def audited(ground: SqliteGround, *kept: str, party: str = "acquirer") -> Audited:
    book = REGISTER if party == "acquirer" else ISSUER_BOOK
    return await verify(await ground.reader(party), book, KEYS.public_key(), kept)


async def size_of(ground: SqliteGround, log: str = "A") -> int:
    heads = await (await ground.reader("acquirer")).logs()
    return next(head.frontier.size for head in heads if head.log == log)


async def test_without_a_note_a_shorter_log_was_cut_off(lived_ground: SqliteGround) -> None:
    size = await size_of(lived_ground)
    found = await audited(lived_ground, checkpoint("A", size + 8))
    assert [problem for problem in found.problems if "cut off" in problem] == [
        f"log A ends at {size}, but a checkpoint of {size + 8} entries was signed: "
        f"A-{size + 1:06d} to A-{size + 8:06d} are cut off"
    ]
    assert found.notes == []


async def test_what_a_restore_lost_is_a_note_and_no_fault(lived_ground: SqliteGround) -> None:
    size = await size_of(lived_ground)
    found = await audited(lived_ground, checkpoint("A", size + 8), note(Ended("A", size, size + 8), Ended("I", 1, 9)))
    assert found.ok
    assert found.notes == [
        f"{LOST}entries A-{size + 1:06d} to A-{size + 8:06d} were lost in the restore; "
        "they were signed, so terminals and issuers may know of them"
    ]


async def test_a_checkpoint_that_turns_up_later_makes_the_loss_longer(lived_ground: SqliteGround) -> None:
    size = await size_of(lived_ground)
    found = await audited(lived_ground, checkpoint("A", size + 1), note(Ended("A", size, size)))
    assert (found.ok, len(found.notes)) == (True, 1)
    assert f"entry A-{size + 1:06d} was lost in the restore" in found.notes[0]


async def test_a_log_that_was_begun_after_the_backup_is_lost_as_a_whole(lived_ground: SqliteGround) -> None:
    found = await audited(lived_ground, checkpoint("B", 7), note(Ended("B", 0, 7)))
    assert found.ok
    assert "entries B-000001 to B-000007 were lost in the restore" in found.notes[0]
    without = await audited(lived_ground, checkpoint("B", 7))
    assert without.problems == ["log B has entries or checkpoints, but no head"]


async def test_a_note_explains_only_what_it_says(lived_ground: SqliteGround) -> None:
    size = await size_of(lived_ground)
    cut_further = await audited(lived_ground, checkpoint("A", size + 8), note(Ended("A", size + 4, size + 8)))
    assert f"log A has {size} entries, but a restore ended it at {size + 4}" in cut_further.problems
    grown = await audited(lived_ground, note(Ended("A", size - 2, size + 8)))
    assert f"log A has {size} entries, but a restore ended it at {size - 2}" in grown.problems
    changed = await audited(lived_ground, checkpoint("A", size - 1), note(Ended("A", size, size)))
    assert any("changed or in another order" in problem for problem in changed.problems)


async def test_a_note_that_these_keys_did_not_sign_explains_nothing(lived_ground: SqliteGround) -> None:
    size = await size_of(lived_ground)
    forged = note(Ended("A", size, size + 8), keys=FileKeys(bytes(32), bytes(32)))
    found = await audited(lived_ground, checkpoint("A", size + 8), forged)
    assert any("signature of a note about a restore does not hold" in problem for problem in found.problems)
    assert any("cut off" in problem for problem in found.problems)
    assert found.notes == []


async def test_each_party_tells_of_its_own_logs(lived_ground: SqliteGround) -> None:
    text = note(Ended("A", await size_of(lived_ground), 900), Ended("QI", 0, 3))
    found = await audited(lived_ground, text, party="issuer")
    assert (found.ok, len(found.notes)) == (True, 1)
    assert "entries QI-000001 to QI-000003 were lost" in found.notes[0]
