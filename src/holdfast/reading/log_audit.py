"""One log against itself: its numbers, its bytes, its tree and its signed checkpoints.

Rule 1: everything is computed again from the stored bytes; what is stored beside them is only compared.
Rule 2: entries come in chunks and are handed on once they are checked, so that no log is ever in memory as a whole.
Rule 3: all roots are those of one rebuilt tree, so checkpoints that equal it are consistent with each other.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

from holdfast.domain.tables import Entry, Table
from holdfast.errors import RegisterBroken
from holdfast.ids import entry_id
from holdfast.reading.rebuild import Facts
from holdfast.register import checkpoint as notes
from holdfast.register.canonical import decode_strict, leaf_hash
from holdfast.register.tree import EMPTY, HASH_BYTES, Node, append, root
from holdfast.store.columns import CheckpointRow
from holdfast.store.interface import Checkpoint, LogState, Reader

ENTRIES_AT_ONCE = 1024
"""About half a megabyte, and four stored nodes of the tree."""

CHECKPOINT_ROWS = Table("checkpoints", CheckpointRow)
"""What a store keeps for itself, read as a table: a reader has no other way to list the checkpoints of a range."""


class Problems:
    """What is wrong, one sentence each; after `TOLD_MAX` they are only counted."""

    TOLD_MAX = 1000

    def __init__(self) -> None:
        self._told: list[str] = []
        self._more = 0

    def add(self, sentence: str) -> None:
        """One more."""
        if len(self._told) < self.TOLD_MAX:
            self._told.append(sentence)
        else:
            self._more += 1

    def told(self) -> list[str]:
        """All of them, the rest as a number."""
        return [*self._told, *([f"and {self._more} more"] if self._more else [])]


class LogAudit:
    """One log, checked as far as it was followed. `size` counts the entries that should be there by then."""

    def __init__(
        self, reader: Reader, log: str, public_key: bytes, problems: Problems, kept: Mapping[int, notes.Checkpoint]
    ) -> None:
        self._reader = reader
        self._public_key = public_key
        self._problems = problems
        self._kept = kept
        """Checkpoints that lay outside the database, by size, their signatures verified."""
        self._tree = EMPTY
        self._leaf = bytes(HASH_BYTES)
        self._whole = True
        """No entry is missing so far; after a gap the tree cannot be rebuilt."""
        self._agreed_at = 0
        """The last size at which the tree was compared and agreed."""
        self._agrees = True
        """Whether it still does; a difference is told once."""
        self.log = log
        self.size = 0
        self.root = root(EMPTY)

    async def follow(self, head: LogState) -> AsyncIterator[Facts]:
        """Check the entries up to a head of this log, and yield what they say, in order."""
        newest = await self._reader.checkpoint(self.log, 0)
        while self.size < head.frontier.size:
            first, last = self.size + 1, min(self.size + ENTRIES_AT_ONCE, head.frontier.size)
            entries = await self._reader.entries(self.log, first, last)
            if not entries:
                last = head.frontier.size
            self._tell_missing(entries, first, last)
            for entry in entries:
                facts = self._checked(entry)
                if facts is not None:
                    yield facts
            await self._grow(entries, first, last, newest)
            self.size = last
        self._compare_with(head)

    async def beyond(self, ended_at: int | None) -> None:
        """Nothing may lie beyond the end of the log: no entry, and no checkpoint that was signed for a longer one.

        A log that a restore ended at some size stays as it is; what it lost is told by whoever has the restore's note.
        """
        newest = await self._reader.checkpoint(self.log, self.size + 1)
        entries = await self._reader.entries(self.log, self.size + 1, self.size + ENTRIES_AT_ONCE)
        sizes = {head.log: head.frontier.size for head in await self._reader.logs()}
        end = sizes.get(self.log, 0)
        for entry in entries:
            if entry.number > end:
                self._problems.add(f"{self._id(entry.number)} lies beyond the end of log {self.log} at {end}")
        if ended_at is not None:
            if ended_at != end:
                self._problems.add(f"log {self.log} has {end} entries, but a restore ended it at {ended_at}")
            return
        signed = max(newest.size if newest is not None else 0, *self._kept, 0)
        if signed > end:
            self._problems.add(
                f"log {self.log} ends at {end}, but a checkpoint of {signed} entries was signed: "
                f"{self._ids(end + 1, signed)} cut off"
            )

    # --- entries --------------------------------------------------------------------------------------------------

    def _tell_missing(self, entries: Sequence[Entry], first: int, last: int) -> None:
        expected = first
        for number in [*(entry.number for entry in entries), last + 1]:
            if number > expected:
                self._whole = False
                self._problems.add(f"{self._ids(expected, number - 1)} missing")
            expected = number + 1

    def _checked(self, entry: Entry) -> Facts | None:
        """What the entry says; None when its bytes say nothing that can be used."""
        name = self._id(entry.number)
        if leaf_hash(entry.body) != entry.leaf:
            self._problems.add(f"{name}: bytes changed: leaf does not match")
        try:
            facts = decode_strict(entry.body)
        except RegisterBroken as broken:
            self._problems.add(f"{name}: {broken}")
            return None
        if (facts.get("log"), facts.get("number")) != (self.log, entry.number):
            self._problems.add(f"{name}: out of its place: its bytes are those of {_said_id(facts)}")
            return None
        for column, stored, said in (("at_us", entry.at_us, facts.get("at")), ("kind", entry.kind, facts.get("kind"))):
            if stored != said:
                self._problems.add(f"{name}: column {column} is {stored!r}, its bytes say {said!r}")
        if not (_is_number(facts.get("at")) and isinstance(facts.get("kind"), str)):
            self._problems.add(f"{name}: its bytes say neither when nor what it was")
            return None
        return facts

    # --- tree -----------------------------------------------------------------------------------------------------

    async def _grow(self, entries: Sequence[Entry], first: int, last: int, newest: Checkpoint | None) -> None:
        """Add the entries to the tree, and compare it with the checkpoints and the stored nodes on the way."""
        signed = await self._checkpoints(first, last, newest)
        if not self._whole:
            return
        leaves = [leaf_hash(entry.body) for entry in entries]
        nodes: list[Node] = []
        at = first - 1
        for size in sorted({*(size for size in signed if first <= size <= last), last}):
            self._tree, complete = append(self._tree, leaves[at - first + 1 : size - first + 1])
            nodes += complete
            if size in signed:
                self._agree(signed[size].root == root(self._tree), f"checkpoint of {size} entries", size)
            at = size
        self._leaf = leaves[-1]
        await self._compare_nodes(nodes)

    async def _checkpoints(self, first: int, last: int, newest: Checkpoint | None) -> dict[int, notes.Checkpoint]:
        """The checkpoints for these sizes whose signatures hold, by size."""
        found = await self._reader.select(CHECKPOINT_ROWS, {"log": self.log}, ("size", first, last + 1), order="size")
        stored = {row.size: row.signed for row in reversed(found)}
        if newest is not None and first <= newest.size <= last:
            stored[newest.size] = newest.signed
        verified = {}
        for size, signed in stored.items():
            name = f"checkpoint of log {self.log} at {size} entries"
            try:
                said = notes.verify(signed, self._public_key)
            except RegisterBroken as broken:
                self._problems.add(f"{name}: {broken}")
                continue
            if (said.log, said.size) != (self.log, size):
                self._problems.add(f"{name}: it is signed for log {said.log} at {said.size}")
                continue
            verified[size] = said
        # What lay outside goes before what whoever wrote the entries could have written too.
        return verified | {size: said for size, said in self._kept.items() if first <= size <= last}

    async def _compare_nodes(self, nodes: Sequence[Node]) -> None:
        for level in sorted({node.level for node in nodes}):
            made = [node for node in nodes if node.level == level]
            stored = await self._reader.nodes(self.log, level, made[0].index, made[-1].index)
            if len(stored) != len(made):
                first, last = _leaves_below(made[0])[0], _leaves_below(made[-1])[1]
                self._problems.add(
                    f"tree of log {self.log}: stored nodes over {self._ids(first, last, '')} are missing"
                )
                continue
            for node, hashed in zip(made, stored, strict=True):
                if node.hash != hashed:
                    under = self._ids(*_leaves_below(node), "")
                    self._problems.add(f"tree of log {self.log}: the stored node over {under} is not the rebuilt one")

    def _compare_with(self, head: LogState) -> None:
        """The head of the log as it was read, against what was rebuilt up to it."""
        self.root = root(head.frontier)
        if not self._whole:
            return
        self._agree(self._tree == head.frontier, f"head of log {self.log}", head.frontier.size)
        if self._agrees and head.previous != self._leaf:
            self._problems.add(f"head of log {self.log}: it names another last leaf than {self._id(self.size)} has")

    def _agree(self, agrees: bool, what: str, size: int) -> None:
        if agrees:
            self._agreed_at = size
        elif self._agrees:
            self._agrees = False
            ids = self._ids(min(self._agreed_at + 1, size), size, "")
            self._problems.add(f"{ids}: changed or in another order: the rebuilt tree is not that of the {what}")

    # --- names ----------------------------------------------------------------------------------------------------

    def _id(self, number: int) -> str:
        return entry_id(self.log, number)

    def _ids(self, first: int, last: int, verb: str = "is are") -> str:
        """`A-000123 is` or `A-000123 to A-000130 are`."""
        one, _, many = verb.partition(" ")
        if first == last:
            return f"{self._id(first)} {one}".rstrip()
        return f"{self._id(first)} to {self._id(last)} {many}".rstrip()


def _leaves_below(node: Node) -> tuple[int, int]:
    """The first and the last entry number under a node."""
    return (node.index << node.level) + 1, node.index + 1 << node.level


def _said_id(facts: Facts) -> str:
    log, number = facts.get("log"), facts.get("number")
    return entry_id(log, number) if isinstance(log, str) and isinstance(number, int) else "no entry"


def _is_number(value: object) -> bool:
    return type(value) is int
