"""A damaged journal made sound: its whole beginning goes into a fresh file, and the damaged one is kept.

Rule 1: nothing is thrown away. The damaged file and its log get a telling name and stay beside the journal.
Rule 2: the fresh file is complete and on the disk before the note is written that names it; from then on the mending
only goes forward. Whenever it is interrupted, the damaged file is found again, or the note.
Rule 3: what was waited for is waited for again. Secrets are carried over where they still open.
Rule 4: the note stays until the terminal itself has recorded that it must ask the register.

All of this is done by whoever holds the lock of the file.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from holdfast.clock import SECOND_US
from holdfast.domain.journal import rebuild
from holdfast.domain.records import DEVICES, SALES, TERMINAL_LOGS, TERMINAL_TABLES, Device, Sale
from holdfast.domain.tables import DUE, Due, Write, insert
from holdfast.errors import KeyRefused, RegisterBroken, StoreError, Unreachable
from holdfast.ids import parse_trace_key
from holdfast.keys.interface import Keys
from holdfast.register.tree import append
from holdfast.runtime.journal_check import OPENED_BY, Damage, Facts, card_opens, damage_of, owed_dues
from holdfast.store.interface import Batch
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite_contents import values_of
from holdfast.store.sqlite_wal import cut_unfinished, index_of, wal_of

LEASE_S = 10.0

KEPT = ".damaged-"
"""In the name of every file that is kept."""


class Mended(NamedTuple):
    """What the note says: the last entry that was kept, what was wrong, the name of the damaged file, and that of the
    fresh one, which is gone when it has taken its place.
    """

    kept: int
    says: str
    aside: str
    draft: str

    @property
    def told(self) -> str:
        """For a person."""
        kept = f"kept up to entry {self.kept}" if self.kept else "nothing of it could be kept"
        return f"the journal is damaged ({self.says}): {kept}, the damaged file is {self.aside}"


def note_of(path: Path) -> Path:
    """Where it is noted that a journal was mended and its terminal has not recorded it yet."""
    return path.with_name(f"{path.name}.mended")


def noted(path: Path) -> Mended | None:
    """What the note says, None when there is none."""
    try:
        return Mended(**orjson.loads(note_of(path).read_bytes()))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, TypeError):
        raise RegisterBroken(
            f"{note_of(path)} cannot be read: it says how the journal was mended, call support"
        ) from None


def recorded(path: Path) -> None:
    """The terminal has recorded it: the note is over."""
    note_of(path).unlink(missing_ok=True)
    _sync(path.parent)


def recovered_in_words(count: int) -> str:
    """What the register had to say that the journal did not."""
    if not count:
        return "the register was asked: the journal lacked nothing"
    return f"the journal lacked something of {count} request{'s' * (count > 1)}, which the register knew"


async def made_sound(path: Path, keys: Keys, now_us: int, load_again: bool) -> Mended | None:
    """Check the journal and mend it where it is damaged; what was done, as long as the terminal has not recorded it.

    RegisterBroken when nothing of it can be read, unless the terminal is to be loaded again; Unreachable when it
    cannot be read or mended now: then it is left as it is. KeyRefused when these are not the keys of the terminal.
    """
    try:
        mended = noted(path)
        if mended is not None:
            _put_in_place(path, mended)
        damage = _damage_of(path, keys, now_us, load_again)
        if damage is None:
            # A commit in whose middle the process was killed: the frames that follow must not look like part of it.
            cut_unfinished(path)
            return mended
        if not load_again and rebuild(damage.facts)[0] is None:
            raise RegisterBroken(
                f"terminal file {path} is damaged and nothing of it can be read ({damage.says}): load the terminal "
                "again (`load-key`), which puts the damaged file aside"
            )
        return await _mend(path, damage, keys, now_us)
    except (OSError, StoreError) as error:
        raise Unreachable(f"the journal {path} cannot be mended: {error}; it is left as it is") from error


def _damage_of(path: Path, keys: Keys, now_us: int, load_again: bool) -> Damage | None:
    try:
        return damage_of(path, keys, now_us)
    except KeyRefused:
        # Who loads the terminal again gives it keys that are right.
        if not load_again:
            raise
        return None


async def _mend(path: Path, damage: Damage, keys: Keys, now_us: int) -> Mended:
    stem = _unused_name(path, now_us)
    mended = Mended(damage.kept, damage.says, f"{stem}{path.suffix}", f"{stem}.draft")
    for stale in path.parent.glob(f"{path.stem}{KEPT}*.draft*"):
        stale.unlink()
    draft = path.with_name(mended.draft)
    await _write(draft, damage, _rows_of(path, damage.facts, keys, now_us))
    note = note_of(path)
    half = note.with_name(f"{note.name}.draft")
    half.write_bytes(orjson.dumps(mended._asdict()))
    half.chmod(0o600)
    _sync(half)
    half.replace(note)
    _sync(path.parent)
    _put_in_place(path, mended)
    return mended


def _put_in_place(path: Path, mended: Mended) -> None:
    """The damaged file and its log get their new name, and the fresh file takes the place; done again, it goes on."""
    draft, aside = path.with_name(mended.draft), path.with_name(mended.aside)
    if not draft.exists():
        return
    for old, new in ((wal_of(path), wal_of(aside)), (index_of(path), index_of(aside)), (path, aside)):
        if old.exists():
            old.replace(new)
    _sync(path.parent)
    draft.replace(path)
    _sync(path.parent)


async def _write(draft: Path, damage: Damage, rows: Sequence[Write]) -> None:
    """A file with these entries and rows, complete and on the disk."""
    store = SqliteStore(draft, TERMINAL_TABLES)
    try:
        before = await store.take_log(TERMINAL_LOGS, "terminal", LEASE_S)
        frontier, nodes = append(before.frontier, [entry.leaf for entry in damage.entries])
        previous = damage.entries[-1].leaf if damage.entries else before.previous
        after = before._replace(batch=before.batch + 1, frontier=frontier, previous=previous)
        transaction = await store.begin()
        try:
            await transaction.write(Batch(before, after, damage.entries, nodes, rows))
            await transaction.commit()
        finally:
            await transaction.rollback()
    finally:
        await store.close()
    if wal_of(draft).exists():
        raise StoreError("the fresh file could not be completed")
    draft.with_name(f"{draft.name}.lock").unlink(missing_ok=True)
    _sync(draft)
    _sync(draft.parent)


# --- what follows from the entries, and what follows from nothing ----------------------------------------------------


def _rows_of(path: Path, facts: Sequence[Facts], keys: Keys, now_us: int) -> list[Write]:
    """The rows of the fresh file."""
    device, sales = rebuild(facts)
    if device is None:
        return []
    device = _with_keys(path, device, keys)
    sales = _with_cards(path, sales, keys)
    waited = [*owed_dues(device, sales.values()), *_forgotten_late(facts, sales)]
    return [
        insert(DEVICES, device),
        *(insert(SALES, sale) for sale in sales.values()),
        *(insert(DUE, Due(key, now_us, 0, now_us)) for key in waited),
    ]


def _with_keys(path: Path, device: Device, keys: Keys) -> Device:
    """The terminal with its keys, as far as they still open. Without its master key it must be loaded again."""
    names = tuple(OPENED_BY)
    wrapped = values_of(path, DEVICES, names, [device.terminal_id]).get(device.terminal_id, (None,) * len(names))
    whole = {name: key for name, key in zip(names, wrapped, strict=True) if key and OPENED_BY[name](key, keys)}
    return device._replace(**{"tmk": b"", "mak": None, "pik": None, **whole})


def _with_cards(path: Path, sales: dict[str, Sale], keys: Keys) -> dict[str, Sale]:
    """The requests with their card numbers, as far as these still open."""
    sealed = values_of(path, SALES, ("pan_sealed",), list(sales))
    return {
        key: sale._replace(pan_sealed=sealed[key][0])
        if key in sealed and sale.outcome != "reversed" and card_opens(sealed[key][0], sale.card, keys)
        else sale
        for key, sale in sales.items()
    }


def _forgotten_late(facts: Sequence[Facts], sales: dict[str, Sale]) -> list[str]:
    """Batches that were closed, and whose card numbers were not all dropped yet."""
    closed = {parse_trace_key(said["trace_key"]).batch for said in facts if said.get("phase") == "closed"}
    return [f"forget:{batch}" for batch in sorted(closed) if any(_is_kept(sale, batch) for sale in sales.values())]


def _is_kept(sale: Sale, batch: str) -> bool:
    return sale.batch == batch and sale.pan_sealed is not None


# --- files --------------------------------------------------------------------------------------------------------


def _unused_name(path: Path, now_us: int) -> str:
    """`T0000001.damaged-20261122-213405`, or with a number behind it when that is taken."""
    moment = datetime.fromtimestamp(now_us // SECOND_US, UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{path.stem}{KEPT}{moment}"
    count = 1
    while path.with_name(f"{name}{path.suffix}").exists():
        count += 1
        name = f"{path.stem}{KEPT}{moment}-{count}"
    return name


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
