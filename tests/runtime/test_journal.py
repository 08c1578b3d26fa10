"""A terminal's journal with a byte flipped, cut short or torn: it is said, mended, and nothing is thrown away."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.domain.journal import rebuild, without_secrets
from holdfast.domain.records import DEVICES, SALES, TERMINAL_TABLES, Device, Sale
from holdfast.domain.tables import DUE
from holdfast.errors import HoldfastError, KeyRefused, RegisterBroken, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime import journal_mend
from holdfast.runtime.journal_check import DUE_KINDS, JOURNAL, damage_of, damage_said, unbroken
from holdfast.runtime.journal_mend import Mended, made_sound, noted, recorded, recovered_in_words
from holdfast.runtime.pos import Pos, file_of, files_of
from holdfast.store.sqlite import SqliteReader
from holdfast.store.sqlite_contents import EMPTY_FILE as GONE
from holdfast.store.sqlite_contents import Contents, contents_of
from holdfast.store.sqlite_file import open_file
from holdfast.store.sqlite_wal import index_of, wal_of
from tests.parties.pos_world import CARD, PosWorld
from tests.runtime.journals import KEYS, closed_file, copied, killed_file, world

__all__ = ["world"]


@pytest.fixture
async def path(tmp_path: Path, world: PosWorld) -> Path:
    """The journal of the world, closed as it should be."""
    made = tmp_path / "T0000001.sqlite"
    await closed_file(made, world)
    return made


def read(path: Path) -> Contents:
    found = contents_of(path, TERMINAL_TABLES, JOURNAL)
    assert found is not None
    return found


def rows(path: Path) -> tuple[Device, dict[str, Sale], set[str]]:
    found = read(path)
    sales = {sale.trace_key: sale for sale in found.rows[SALES]}
    return found.rows[DEVICES][0], sales, {due.key for due in found.rows[DUE]}


def whole_of(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, whole: bytes) -> None:
    path.write_bytes(whole)


def cut(path: Path, left: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left)])


def change(path: Path, statement: str, *arguments: object) -> None:
    """Damage that a disk would not do, but that is found like one."""
    connection = open_file(path)
    connection.execute(statement, arguments)
    connection.close()


def flip(path: Path, what: bytes, at: int = 0) -> None:
    """Flip a byte where these bytes stand in the file."""
    whole = bytearray(path.read_bytes())
    place = whole.index(what) + at
    whole[place] ^= 1
    path.write_bytes(whole)


async def mended(path: Path, world: PosWorld, load_again: bool = False) -> Mended:
    done = await made_sound(path, KEYS, world.now_us, load_again)
    assert done is not None
    assert damage_of(path, KEYS, world.now_us) is None, "what was mended is whole"
    assert noted(path) == done
    return done


async def test_a_whole_journal_is_left_alone(path: Path, world: PosWorld) -> None:
    before = whole_of(path)
    assert await made_sound(path, KEYS, world.now_us, False) is None
    assert await made_sound(path.with_name("T0000002.sqlite"), KEYS, world.now_us, False) is None
    assert whole_of(path) == before


async def test_a_flipped_byte_is_found_and_all_before_it_is_kept(path: Path, world: PosWorld, tmp_path: Path) -> None:
    entries = read(path).entries
    for number in (2, 9, len(entries)):
        damaged = copied(path, tmp_path / str(number))
        flip(damaged, entries[number - 1].body, 30)
        as_damaged = damaged.read_bytes()
        done = await mended(damaged, world)
        assert done.kept == number - 1
        assert done.says.startswith(f"entry {number} is damaged")
        assert damaged.with_name(done.aside).read_bytes() == as_damaged
        facts, _ = unbroken(entries[: number - 1])
        device, sales = rebuild(facts)
        found, stored, _ = rows(damaged)
        assert without_secrets(found) == device
        assert {key: without_secrets(sale) for key, sale in stored.items()} == sales
        assert found.tmk == rows(path)[0].tmk


async def test_what_is_open_is_taken_up_again(path: Path, world: PosWorld) -> None:
    device, sales, waiting = rows(path)
    assert device.in_flight
    assert any(sale.delivery for sale in sales.values())
    change(path, "DELETE FROM due")
    done = await mended(path, world)
    assert (done.kept, done.says) == (len(world.terminal.entries), f"nothing waits for answer:{device.in_flight}")
    assert rows(path) == (device, sales, {f"answer:{device.in_flight}", "tell:next"})
    assert rows(path)[2] <= waiting
    assert {key.partition(":")[0] for key in waiting} <= DUE_KINDS


async def test_a_flipped_byte_in_the_head_of_the_file_costs_nothing(path: Path, world: PosWorld) -> None:
    before, whole = rows(path), whole_of(path)
    for at in (3, 16, 19, 23, 30, 46, 58, 62):
        put(path, whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        if damage_of(path, KEYS, world.now_us) is not None:
            assert (await mended(path, world)).kept == len(world.terminal.entries), f"byte {at}"
        assert rows(path)[:2] == before[:2]
        recorded(path)


async def test_a_reversal_and_cards_that_are_to_be_dropped_are_taken_up_again(tmp_path: Path, world: PosWorld) -> None:
    world.later(31)
    path = tmp_path / "T0000001.sqlite"
    await closed_file(path, world)
    device, _, _ = rows(path)
    assert device.reversal
    closed = next(sale for sale in rows(path)[1].values() if sale.batch == "000001")
    change(path, "UPDATE sales SET pan_sealed = ? WHERE trace_key = ?", KEYS.encrypt_pan(CARD["pan"]), closed.trace_key)
    change(path, "DELETE FROM due")
    await mended(path, world)
    assert rows(path)[2] == {f"reverse:{device.reversal}", "tell:next", "forget:000001"}


class PowerCut:
    """The power goes after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def cuts(self, step: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return step(*arguments)

        return counted


async def test_every_place_where_mending_may_be_interrupted(
    path: Path, world: PosWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = read(path).entries
    interrupted = 0
    while True:
        damaged = copied(path, tmp_path / f"at-{interrupted}")
        flip(damaged, entries[9].body, 30)
        as_damaged = whole_of(damaged)
        with monkeypatch.context() as patch:
            power = PowerCut(interrupted)
            for owner, name in ((journal_mend, "_sync"), (Path, "replace"), (Path, "write_bytes")):
                patch.setattr(owner, name, power.cuts(getattr(owner, name)))
            try:
                await made_sound(damaged, KEYS, world.now_us, False)
            except KeyboardInterrupt:
                pass
            else:
                break
        done = await mended(damaged, world)
        assert done.kept == 9
        aside = [file for file in damaged.parent.glob("*.damaged-*.sqlite") if file.read_bytes() == as_damaged]
        assert len(aside) == 1, f"the damaged file is kept, interrupted at {interrupted}"
        assert not list(damaged.parent.glob("*.draft*"))
        interrupted += 1
    assert interrupted >= 8


LEFT_MIN = 0.9
"""The definitions are spread over a file as small as this one: of less nothing can be read."""


@pytest.mark.parametrize("left", [0.0, 0.1, 0.6, 0.97, 0.999])
async def test_a_file_that_was_cut_short(path: Path, world: PosWorld, left: float) -> None:
    cut(path, left)
    damaged = whole_of(path)
    if left < LEFT_MIN:
        with pytest.raises(RegisterBroken, match="load the terminal again"):
            await made_sound(path, KEYS, world.now_us, False)
        assert whole_of(path) == damaged
    done = await mended(path, world, load_again=left < LEFT_MIN)
    assert (done.kept > 0) is (left > LEFT_MIN)
    assert whole_of(path.with_name(done.aside)) == damaged


async def test_a_torn_last_write(tmp_path: Path, world: PosWorld) -> None:
    path = tmp_path / "T0000001.sqlite"
    killed_file(path, world)
    assert damage_of(path, KEYS, world.now_us) is None, "a killed process leaves no damage"
    log = wal_of(path).read_bytes()
    for name, cut in (("inside", len(log) - 1000), ("behind", len(log) - 3 * 4120), ("a-frame", len(log) - 4120)):
        torn = copied(path, tmp_path / name)
        wal_of(torn).write_bytes(log[:cut])
        done = await mended(torn, world)
        assert done.says.startswith("the last write is torn")
        assert 0 < done.kept < len(world.terminal.entries)
        aside = torn.with_name(done.aside)
        assert wal_of(aside).read_bytes() == log[:cut]
        assert index_of(aside).exists()
        assert not wal_of(torn).exists() or not wal_of(torn).stat().st_size


def unheard(event: str, **facts: object) -> None:
    """A log that nobody reads."""


async def look(path: Path) -> None:
    """What shows a terminal's file without having it in use."""
    with contextlib.suppress(HoldfastError):
        reader = SqliteReader(path)
        await reader.logs()
        await reader.close()


@pytest.mark.parametrize("left", [0.0, 0.3, 0.5, None])
@pytest.mark.parametrize("index", ["as it was", "of an earlier run", "gone"])
async def test_who_looks_at_a_torn_log_leaves_what_shows_it(
    tmp_path: Path, world: PosWorld, left: float | None, index: str
) -> None:
    path = tmp_path / "T0000001.sqlite"
    killed_file(path, world)
    if left is None:
        wal_of(path).unlink()
    else:
        os.truncate(wal_of(path), int(wal_of(path).stat().st_size * left))
    if index == "of an earlier run":
        os.utime(index_of(path), (1, 1))
    elif index == "gone":
        index_of(path).unlink()
    says = damage_said(path, KEYS, world.now_us)
    assert ("the last write is torn" in says) is (index != "gone" or left not in (0.0, None))
    for _ in range(2):
        await look(path)
        assert damage_said(path, KEYS, world.now_us) == says
    if "the last write is torn" in says:
        assert (await mended(path, world, load_again=True)).says in says


@pytest.mark.parametrize("truncated", [True, False])
async def test_a_file_that_is_gone_is_made_anew_from_its_log(
    tmp_path: Path, world: PosWorld, truncated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.runtime.pos.keys_of", lambda _: KEYS)
    path = file_of(tmp_path, "T0000001")
    path.parent.mkdir()
    killed_file(path, world)
    log = wal_of(path).read_bytes()
    path.unlink()
    if truncated:
        path.touch()
        await look(path)
        whole = f"its first {len(world.terminal.entries)} entries are whole"
        assert damage_said(path, KEYS, world.now_us) == f"the journal is damaged ({GONE}): {whole}; `sync` mends it"
    pos = await Pos.open(tmp_path, TerminalSettings("T0000001"), unheard)
    try:
        device = await pos.device()
        assert device is not None
        assert device.mending == GONE
    finally:
        await pos.close()
    (aside,) = path.parent.glob("*.damaged-*.sqlite-wal")
    assert aside.read_bytes() == log


async def test_a_file_of_which_no_log_is_left_asks_to_be_loaded(tmp_path: Path, world: PosWorld) -> None:
    path = file_of(tmp_path, "T0000001")
    await (await Pos.open(tmp_path, TerminalSettings("T0000001"), unheard)).close()
    path.unlink()
    with pytest.raises(RegisterBroken, match=f"{GONE}.*load the terminal again"):
        await Pos.open(tmp_path, TerminalSettings("T0000001"), unheard)
    assert damage_said(path, KEYS, world.now_us).endswith("load the terminal again (`load-key`)")
    await (await Pos.open(tmp_path, TerminalSettings("T0000001"), unheard, load_again=True)).close()
    assert files_of(tmp_path) == [path]


def test_what_the_register_had_to_say_is_plain() -> None:
    assert recovered_in_words(0) == "the register was asked: the journal lacked nothing"
    assert recovered_in_words(1).endswith("something of 1 request, which the register knew")
    assert recovered_in_words(2).endswith("something of 2 requests, which the register knew")


async def test_a_card_or_key_that_does_not_open_any_more_is_left_out(path: Path, world: PosWorld) -> None:
    device, sales, _ = rows(path)
    owed = next(sale for sale in sales.values() if sale.delivery)
    assert owed.pan_sealed is not None
    flip(path, owed.pan_sealed, 5)
    done = await mended(path, world)
    assert done.says == f"the card of {owed.trace_key} does not open"
    assert rows(path)[1] == sales | {owed.trace_key: owed._replace(pan_sealed=None)}
    for name in ("tmk", "mak", "pik"):
        flip(path, getattr(device, name), 9)
        done = await mended(path, world)
        assert done.says == f"the {name.upper()} does not open"
    assert rows(path)[0] == device._replace(tmk=b"", mak=None, pik=None)


async def test_with_the_keys_of_another_nothing_is_touched(path: Path, world: PosWorld) -> None:
    before = whole_of(path)
    others = FileKeys(bytes([1]) * 32, bytes(range(32)))
    with pytest.raises(KeyRefused, match="not those that its journal was written with"):
        await made_sound(path, others, world.now_us, False)
    assert await made_sound(path, others, world.now_us, True) is None
    assert whole_of(path) == before


async def test_where_mending_is_refused_the_damaged_file_stays(
    path: Path, world: PosWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(path, read(path).entries[9].body, 30)
    before = whole_of(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_mend, "_sync", full)
    with pytest.raises(Unreachable, match="cannot be mended"):
        await made_sound(path, KEYS, world.now_us, False)
    assert whole_of(path) == before
    assert noted(path) is None


async def test_it_stays_noted_until_the_terminal_has_recorded_it(path: Path, world: PosWorld) -> None:
    flip(path, read(path).entries[9].body, 30)
    done = await mended(path, world)
    assert await made_sound(path, KEYS, world.now_us, False) == done
    recorded(path)
    assert await made_sound(path, KEYS, world.now_us, False) is None


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE sales SET amount_minor = amount_minor + 1 WHERE kind = 'sale'", "is stored otherwise"),
        ("UPDATE devices SET stan = stan + 1", "the terminal's own row is not what"),
        ("DELETE FROM entries WHERE number = 12", "entry 12 is damaged: it does not follow"),
        ("DELETE FROM entries WHERE number > 10", "has 10 of"),
        ("DELETE FROM logs", "the head of the journal is gone"),
        ("UPDATE logs SET previous = zeroblob(32)", "the head of the journal is not that of its entries"),
        ("INSERT INTO nodes VALUES ('J', 8, 0, zeroblob(32))", "the tree over the journal"),
        ("INSERT INTO checkpoints VALUES ('J', 9000, 'x')", "9000 entries were signed for"),
        ("INSERT INTO checkpoints VALUES ('J', 9, 'x')", "what was signed of 9 entries is damaged"),
        ("UPDATE due SET due_us = due_us + 1000000000000", "what is waited for makes no sense"),
        ("INSERT INTO due VALUES ('answes:x', 1, 0, 1)", "what is waited for makes no sense"),
        ("DROP INDEX sales_by_rrn", "its tables are not defined as they were"),
        ("PRAGMA user_version = 7", "its tables are not defined as they were"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(path: Path, world: PosWorld, statement: str, says: str) -> None:
    change(path, statement)
    done = await mended(path, world)
    assert says in done.says
    assert "\n" not in done.told


async def test_a_file_of_another_holdfast_is_not_judged(path: Path, world: PosWorld) -> None:
    change(path, "ALTER TABLE sales ADD COLUMN more text")
    change(path, "PRAGMA application_id = 5")
    assert await made_sound(path, KEYS, world.now_us, False) is None
