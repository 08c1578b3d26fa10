"""Whether a terminal's journal is whole: its file, its chain, its tree, and the rows that follow from it.

Rule 1: what an entry says counts only behind an unbroken beginning: bytes in their one encoding, their leaf, the number
and the leaf before it.
Rule 2: rows are what the entries make of them (see `domain.journal`). Secrets follow from nothing, so that each is
tried: a key must open, a card number must open and be the one that the entry masks.
Rule 3: nothing is repaired here (see `journal_mend`), and what another Holdfast made is not judged.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.clock import DAY_US
from holdfast.domain.journal import OWED, rebuild, without_secrets
from holdfast.domain.records import DEVICES, SALES, TERMINAL_LOGS, TERMINAL_TABLES, Device, Sale
from holdfast.domain.tables import DUE, Due, Entry
from holdfast.errors import KeyRefused, RegisterBroken, Unreachable
from holdfast.ids import mask_pan
from holdfast.keys.interface import MAK, Keys
from holdfast.parties import mending
from holdfast.parties.advices import TELL
from holdfast.register import checkpoint as notes
from holdfast.register.canonical import decode_strict, leaf_hash
from holdfast.register.tree import EMPTY, HASH_BYTES, append, frontier_bytes, root
from holdfast.store.sqlite_contents import Contents, contents_of
from holdfast.store.sqlite_file import FileLock

(JOURNAL,) = TERMINAL_LOGS

DUE_KINDS = frozenset({"answer", "echo", "forget", "rebuild", "repeat", "reverse", "tell"})
"""What a terminal waits for."""

Facts = dict[str, Any]


class Damage(NamedTuple):
    """What is wrong with a journal, in one line, and its whole beginning: entries, and what they say."""

    says: str
    entries: Sequence[Entry]
    facts: Sequence[Facts]

    @property
    def kept(self) -> int:
        """The number of the last entry that can be kept, 0 for none."""
        return len(self.entries)


def damage_of(path: Path, keys: Keys, now_us: int) -> Damage | None:
    """What is wrong with the journal in a file that nobody has open; None when it is whole or not there yet.

    Unreachable when the file cannot be read, KeyRefused when `keys` are not the ones that it was written with.
    """
    contents = contents_of(path, TERMINAL_TABLES, JOURNAL) if path.exists() else None
    return None if contents is None else judged(contents, keys, now_us)


def damage_said(path: Path, keys: Keys, now_us: int) -> str:
    """What is wrong with a journal that is only looked at, in one line; '' when nothing is, or when it is in use.

    Who uses it has checked it. KeyRefused when `keys` are not the ones that it was written with.
    """
    try:
        lock = FileLock(path)
    except Unreachable:
        return ""
    try:
        damage = damage_of(path, keys, now_us)
    finally:
        lock.release()
    if damage is None:
        return ""
    damaged = f"the journal is damaged ({damage.says})"
    if rebuild(damage.facts)[0] is not None:
        return f"{damaged}: its first {damage.kept} entries are whole; `sync` mends it"
    return f"{damaged}: nothing of it can be read; load the terminal again (`load-key`)"


def judged(contents: Contents, keys: Keys, now_us: int) -> Damage | None:
    """The same of what was read."""
    facts, broken = unbroken(contents.entries)
    complaints = [*contents.complaints, *([broken] if broken else ())]
    if not complaints:
        complaints = list(_complaints_of(contents, facts, keys, now_us))
    if not complaints:
        return None
    return Damage(complaints[0], contents.entries[: len(facts)], facts)


def unbroken(entries: Sequence[Entry]) -> tuple[list[Facts], str]:
    """What the entries of the whole beginning say, and why it ends before the last of them ('' when it does not)."""
    facts: list[Facts] = []
    previous = bytes(HASH_BYTES)
    for number, entry in enumerate(entries, 1):
        try:
            said: Facts = decode_strict(entry.body)
        except RegisterBroken as error:
            return facts, f"entry {number} is damaged: {error}"
        if leaf_hash(entry.body) != entry.leaf:
            return facts, f"entry {number} is damaged: its bytes are not those of its leaf"
        stands = (entry.number, JOURNAL, number, entry.at_us, entry.kind, previous.hex())
        if stands != (number, *(said.get(name) for name in ("log", "number", "at", "kind", "previous"))):
            return facts, f"entry {number} is damaged: it does not follow the one before it"
        facts.append(said)
        previous = entry.leaf
    return facts, ""


def _complaints_of(contents: Contents, facts: Sequence[Facts], keys: Keys, now_us: int) -> Iterator[str]:
    """What is wrong although file and chain are whole, one after the other; later ones count on those before."""
    yield from _tree_complaints(contents)
    device, sales = rebuild(facts)
    stored = {sale.trace_key: sale for sale in contents.rows[SALES]}
    if [without_secrets(row) for row in contents.rows[DEVICES]] != ([] if device is None else [device]):
        yield "the terminal's own row is not what its journal makes of it"
    elif {key: without_secrets(sale) for key, sale in stored.items()} != sales:
        wrong = sorted(key for key in {*stored, *sales} if not _is_same(stored.get(key), sales.get(key)))
        yield f"{wrong[0]} is stored otherwise than its journal says"
    elif contents.rows[DEVICES]:
        yield from _secret_complaints(contents.rows[DEVICES][0], contents.rows[SALES], keys)
        latest_us = max([now_us, *(entry.at_us for entry in contents.entries[-1:])]) + DAY_US
        yield from _due_complaints(contents.rows[DEVICES][0], stored, contents.rows[DUE], latest_us)


def _is_same(stored: Sale | None, made: Sale | None) -> bool:
    return stored is not None and without_secrets(stored) == made


def _tree_complaints(contents: Contents) -> Iterator[str]:
    """The head, the tree, and what was signed of it."""
    head, leaves = contents.head, [entry.leaf for entry in contents.entries]
    if head is None:
        if leaves:
            yield "the head of the journal is gone"
        return
    frontier, nodes = append(EMPTY, leaves)
    if head.size != len(leaves):
        yield f"the journal has {len(leaves)} of {head.size} entries"
    elif head.frontier != frontier_bytes(frontier) or head.previous != (leaves or [bytes(HASH_BYTES)])[-1]:
        yield "the head of the journal is not that of its entries"
    elif sorted(contents.nodes) != sorted(nodes):
        yield "the tree over the journal is not that of its entries"
    frontier, at = EMPTY, 0
    for log, size, signed in contents.checkpoints:
        if size > len(leaves):
            yield f"{size} entries were signed for, and the journal has {len(leaves)}"
            return
        frontier, _ = append(frontier, leaves[at:size])
        at = size
        try:
            said = notes.parse(signed.partition("\n\n")[0].encode() + b"\n")
        except RegisterBroken as error:
            yield f"what was signed of {size} entries is damaged: {error}"
            return
        if said[:3] != (log, size, root(frontier)):
            yield f"what was signed of {size} entries is not what they are"


# --- secrets ------------------------------------------------------------------------------------------------------


def _secret_complaints(device: Device, sales: Sequence[Sale], keys: Keys) -> Iterator[str]:
    """Which keys and card numbers do not open. KeyRefused when not one of several does: then the keys are others."""
    sealed = [sale for sale in sales if sale.pan_sealed is not None]
    cards = [sale.trace_key for sale in sealed if not card_opens(sale.pan_sealed, sale.card, keys)]
    wrong = [f"the card of {key} does not open" for key in cards]
    held = [name for name in OPENED_BY if getattr(device, name)]
    wrong += [f"the {name.upper()} does not open" for name in held if not OPENED_BY[name](getattr(device, name), keys)]
    if len(wrong) > 1 and len(wrong) == len(sealed) + len(held):
        raise KeyRefused(f"the keys of terminal {device.terminal_id} are not those that its journal was written with")
    yield from wrong


def card_opens(sealed: Any, card: str | None, keys: Keys) -> bool:
    """Whether these bytes are a card number, sealed with our keys, that is masked like this."""
    try:
        return mask_pan(keys.decrypt_pan(sealed)) == card
    except (KeyRefused, TypeError):
        return False


def tmk_opens(wrapped: Any, keys: Keys) -> bool:
    """Whether these bytes are a terminal master key, wrapped with our keys."""
    return _opens(lambda: keys.export_under(wrapped, keys.new_working_key(MAK, 8)))


def mak_opens(wrapped: Any, keys: Keys) -> bool:
    """The same of a MAC key."""
    return _opens(lambda: keys.mac(wrapped, "ecb", b""))


def pik_opens(wrapped: Any, keys: Keys) -> bool:
    """The same of a PIN key."""
    return _opens(lambda: keys.pin_block(wrapped, "0000", "0" * 16))


OPENED_BY: dict[str, Callable[[Any, Keys], bool]] = {"tmk": tmk_opens, "mak": mak_opens, "pik": pik_opens}


def _opens(use: Callable[[], object]) -> bool:
    try:
        use()
    except (KeyRefused, TypeError, IndexError):
        return False
    return True


# --- what is waited for -------------------------------------------------------------------------------------------


def owed_dues(device: Device, sales: Iterable[Sale]) -> list[str]:
    """The due rows without which what is open would be taken up by nobody."""
    owed = any(sale.delivery == OWED for sale in sales)
    waits = (
        (device.in_flight, f"answer:{device.in_flight}"),
        (device.reversal, f"reverse:{device.reversal}"),
        (owed, TELL),
        (device.mending, mending.DUE_KEY),
    )
    return [key for waited_for, key in waits if waited_for]


def _due_complaints(device: Device, sales: dict[str, Sale], due: Sequence[Due], latest_us: int) -> Iterator[str]:
    """What is not waited for that must be, or so that it never comes."""
    waiting = {row.key: row for row in due}
    for key in owed_dues(device, sales.values()):
        if key not in waiting:
            yield f"nothing waits for {key}"
    for row in due:
        if row.key.partition(":")[0] not in DUE_KINDS or not (0 <= row.due_us <= latest_us and row.attempts >= 0):
            yield f"what is waited for makes no sense: {row.key!r}"
